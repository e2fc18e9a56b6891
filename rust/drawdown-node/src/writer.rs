//! The state behind the lock: the engine, and the groups it fills.

use crate::clock::StampRule;
use crate::commit::Group;
use crate::drain_rate::DrainRate;
use drawdown_core::Engine;
use std::collections::VecDeque;

/// Emptied buffers kept for the next groups; more than this at once means a slow disk.
const SPARE_GROUPS_MAX: usize = 3;
/// A batch is appended after the look at the limit, so a group may grow past it by one batch.
const GROUP_SLACK_BYTES: usize = 2 << 20;

pub(crate) struct Writer {
    pub(crate) engine: Engine,
    pub(crate) stamps: StampRule,
    /// The newest stamp that the journal has or will have: of the last record.
    kept_stamp_us: i64,
    pub(crate) open: Group,
    closed: VecDeque<Group>,
    spare: Vec<Group>,
    group_bytes_max: u64,
    /// Records applied and not yet written: open, closed and in flight.
    pub(crate) pending_bytes: u64,
    pub(crate) drain: DrainRate,
    /// The commit thread sleeps and wants to be woken.
    pub(crate) committer_waits: bool,
    /// No change is taken any more.
    pub(crate) closing: bool,
}

impl Writer {
    pub(crate) fn new(engine: Engine, stamps: StampRule, group_bytes_max: u64) -> Writer {
        Writer {
            kept_stamp_us: engine.stamp(),
            engine,
            stamps,
            open: Group::new(capacity_for(group_bytes_max)),
            closed: VecDeque::new(),
            spare: Vec::new(),
            group_bytes_max,
            pending_bytes: 0,
            drain: DrainRate::default(),
            committer_waits: false,
            closing: false,
        }
    }

    pub(crate) fn applied_seq(&self) -> u64 {
        self.engine.next_seq() - 1
    }

    /// Let `change` append records and take note of what it did. Bytes that no seq belongs to
    /// (a batch of refusals writes only its stamp) are dropped again, unless an answer shows what that
    /// stamp ended.
    pub(crate) fn append<R>(&mut self, stamp_us: i64, change: impl FnOnce(&mut Engine, &mut Vec<u8>) -> R) -> R {
        let result = self.append_noted(stamp_us, change);
        self.keep_lived(stamp_us);
        result
    }

    /// Write down the stamp of now if something ended or began by time that no journaled stamp has come to.
    pub(crate) fn keep_lived(&mut self, stamp_us: i64) {
        if self.engine.lived_to() > self.kept_stamp_us && !cfg!(feature = "planted-stamp-not-kept") {
            self.append_noted(stamp_us, |engine, journal| engine.keep_stamp(stamp_us, journal));
        }
    }

    fn append_noted<R>(&mut self, stamp_us: i64, change: impl FnOnce(&mut Engine, &mut Vec<u8>) -> R) -> R {
        let first_seq = self.engine.next_seq();
        let before = self.open.body_bytes();
        let result = change(&mut self.engine, self.open.records());
        let last_seq = self.engine.next_seq() - 1;
        if last_seq < first_seq {
            self.open.drop_unnoted();
            return result;
        }
        self.kept_stamp_us = self.engine.stamp();
        self.open.took(first_seq, last_seq, stamp_us);
        self.pending_bytes += self.open.body_bytes() - before;
        if self.open.body_bytes() >= self.group_bytes_max {
            self.close_open();
        }
        result
    }

    fn close_open(&mut self) {
        let next = self.spare.pop().unwrap_or_else(|| Group::new(capacity_for(self.group_bytes_max)));
        self.closed.push_back(std::mem::replace(&mut self.open, next));
    }

    /// The oldest group with records; it is in flight until given back.
    pub(crate) fn take_group(&mut self) -> Option<Group> {
        if self.closed.is_empty() && !self.open.is_empty() {
            self.close_open();
        }
        self.closed.pop_front()
    }

    /// A group was written.
    pub(crate) fn give_back(&mut self, mut group: Group, record_bytes: u64) {
        self.pending_bytes -= record_bytes;
        let usual = capacity_for(self.group_bytes_max);
        if self.spare.len() < SPARE_GROUPS_MAX && group.capacity() <= 2 * usual {
            group.reset();
            self.spare.push(group);
        }
    }

    /// A group could not be written for want of space and waits again, before all others.
    pub(crate) fn put_back(&mut self, group: Group) {
        self.closed.push_front(group);
    }
}

fn capacity_for(group_bytes_max: u64) -> usize {
    usize::try_from(group_bytes_max).unwrap_or(usize::MAX / 2) + GROUP_SLACK_BYTES
}
