//! What was met in a run, counted: a run that did not meet everything shows nothing.

use crate::kinds::{ANSWERS, COMMANDS, FACTS, RECORDS};
use std::collections::BTreeMap;

/// Faults, rows of the recovery table, and kinds of work.
const WANTED: [&str; 51] = [
    "life ended: closed",
    "life ended: closed at once",
    "life ended: killed",
    "life ended: power cut",
    "life ended: failed disk",
    "fault: fsync failed",
    "fault: write failed",
    "fault: disk full, definite refusals",
    "fault: disk full, resumed",
    "fault: clock back",
    "fault: clock forward, held",
    "fault: clock back between two lives",
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
    "asked after a life: what was told to have ended has ended",
    "sent again: was lost unanswered",
    "story: usage",
    "story: batch",
    "story: event again",
    "story: correction",
    "story: grant",
    "story: transfer",
    "story: account, its clock, table or periods",
    "story: void or replacement",
    "story: policy or suspension",
    "story: reservation",
    "story: work with a reservation",
    "story: time passed",
    "story: sweep",
    "story: lost calls taken back",
    "story: restored account by account",
    "lived twice: the same bytes",
];

/// How often each.
pub struct Seen(BTreeMap<&'static str, u64>);

/// All that a run has to meet.
fn wanted() -> impl Iterator<Item = &'static str> {
    [&WANTED[..], RECORDS, FACTS, COMMANDS, ANSWERS].into_iter().flatten().copied()
}

impl Default for Seen {
    fn default() -> Seen {
        Seen(wanted().map(|what| (what, 0)).collect())
    }
}

impl Seen {
    pub fn note(&mut self, what: &'static str) {
        *self.0.get_mut(what).unwrap_or_else(|| panic!("{what} is not on the list")) += 1;
    }

    /// What another met besides.
    pub fn add(&mut self, other: &Seen) {
        for (what, times) in &other.0 {
            *self.0.get_mut(what).expect("both begin with the same list") += times;
        }
    }

    pub fn kinds(&self) -> usize {
        self.0.len()
    }

    pub fn times(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub fn print(&self) {
        for what in wanted() {
            eprintln!("{:>9}  {what}", self.times(what));
        }
    }

    /// What was met less often than `least`.
    pub fn rarer_than(&self, least: u64) -> Vec<&'static str> {
        wanted().filter(|what| self.times(what) < least).collect()
    }
}
