//! Reading a segment from its beginning in large steps, past the page cache, beside the writer.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES, padded};
use crate::disk::{Disk, DiskFile};
use crate::error::NodeError;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::journal_reader::open_segment;
use crate::meta::StoreId;
use crate::scan::{Cursor, Step, is_zero};
use crate::segment::SegmentName;
use std::sync::Arc;

/// Bytes read at once: few calls, and little memory beside the engine's.
const WINDOW_BYTES: usize = 4 << 20;

/// A frame and where it stands.
pub(crate) struct PlacedFrame<'a> {
    pub(crate) header: FrameHeader,
    pub(crate) body: &'a [u8],
    /// Of the body's first byte in the file.
    pub(crate) body_offset: u64,
}

/// Stands in front of a frame of one segment.
pub(crate) struct SegmentReader {
    file: Arc<dyn DiskFile>,
    pub(crate) name: SegmentName,
    segment_bytes: u64,
    cursor: Cursor,
    window: AlignedBuffer,
    /// Of the window's first byte in the file.
    window_offset: usize,
}

impl SegmentReader {
    /// In front of the first frame of the segment that begins with `first_seq`.
    pub(crate) fn open(disk: &dyn Disk, store: StoreId, first_seq: u64) -> Result<SegmentReader, NodeError> {
        let (file, name, header) = open_segment(disk, store, first_seq)?;
        Ok(SegmentReader {
            file,
            name,
            segment_bytes: header.segment_bytes,
            cursor: Cursor::at_segment(&header),
            window: AlignedBuffer::with_capacity(BLOCK_BYTES),
            window_offset: 0,
        })
    }

    /// The next frame, seals included, if it begins at or below `last_seq`, which must have been
    /// written; `None` at the end of the segment.
    pub(crate) fn next(&mut self, last_seq: u64) -> Result<Option<PlacedFrame<'_>>, NodeError> {
        let offset = self.cursor.offset;
        if self.cursor.next_seq > last_seq || offset as u64 + BLOCK_BYTES as u64 > self.segment_bytes {
            return Ok(None);
        }
        self.have(offset, BLOCK_BYTES)?;
        let block = &self.window.content()[offset - self.window_offset..][..BLOCK_BYTES];
        if is_zero(block) {
            return Ok(None);
        }
        let header = FrameHeader::decode(block, self.cursor.store).map_err(|what| self.corrupt(what))?;
        if offset as u64 + header.frame_bytes() as u64 > self.segment_bytes {
            return Err(self.corrupt("the frame is longer than the rest of the file"));
        }
        self.have(offset, header.frame_bytes())?;
        let start = offset - self.window_offset;
        let mut within = Cursor { offset: 0, ..self.cursor.clone() };
        match within.step(&self.window.content()[start..start + header.frame_bytes()]) {
            Step::Frame(..) => {}
            Step::End => return Err(self.corrupt("the frame vanished")),
            Step::Broken(what) => return Err(self.corrupt(what)),
        }
        self.cursor = Cursor { offset: offset + within.offset, ..within };
        let body = start + FRAME_HEADER_BYTES..start + FRAME_HEADER_BYTES + header.body_bytes as usize;
        Ok(Some(PlacedFrame {
            header,
            body: &self.window.content()[body],
            body_offset: (offset + FRAME_HEADER_BYTES) as u64,
        }))
    }

    fn corrupt(&self, what: &str) -> NodeError {
        NodeError::corrupt(&self.name.path(), self.cursor.offset as u64, what)
    }

    /// Make the window hold `length` bytes from `offset` on.
    fn have(&mut self, offset: usize, length: usize) -> Result<(), NodeError> {
        assert!(offset >= self.window_offset, "a reader only goes forward");
        if offset + length <= self.window_offset + self.window.len() {
            return Ok(());
        }
        let rest = usize::try_from(self.segment_bytes).unwrap_or(usize::MAX) - offset;
        let bytes = padded(length).max(WINDOW_BYTES).min(rest);
        if self.window.len() != bytes {
            self.window = AlignedBuffer::zeroed(bytes);
        }
        self.window_offset = offset;
        let doing = NodeError::io(format!("read {}", self.name.path()));
        self.file.read_exact_at(self.window.content_mut(), offset as u64).map_err(doing)
    }
}
