//! Every decoder of the engine behind one form, for hostile bytes.
//!
//! A target takes bytes and tells whether they were taken. It must not panic, whatever they are; what
//! was taken it holds against a law (a replay gives the same digest, a folder opens as it was).
//! `tests/corpus.rs` runs the corpus and mutations of it, `coverage/` lets libFuzzer look for more.

#![forbid(unsafe_code)]

pub mod base;
pub mod core_targets;
pub mod folder_targets;
pub mod mutation;
pub mod story_target;
pub mod wire_targets;

/// One decoder.
pub struct Target {
    pub name: &'static str,
    /// Whether the bytes were taken. Panics where a law does not hold.
    pub run: fn(&[u8]) -> bool,
    /// Bytes that are taken, by file name: what the corpus began with.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

pub const TARGETS: [Target; 11] = [
    wire_targets::USAGE_BATCH,
    wire_targets::CHECKS,
    wire_targets::ACK,
    core_targets::COMMANDS,
    core_targets::QUERY,
    core_targets::JOURNAL_RECORDS,
    core_targets::ACCOUNT_IMAGE,
    core_targets::GLOBAL_IMAGE,
    folder_targets::FOLDER,
    folder_targets::RESTORE,
    story_target::STORY,
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
