//! Sections of equal items in checked pages, so that any item can be read and trusted alone.
//!
//! ```text
//! page, 4096 bytes
//!    0  items, as many as fit whole      4092   zeros behind the last
//! 4092  CRC32C of bytes 0..4092             4   seeded with the page's number in the file
//! ```
//! A section is a run of pages; an item never crosses a page's end.

use crate::disk::DiskFile;
use crate::error::NodeError;
use crate::meta::array;
use std::cell::RefCell;
use std::sync::Arc;

pub(crate) const PAGE_BYTES: usize = 4096;
pub(crate) const PAGE_CONTENT_BYTES: usize = PAGE_BYTES - 4;

/// Where a section stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) first_page: u32,
    pub(crate) items: u32,
}

/// Finish the page at the end of `out`: zeros up to its check sum.
pub(crate) fn seal_page(out: &mut Vec<u8>) {
    let number = out.len() / PAGE_BYTES;
    let start = number * PAGE_BYTES;
    out.resize(start + PAGE_CONTENT_BYTES, 0);
    let check = page_check(number, &out[start..]);
    out.extend_from_slice(&check.to_le_bytes());
}

fn page_check(number: usize, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&(number as u64).to_le_bytes()), content)
}

/// Append a section of items, each of `N` bytes. `out` ends with a whole page.
pub(crate) fn put_section<const N: usize>(out: &mut Vec<u8>, items: impl Iterator<Item = [u8; N]>) -> Section {
    let first_page = u32::try_from(out.len() / PAGE_BYTES).unwrap_or(u32::MAX);
    let mut count = 0;
    for item in items {
        if out.len() % PAGE_BYTES + N > PAGE_CONTENT_BYTES {
            seal_page(out);
        }
        out.extend_from_slice(&item);
        count += 1;
    }
    if !out.len().is_multiple_of(PAGE_BYTES) {
        seal_page(out);
    }
    Section { first_page, items: count }
}

/// A file of pages, open for reading. Remembers the page it read last.
pub(crate) struct PagedFile {
    file: Arc<dyn DiskFile>,
    name: String,
    last: RefCell<(Option<u32>, Vec<u8>)>,
}

impl PagedFile {
    pub(crate) fn new(file: Arc<dyn DiskFile>, name: String) -> PagedFile {
        PagedFile { file, name, last: RefCell::new((None, vec![0; PAGE_BYTES])) }
    }

    pub(crate) fn corrupt(&self, page: u32, what: &str) -> NodeError {
        NodeError::corrupt(&self.name, u64::from(page) * PAGE_BYTES as u64, what)
    }

    /// Hand the content of a page, checked, to `read`.
    pub(crate) fn on_page<R>(&self, page: u32, read: impl FnOnce(&[u8]) -> R) -> Result<R, NodeError> {
        let mut last = self.last.borrow_mut();
        let (number, bytes) = &mut *last;
        if *number != Some(page) {
            *number = None;
            let offset = u64::from(page) * PAGE_BYTES as u64;
            self.file.read_exact_at(bytes, offset).map_err(NodeError::unread(&self.name, offset))?;
            if page_check(page as usize, &bytes[..PAGE_CONTENT_BYTES])
                != u32::from_le_bytes(array(bytes, PAGE_CONTENT_BYTES))
            {
                return Err(self.corrupt(page, "the page's check sum is wrong"));
            }
            *number = Some(page);
        }
        Ok(read(&bytes[..PAGE_CONTENT_BYTES]))
    }

    /// Item `at` of a section of items of `N` bytes.
    pub(crate) fn item<const N: usize>(&self, section: Section, at: u32) -> Result<[u8; N], NodeError> {
        let per_page = (PAGE_CONTENT_BYTES / N) as u32;
        if at >= section.items {
            return Err(self.corrupt(section.first_page, "an item behind the section's end is asked for"));
        }
        self.on_page(section.first_page + at / per_page, |content| array(content, (at % per_page) as usize * N))
    }

    /// The first item from `from` to `to` for which `is_before` is false, or `to`; the items are
    /// ordered so that it is true for a beginning of them.
    pub(crate) fn partition_point<const N: usize>(
        &self,
        section: Section,
        from: u32,
        to: u32,
        is_before: impl Fn(&[u8; N]) -> bool,
    ) -> Result<u32, NodeError> {
        let (mut low, mut high) = (from, to);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(&self.item(section, middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}
