//! Segments made ahead of need, and what happens when the disk is full.

use crate::aligned::padded;
use crate::disk::{Access, Disk};
use crate::error::NodeError;
use crate::faults;
use crate::segment::{ReadySegment, prepare_segment};
use crate::sync::{AtomicBool, AtomicU64, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// Ballast: freed when the disk is full so that a checkpoint and the close still have room. What it held is
/// left to them and to the groups that wait; the journal goes on when there is room for the ballast as well.
pub(crate) const RESERVE_NAME: &str = "RESERVE";

/// The first segment of a process; each further one is twice as large, up to the setting. So a
/// small or short-lived store stays small, and a busy one soon works in large steps.
const FIRST_SEGMENT_BYTES: u64 = 1 << 20;

pub(crate) struct SegmentSupply {
    disk: Arc<dyn Disk>,
    segment_bytes_max: u64,
    /// Size of the next segment to be made.
    next_bytes: AtomicU64,
    ahead: usize,
    /// Made once the segments have reached their full size: a small store needs no ballast.
    reserve_bytes: u64,
    ready: Mutex<VecDeque<ReadySegment>>,
    /// Serialises making; counts temporary names.
    making: Mutex<u64>,
    /// Why there is no next segment; while set, new work is refused.
    shortage: Mutex<Option<String>>,
    /// Whether `shortage` is set; changed with it held, by the journal and the helper.
    short: AtomicBool,
    /// There was ballast when the disk ran full: it is there again before the shortage ends.
    gave_up_reserve: AtomicBool,
    /// The ballast could not be made though there seemed to be room: not tried again by this process.
    reserve_failed: AtomicBool,
}

impl SegmentSupply {
    pub(crate) fn new(disk: Arc<dyn Disk>, segment_bytes_max: u64, ahead: u32, reserve_bytes: u64) -> SegmentSupply {
        SegmentSupply {
            disk,
            segment_bytes_max,
            next_bytes: AtomicU64::new(segment_bytes_max.min(FIRST_SEGMENT_BYTES)),
            ahead: ahead as usize,
            reserve_bytes,
            ready: Mutex::new(VecDeque::new()),
            making: Mutex::new(0),
            shortage: Mutex::new(None),
            short: AtomicBool::new(false),
            gave_up_reserve: AtomicBool::new(false),
            reserve_failed: AtomicBool::new(false),
        }
    }

    pub(crate) fn ready_count(&self) -> usize {
        self.ready.lock().len()
    }

    pub(crate) fn is_short(&self) -> bool {
        self.short.load(SeqCst)
    }

    pub(crate) fn shortage(&self) -> Option<String> {
        self.shortage.lock().clone()
    }

    fn make(&self, size: u64, pause: impl FnMut()) -> io::Result<ReadySegment> {
        let mut count = self.making.lock();
        *count += 1;
        let name = format!("segment-{:06}.tmp", *count);
        let made =
            faults::point("segment-prepare").and_then(|()| prepare_segment(&*self.disk, name.clone(), size, pause));
        if made.is_err() {
            // What was made of it only takes room; at worst the next opening removes it.
            let _ = self.disk.remove(&name);
        }
        made
    }

    fn make_next(&self, pause: impl FnMut()) -> io::Result<ReadySegment> {
        let size = self.next_bytes.load(SeqCst);
        let segment = self.make(size, pause)?;
        self.next_bytes.store((2 * size).min(self.segment_bytes_max), SeqCst);
        Ok(segment)
    }

    /// Make one segment if fewer than wanted are ready; whether one more is wanted afterwards.
    ///
    /// # Errors
    /// The disk is full or fails. While none is ready new work is refused; the call may be retried,
    /// and the refusal ends when as many as wanted are ready again.
    pub(crate) fn refill(&self, pause: impl FnMut()) -> io::Result<bool> {
        if self.ready_count() < self.ahead {
            match self.require_room().and_then(|()| self.make_next(pause)) {
                Ok(segment) => self.ready.lock().push_back(segment),
                Err(error) => {
                    self.ran_short(&error);
                    return Err(error);
                }
            }
        }
        let more = self.ready_count() < self.ahead;
        if !more && self.is_short() {
            self.recovered();
        } else if !more && self.next_bytes.load(SeqCst) == self.segment_bytes_max {
            self.take_on_reserve();
        }
        Ok(more)
    }

    /// Refuse a segment that the disk has no room for, before what is left is filled with a part of it: a
    /// checkpoint may be at work beside. What the ballast held is not for segments made ahead.
    fn require_room(&self) -> io::Result<()> {
        let reserve_bytes = if self.gave_up_reserve.load(SeqCst) { self.reserve_bytes } else { 0 };
        let wanted = self.next_bytes.load(SeqCst) + reserve_bytes;
        let free = self.free_bytes();
        if free >= wanted {
            return Ok(());
        }
        let what = format!("{wanted} bytes are wanted, {free} are free");
        Err(io::Error::new(io::ErrorKind::StorageFull, what))
    }

    /// Whether so much can be written and leaves room for the next segment and the ballast.
    pub(crate) fn has_room_beside(&self, bytes: u64) -> bool {
        self.free_bytes() >= bytes + self.next_bytes.load(SeqCst) + self.reserve_bytes
    }

    /// Where the file system does not tell there is room until a write says otherwise.
    fn free_bytes(&self) -> u64 {
        self.disk.free_bytes().unwrap_or(u64::MAX)
    }

    fn ran_short(&self, error: &io::Error) {
        if self.ready_count() > 0 {
            return;
        }
        let why = format!("no room for the next journal segment in {}: {error}", self.disk.name());
        let was_short = {
            let mut shortage = self.shortage.lock();
            *shortage = Some(why);
            self.short.swap(true, SeqCst)
        };
        if !was_short && self.disk.remove(RESERVE_NAME).is_ok() {
            self.gave_up_reserve.store(true, SeqCst);
        }
    }

    fn recovered(&self) {
        if self.gave_up_reserve.load(SeqCst) && self.make_reserve().is_err() {
            return;
        }
        self.gave_up_reserve.store(false, SeqCst);
        let mut shortage = self.shortage.lock();
        *shortage = None;
        self.short.store(false, SeqCst);
    }

    /// Make the ballast where the journal has room to go on beside it. Without it a full disk only makes the
    /// next start longer.
    fn take_on_reserve(&self) {
        let beside = self.reserve_bytes + self.ahead as u64 * self.segment_bytes_max;
        if self.reserve_bytes > 0 && !self.reserve_failed.load(SeqCst) && self.free_bytes() >= beside {
            self.reserve_failed.store(self.make_reserve().is_err(), SeqCst);
        }
    }

    /// The ballast file, if it is wanted and not there.
    fn make_reserve(&self) -> io::Result<()> {
        if self.reserve_bytes == 0 || self.disk.list("")?.iter().any(|name| name == RESERVE_NAME) {
            return Ok(());
        }
        let temporary = format!("{RESERVE_NAME}.tmp");
        let made = prepare_segment(&*self.disk, temporary.clone(), padded_size(self.reserve_bytes), || {})
            .and_then(|_| self.disk.rename(&temporary, RESERVE_NAME))
            .and_then(|()| self.disk.sync_folder(""));
        if made.is_err() {
            // What was made of it takes the room it is meant to keep.
            let _ = self.disk.remove(&temporary);
        }
        made
    }

    /// A segment with room for a frame of `frame_bytes`; made on the spot if none is ready.
    pub(crate) fn take(&self, bytes_min: u64) -> io::Result<ReadySegment> {
        if let Some(ready) = self.take_ready(bytes_min) {
            return Ok(ready);
        }
        // A full disk has what the ballast held for the groups that wait: no more than they need of it.
        let made = if bytes_min > self.next_bytes.load(SeqCst) || self.is_short() {
            self.make(padded_size(bytes_min), || {})
        } else {
            self.make_next(|| {})
        };
        match made {
            Ok(segment) => Ok(segment),
            Err(error) => {
                // The helper may have finished one meanwhile.
                if let Some(ready) = self.take_ready(bytes_min) {
                    return Ok(ready);
                }
                self.ran_short(&error);
                Err(error)
            }
        }
    }

    /// The first ready segment that is large enough.
    fn take_ready(&self, bytes_min: u64) -> Option<ReadySegment> {
        let mut ready = self.ready.lock();
        let index = ready.iter().position(|segment| segment.size >= bytes_min)?;
        ready.remove(index)
    }

    /// Remove what was made and not used.
    pub(crate) fn discard(&self) {
        for segment in self.ready.lock().drain(..) {
            let _ = self.disk.remove(&segment.name);
        }
    }
}

fn padded_size(bytes: u64) -> u64 {
    usize::try_from(bytes).map_or(bytes, |bytes| padded(bytes) as u64)
}

/// Do what must have room; where there is none, give up the ballast and do it once more.
pub(crate) fn with_ballast<R>(disk: &dyn Disk, mut act: impl FnMut() -> Result<R, NodeError>) -> Result<R, NodeError> {
    match act() {
        Err(error) if error.is_out_of_space() && disk.remove(RESERVE_NAME).is_ok() => act(),
        other => other,
    }
}

/// Remove temporary files of a process that ended before it could.
pub(crate) fn remove_leftovers(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list("")? {
        if name.ends_with(".tmp") {
            disk.remove(&name)?;
        }
    }
    Ok(())
}

/// Best effort: leave word that an fsync failed, for the next opening.
pub(crate) const FSYNC_FAILED_NAME: &str = "FSYNC-FAILED";

pub(crate) fn leave_fsync_marker(disk: &dyn Disk, what: &str) {
    if let Ok(file) = disk.create(FSYNC_FAILED_NAME, Access::Cached) {
        let _ = file.write_all_at(what.as_bytes(), 0);
        let _ = file.sync_data();
        let _ = disk.sync_folder("");
    }
}
