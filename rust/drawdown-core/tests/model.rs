//! The engine against the reference ledger: random stories, compared after every step.

#[path = "model/account_story.rs"]
mod account_story;
#[path = "model/accounts.rs"]
mod accounts;
#[path = "model/aggregates.rs"]
mod aggregates;
#[path = "model/commands.rs"]
mod commands;
#[path = "model/correction_story.rs"]
mod correction_story;
#[path = "model/corrections.rs"]
mod corrections;
#[path = "model/grants.rs"]
mod grants;
#[path = "model/hold_story.rs"]
#[allow(dead_code, reason = "equivalences.rs reads the rest")]
mod hold_story;
#[path = "model/holds.rs"]
mod holds;
#[path = "model/ledger.rs"]
mod ledger;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/prices.rs"]
mod prices;
#[path = "model/story.rs"]
#[allow(dead_code, reason = "equivalences.rs reads the rest")]
mod story;
#[path = "model/told.rs"]
mod told;
#[path = "model/zero.rs"]
mod zero;

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

proptest! {
    #![proptest_config(config(800))]

    #[test]
    fn engine_and_reference_agree(ops in prop::collection::vec(ops::op(), 1..60)) {
        let mut story = Story::new();
        for op in &ops {
            story.tell(op);
            story.compare();
        }
        story.let_all_lapse();
    }
}
