//! Reading the journal, and the rule for its tail.
//!
//! Frames are read in order up to the first place where none is valid. If everything after it is
//! zero, that is the end. Otherwise, with L the seq expected there:
//!
//! (a) no valid frame later, no witness at or above L, and the broken place shows a 512-byte
//!     sector of zeros where data should be: a write torn by a crash. Repairable.
//! (b) a valid frame later, and none of them says that L was durable: writes of one unsynced
//!     window reached the disk out of order. Repairable.
//! (c) anything else: something durable is damaged. Refused; nothing is changed. So is whatever is damaged in
//!     front of a later segment: none is begun before everything in front of it is durable, seals too. And so is
//!     whatever is broken in front of a group that begins at L: it held no records, so it is a seal or a digest,
//!     and nothing is written behind those before they are durable.
//!
//! "Valid later" means by its own check sums and store id, whatever the chain says. If exactly
//! the last group is missing at rest and no seal followed it, this cannot be told from a crash
//! before its answer; seals keep that window to 20 ms.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::disk::{Access, Disk};
use crate::error::{Corruption, NodeError};
use crate::frame::{FrameHeader, FrameKind, chain_after};
use crate::meta::StoreId;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentName, segments};
use crate::segment_feed::{Stop, WalkedSegment, feed_segments};

const SECTOR_BYTES: usize = 512;
/// Larger than any segment we write: a group never exceeds this. Checked before allocation.
const SEGMENT_BYTES_LIMIT: u64 = 1 << 32;

/// Where the next frame must stand and what it must carry.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) store: StoreId,
    pub(crate) next_seq: u64,
    pub(crate) chain: u32,
    pub(crate) epoch: u64,
    pub(crate) offset: usize,
}

pub(crate) enum Step<'a> {
    Frame(FrameHeader, &'a [u8]),
    /// Only zeros follow.
    End,
    Broken(&'static str),
}

impl Cursor {
    /// In front of the first frame of a segment.
    pub(crate) fn at_segment(header: &SegmentHeader) -> Cursor {
        Cursor {
            store: header.store_id,
            next_seq: header.first_seq,
            chain: header.chain,
            epoch: 0,
            offset: SEGMENT_HEADER_BYTES,
        }
    }

    /// The frame here; the cursor then stands behind it. Otherwise it stays.
    pub(crate) fn step<'a>(&mut self, bytes: &'a [u8]) -> Step<'a> {
        let rest = bytes.get(self.offset..).unwrap_or(&[]);
        if rest.iter().take(SECTOR_BYTES).all(|&byte| byte == 0) && is_zero(rest) {
            return Step::End;
        }
        let (header, body) = match FrameHeader::decode_whole(rest, self.store) {
            Ok(found) => found,
            Err(what) => return Step::Broken(what),
        };
        if header.first_seq != self.next_seq {
            return Step::Broken("a frame with other seqs stands here");
        }
        if header.chain != self.chain {
            return Step::Broken("the frame does not continue the one before it");
        }
        if header.epoch < self.epoch {
            return Step::Broken("the frame's epoch is lower than the one before it");
        }
        self.chain = chain_after(self.chain, rest);
        self.epoch = header.epoch;
        self.next_seq = header.last_seq + 1;
        self.offset += header.frame_bytes();
        Step::Frame(header, body)
    }
}

/// Whether every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(BLOCK_BYTES).all(|block| block.iter().fold(0, |all, &byte| all | byte) == 0)
}

/// A repairable end: what recovery must take out before it writes on.
#[derive(Clone, Debug)]
pub(crate) struct TornTail {
    pub(crate) what: &'static str,
    /// Bytes from the end of the journal to the last one that is not zero.
    pub(crate) broken_bytes: u64,
}

/// Where a journal ends.
#[derive(Clone, Debug)]
pub(crate) struct JournalEnd {
    pub(crate) segment: SegmentName,
    pub(crate) segment_bytes: u64,
    /// The chain value in front of the segment's first frame.
    pub(crate) segment_chain: u32,
    pub(crate) cursor: Cursor,
    pub(crate) last_stamp_us: Option<i64>,
    pub(crate) last_kind: Option<FrameKind>,
    pub(crate) frames: u64,
    pub(crate) frame_bytes: u64,
    pub(crate) segments_read: u32,
    pub(crate) torn: Option<TornTail>,
}

/// Fill `bytes` with a whole segment as the device has it.
pub(crate) fn load_segment(disk: &dyn Disk, name: &SegmentName, bytes: &mut AlignedBuffer) -> Result<(), NodeError> {
    let path = name.path();
    let doing = || format!("read {path}");
    let file = disk.open_to_read(&path, Access::Direct).map_err(NodeError::io(doing()))?;
    let size = file.size().map_err(NodeError::io(doing()))?;
    if size > SEGMENT_BYTES_LIMIT {
        return Err(NodeError::corrupt(&path, SEGMENT_BYTES_LIMIT, format!("{size} bytes are no segment's size")));
    }
    if !size.is_multiple_of(BLOCK_BYTES as u64) {
        return Err(NodeError::corrupt(&path, size, "the file was cut: segments are whole blocks"));
    }
    let size = usize::try_from(size).map_err(|_| NodeError::corrupt(&path, 0, "too large for this machine"))?;
    bytes.set_length(size);
    let mut offset = 0;
    while offset < size {
        let end = (offset + (4 << 20)).min(size);
        let count =
            file.read_at(&mut bytes.content_mut()[offset..end], offset as u64).map_err(NodeError::io(doing()))?;
        if count == 0 {
            return Err(NodeError::corrupt(&path, offset as u64, "the file became shorter while being read"));
        }
        offset += count;
    }
    Ok(())
}

/// The header of a loaded segment, checked against its name and store.
pub(crate) fn segment_header(bytes: &[u8], name: &SegmentName, store: StoreId) -> Result<SegmentHeader, NodeError> {
    let path = name.path();
    let header = SegmentHeader::decode(bytes, &path)?;
    if header.store_id != store {
        return Err(NodeError::corrupt(&path, 16, format!("belongs to store {}, not {store}", header.store_id)));
    }
    if header.first_seq != name.first_seq {
        return Err(NodeError::corrupt(&path, 40, format!("begins at seq {}, not as named", header.first_seq)));
    }
    if header.segment_bytes != bytes.len() as u64 {
        let what = format!("the file has {} bytes, it was made with {}", bytes.len(), header.segment_bytes);
        return Err(NodeError::corrupt(&path, header.segment_bytes.min(bytes.len() as u64), what));
    }
    Ok(header)
}

/// Read the journal from the segment that holds `from_seq` to its end, giving `visit` every
/// segment in order. Changes nothing.
///
/// `witness_seq`: something outside the journal (META, a checkpoint) says that this much was
/// durable. `Ok(None)`: there are no segments.
///
/// # Errors
/// `Corrupt` with file, offset and seqs where rule (c) holds or segments are missing.
pub(crate) fn read_journal(
    disk: &dyn Disk,
    store: StoreId,
    from_seq: u64,
    witness_seq: u64,
    mut visit: impl FnMut(&WalkedSegment) -> Result<(), NodeError>,
) -> Result<Option<JournalEnd>, NodeError> {
    let all = segments(disk).map_err(NodeError::io("list the journal's segments"))?;
    let Some(first) = all.first() else { return Ok(None) };
    let Some(start) = all.iter().rposition(|name| name.first_seq <= from_seq) else {
        let what = format!("the journal begins here, but seqs from {from_seq} on are needed");
        return Err(NodeError::corrupt(&first.path(), 0, what));
    };
    let names = &all[start..];
    let mut end: Option<JournalEnd> = None;
    feed_segments(disk, store, names, |walked| {
        let bytes = walked.bytes.content();
        let mut state = JournalEnd::behind(end.take(), &walked);
        visit(&walked)?;
        let is_last = state.segments_read as usize == names.len();
        let broken = match walked.stop {
            Stop::Broken(what) => Some(what),
            Stop::Gap => Some("frames are missing here"),
            Stop::End if is_last && witness_seq >= state.cursor.next_seq => Some("the journal ends before its time"),
            Stop::End => None,
        };
        if let Some(what) = broken {
            let next = names.get(state.segments_read as usize);
            state.torn = Some(judge_tail(&state, bytes, next, witness_seq, what)?);
        }
        end = Some(state);
        Ok(Some(walked))
    })?;
    Ok(end)
}

impl JournalEnd {
    /// Behind one segment more.
    fn behind(before: Option<JournalEnd>, walked: &WalkedSegment) -> JournalEnd {
        let frame_bytes: u64 = walked.frames.iter().map(|(frame, _)| frame.frame_bytes() as u64).sum();
        let last = walked.frames.last().map(|(frame, _)| frame);
        let (last_stamp_us, last_kind) = before.as_ref().map_or((None, None), |b| (b.last_stamp_us, b.last_kind));
        JournalEnd {
            segment: walked.name.clone(),
            segment_bytes: walked.bytes.len() as u64,
            segment_chain: walked.chain,
            cursor: walked.cursor.clone(),
            last_stamp_us: last.map(|frame| frame.stamp_us).or(last_stamp_us),
            last_kind: last.map(|frame| frame.kind).or(last_kind),
            frames: before.as_ref().map_or(0, |b| b.frames) + walked.frames.len() as u64,
            frame_bytes: before.as_ref().map_or(0, |b| b.frame_bytes) + frame_bytes,
            segments_read: before.as_ref().map_or(0, |b| b.segments_read) + 1,
            torn: None,
        }
    }
}

/// Apply the tail rule at the cursor of `state`; `next` is the segment behind its own.
fn judge_tail(
    state: &JournalEnd,
    bytes: &[u8],
    next: Option<&SegmentName>,
    witness_seq: u64,
    what: &'static str,
) -> Result<TornTail, NodeError> {
    let cursor = &state.cursor;
    let refuse = |what: String, last_seq: u64| {
        NodeError::Corrupt(Corruption {
            file: state.segment.path(),
            offset: cursor.offset as u64,
            seqs: (last_seq >= cursor.next_seq).then_some((cursor.next_seq, last_seq)),
            what,
        })
    };
    let is_cut_off = cfg!(feature = "planted-damage-cut-off");
    if let Some(next) = next.filter(|_| !is_cut_off) {
        let text = format!("{what}, though everything here was durable before {} was begun", next.path());
        return Err(refuse(text, next.first_seq.saturating_sub(1)));
    }
    let mut ahead =
        LookAhead { durable_seq: None, last_seq: cursor.next_seq.saturating_sub(1), is_none_missing: false };
    ahead.search(bytes, cursor.offset, cursor);
    if ahead.is_none_missing && !is_cut_off {
        let text = format!("{what}, though this seal or digest was durable before the group behind it was written");
        return Err(refuse(text, ahead.last_seq));
    }
    let proven = ahead.durable_seq.unwrap_or(0).max(witness_seq);
    if proven >= cursor.next_seq && !is_cut_off {
        let text = format!("{what}, though everything up to seq {proven} was durable");
        return Err(refuse(text, ahead.last_seq.max(proven)));
    }
    let torn = |what| TornTail { what, broken_bytes: broken_bytes(bytes, cursor.offset) };
    if ahead.durable_seq.is_some() {
        return Ok(torn("unsynced writes reached the disk out of order"));
    }
    if looks_unwritten(&bytes[cursor.offset.min(bytes.len())..], cursor.store) {
        return Ok(torn("the last write was torn"));
    }
    Err(refuse(format!("{what}, and the frame was fully written"), ahead.last_seq))
}

/// What valid frames behind a broken place say.
struct LookAhead {
    /// Highest "durable when written"; `None`: no valid frame seen.
    durable_seq: Option<u64>,
    last_seq: u64,
    /// A group begins at the very seq that is expected: the broken frame in front of it held no records.
    is_none_missing: bool,
}

impl LookAhead {
    fn search(&mut self, bytes: &[u8], from: usize, cursor: &Cursor) {
        for offset in (from..bytes.len()).step_by(BLOCK_BYTES) {
            let Ok((header, _)) = FrameHeader::decode_whole(&bytes[offset..], cursor.store) else { continue };
            // Copies of older frames are no news of what comes after.
            let covered = header.last_seq.max(header.durable_seq);
            if header.epoch >= cursor.epoch && covered >= cursor.next_seq {
                self.durable_seq = self.durable_seq.max(Some(header.durable_seq));
                self.last_seq = self.last_seq.max(header.last_seq);
                self.is_none_missing |= header.kind == FrameKind::Records && header.first_seq == cursor.next_seq;
            }
        }
    }
}

/// Whether a sector that should hold bytes of the frame at the start of `rest` is all zero.
fn looks_unwritten(rest: &[u8], store: StoreId) -> bool {
    let Some(first) = rest.get(..SECTOR_BYTES) else { return true };
    let Ok(header) = FrameHeader::decode(rest, store) else {
        // A header lies in one sector, which is written whole or not at all.
        return is_zero(first);
    };
    let Some(data) = rest.get(..header.data_bytes()) else { return false };
    data.chunks(SECTOR_BYTES).any(is_zero)
}

fn broken_bytes(bytes: &[u8], offset: usize) -> u64 {
    let rest = bytes.get(offset..).unwrap_or(&[]);
    rest.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1)
}
