//! The engine against the reference ledger: random stories, compared after every step.

#[path = "model/mod.rs"]
mod model;

use model::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};
use story::Story;

/// The same stories on every run; more of them, and others, with `PROPTEST_CASES`.
fn config(cases: u32) -> Config {
    let is_wide = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if is_wide { Config::default().cases } else { cases };
    let rng_seed = if is_wide { RngSeed::Random } else { RngSeed::Fixed(2) };
    Config { cases, rng_seed, rng_algorithm: RngAlgorithm::ChaCha, failure_persistence: None, ..Config::default() }
}

/// Miri takes seconds per step and its comparison.
const STEPS: usize = if cfg!(miri) { 12 } else { 60 };

proptest! {
    #![proptest_config(config(800))]

    #[test]
    fn engine_and_reference_agree(ops in prop::collection::vec(ops::op(), 1..STEPS)) {
        let mut story = Story::new();
        for op in &ops {
            story.tell(op);
            story.compare();
        }
        story.let_all_lapse();
    }
}
