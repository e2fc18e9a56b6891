//! Reading the durable journal of a running node, frame by frame, past the page cache.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES, padded};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::NodeError;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use crate::meta::StoreId;
use crate::scan::{Cursor, Step, is_zero};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentName, segments};
use std::io;
use std::sync::Arc;

/// Stands in front of a frame; only frames whose records are durable may be asked for.
pub(crate) struct JournalReader {
    disk: Arc<dyn Disk>,
    store: StoreId,
    file: Arc<dyn DiskFile>,
    name: SegmentName,
    segment_bytes: u64,
    cursor: Cursor,
    frame: AlignedBuffer,
}

impl JournalReader {
    /// In front of the frame that holds `first_seq`, which must be durable.
    pub(crate) fn open_at(disk: Arc<dyn Disk>, store: StoreId, first_seq: u64) -> Result<JournalReader, NodeError> {
        let all = segments(&*disk).map_err(NodeError::io("list the journal's segments"))?;
        let name =
            all.iter().rev().find(|name| name.first_seq <= first_seq).ok_or_else(|| {
                NodeError::Refused(format!("the journal kept does not reach back to seq {first_seq}"))
            })?;
        let (file, name, header) = open_segment(&*disk, store, name.first_seq)?;
        let mut reader = JournalReader {
            disk,
            store,
            file,
            name,
            segment_bytes: header.segment_bytes,
            cursor: Cursor::at_segment(&header),
            frame: AlignedBuffer::with_capacity(BLOCK_BYTES),
        };
        while reader.peek()?.is_some_and(|header| header.last_seq < first_seq) {
            reader.load()?;
        }
        Ok(reader)
    }

    /// The seq the next frame begins with.
    pub(crate) fn next_seq(&self) -> u64 {
        self.cursor.next_seq
    }

    /// The next frame of records, if it begins at or below `last_seq`, which must be durable.
    pub(crate) fn next(&mut self, last_seq: u64) -> Result<Option<(FrameHeader, &[u8])>, NodeError> {
        while self.cursor.next_seq <= last_seq {
            let header = self.load()?;
            if header.kind == FrameKind::Records {
                let body = FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + header.body_bytes as usize;
                return Ok(Some((header, &self.frame.content()[body])));
            }
        }
        Ok(None)
    }

    fn corrupt(&self, what: &str) -> NodeError {
        NodeError::corrupt(&self.name.path(), self.cursor.offset as u64, what)
    }

    fn read(&self, buffer: &mut AlignedBuffer) -> Result<(), NodeError> {
        let doing = NodeError::io(format!("read {}", self.name.path()));
        self.file.read_exact_at(buffer.content_mut(), self.cursor.offset as u64).map_err(doing)
    }

    /// The header of the frame here; `None` where the segment ends.
    fn peek(&mut self) -> Result<Option<FrameHeader>, NodeError> {
        if self.cursor.offset as u64 + BLOCK_BYTES as u64 > self.segment_bytes {
            return Ok(None);
        }
        let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
        self.read(&mut block)?;
        if is_zero(block.content()) {
            return Ok(None);
        }
        FrameHeader::decode(block.content(), self.store).map(Some).map_err(|what| self.corrupt(what))
    }

    /// Load the frame here and step behind it; at the end of a segment, go on in the next one.
    fn load(&mut self) -> Result<FrameHeader, NodeError> {
        let header = match self.peek()? {
            Some(header) => header,
            None => {
                let (file, name, header) = open_segment(&*self.disk, self.store, self.cursor.next_seq)?;
                if header.chain != self.cursor.chain {
                    return Err(NodeError::corrupt(&name.path(), 56, "does not continue the segment before it"));
                }
                let epoch = self.cursor.epoch;
                self.cursor = Cursor { epoch, ..Cursor::at_segment(&header) };
                (self.file, self.name, self.segment_bytes) = (file, name, header.segment_bytes);
                self.peek()?.ok_or_else(|| self.corrupt("a segment without frames in the durable journal"))?
            }
        };
        if self.cursor.offset as u64 + header.frame_bytes() as u64 > self.segment_bytes {
            return Err(self.corrupt("the frame is longer than the rest of the file"));
        }
        let mut frame = AlignedBuffer::zeroed(padded(header.frame_bytes()));
        self.read(&mut frame)?;
        let mut within = Cursor { offset: 0, ..self.cursor.clone() };
        match within.step(frame.content()) {
            Step::Frame(..) => {}
            Step::End => return Err(self.corrupt("the frame vanished")),
            Step::Broken(what) => return Err(self.corrupt(what)),
        }
        self.cursor = Cursor { offset: self.cursor.offset + within.offset, ..within };
        self.frame = frame;
        Ok(header)
    }
}

/// A segment by its first seq, wherever it is now: it may be archived at any moment.
pub(crate) fn open_segment(
    disk: &dyn Disk,
    store: StoreId,
    first_seq: u64,
) -> Result<(Arc<dyn DiskFile>, SegmentName, SegmentHeader), NodeError> {
    // Twice in the live folder: it may have moved between the first two looks.
    for archived in [false, true, false] {
        let name = SegmentName { first_seq, archived };
        let path = name.path();
        let file = match disk.open_to_read(&path, Access::Direct) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(NodeError::io(format!("open {path}")))?,
        };
        let mut block = AlignedBuffer::zeroed(SEGMENT_HEADER_BYTES);
        file.read_exact_at(block.content_mut(), 0).map_err(NodeError::io(format!("read {path}")))?;
        let header = SegmentHeader::decode(block.content(), &path)?;
        if header.store_id != store || header.first_seq != first_seq {
            return Err(NodeError::corrupt(&path, 16, "is a segment of another place"));
        }
        return Ok((file, name, header));
    }
    Err(NodeError::Gone { first_seq })
}
