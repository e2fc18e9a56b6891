//! Counters of what the node did, for metrics and for people.

use crate::node::Shared;
use crate::segment::segments;
use crate::sync::AtomicU64;
use serde::Serialize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

/// Upper ends of the fsync buckets in microseconds; a last bucket takes the rest.
pub const FSYNC_BUCKETS_US: [u64; 14] =
    [50, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000, 50_000, 200_000, 1_000_000];

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) groups: AtomicU64,
    pub(crate) seals: AtomicU64,
    /// Bytes of records, without headers and padding.
    pub(crate) record_bytes: AtomicU64,
    /// Bytes written to the journal.
    pub(crate) journal_bytes: AtomicU64,
    pub(crate) segments_begun: AtomicU64,
    /// The segment being written; 0: none. Set before its file has its name.
    pub(crate) segment_first_seq: AtomicU64,
    /// Bytes of it that never change any more.
    pub(crate) segment_end: AtomicU64,
    fsync: [AtomicU64; FSYNC_BUCKETS_US.len() + 1],
    fsync_total_us: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    image_hold_max_us: AtomicU64,
}

impl Counters {
    /// Another segment is begun, with `end` 0, or more of the same is as it will stay. Whoever reads first
    /// seq, then end, and the same first seq again has an end that is not beyond what is settled.
    pub(crate) fn settled(&self, first_seq: u64, end: u64) {
        self.segment_end.store(end, SeqCst);
        self.segment_first_seq.store(first_seq, SeqCst);
    }

    pub(crate) fn synced(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = FSYNC_BUCKETS_US.partition_point(|&end| end < us);
        self.fsync[bucket].fetch_add(1, Relaxed);
        self.fsync_total_us.fetch_add(us, Relaxed);
    }

    /// The writer stood still this long while accounts were imaged.
    pub(crate) fn imaged(&self, held: Duration) {
        self.image_hold_max_us.fetch_max(u64::try_from(held.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn fsync_counts(&self) -> Vec<u64> {
        self.fsync.iter().map(|bucket| bucket.load(Relaxed)).collect()
    }

    pub(crate) fn fsync_total_us(&self) -> u64 {
        self.fsync_total_us.load(Relaxed)
    }
}

/// What the node did and how it stands, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeStats {
    pub applied_seq: u64,
    pub written_seq: u64,
    pub durable_seq: u64,
    pub groups: u64,
    pub seals: u64,
    pub record_bytes: u64,
    pub journal_bytes: u64,
    /// Records applied and not yet written.
    pub pending_bytes: u64,
    /// With more than this waiting usage is shed: what is written within 50 ms at the rate of now.
    pub queue_bytes_max: u64,
    /// Record bytes per second that become durable while records wait; 0 before the first.
    pub drain_bytes_per_s: u64,
    /// Counts per bucket of `fsync_buckets_us`, and one more for what took longer.
    pub fsync_counts: Vec<u64>,
    pub fsync_buckets_us: Vec<u64>,
    pub fsync_total_us: u64,
    /// Segments begun since the node was opened.
    pub segments_begun: u64,
    /// First seq of the segment being written, 0: none; whoever copies the folder leaves later ones out.
    pub segment_first_seq: u64,
    /// Bytes of that segment that never change any more.
    pub segment_end: u64,
    /// Segments that recovery would have to look at.
    pub segments: u64,
    pub segments_ready: u64,
    pub checkpoints: u64,
    pub checkpoint_failures: u64,
    /// Replay would start behind this seq; 0 without a checkpoint.
    pub checkpoint_seq: u64,
    pub checkpoint_age_s: Option<u64>,
    pub checkpoint_error: Option<String>,
    /// The longest the writer stood still for images since the start, checkpoints and remote passes.
    pub image_hold_max_us: u64,
    /// Journal bytes since the last checkpoint began.
    pub checkpoint_journal_bytes: u64,
    /// Why new work is refused for want of space.
    pub read_only: Option<String>,
    pub halted: Option<String>,
    /// How far the wall clock stands from the stamps while it is not followed, microseconds.
    pub clock_held_us: Option<i64>,
    pub epoch: u64,
}

impl NodeStats {
    pub(crate) fn of(shared: &Shared) -> NodeStats {
        let writer = shared.writer.lock();
        let (applied_seq, pending_bytes, clock_held_us) =
            (writer.applied_seq(), writer.pending_bytes, writer.stamps.held_step_us());
        let (queue_bytes_max, drain_bytes_per_s) = (shared.usage_bytes_max(&writer), writer.drain.bytes_per_s());
        drop(writer);
        let counters = &shared.counters;
        let journal_bytes = counters.journal_bytes.load(Relaxed);
        let listed = segments(&*shared.environment.disk).unwrap_or_default();
        let checkpoint = shared.checkpoint_status.lock();
        NodeStats {
            applied_seq,
            written_seq: shared.progress.written(),
            durable_seq: shared.progress.durable(),
            groups: counters.groups.load(Relaxed),
            seals: counters.seals.load(Relaxed),
            record_bytes: counters.record_bytes.load(Relaxed),
            journal_bytes,
            pending_bytes,
            queue_bytes_max,
            drain_bytes_per_s,
            fsync_counts: counters.fsync_counts(),
            fsync_buckets_us: FSYNC_BUCKETS_US.to_vec(),
            fsync_total_us: counters.fsync_total_us(),
            segments_begun: counters.segments_begun.load(Relaxed),
            segment_first_seq: counters.segment_first_seq.load(SeqCst),
            segment_end: counters.segment_end.load(SeqCst),
            segments: listed.iter().filter(|name| !name.archived).count() as u64,
            segments_ready: shared.supply.ready_count() as u64,
            checkpoints: counters.checkpoints.load(Relaxed),
            checkpoint_failures: counters.checkpoint_failures.load(Relaxed),
            checkpoint_seq: checkpoint.start_seq,
            checkpoint_age_s: checkpoint.taken.map(|taken| taken.elapsed().as_secs()),
            checkpoint_error: checkpoint.error.clone(),
            image_hold_max_us: counters.image_hold_max_us.load(Relaxed),
            checkpoint_journal_bytes: journal_bytes.saturating_sub(checkpoint.journal_bytes_mark),
            read_only: shared.supply.shortage(),
            halted: shared.halted.lock().as_ref().map(|fatal| fatal.what.clone()),
            clock_held_us,
            epoch: shared.meta.epoch,
        }
    }
}
