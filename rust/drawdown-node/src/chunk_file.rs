//! Files of checked chunks: checkpoints and key runs.
//!
//! ```text
//! header, 64 bytes
//!  0  magic                    8   "DJCKPT\r\n" checkpoint, "DJKEYS\r\n" key run
//!  8  format version           4   2; 1 is read too
//! 12  reserved, zero           4
//! 16  store id                16
//! 32  first of two numbers     8   checkpoint: start seq; key run: first seq
//! 40  second of two numbers    8   checkpoint: start seq of the one it builds on, or all ones;
//!                                  key run: last seq
//! 48  offset of the footer     8
//! 56  reserved, zero           4
//! 60  CRC32C of bytes 0..60    4
//! chunk, one behind the other
//!  0  magic "DJCH"             4
//!  4  kind                     1   1 account images, 2 global image, 3 footer, 4 keys
//!  5  reserved, zero           3
//!  8  body length              4
//! 12  CRC32C of the body       4
//! 16  CRC32C of bytes 0..16    4   seeded with the store id
//! 20  body
//! ```
//! Behind the footer, zeros up to a multiple of 4096 (format 1: nothing). Little endian. Written under a
//! temporary name, synced, then renamed: a file of the final name is complete. The header is
//! written last, when the footer's place is known. Written and read past the page cache: a
//! checkpoint is large, nobody reads it soon, and its check must see what the device has.

use crate::error::NodeError;
use crate::meta::{StoreId, array};

/// Checkpoints of format 1 had all their event ids in key runs; a reader of that format would miss
/// those that stand in the journal.
pub(crate) const FORMAT: u32 = 2;
pub(crate) const OLDEST_FORMAT: u32 = 1;
pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const CHUNK_HEADER_BYTES: usize = 20;
pub(crate) const CHUNK_MAGIC: [u8; 4] = *b"DJCH";
/// A larger chunk was not written by us. Checked before allocation.
pub(crate) const CHUNK_BYTES_LIMIT: u32 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Checkpoint,
    KeyRun,
}

impl FileKind {
    fn magic(self) -> [u8; 8] {
        match self {
            FileKind::Checkpoint => *b"DJCKPT\r\n",
            FileKind::KeyRun => *b"DJKEYS\r\n",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkKind {
    Accounts = 1,
    Global = 2,
    Footer = 3,
    Keys = 4,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkFileHeader {
    pub(crate) kind: FileKind,
    pub(crate) store: StoreId,
    pub(crate) numbers: (u64, u64),
    pub(crate) footer_offset: u64,
}

impl ChunkFileHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.kind.magic());
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.store.0);
        bytes[32..40].copy_from_slice(&self.numbers.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.numbers.1.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.footer_offset.to_le_bytes());
        let check = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// # Errors
    /// `Refused` for a whole header of a newer format, which is no damage; else `Corrupt`.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES], kind: FileKind, name: &str) -> Result<ChunkFileHeader, NodeError> {
        if bytes[..8] != kind.magic() {
            return Err(NodeError::corrupt(name, 0, "the file is of another kind"));
        }
        if crc32c::crc32c(&bytes[..60]) != u32::from_le_bytes(array(bytes, 60)) {
            return Err(NodeError::corrupt(name, 0, "the header's check sum is wrong"));
        }
        let format = u32::from_le_bytes(array(bytes, 8));
        if format > FORMAT {
            return Err(NodeError::newer(name, format, FORMAT));
        }
        if format < OLDEST_FORMAT {
            return Err(NodeError::corrupt(name, 8, format!("there is no format {format}")));
        }
        Ok(ChunkFileHeader {
            kind,
            store: StoreId(array(bytes, 16)),
            numbers: (u64::from_le_bytes(array(bytes, 32)), u64::from_le_bytes(array(bytes, 40))),
            footer_offset: u64::from_le_bytes(array(bytes, 48)),
        })
    }
}
