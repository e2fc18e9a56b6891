//! The index of one closed segment: which records concern an account, and where an event lies.
//!
//! ```text
//! index/idx-<first seq>.di, in pages (paged.rs)
//! page 0: header
//!   0  magic "DJIDX1\r\n"        8
//!   8  format version            4
//!  12  reserved, zero            4
//!  16  store id                 16
//!  32  first seq                 8   of the segment
//!  40  last seq                  8
//!  48  reserved, zero            8
//!  56  first stamp               8   microseconds UTC of the first record
//!  64  last stamp                8
//!  72  sections                 8 × (first page 4, items 4), in this order:
//! stamps    offset 4, stamp 8                      where the stamp in force changes
//! accounts  account 4, first control 4, first usage 4     ascending; the last is no account
//! controls  seq 4, offset 4, check 4               by account, then in order
//! usages    seq 4, offset 4, check 4
//! busy      account 4, first 4                     accounts with an order by event
//! by event  hash 4, usage 4                        by account, then by hash of the event id
//! images    account 4, length 4, first byte 8, seq 8      account images as of the segment's end
//! bytes     1                                      of the images
//! ```
//! Little endian. Seqs are counted from the first seq; offsets are those of a record in the
//! segment's file; checks are CRC32Cs of its payload. An index can always be made again: it is
//! written under a temporary name, and one that can't be read is made anew.

use crate::disk::{Access, Disk};
use crate::error::NodeError;
use crate::meta::{StoreId, array};
use crate::paged::{PagedFile, Section};
use std::io;
use std::ops::Range;

pub(crate) const INDEX: &str = "index";
pub(crate) const INDEX_FORMAT: u32 = 1;
pub(crate) const INDEX_MAGIC: [u8; 8] = *b"DJIDX1\r\n";
pub(crate) const SECTIONS: usize = 8;
/// Stands behind the last account of a list.
pub(crate) const END: u32 = u32::MAX;

pub(crate) fn index_path(first_seq: u64) -> String {
    format!("{INDEX}/idx-{first_seq:020}.di")
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexHeader {
    pub(crate) store_id: [u8; 16],
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) first_stamp: i64,
    pub(crate) last_stamp: i64,
    pub(crate) sections: Sections,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sections {
    pub(crate) stamps: Section,
    pub(crate) accounts: Section,
    pub(crate) controls: Section,
    pub(crate) usages: Section,
    pub(crate) busy: Section,
    pub(crate) by_event: Section,
    pub(crate) images: Section,
    pub(crate) bytes: Section,
}

impl Sections {
    fn all(&self) -> [Section; SECTIONS] {
        [self.stamps, self.accounts, self.controls, self.usages, self.busy, self.by_event, self.images, self.bytes]
    }
}

impl IndexHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(72 + 8 * SECTIONS);
        bytes.extend_from_slice(&INDEX_MAGIC);
        bytes.extend_from_slice(&INDEX_FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.store_id);
        bytes.extend_from_slice(&self.first_seq.to_le_bytes());
        bytes.extend_from_slice(&self.last_seq.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&self.first_stamp.to_le_bytes());
        bytes.extend_from_slice(&self.last_stamp.to_le_bytes());
        for section in self.sections.all() {
            bytes.extend_from_slice(&section.first_page.to_le_bytes());
            bytes.extend_from_slice(&section.items.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<IndexHeader> {
        if bytes[..8] != INDEX_MAGIC || u32::from_le_bytes(array(bytes, 8)) != INDEX_FORMAT {
            return None;
        }
        let section = |at: usize| Section {
            first_page: u32::from_le_bytes(array(bytes, 72 + 8 * at)),
            items: u32::from_le_bytes(array(bytes, 76 + 8 * at)),
        };
        Some(IndexHeader {
            store_id: array(bytes, 16),
            first_seq: u64::from_le_bytes(array(bytes, 32)),
            last_seq: u64::from_le_bytes(array(bytes, 40)),
            first_stamp: i64::from_le_bytes(array(bytes, 56)),
            last_stamp: i64::from_le_bytes(array(bytes, 64)),
            sections: Sections {
                stamps: section(0),
                accounts: section(1),
                controls: section(2),
                usages: section(3),
                busy: section(4),
                by_event: section(5),
                images: section(6),
                bytes: section(7),
            },
        })
    }
}

/// Where one record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    /// From the segment's first seq.
    pub(crate) seq: u32,
    pub(crate) offset: u32,
    pub(crate) check: u32,
}

impl Posting {
    pub(crate) fn encode(self) -> [u8; 12] {
        triple(self.seq, self.offset, self.check)
    }

    fn decode(bytes: &[u8; 12]) -> Posting {
        Posting { seq: word(bytes, 0), offset: word(bytes, 4), check: word(bytes, 8) }
    }
}

pub(crate) fn triple(a: u32, b: u32, c: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&a.to_le_bytes());
    bytes[4..8].copy_from_slice(&b.to_le_bytes());
    bytes[8..].copy_from_slice(&c.to_le_bytes());
    bytes
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// Places of an account's records in the sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountPlaces {
    pub(crate) controls: Range<u32>,
    pub(crate) usages: Range<u32>,
}

/// An index open for reading.
pub(crate) struct LedgerIndex {
    file: PagedFile,
    pub(crate) header: IndexHeader,
}

impl LedgerIndex {
    /// The index of the segment that begins with `first_seq` and ends before `next_seq`; `None` if
    /// there is none that fits it.
    ///
    /// # Errors
    /// `Io`; `Corrupt` if it is damaged: remove it and make it again.
    pub(crate) fn open(
        disk: &dyn Disk,
        store: StoreId,
        first_seq: u64,
        next_seq: u64,
    ) -> Result<Option<LedgerIndex>, NodeError> {
        let path = index_path(first_seq);
        let file = match disk.open_to_read(&path, Access::Cached) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(NodeError::io(format!("open {path}")))?,
        };
        let file = PagedFile::new(file, path);
        let Some(header) = file.on_page(0, IndexHeader::decode)? else { return Ok(None) };
        let fits = header.store_id == store.0 && header.first_seq == first_seq && header.last_seq + 1 == next_seq;
        Ok(fits.then_some(LedgerIndex { file, header }))
    }

    pub(crate) fn account(&self, account: u32) -> Result<Option<AccountPlaces>, NodeError> {
        let section = self.header.sections.accounts;
        let at = self.file.partition_point::<12>(section, 0, section.items, |item| word(item, 0) < account)?;
        if at + 1 >= section.items {
            return Ok(None);
        }
        let here: [u8; 12] = self.file.item(section, at)?;
        if word(&here, 0) != account {
            return Ok(None);
        }
        let next: [u8; 12] = self.file.item(section, at + 1)?;
        Ok(Some(AccountPlaces { controls: word(&here, 4)..word(&next, 4), usages: word(&here, 8)..word(&next, 8) }))
    }

    pub(crate) fn control(&self, at: u32) -> Result<Posting, NodeError> {
        Ok(Posting::decode(&self.file.item(self.header.sections.controls, at)?))
    }

    pub(crate) fn usage(&self, at: u32) -> Result<Posting, NodeError> {
        Ok(Posting::decode(&self.file.item(self.header.sections.usages, at)?))
    }

    /// Usages that may be the event of this hash, oldest first; all of them for an account with few.
    pub(crate) fn usages_of_event(&self, account: u32, usages: Range<u32>, hash: u32) -> Result<Vec<u32>, NodeError> {
        let busy = self.header.sections.busy;
        let at = self.file.partition_point::<8>(busy, 0, busy.items, |item| word(item, 0) < account)?;
        let is_busy = at < busy.items && word(&self.file.item::<8>(busy, at)?, 0) == account;
        if !is_busy {
            return Ok(usages.collect());
        }
        let first = word(&self.file.item::<8>(busy, at)?, 4);
        let end = word(&self.file.item::<8>(busy, at + 1)?, 4);
        let section = self.header.sections.by_event;
        let mut at = self.file.partition_point::<8>(section, first, end, |item| word(item, 0) < hash)?;
        let mut found = Vec::new();
        while at < end {
            let item: [u8; 8] = self.file.item(section, at)?;
            if word(&item, 0) != hash {
                break;
            }
            found.push(word(&item, 4));
            at += 1;
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The stamp in force at a record's offset.
    pub(crate) fn stamp_at(&self, offset: u32) -> Result<i64, NodeError> {
        let section = self.header.sections.stamps;
        let at = self.file.partition_point::<12>(section, 0, section.items, |item| word(item, 0) <= offset)?;
        let Some(at) = at.checked_sub(1) else {
            return Err(self.file.corrupt(section.first_page, "no stamp stands in front of a record"));
        };
        Ok(i64::from_le_bytes(array(&self.file.item::<12>(section, at)?, 4)))
    }

    /// Image of an account as of the segment's end, if one was kept.
    pub(crate) fn image(&self, account: u32) -> Result<Option<Vec<u8>>, NodeError> {
        let section = self.header.sections.images;
        let at = self.file.partition_point::<24>(section, 0, section.items, |item| word(item, 0) < account)?;
        if at >= section.items {
            return Ok(None);
        }
        let item: [u8; 24] = self.file.item(section, at)?;
        if word(&item, 0) != account {
            return Ok(None);
        }
        let (first, length) = (word(&item, 8), word(&item, 4));
        let bytes: Result<Vec<u8>, NodeError> = (first..first + length)
            .map(|at| self.file.item::<1>(self.header.sections.bytes, at).map(|b| b[0]))
            .collect();
        bytes.map(Some)
    }
}
