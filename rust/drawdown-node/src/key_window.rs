//! The stretch of journal that live dedupe keys may come from, found and read.
//!
//! Stamps never fall, and no key is dated further ahead of its stamp than the engine tells. So
//! whole segments can be passed over by the stamp of the first frame behind them.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::disk::{Access, Disk};
use crate::error::{Corruption, NodeError};
use crate::frame::{FrameHeader, FrameKind};
use crate::meta::StoreId;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentName, segments};
use crate::segment_feed::{Stop, WalkedSegment, feed_segments};
use drawdown_core::KeyScan;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Keys of the records with seqs above `after_seq`, up to `to_seq`; those stamped before
/// `oldest_stamp` do not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyWindow {
    pub(crate) after_seq: u64,
    pub(crate) to_seq: u64,
    pub(crate) oldest_stamp: i64,
}

impl KeyWindow {
    /// The segments that may hold such keys.
    ///
    /// # Errors
    /// `Corrupt` naming the place if the journal does not reach back so far.
    fn segments(&self, disk: &dyn Disk, store: StoreId) -> Result<Vec<SegmentName>, NodeError> {
        let mut all = segments(disk).map_err(NodeError::io("list the journal's segments"))?;
        all.retain(|name| name.first_seq <= self.to_seq);
        let by_seq = all.partition_point(|name| name.first_seq <= self.after_seq + 1).saturating_sub(1);
        // Everything in front of a frame is stamped as it is, or earlier.
        let mut by_stamp = 0;
        let mut above = all.len();
        while above - by_stamp > 1 {
            let middle = by_stamp + (above - by_stamp) / 2;
            let is_before = first_stamp(disk, store, &all[middle])?.is_some_and(|stamp| stamp < self.oldest_stamp);
            if is_before { by_stamp = middle } else { above = middle }
        }
        let first = by_seq.max(by_stamp);
        self.require_start(disk, store, all.get(first))?;
        Ok(all.split_off(first))
    }

    fn require_start(&self, disk: &dyn Disk, store: StoreId, first: Option<&SegmentName>) -> Result<(), NodeError> {
        let first_seq = first.map_or(self.to_seq + 1, |name| name.first_seq);
        if first_seq <= self.after_seq + 1 {
            return Ok(());
        }
        if let Some(name) = first
            && first_stamp(disk, store, name)?.is_some_and(|stamp| stamp < self.oldest_stamp)
        {
            return Ok(());
        }
        let seqs = Some((self.after_seq + 1, first_seq - 1));
        Err(missing(SegmentName { first_seq: self.after_seq + 1, archived: true }, seqs))
    }

    /// The first seq whose key may count: the one to read the journal from.
    ///
    /// # Errors
    /// As `scan`.
    pub(crate) fn first_seq(&self, disk: &dyn Disk, store: StoreId) -> Result<u64, NodeError> {
        if self.to_seq <= self.after_seq {
            return Ok(self.after_seq + 1);
        }
        let first_seq = self.segments(disk, store)?.first().map_or(0, |name| name.first_seq);
        Ok(first_seq.max(self.after_seq + 1))
    }

    /// Remember all keys of the window; answers the segments read. `is_given_up` ends it early.
    ///
    /// A frame that goes on behind `to_seq` is left to the replay.
    ///
    /// # Errors
    /// `Corrupt` naming the segment that is missing or damaged; `Io`.
    pub(crate) fn scan(
        &self,
        disk: &dyn Disk,
        store: StoreId,
        keys: &mut KeyScan,
        is_given_up: &AtomicBool,
    ) -> Result<u32, NodeError> {
        if self.to_seq <= self.after_seq {
            return Ok(0);
        }
        let names = self.segments(disk, store)?;
        let mut read = 0;
        feed_segments(disk, store, &names, |walked| {
            read += 1;
            for (frame, body) in &walked.frames {
                let is_wanted = frame.kind == FrameKind::Records
                    && frame.last_seq > self.after_seq
                    && frame.last_seq <= self.to_seq
                    && frame.stamp_us >= self.oldest_stamp;
                if is_wanted {
                    let body = &walked.bytes.content()[body.clone()];
                    keys.scan(body).map_err(|corrupt| unreadable(&walked.name, frame, &corrupt.what))?;
                }
                if is_given_up.load(Relaxed) {
                    return Ok(None);
                }
            }
            let next_seq = walked.cursor.next_seq;
            match walked.stop {
                _ if next_seq > self.to_seq => Ok(None),
                Stop::End => Ok(Some(walked)),
                Stop::Gap => {
                    let next = SegmentName { first_seq: next_seq, archived: true }.path();
                    let what = format!("frames are missing here, or the whole of {next}");
                    Err(lost(&walked, self.to_seq, &what))
                }
                Stop::Broken(what) => Err(lost(&walked, self.to_seq, what)),
            }
        })?;
        Ok(read)
    }
}

fn lost(walked: &WalkedSegment, to_seq: u64, what: &str) -> NodeError {
    NodeError::Corrupt(Corruption {
        file: walked.name.path(),
        offset: walked.cursor.offset as u64,
        seqs: Some((walked.cursor.next_seq, to_seq)),
        what: format!("{what}; event ids that must be remembered stand there"),
    })
}

fn missing(name: SegmentName, seqs: Option<(u64, u64)>) -> NodeError {
    NodeError::Corrupt(Corruption {
        file: name.path(),
        offset: 0,
        seqs,
        what: "the segment is missing; it may hold event ids that must be remembered".into(),
    })
}

fn unreadable(name: &SegmentName, frame: &FrameHeader, what: &str) -> NodeError {
    NodeError::corrupt(&name.path(), 0, format!("keys can't be read from the frame of seq {}: {what}", frame.first_seq))
}

/// Stamp of a segment's first frame; `None` if none stands there.
pub(crate) fn first_stamp(disk: &dyn Disk, store: StoreId, name: &SegmentName) -> Result<Option<i64>, NodeError> {
    let reading = || NodeError::io(format!("read {}", name.path()));
    // The checkpointer of a running node may just have archived it.
    let archived = SegmentName { archived: true, ..name.clone() };
    let file = match disk.open_to_read(&name.path(), Access::Direct) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.open_to_read(&archived.path(), Access::Direct),
        other => other,
    };
    let file = file.map_err(reading())?;
    let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
    let count = file.read_at(block.content_mut(), SEGMENT_HEADER_BYTES as u64).map_err(reading())?;
    Ok(FrameHeader::decode(&block.content()[..count], store).ok().map(|frame| frame.stamp_us))
}
