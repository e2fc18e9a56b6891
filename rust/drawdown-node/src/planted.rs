//! Bugs planted on purpose in this crate; see `drawdown_core::planted`.

/// The planted bugs of this build; empty in every build that is for use.
pub const PLANTED: &[&str] = &[
    #[cfg(feature = "planted-answer-before-sync")]
    "answer-before-sync",
    #[cfg(feature = "planted-sync-skipped")]
    "sync-skipped",
    #[cfg(feature = "planted-no-folder-sync")]
    "no-folder-sync",
    #[cfg(feature = "planted-damage-cut-off")]
    "damage-cut-off",
    #[cfg(feature = "planted-sync-retried")]
    "sync-retried",
    #[cfg(feature = "planted-second-engine")]
    "second-engine",
    #[cfg(feature = "planted-stale-snapshot-wins")]
    "stale-snapshot-wins",
    #[cfg(feature = "planted-read-before-durable")]
    "read-before-durable",
    #[cfg(feature = "planted-stamp-not-kept")]
    "stamp-not-kept",
    #[cfg(feature = "planted-told-before-moved")]
    "told-before-moved",
    #[cfg(feature = "planted-woken-without-gate")]
    "woken-without-gate",
    #[cfg(feature = "planted-sleep-after-look")]
    "sleep-after-look",
];

const _: () = assert!(PLANTED.is_empty() || cfg!(debug_assertions), "a planted bug has no place in a release build");
