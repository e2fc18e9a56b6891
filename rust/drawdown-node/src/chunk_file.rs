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
//! Little endian. Written under a temporary name, synced, then renamed: a file of the final name
//! is complete. The header is written last, when the footer's place is known.

use crate::disk::{Access, Disk, DiskFile};
use crate::error::NodeError;
use crate::faults;
use crate::meta::{StoreId, array};
use std::io;
use std::sync::Arc;

/// Checkpoints of format 1 had all their event ids in key runs; a reader of that format would miss
/// those that stand in the journal.
const FORMAT: u32 = 2;
const OLDEST_FORMAT: u32 = 1;
const HEADER_BYTES: usize = 64;
const CHUNK_HEADER_BYTES: usize = 20;
const CHUNK_MAGIC: [u8; 4] = *b"DJCH";
/// Bytes handed to the disk between syncs, so that one long sync never stands before the journal's.
const SYNC_EVERY_BYTES: u64 = 8 << 20;
/// A larger chunk was not written by us. Checked before allocation.
const CHUNK_BYTES_LIMIT: u32 = 1 << 30;

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
    fn encode(&self) -> [u8; HEADER_BYTES] {
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

    fn decode(bytes: &[u8; HEADER_BYTES], kind: FileKind) -> Result<ChunkFileHeader, String> {
        if bytes[..8] != kind.magic() {
            return Err("the file is of another kind".into());
        }
        if crc32c::crc32c(&bytes[..60]) != u32::from_le_bytes(array(bytes, 60)) {
            return Err("the header's check sum is wrong".into());
        }
        let format = u32::from_le_bytes(array(bytes, 8));
        if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
            return Err(format!("the file has format {format}, this program reads {OLDEST_FORMAT} to {FORMAT}"));
        }
        Ok(ChunkFileHeader {
            kind,
            store: StoreId(array(bytes, 16)),
            numbers: (u64::from_le_bytes(array(bytes, 32)), u64::from_le_bytes(array(bytes, 40))),
            footer_offset: u64::from_le_bytes(array(bytes, 48)),
        })
    }
}

/// Writes one file; without `publish` it leaves only a temporary file.
pub(crate) struct ChunkFileWriter {
    file: Arc<dyn DiskFile>,
    name: String,
    header: ChunkFileHeader,
    offset: u64,
    unsynced: u64,
}

fn temporary(name: &str) -> String {
    format!("{name}.tmp")
}

impl ChunkFileWriter {
    pub(crate) fn create(
        disk: &dyn Disk,
        name: String,
        kind: FileKind,
        store: StoreId,
        numbers: (u64, u64),
    ) -> io::Result<ChunkFileWriter> {
        let file = disk.create(&temporary(&name), Access::Cached)?;
        let header = ChunkFileHeader { kind, store, numbers, footer_offset: 0 };
        Ok(ChunkFileWriter { file, name, header, offset: HEADER_BYTES as u64, unsynced: 0 })
    }

    /// Another name and other numbers, where they are known only at the end.
    pub(crate) fn rename(&mut self, disk: &dyn Disk, name: String, numbers: (u64, u64)) -> io::Result<()> {
        disk.rename(&temporary(&self.name), &temporary(&name))?;
        self.name = name;
        self.header.numbers = numbers;
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.offset
    }

    pub(crate) fn write_chunk(&mut self, kind: ChunkKind, body: &[u8]) -> io::Result<()> {
        faults::point("checkpoint-write")?;
        let length = u32::try_from(body.len()).ok().filter(|&length| length <= CHUNK_BYTES_LIMIT);
        let length = length.ok_or_else(|| io::Error::other("a chunk over 1 GiB"))?;
        if kind == ChunkKind::Footer {
            self.header.footer_offset = self.offset;
        }
        let mut head = [0; CHUNK_HEADER_BYTES];
        head[..4].copy_from_slice(&CHUNK_MAGIC);
        head[4] = kind as u8;
        head[8..12].copy_from_slice(&length.to_le_bytes());
        head[12..16].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c(&self.header.store.0), &head[..16]);
        head[16..].copy_from_slice(&check.to_le_bytes());
        self.file.write_all_at(&head, self.offset)?;
        self.file.write_all_at(body, self.offset + CHUNK_HEADER_BYTES as u64)?;
        let written = (CHUNK_HEADER_BYTES + body.len()) as u64;
        self.offset += written;
        self.unsynced += written;
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Afterwards the file is durable under its name; returns its size. A footer must have been
    /// written. `rename_point` is the fault point in front of the rename.
    pub(crate) fn publish(self, disk: &dyn Disk, rename_point: &'static str) -> io::Result<u64> {
        assert!(self.header.footer_offset > 0, "a chunk file without a footer");
        self.file.write_all_at(&self.header.encode(), 0)?;
        faults::point("checkpoint-sync")?;
        self.file.sync_data()?;
        faults::point(rename_point)?;
        disk.rename(&temporary(&self.name), &self.name)?;
        disk.sync_folder("")?;
        Ok(self.offset)
    }
}

/// Reads one file, chunk by chunk, trusting nothing.
pub(crate) struct ChunkFileReader {
    file: Arc<dyn DiskFile>,
    name: String,
    size: u64,
    pub(crate) header: ChunkFileHeader,
    offset: u64,
}

impl ChunkFileReader {
    pub(crate) fn open(
        disk: &dyn Disk,
        name: &str,
        kind: FileKind,
        store: StoreId,
    ) -> Result<ChunkFileReader, NodeError> {
        let doing = || format!("read {name}");
        let file = disk.open_to_read(name, Access::Cached).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NodeError::corrupt(name, 0, "the file is needed and missing"),
            _ => NodeError::io(doing())(error),
        })?;
        let size = file.size().map_err(NodeError::io(doing()))?;
        if size < HEADER_BYTES as u64 {
            return Err(NodeError::corrupt(name, size, "the file ends inside its header"));
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0).map_err(NodeError::io(doing()))?;
        let header = ChunkFileHeader::decode(&bytes, kind).map_err(|what| NodeError::corrupt(name, 0, what))?;
        if header.store != store {
            let what = format!("belongs to store {}, not {store}", header.store);
            return Err(NodeError::corrupt(name, 16, what));
        }
        Ok(ChunkFileReader { file, name: name.to_owned(), size, header, offset: HEADER_BYTES as u64 })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> NodeError {
        NodeError::corrupt(&self.name, self.offset, what)
    }

    /// The footer's body; reading then starts again at the first chunk.
    pub(crate) fn footer(&mut self) -> Result<Vec<u8>, NodeError> {
        self.offset = self.header.footer_offset;
        let mut body = Vec::new();
        match self.next(&mut body)? {
            Some(ChunkKind::Footer) if self.offset == self.size => {}
            _ => return Err(self.corrupt("the footer is not where the header says")),
        }
        self.offset = HEADER_BYTES as u64;
        Ok(body)
    }

    /// The chunk at a known place, as of the footer.
    pub(crate) fn chunk_at(&mut self, offset: u64, kind: ChunkKind) -> Result<Vec<u8>, NodeError> {
        let before = std::mem::replace(&mut self.offset, offset);
        let mut body = Vec::new();
        if self.next(&mut body)? != Some(kind) {
            return Err(self.corrupt("another kind of chunk is expected here"));
        }
        self.offset = before;
        Ok(body)
    }

    /// The next chunk into `body`; `None` behind the footer.
    pub(crate) fn next(&mut self, body: &mut Vec<u8>) -> Result<Option<ChunkKind>, NodeError> {
        if self.offset == self.size {
            return Ok(None);
        }
        let rest = self.size.saturating_sub(self.offset);
        if rest < CHUNK_HEADER_BYTES as u64 {
            return Err(self.corrupt("the file ends inside a chunk's header"));
        }
        let mut head = [0; CHUNK_HEADER_BYTES];
        let doing = format!("read {}", self.name);
        self.file.read_exact_at(&mut head, self.offset).map_err(NodeError::io(doing.clone()))?;
        let check = crc32c::crc32c_append(crc32c::crc32c(&self.header.store.0), &head[..16]);
        if head[..4] != CHUNK_MAGIC || check != u32::from_le_bytes(array(&head, 16)) {
            return Err(self.corrupt("no chunk starts here"));
        }
        let kind = match head[4] {
            1 => ChunkKind::Accounts,
            2 => ChunkKind::Global,
            3 => ChunkKind::Footer,
            4 => ChunkKind::Keys,
            _ => return Err(self.corrupt("a chunk of unknown kind")),
        };
        let length = u32::from_le_bytes(array(&head, 8));
        if length > CHUNK_BYTES_LIMIT || u64::from(length) > rest - CHUNK_HEADER_BYTES as u64 {
            return Err(self.corrupt("a chunk longer than the rest of the file"));
        }
        body.resize(length as usize, 0);
        let start = self.offset + CHUNK_HEADER_BYTES as u64;
        self.file.read_exact_at(body, start).map_err(NodeError::io(doing))?;
        if crc32c::crc32c(body) != u32::from_le_bytes(array(&head, 12)) {
            return Err(self.corrupt("the chunk's check sum is wrong"));
        }
        self.offset = start + u64::from(length);
        Ok(Some(kind))
    }
}
