//! Single records of a closed segment, read where an index says they stand.

use crate::disk::{Access, Disk, DiskFile};
use crate::error::NodeError;
use crate::ledger_index::Posting;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentName};
use drawdown_core::{LedgerRecord, RawRecord};
use std::io;
use std::sync::Arc;

/// Holds nearly every record.
const FIRST_BYTES: usize = 512;

/// A closed segment. Its bytes were flushed long ago, so the page cache may serve them.
pub(crate) struct SegmentRecords {
    file: Arc<dyn DiskFile>,
    path: String,
    first_seq: u64,
}

impl SegmentRecords {
    pub(crate) fn open(disk: &dyn Disk, name: &SegmentName) -> Result<SegmentRecords, NodeError> {
        // It may be archived between two looks.
        for archived in [name.archived, !name.archived, name.archived] {
            let path = SegmentName { archived, ..name.clone() }.path();
            match disk.open_to_read(&path, Access::Cached) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => {
                    let file = other.map_err(NodeError::io(format!("open {path}")))?;
                    return Ok(SegmentRecords { file, path, first_seq: name.first_seq });
                }
            }
        }
        Err(NodeError::Gone { first_seq: name.first_seq })
    }

    pub(crate) fn bytes(&self) -> Result<u64, NodeError> {
        self.file.size().map_err(NodeError::io(format!("read {}", self.path)))
    }

    /// The record at a posting, checked; `stamp` holds there.
    pub(crate) fn read(&self, posting: Posting, stamp: i64) -> Result<LedgerRecord, NodeError> {
        let at = u64::from(posting.offset);
        let corrupt = |what: &str| NodeError::corrupt(&self.path, at, what);
        if at < SEGMENT_HEADER_BYTES as u64 {
            return Err(corrupt("no record stands in a segment's header"));
        }
        let mut bytes = vec![0; FIRST_BYTES];
        let doing = || NodeError::io(format!("read {}", self.path));
        let count = self.file.read_at(&mut bytes, at).map_err(doing())?;
        bytes.truncate(count);
        let (length, start) = length_of(&bytes).ok_or_else(|| corrupt("no record stands where the index says"))?;
        if start + length > bytes.len() {
            if at + (start + length) as u64 > self.bytes()? {
                return Err(corrupt("a record runs past the segment"));
            }
            bytes.resize(start + length, 0);
            self.file.read_exact_at(&mut bytes, at).map_err(doing())?;
        }
        let payload = &bytes[start..start + length];
        if crc32c::crc32c(payload) != posting.check {
            return Err(corrupt("the record differs from the one that was indexed"));
        }
        let record = RawRecord { seq: self.first_seq + u64::from(posting.seq), stamp, offset: 0, payload };
        record.decode().map_err(|damaged| corrupt(&damaged.what))
    }
}

/// Length of the payload, and where it begins.
fn length_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, at + 1));
        }
    }
    None
}
