//! META: what a data folder is.
//!
//! ```text
//!  0  magic "DJMETA\r\n"     8
//!  8  format version         4   1; raised when an older program could not read the folder
//! 12  reserved, zero         4
//! 16  store id              16   random, drawn once; part of every frame's check sum
//! 32  store key             16   random, drawn once; secret key of all id hashes
//! 48  epoch                  8   + 1 at every opening
//! 56  durable seq            8   witness: the journal held at least this much when META was written
//! 64  first seq              8   the first seq of this folder's own journal (1, or after a restore)
//! 72  CRC32C of the above    4
//! ```
//! Little endian. Replaced as a whole: temporary file, fsync, rename, fsync of the folder.

use crate::disk::{Disk, read_file, replace_file};
use crate::error::NodeError;
use std::io;

pub(crate) const META_NAME: &str = "META";
/// The journal format this program writes and reads.
pub const JOURNAL_FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"DJMETA\r\n";
const META_BYTES: usize = 76;

/// The store's 16 random bytes; its text form is a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreId(pub [u8; 16]);

impl StoreId {
    /// From its hyphenated text form.
    pub fn parse(text: &str) -> Option<StoreId> {
        let digits: String = text.chars().filter(|&c| c != '-').collect();
        if digits.len() != 32 || !digits.is_ascii() || text.len() != 36 {
            return None;
        }
        let value = u128::from_str_radix(&digits, 16).ok()?;
        Some(StoreId(value.to_be_bytes()))
    }
}

impl std::fmt::Display for StoreId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = format!("{:032x}", u128::from_be_bytes(self.0));
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) store_id: StoreId,
    pub(crate) store_key: [u8; 16],
    pub(crate) epoch: u64,
    pub(crate) durable_seq: u64,
    pub(crate) first_seq: u64,
}

impl Meta {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(META_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&JOURNAL_FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.store_id.0);
        bytes.extend_from_slice(&self.store_key);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.durable_seq.to_le_bytes());
        bytes.extend_from_slice(&self.first_seq.to_le_bytes());
        let check = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Meta, NodeError> {
        let broken = |offset, what: &str| NodeError::corrupt(META_NAME, offset, what);
        if bytes.len() < META_BYTES || bytes[..8] != MAGIC {
            return Err(broken(0, "this is no META of a drawdown data folder"));
        }
        // In every version the check sum of all before it ends the file: so a newer one is told from damage.
        let (content, check) = bytes.split_at(bytes.len() - 4);
        if crc32c::crc32c(content) != u32::from_le_bytes(array(check, 0)) {
            return Err(broken(0, "the check sum is wrong"));
        }
        let format = u32::from_le_bytes(array(bytes, 8));
        if format > JOURNAL_FORMAT {
            return Err(NodeError::newer(META_NAME, format, JOURNAL_FORMAT));
        }
        if bytes.len() != META_BYTES {
            return Err(broken(0, "the length is wrong"));
        }
        Ok(Meta {
            store_id: StoreId(array(bytes, 16)),
            store_key: array(bytes, 32),
            epoch: u64::from_le_bytes(array(bytes, 48)),
            durable_seq: u64::from_le_bytes(array(bytes, 56)),
            first_seq: u64::from_le_bytes(array(bytes, 64)),
        })
    }

    /// `None` if there is no META.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Meta>, NodeError> {
        match read_file(disk, META_NAME, 4096) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NodeError::io("read META")(error)),
            Ok(bytes) => Meta::decode(&bytes).map(Some),
        }
    }

    pub(crate) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        replace_file(disk, META_NAME, &self.encode())
    }
}

/// `N` bytes at `offset`, which the caller knows to be there.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N].try_into().expect("a slice of N bytes is an array of N")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_survives_its_bytes_and_any_flip_is_found() {
        let meta = Meta { store_id: StoreId([7; 16]), store_key: [9; 16], epoch: 3, durable_seq: 44, first_seq: 1 };
        let bytes = meta.encode();
        assert_eq!(meta, Meta::decode(&bytes).unwrap());
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(Meta::decode(&flipped).is_err(), "flip at {at} not found");
        }
        for length in 0..bytes.len() {
            assert!(Meta::decode(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn store_id_reads_its_own_text() {
        let id = StoreId([0x1f; 16]);
        assert_eq!(Some(id), StoreId::parse(&id.to_string()));
        assert_eq!(None, StoreId::parse("1f1f"));
    }
}
