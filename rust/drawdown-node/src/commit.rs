//! Groups, and the one place that writes the journal.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES, padded};
use crate::disk::{Disk, DiskFile};
use crate::error::Fatal;
use crate::faults;
use crate::frame::{FRAME_HEADER_BYTES, FRAME_TRAILER, FrameHeader, FrameKind, chain_after};
use crate::meta::StoreId;
use crate::progress::Progress;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::settings::FsyncPolicy;
use crate::stats::Counters;
use crate::supply::{SegmentSupply, leave_fsync_marker};
use crate::sync::Instant;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Records that become durable together: the body of one frame in the making.
pub(crate) struct Group {
    buffer: AlignedBuffer,
    /// Of the first record; meaningless while empty.
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) stamp_us: i64,
    /// Body bytes that `took` vouches for.
    noted_bytes: u64,
}

impl Group {
    pub(crate) fn new(capacity: usize) -> Group {
        let mut group = Group {
            buffer: AlignedBuffer::with_capacity(capacity + FRAME_HEADER_BYTES),
            first_seq: 0,
            last_seq: 0,
            stamp_us: 0,
            noted_bytes: 0,
        };
        group.reset();
        group
    }

    pub(crate) fn reset(&mut self) {
        self.buffer.clear();
        // Room for the header, which is known last.
        self.buffer.tail().extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        self.first_seq = 0;
        self.last_seq = 0;
        self.noted_bytes = 0;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        (self.buffer.len() - FRAME_HEADER_BYTES) as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body_bytes() == 0
    }

    /// Where the engine appends records.
    pub(crate) fn records(&mut self) -> &mut Vec<u8> {
        self.buffer.tail()
    }

    /// Note that records `first_seq..=last_seq` were appended.
    pub(crate) fn took(&mut self, first_seq: u64, last_seq: u64, stamp_us: i64) {
        if self.first_seq == 0 {
            self.first_seq = first_seq;
        }
        self.last_seq = last_seq;
        self.stamp_us = stamp_us;
        self.noted_bytes = self.body_bytes();
    }

    /// Forget what was appended since the last `took`: records of a change that did not happen.
    pub(crate) fn drop_unnoted(&mut self) {
        let surplus = self.body_bytes() - self.noted_bytes;
        let length = self.buffer.tail().len();
        self.buffer.tail().truncate(length - usize::try_from(surplus).expect("bytes in memory"));
    }
}

pub(crate) enum CommitError {
    /// No room for the next segment (the supply knows why): nothing was written; the same group
    /// may be tried again.
    NoSpace,
    Fatal(Fatal),
}

/// Every group leaves room behind it for one seal and one digest, so those never ask for a segment.
const PLACES_BEHIND_GROUP: u64 = 2 * BLOCK_BYTES as u64;

/// The segment being written.
pub(crate) struct ActiveSegment {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) first_seq: u64,
    /// The chain value in front of its first frame.
    pub(crate) chain: u32,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl ActiveSegment {
    /// No frame stands in it.
    fn is_empty(&self) -> bool {
        self.offset == SEGMENT_HEADER_BYTES as u64
    }
}

/// Writes frames behind each other; owned by the commit thread.
pub(crate) struct Committer {
    disk: Arc<dyn Disk>,
    supply: Arc<SegmentSupply>,
    progress: Arc<Progress>,
    counters: Arc<Counters>,
    policy: FsyncPolicy,
    store: StoreId,
    epoch: u64,
    segment: Option<ActiveSegment>,
    chain: u32,
    next_seq: u64,
    stamp_us: i64,
    /// Something was written after the last sync.
    unsynced: bool,
    /// The last frame proves everything before it durable.
    sealed: bool,
    last_kind: Option<FrameKind>,
    last_sync: Instant,
    seal: Group,
    /// Why nothing more may be written or synced: a sync tried again after one that failed may say yes to
    /// bytes that the kernel has dropped.
    failed: Option<Fatal>,
}

/// Where writing goes on after recovery.
pub(crate) struct JournalPosition {
    pub(crate) store: StoreId,
    pub(crate) epoch: u64,
    pub(crate) chain: u32,
    pub(crate) next_seq: u64,
    pub(crate) stamp_us: i64,
    pub(crate) last_kind: Option<FrameKind>,
    /// The one to go on in.
    pub(crate) segment: Option<ActiveSegment>,
}

impl Committer {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        supply: Arc<SegmentSupply>,
        progress: Arc<Progress>,
        counters: Arc<Counters>,
        policy: FsyncPolicy,
        position: JournalPosition,
    ) -> Committer {
        if let Some(segment) = &position.segment {
            counters.settled(segment.first_seq, segment.offset);
        }
        Committer {
            disk,
            supply,
            progress,
            counters,
            policy,
            store: position.store,
            epoch: position.epoch,
            segment: position.segment,
            chain: position.chain,
            next_seq: position.next_seq,
            stamp_us: position.stamp_us,
            unsynced: false,
            // META, written at every opening, is the proof for what recovery found.
            sealed: true,
            last_kind: position.last_kind,
            last_sync: Instant::now(),
            seal: Group::new(0),
            failed: None,
        }
    }

    pub(crate) fn last_kind(&self) -> Option<FrameKind> {
        self.last_kind
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Time left until the policy wants a sync; `None` if none is owed.
    pub(crate) fn sync_due_in(&self) -> Option<Duration> {
        match self.policy {
            FsyncPolicy::Interval { ms } if self.unsynced => {
                Some(Duration::from_millis(ms.into()).saturating_sub(self.last_sync.elapsed()))
            }
            _ => None,
        }
    }

    /// Write a group and, as the policy says, make it durable; then publish.
    pub(crate) fn commit(&mut self, group: &mut Group) -> Result<(), CommitError> {
        assert_eq!(self.next_seq, group.first_seq, "a group does not follow the one before it");
        assert!(group.last_seq >= group.first_seq, "a group without records");
        self.stamp_us = group.stamp_us;
        let record_bytes = group.body_bytes();
        self.refuse_after_failure()?;
        self.write_frame(FrameKind::Records, group)?;
        self.sealed = false;
        self.counters.groups.fetch_add(1, Relaxed);
        self.counters.record_bytes.fetch_add(record_bytes, Relaxed);
        if cfg!(feature = "planted-answer-before-sync") {
            let written = self.next_seq - 1;
            self.progress.publish(written, self.progress.durable(), written);
        }
        match self.policy {
            FsyncPolicy::Always => self.sync(),
            FsyncPolicy::Interval { .. } if self.sync_due_in() == Some(Duration::ZERO) => self.sync(),
            FsyncPolicy::Interval { .. } | FsyncPolicy::Os => {
                let written = self.next_seq - 1;
                self.progress.publish(written, self.progress.durable(), written);
                Ok(())
            }
        }
    }

    /// An empty frame after a pause: the proof that the last group was durable. `make_room` keeps
    /// a place for it behind every group, so that a seal never begins a segment.
    pub(crate) fn write_seal(&mut self) -> Result<(), CommitError> {
        let mut seal = std::mem::replace(&mut self.seal, Group::new(0));
        seal.reset();
        let written = self.sync().and_then(|()| self.write_frame(FrameKind::Seal, &mut seal));
        self.seal = seal;
        written?;
        self.sealed = true;
        self.counters.seals.fetch_add(1, Relaxed);
        self.sync()
    }

    /// The state's digest at this position, so that the next start can compare. It seals too.
    /// Nothing happens while there is no journal, or no group in the segment begun for one: a digest in front
    /// of it could leave it too little room. At most one per seq, or places run out.
    pub(crate) fn write_digest(&mut self, digest: u128) -> Result<(), CommitError> {
        self.sync()?;
        if self.segment.as_ref().is_none_or(ActiveSegment::is_empty) {
            return Ok(());
        }
        let mut group = Group::new(16);
        group.records().extend_from_slice(&digest.to_le_bytes());
        self.write_frame(FrameKind::Digest, &mut group)?;
        self.sealed = true;
        self.sync()
    }

    /// Make everything written durable and publish that.
    pub(crate) fn sync(&mut self) -> Result<(), CommitError> {
        self.refuse_after_failure()?;
        let written = self.next_seq - 1;
        if self.unsynced {
            let segment = self.segment.as_ref().expect("something was written, so there is a segment");
            let begun = Instant::now();
            let is_skipped = cfg!(feature = "planted-sync-skipped") && self.counters.groups.load(Relaxed) % 100 == 99;
            let sync = || if is_skipped { Ok(()) } else { segment.file.sync_data() };
            let mut synced = faults::point("journal-sync").and_then(|()| sync());
            if cfg!(feature = "planted-sync-retried") && synced.is_err() {
                synced = sync();
            }
            if let Err(error) = synced {
                // Never again: the kernel may have dropped the pages and would now say yes.
                leave_fsync_marker(&*self.disk, &format!("fdatasync of seg {}: {error}", segment.first_seq));
                return Err(self.fatal("make the journal durable", &error));
            }
            self.counters.synced(begun.elapsed());
            self.last_sync = Instant::now();
            self.unsynced = false;
            faults::point("journal-synced").map_err(|error| self.fatal("go on after a sync", &error))?;
        }
        if let Some(segment) = &self.segment {
            self.counters.settled(segment.first_seq, segment.offset);
        }
        self.progress.publish(written, written, written);
        Ok(())
    }

    fn fatal(&mut self, doing: &str, error: &io::Error) -> CommitError {
        let what = format!("could not {doing} in {}: {error}", self.disk.name());
        let fatal = Fatal { exit_code: Fatal::DISK, what };
        self.failed = Some(fatal.clone());
        CommitError::Fatal(fatal)
    }

    fn refuse_after_failure(&self) -> Result<(), CommitError> {
        self.failed.clone().map_or(Ok(()), |fatal| Err(CommitError::Fatal(fatal)))
    }

    fn write_frame(&mut self, kind: FrameKind, group: &mut Group) -> Result<(), CommitError> {
        let data_bytes = group.buffer.len() + FRAME_TRAILER.len();
        let frame_bytes = padded(data_bytes) as u64;
        // First room, then the frame: a group that found no room must stay as it was.
        if kind == FrameKind::Records {
            self.make_room(frame_bytes + PLACES_BEHIND_GROUP)?;
        }
        let body = &group.buffer.content()[FRAME_HEADER_BYTES..];
        let last_seq = if kind == FrameKind::Records { group.last_seq } else { self.next_seq - 1 };
        let header = FrameHeader {
            kind,
            body_bytes: u32::try_from(body.len()).expect("a group is far below 4 GiB"),
            body_check: crc32c::crc32c(body),
            epoch: self.epoch,
            first_seq: self.next_seq,
            last_seq,
            stamp_us: self.stamp_us,
            durable_seq: self.progress.durable(),
            chain: self.chain,
        };
        let encoded = header.encode(self.store);
        group.buffer.tail().extend_from_slice(&FRAME_TRAILER);
        group.buffer.finish();
        group.buffer.content_mut()[..FRAME_HEADER_BYTES].copy_from_slice(&encoded);
        self.write_bytes(group.buffer.content())?;
        self.chain = chain_after(self.chain, &encoded);
        self.last_kind = Some(kind);
        self.next_seq = last_seq + 1;
        Ok(())
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), CommitError> {
        let segment = self.segment.as_mut().expect("groups begin segments, seals and digests follow groups");
        let written = faults::point("journal-write")
            .and_then(|()| segment.file.write_all_at(bytes, segment.offset))
            .and_then(|()| faults::point("journal-written"));
        if let Err(error) = written {
            // If this works the group is certainly not in the journal; either way we end here
            // and start again from what is durable.
            let zeros = AlignedBuffer::zeroed(bytes.len());
            let erased = segment.file.write_all_at(zeros.content(), segment.offset);
            let _ = erased.and_then(|()| segment.file.sync_data());
            return Err(self.fatal("write the journal", &error));
        }
        segment.offset += bytes.len() as u64;
        self.unsynced = true;
        self.counters.journal_bytes.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }

    /// Make sure that a frame of this size fits; begins the next segment if it does not.
    fn make_room(&mut self, frame_bytes: u64) -> Result<(), CommitError> {
        if self.segment.as_ref().is_some_and(|segment| segment.offset + frame_bytes <= segment.size) {
            return Ok(());
        }
        // A segment's being there proves everything before it.
        self.sync()?;
        let size_min = SEGMENT_HEADER_BYTES as u64 + frame_bytes;
        let ready = self.supply.take(size_min).map_err(|_| CommitError::NoSpace)?;
        let size = ready.size;
        if let Some(replaced) = self.segment.as_ref().filter(|segment| segment.first_seq == self.next_seq) {
            // Its process ended before a group stood in it, and this one is larger. The new segment takes its
            // name, so it goes on where that one began: a digest that an older version left there goes too.
            self.chain = replaced.chain;
        }
        let header = SegmentHeader {
            store_id: self.store,
            epoch: self.epoch,
            first_seq: self.next_seq,
            durable_seq: self.next_seq - 1,
            chain: self.chain,
            segment_bytes: size,
        };
        self.counters.settled(self.next_seq, 0);
        let begun = faults::point("segment-begin").and_then(|()| ready.begin(&*self.disk, &header));
        let file = begun.map_err(|error| self.fatal("begin a journal segment", &error))?;
        self.segment = Some(ActiveSegment {
            file,
            first_seq: self.next_seq,
            chain: self.chain,
            offset: SEGMENT_HEADER_BYTES as u64,
            size,
        });
        self.counters.segments_begun.fetch_add(1, Relaxed);
        Ok(())
    }
}
