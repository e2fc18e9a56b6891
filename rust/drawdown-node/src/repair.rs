//! The only changes recovery makes to stored journal bytes. Everything taken out is kept aside.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES, padded};
use crate::disk::{Access, Disk};
use crate::scan::{JournalEnd, TornTail, load_segment};
use crate::segment::{ASIDE, SegmentName};
use crate::supply::FSYNC_FAILED_NAME;
use std::io;

/// Move a file where recovery does not look.
pub(crate) fn put_aside(disk: &dyn Disk, name: &str) -> io::Result<()> {
    let plain = name.rsplit('/').next().unwrap_or(name);
    disk.rename(name, &format!("{ASIDE}/{plain}"))?;
    disk.sync_folder(ASIDE)?;
    disk.sync_folder("")
}

/// Take out a torn tail, and make sure that what was read is what the device holds. Only
/// afterwards is "recovered" the same as "durable".
pub(crate) fn make_durable(
    disk: &dyn Disk,
    end: &mut JournalEnd,
    epoch: u64,
    notes: &mut Vec<String>,
) -> io::Result<()> {
    if let Some(torn) = &end.torn {
        cut_tail(disk, end, torn, epoch)?;
        notes.push(format!(
            "the journal ends at seq {}: {}; {} bytes of {} from byte {} on were put aside",
            end.cursor.next_seq - 1,
            torn.what,
            torn.broken_bytes,
            end.segment.path(),
            end.cursor.offset,
        ));
        end.torn = None;
    }
    if disk.list("")?.iter().any(|name| name == FSYNC_FAILED_NAME) {
        rewrite(disk, &end.segment)?;
        notes.push(format!("an earlier fsync failed: {} was written anew", end.segment.path()));
    }
    disk.open(&end.segment.path(), Access::Direct)?.sync_data()?;
    disk.sync_folder("")
}

fn cut_tail(disk: &dyn Disk, end: &JournalEnd, torn: &TornTail, epoch: u64) -> io::Result<()> {
    let name = end.segment.path();
    let file = disk.open(&name, Access::Direct)?;
    let length = usize::try_from(torn.broken_bytes).map_err(io::Error::other)?;
    let start = end.cursor.offset as u64;
    if length > 0 {
        let mut broken = AlignedBuffer::zeroed(padded(length));
        file.read_exact_at(broken.content_mut(), start)?;
        let copy = disk.create(&format!("{ASIDE}/torn-{:020}-{epoch}.bin", end.cursor.next_seq), Access::Cached)?;
        copy.write_all_at(&broken.content()[..length], 0)?;
        copy.sync_data()?;
        disk.sync_folder(ASIDE)?;
    }
    let zeros = AlignedBuffer::zeroed(1 << 20);
    let mut offset = 0;
    // From the end, so that what is left of the broken place always looks torn.
    let blocks = padded(length);
    while offset < blocks {
        let step = (blocks - offset).min(zeros.len());
        let at = start + (blocks - offset - step) as u64;
        file.write_all_at(&zeros.content()[..step], at)?;
        offset += step;
    }
    debug_assert!(blocks.is_multiple_of(BLOCK_BYTES));
    file.sync_data()
}

/// Write a segment anew from what the device (not the page cache) holds.
fn rewrite(disk: &dyn Disk, segment: &SegmentName) -> io::Result<()> {
    let mut loaded = AlignedBuffer::with_capacity(0);
    load_segment(disk, segment, &mut loaded).map_err(io::Error::other)?;
    let temporary = "rewritten-segment.tmp";
    let file = disk.create(temporary, Access::Direct)?;
    file.write_all_at(loaded.content(), 0)?;
    file.sync_data()?;
    disk.rename(temporary, &segment.path())?;
    disk.sync_folder("")
}
