//! What of a damaged journal can still be read: frames that are whole by their own check sums,
//! wherever they stand.

use crate::aligned::BLOCK_BYTES;
use crate::disk::{Access, Disk};
use crate::error::{NodeError, is_damage};
use crate::frame::{FrameHeader, FrameKind};
use crate::meta::StoreId;
use crate::scan::is_zero;
use crate::segment::{SegmentName, segments};
use std::io;

/// Larger than any segment we write. Checked before allocation.
const SEGMENT_BYTES_LIMIT: u64 = 1 << 32;

/// A stretch of the journal in which no frame can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// Nothing in it is stamped later; `None`: nothing readable follows.
    pub(crate) stamp_us: Option<i64>,
    /// Where the frame behind it stands, or where the journal breaks off.
    pub(crate) place: String,
}

/// What a look at every frame found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) gaps: Vec<Gap>,
    /// The newest seq that can be read.
    pub(crate) readable_seq: u64,
    /// The newest seq that any frame speaks of.
    pub(crate) last_seq: u64,
    /// Segments that cannot be read at all, in words.
    pub(crate) unreadable: Vec<String>,
}

/// Go through the journal from `first_seq` on and note where frames are missing.
pub(crate) fn survey(disk: &dyn Disk, store: StoreId, first_seq: u64) -> Result<Survey, NodeError> {
    let mut survey = Survey::default();
    let mut next_seq = first_seq;
    let mut gaps = Vec::new();
    let mut spoken_of = 0;
    let unreadable = each_frame(disk, store, |frame, _, place| {
        spoken_of = spoken_of.max(frame.last_seq).max(frame.durable_seq);
        if frame.kind == FrameKind::Records && frame.last_seq >= next_seq {
            if frame.first_seq > next_seq {
                gaps.push(Gap {
                    first_seq: next_seq,
                    last_seq: frame.first_seq - 1,
                    stamp_us: Some(frame.stamp_us),
                    place: place(),
                });
            }
            next_seq = frame.last_seq + 1;
        }
        Ok(true)
    })?;
    survey.unreadable = unreadable;
    survey.gaps = gaps;
    survey.readable_seq = next_seq - 1;
    survey.last_seq = spoken_of.max(next_seq - 1);
    Ok(survey)
}

/// Give `visit` every whole frame in the order of the files, until it answers `false`; a frame
/// older than one already seen is a leftover and passed over. Answers what could not be read.
pub(crate) fn each_frame(
    disk: &dyn Disk,
    store: StoreId,
    mut visit: impl FnMut(&FrameHeader, &[u8], &dyn Fn() -> String) -> Result<bool, NodeError>,
) -> Result<Vec<String>, NodeError> {
    let mut unreadable = Vec::new();
    let (mut seen_seq, mut seen_epoch) = (0, 0);
    for name in segments(disk).map_err(NodeError::io("list the journal's segments"))? {
        let bytes = match read_segment(disk, &name) {
            Ok((bytes, bad_blocks)) => {
                if bad_blocks > 0 {
                    unreadable.push(format!("{}: {bad_blocks} blocks can't be read", name.path()));
                }
                bytes
            }
            Err(error) => {
                unreadable.push(format!("{}: {error}", name.path()));
                continue;
            }
        };
        let mut offset = 0;
        while offset < bytes.len() {
            let rest = &bytes[offset..];
            let Ok((frame, body)) = FrameHeader::decode_whole(rest, store) else {
                if is_zero(&rest[..rest.len().min(BLOCK_BYTES)]) && is_zero(rest) {
                    break;
                }
                offset += BLOCK_BYTES;
                continue;
            };
            let is_leftover = frame.epoch < seen_epoch || frame.last_seq < seen_seq;
            if !is_leftover {
                (seen_seq, seen_epoch) = (frame.last_seq, frame.epoch);
                let place = || format!("{} at byte {offset}", name.path());
                if !visit(&frame, body, &place)? {
                    return Ok(unreadable);
                }
            }
            offset += frame.frame_bytes();
        }
    }
    Ok(unreadable)
}

/// As much of a segment as there is: it may have been cut anywhere. Blocks that the device does not give are
/// zeros, and counted.
fn read_segment(disk: &dyn Disk, name: &SegmentName) -> io::Result<(Vec<u8>, u64)> {
    let file = disk.open_to_read(&name.path(), Access::Cached)?;
    let size = file.size()?;
    if size > SEGMENT_BYTES_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{size} bytes are no segment's size")));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => return Ok((bytes, 0)),
        Err(error) if is_damage(&error) => {}
        Err(error) => return Err(error),
    }
    let mut bad_blocks = 0;
    for (number, block) in bytes.chunks_mut(BLOCK_BYTES).enumerate() {
        if file.read_exact_at(block, (number * BLOCK_BYTES) as u64).is_err() {
            block.fill(0);
            bad_blocks += 1;
        }
    }
    Ok((bytes, bad_blocks))
}
