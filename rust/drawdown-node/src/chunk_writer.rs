//! Writing a file of chunks (chunk_file.rs) in whole blocks.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::chunk_file::{
    CHUNK_BYTES_LIMIT, CHUNK_HEADER_BYTES, CHUNK_MAGIC, ChunkFileHeader, ChunkKind, FileKind, HEADER_BYTES,
};
use crate::disk::{Access, Disk, DiskFile};
use crate::faults;
use crate::meta::StoreId;
use std::io;
use std::sync::Arc;

/// Bytes of one write.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes handed to the disk between syncs. They matter only where the file system knows no direct
/// access: there one long sync would stand before the journal's.
const SYNC_EVERY_BYTES: u64 = 32 << 20;

/// Writes one file; without `publish` it leaves only a temporary file.
pub(crate) struct ChunkFileWriter {
    file: Arc<dyn DiskFile>,
    name: String,
    header: ChunkFileHeader,
    /// What follows the first `written` bytes; never longer than one write.
    buffer: AlignedBuffer,
    written: u64,
    /// The first block, which gets the header at the end.
    front: AlignedBuffer,
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
        let file = disk.create(&temporary(&name), Access::Direct)?;
        let header = ChunkFileHeader { kind, store, numbers, footer_offset: 0 };
        let mut buffer = AlignedBuffer::with_capacity(WRITE_BYTES);
        buffer.tail().extend_from_slice(&[0; HEADER_BYTES]);
        let front = AlignedBuffer::zeroed(BLOCK_BYTES);
        Ok(ChunkFileWriter { file, name, header, buffer, written: 0, front, unsynced: 0 })
    }

    /// Another name and other numbers, where they are known only at the end.
    pub(crate) fn rename(&mut self, disk: &dyn Disk, name: String, numbers: (u64, u64)) -> io::Result<()> {
        disk.rename(&temporary(&self.name), &temporary(&name))?;
        self.name = name;
        self.header.numbers = numbers;
        Ok(())
    }

    /// Where the next chunk will stand.
    pub(crate) fn offset(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub(crate) fn write_chunk(&mut self, kind: ChunkKind, body: &[u8]) -> io::Result<()> {
        faults::point("checkpoint-write")?;
        let length = u32::try_from(body.len()).ok().filter(|&length| length <= CHUNK_BYTES_LIMIT);
        let length = length.ok_or_else(|| io::Error::other("a chunk over 1 GiB"))?;
        if kind == ChunkKind::Footer {
            self.header.footer_offset = self.offset();
        }
        let mut head = [0; CHUNK_HEADER_BYTES];
        head[..4].copy_from_slice(&CHUNK_MAGIC);
        head[4] = kind as u8;
        head[8..12].copy_from_slice(&length.to_le_bytes());
        head[12..16].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c(&self.header.store.0), &head[..16]);
        head[16..].copy_from_slice(&check.to_le_bytes());
        self.append(&head)?;
        self.append(body)
    }

    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = WRITE_BYTES - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.tail().extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Write the buffer, filled up with zeros to whole blocks.
    fn flush(&mut self) -> io::Result<()> {
        self.buffer.finish();
        let bytes = self.buffer.content();
        if self.written == 0 {
            self.front.content_mut().copy_from_slice(&bytes[..BLOCK_BYTES]);
        }
        self.file.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        self.buffer.clear();
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Afterwards the file is durable under its name; returns its size. A footer must have been
    /// written. `rename_point` is the fault point in front of the rename.
    pub(crate) fn publish(mut self, disk: &dyn Disk, rename_point: &'static str) -> io::Result<u64> {
        assert!(self.header.footer_offset > 0, "a chunk file without a footer");
        if self.buffer.len() > 0 {
            self.flush()?;
        }
        self.front.content_mut()[..HEADER_BYTES].copy_from_slice(&self.header.encode());
        self.file.write_all_at(self.front.content(), 0)?;
        faults::point("checkpoint-sync")?;
        self.file.sync_data()?;
        faults::point(rename_point)?;
        disk.rename(&temporary(&self.name), &self.name)?;
        disk.sync_folder("")?;
        Ok(self.written)
    }
}
