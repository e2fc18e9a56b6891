//! Bugs planted on purpose, one cargo feature each, so that the suites can show that they would
//! catch them (`python -m tests.stress.planted_bugs`). A release build with one does not compile.

/// The planted bugs that this build has; empty in every build that is for use.
pub const PLANTED: &[&str] = &[
    #[cfg(feature = "planted-keys-out-of-snapshots")]
    "keys-out-of-snapshots",
    #[cfg(feature = "planted-refused-id-remembered")]
    "refused-id-remembered",
    #[cfg(feature = "planted-image-seq-off-by-one")]
    "image-seq-off-by-one",
    #[cfg(feature = "planted-expiry-repeated")]
    "expiry-repeated",
    #[cfg(feature = "planted-clock-steps-back")]
    "clock-steps-back",
    #[cfg(feature = "planted-check-then-act")]
    "check-then-act",
    #[cfg(feature = "planted-wrapping-add")]
    "wrapping-add",
    #[cfg(feature = "planted-forgotten-id-accepted")]
    "forgotten-id-accepted",
];

const _: () = assert!(PLANTED.is_empty() || cfg!(debug_assertions), "a planted bug has no place in a release build");

#[cfg(feature = "planted-check-then-act")]
pub(crate) use check_then_act::act_on;

#[cfg(feature = "planted-check-then-act")]
mod check_then_act {
    use crate::engine::Engine;
    use crate::usage::{Subject, UsageEvent};

    /// The batch as one would send it who looks at the balances first and debits later.
    pub(crate) fn act_on<'a>(engine: &Engine, events: &[UsageEvent<'a>], stamp_us: i64) -> Vec<UsageEvent<'a>> {
        let checked = |event: &UsageEvent<'a>| match event.subject {
            Subject::Meter(meter) => {
                engine.check(event.account_id, meter, event.quantity, event.dimensions, stamp_us).is_allowed()
            }
            Subject::CreditType(_) => false,
        };
        events.iter().map(|event| UsageEvent { force: event.force || checked(event), ..*event }).collect()
    }
}
