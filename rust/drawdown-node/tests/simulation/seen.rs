//! What was met in a run, counted: a run that did not meet everything shows nothing.

use std::collections::BTreeMap;

/// Faults, rows of the recovery table, and kinds of work.
pub const WANTED: [&str; 45] = [
    "life ended: closed",
    "life ended: killed",
    "life ended: power cut",
    "life ended: failed disk",
    "fault: fsync failed",
    "fault: write failed",
    "fault: disk full, definite refusals",
    "fault: disk full, resumed",
    "fault: clock back",
    "fault: clock forward, held",
    "fault: power cut in recovery",
    "fault: power cut on a copy",
    "fault: power cut, answers not waiting for the disk",
    "remote: full pass",
    "remote: incremental pass",
    "remote: pass given up",
    "remote: lost",
    "recovery: torn tail, repaired",
    "recovery: from a checkpoint",
    "recovery: from the journal alone",
    "recovery: newest checkpoint damaged",
    "recovery: all checkpoints damaged",
    "recovery: no checkpoint of a restored folder, refused",
    "recovery: damaged middle, refused",
    "recovery: sector of the middle gone, refused",
    "recovery: damaged middle covered by a checkpoint",
    "recovery: second owner, refused",
    "recovery: restore over a folder in use, refused",
    "recovery: restored from the remote",
    "recovery: restored from a stale remote",
    "swept: expired grants",
    "sent again: was lost unanswered",
    "story: usage",
    "story: batch",
    "story: event again",
    "story: correction",
    "story: grant",
    "story: void or replacement",
    "story: policy or suspension",
    "story: reservation",
    "story: work with a reservation",
    "story: time passed",
    "story: sweep",
    "story: lost calls taken back",
    "story: restored account by account",
];

#[derive(Default)]
pub struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    pub fn note(&mut self, what: &'static str) {
        assert!(WANTED.contains(&what), "{what} is not on the list");
        *self.0.entry(what).or_default() += 1;
    }

    pub fn times(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub fn print(&self) {
        for what in WANTED {
            eprintln!("{:>9}  {what}", self.times(what));
        }
    }

    /// What was met less often than `least`.
    pub fn rarer_than(&self, least: u64) -> Vec<&'static str> {
        WANTED.into_iter().filter(|what| self.times(what) < least).collect()
    }
}
