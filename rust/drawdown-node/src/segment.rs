//! Segments: the files of the journal.
//!
//! ```text
//!  0  magic "DJSEG1\r\n"           8
//!  8  format version               4
//! 12  oldest reader version        4
//! 16  store id                    16
//! 32  epoch                        8   of the process that began the segment
//! 40  first seq                    8   also in the file's name
//! 48  durable seq when begun       8
//! 56  chain                        4   the value the first frame carries
//! 60  reserved, zero               4
//! 64  segment bytes                8   the file's size from its making on; it never changes
//! 72  CRC32C of bytes 0..72        4
//!     zeros up to 4096, then frames, then zeros up to the end
//! ```
//! Little endian. A segment is made of zeros under a temporary name by a helper ahead of time,
//! gets its header when its turn comes, is renamed, and is never used twice: what was not yet
//! written reads as zeros, which is what the tail rule stands on.
//!
//! How they are made and written was measured on the 2-core reference machine (MB/s sustained;
//! median and p99 of write + fdatasync; CPU of the process), segments made while writing:
//!
//! ```text
//!                           64 KiB groups            1 MiB groups            256 KiB at 400 MB/s
//! zeros,     O_DIRECT   265  0.21 / 1.5 ms  37 %   969  0.67 / 2.5 ms  15 %  0.33 / 1.8 ms  27 %
//! fallocate, O_DIRECT   203  0.32 / 0.6 ms  42 %  1238  0.78 / 1.5 ms  22 %  0.45 / 0.7 ms  33 %
//! zeros,     cached     118  0.53 / 1.8 ms  68 %   248  4.25 / 12  ms  82 %   cannot hold the rate
//! fallocate, cached     147  0.36 / 1.1 ms  50 %   294  1.73 / 8.8 ms  77 %   cannot hold the rate
//! ```
//! Direct writes win everywhere. Zeros win the median and the CPU, and a group over written
//! blocks needs no file system transaction, so a checkpoint's fsync cannot hold it up. Their p99
//! is the helper's own writing; it goes in small steps for that reason.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::NodeError;
use crate::meta::{JOURNAL_FORMAT, StoreId, array};
use std::io;
use std::sync::Arc;

pub(crate) const SEGMENT_HEADER_BYTES: usize = BLOCK_BYTES;
/// Where segments go that recovery needs no more; the ledger still reads them.
pub(crate) const ARCHIVE: &str = "archive";
/// Where bytes go that recovery took out of the journal.
pub(crate) const ASIDE: &str = "aside";
const MAGIC: [u8; 8] = *b"DJSEG1\r\n";
const ZERO_STEP_BYTES: usize = 256 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store_id: StoreId,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    pub(crate) durable_seq: u64,
    pub(crate) chain: u32,
    pub(crate) segment_bytes: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> AlignedBuffer {
        let mut block = AlignedBuffer::zeroed(SEGMENT_HEADER_BYTES);
        let bytes = block.content_mut();
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&JOURNAL_FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&JOURNAL_FORMAT.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.store_id.0);
        bytes[32..40].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.durable_seq.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.chain.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let check = crc32c::crc32c(&bytes[..72]);
        bytes[72..76].copy_from_slice(&check.to_le_bytes());
        block
    }

    /// # Errors
    /// `Refused` for a whole header that only a newer program may read, which is no damage; else `Corrupt`.
    pub(crate) fn decode(bytes: &[u8], path: &str) -> Result<SegmentHeader, NodeError> {
        if bytes.len() < SEGMENT_HEADER_BYTES {
            return Err(NodeError::corrupt(path, 0, "the file is shorter than a segment header"));
        }
        if bytes[..8] != MAGIC {
            return Err(NodeError::corrupt(path, 0, "this is no journal segment"));
        }
        if crc32c::crc32c(&bytes[..72]) != u32::from_le_bytes(array(bytes, 72)) {
            return Err(NodeError::corrupt(path, 0, "the segment header's check sum is wrong"));
        }
        let reader = u32::from_le_bytes(array(bytes, 12));
        if reader > JOURNAL_FORMAT {
            return Err(NodeError::newer(path, reader, JOURNAL_FORMAT));
        }
        Ok(SegmentHeader {
            store_id: StoreId(array(bytes, 16)),
            epoch: u64::from_le_bytes(array(bytes, 32)),
            first_seq: u64::from_le_bytes(array(bytes, 40)),
            durable_seq: u64::from_le_bytes(array(bytes, 48)),
            chain: u32::from_le_bytes(array(bytes, 56)),
            segment_bytes: u64::from_le_bytes(array(bytes, 64)),
        })
    }
}

/// A segment on disk, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    pub(crate) first_seq: u64,
    pub(crate) archived: bool,
}

impl SegmentName {
    pub(crate) fn of(first_seq: u64) -> String {
        format!("seg-{first_seq:020}.dj")
    }

    pub(crate) fn path(&self) -> String {
        let name = SegmentName::of(self.first_seq);
        if self.archived { format!("{ARCHIVE}/{name}") } else { name }
    }
}

/// The number in `prefix<number>suffix`.
pub(crate) fn number_between(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

/// Every segment, archived ones too, by first seq.
pub(crate) fn segments(disk: &dyn Disk) -> io::Result<Vec<SegmentName>> {
    let mut found = Vec::new();
    for (folder, archived) in [(ARCHIVE, true), ("", false)] {
        for name in disk.list(folder)? {
            if let Some(first_seq) = number_between(&name, "seg-", ".dj") {
                found.push(SegmentName { first_seq, archived });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// How many seqs the journal has behind `seq`, as far as names of segments tell; those in the last
/// segment are not counted.
pub(crate) fn seqs_behind(disk: &dyn Disk, seq: u64) -> io::Result<u64> {
    Ok(segments(disk)?.last().map_or(0, |last| last.first_seq.saturating_sub(1).saturating_sub(seq)))
}

/// A segment of zeros under a temporary name; durable, name included.
pub(crate) struct ReadySegment {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) size: u64,
}

/// Make a segment of `size` bytes of zeros. `pause` is called between small writes.
pub(crate) fn prepare_segment(
    disk: &dyn Disk,
    name: String,
    size: u64,
    mut pause: impl FnMut(),
) -> io::Result<ReadySegment> {
    let file = disk.create(&name, Access::Direct)?;
    let step = AlignedBuffer::zeroed(ZERO_STEP_BYTES);
    let mut offset = 0;
    while offset < size {
        let rest = usize::try_from(size - offset).unwrap_or(ZERO_STEP_BYTES).min(ZERO_STEP_BYTES);
        file.write_all_at(&step.content()[..rest], offset)?;
        offset += rest as u64;
        pause();
    }
    file.sync_data()?;
    disk.sync_folder("")?;
    Ok(ReadySegment { name, file, size })
}

impl ReadySegment {
    /// Give the segment its header and its name; afterwards both are durable. One of that name is replaced: it must
    /// hold no records.
    pub(crate) fn begin(self, disk: &dyn Disk, header: &SegmentHeader) -> io::Result<Arc<dyn DiskFile>> {
        self.file.write_all_at(header.encode().content(), 0)?;
        self.file.sync_data()?;
        disk.rename(&self.name, &SegmentName::of(header.first_seq))?;
        disk.sync_folder("")?;
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_reads_back_and_flips_are_found() {
        let header = SegmentHeader {
            store_id: StoreId([3; 16]),
            epoch: 4,
            first_seq: 77,
            durable_seq: 76,
            chain: 5,
            segment_bytes: 1 << 20,
        };
        let bytes = header.encode().content().to_vec();
        assert_eq!(header, SegmentHeader::decode(&bytes, "seg").unwrap());
        for at in 0..76 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            assert!(SegmentHeader::decode(&flipped, "seg").is_err(), "flip at {at} not found");
        }
    }

    #[test]
    fn names_carry_the_first_seq() {
        let name = SegmentName { first_seq: 42, archived: true };
        assert_eq!("archive/seg-00000000000000000042.dj", name.path());
        assert_eq!(Some(42), number_between(&SegmentName::of(42), "seg-", ".dj"));
        assert_eq!(None, number_between("seg-42.dj", "seg-", ".dj"));
    }
}
