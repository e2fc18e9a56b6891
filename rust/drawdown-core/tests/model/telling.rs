//! Stories for properties: how many, of what, and told.

use crate::ops::{self, Op};
use crate::story::Story;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

/// The same cases on every run; more of them, and others, with `PROPTEST_CASES`.
pub fn config(cases: u32) -> Config {
    let is_wide = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if is_wide { Config::default().cases } else { cases };
    let rng_seed = if is_wide { RngSeed::Random } else { RngSeed::Fixed(3) };
    Config {
        cases,
        rng_seed,
        rng_algorithm: RngAlgorithm::ChaCha,
        failure_persistence: None,
        max_shrink_time: 10_000,
        ..Config::default()
    }
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    // Miri takes seconds per step.
    prop::collection::vec(ops::op(), 1..if cfg!(miri) { 8 } else { 50 })
}

pub fn told(ops: &[Op]) -> Story {
    let mut story = Story::new();
    ops.iter().for_each(|op| story.tell(op));
    story
}
