//! Reading a file of chunks (chunk_file.rs).

use crate::aligned::{AlignedBuffer, BLOCK_BYTES, padded};
use crate::chunk_file::{
    CHUNK_BYTES_LIMIT, CHUNK_HEADER_BYTES, CHUNK_MAGIC, ChunkFileHeader, ChunkKind, FileKind, HEADER_BYTES,
};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::NodeError;
use crate::meta::{StoreId, array};
use crate::scan::is_zero;
use std::io;
use std::sync::Arc;

/// Bytes of one read.
const WINDOW_BYTES: usize = 2 << 20;

/// Reads one file, chunk by chunk, trusting nothing.
pub(crate) struct ChunkFileReader {
    file: Arc<dyn DiskFile>,
    name: String,
    size: u64,
    pub(crate) header: ChunkFileHeader,
    offset: u64,
    /// The footer was read.
    has_ended: bool,
    /// The file from `window_start` on, as it was read last.
    window: AlignedBuffer,
    window_start: u64,
}

impl ChunkFileReader {
    pub(crate) fn open(
        disk: &dyn Disk,
        name: &str,
        kind: FileKind,
        store: StoreId,
    ) -> Result<ChunkFileReader, NodeError> {
        let file = disk.open_to_read(name, Access::Direct).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NodeError::corrupt(name, 0, "the file is needed and missing"),
            _ => NodeError::unread(name, 0)(error),
        })?;
        let size = file.size().map_err(NodeError::unread(name, 0))?;
        if size < HEADER_BYTES as u64 {
            return Err(NodeError::corrupt(name, size, "the file ends inside its header"));
        }
        let (mut window, mut bytes) = (AlignedBuffer::with_capacity(0), [0; HEADER_BYTES]);
        read_window(&*file, &mut window, 0, size).map_err(NodeError::unread(name, 0))?;
        bytes.copy_from_slice(&window.content()[..HEADER_BYTES]);
        let header = ChunkFileHeader::decode(&bytes, kind, name)?;
        if header.store != store {
            let what = format!("belongs to store {}, not {store}", header.store);
            return Err(NodeError::corrupt(name, 16, what));
        }
        let offset = HEADER_BYTES as u64;
        Ok(ChunkFileReader {
            file,
            name: name.to_owned(),
            size,
            header,
            offset,
            has_ended: false,
            window,
            window_start: 0,
        })
    }

    fn read(&mut self, mut into: &mut [u8], mut offset: u64) -> Result<(), NodeError> {
        while !into.is_empty() {
            let within = offset.checked_sub(self.window_start).and_then(|at| usize::try_from(at).ok());
            let found = within.and_then(|at| self.window.content().get(at..)).unwrap_or(&[]);
            let count = found.len().min(into.len());
            if count == 0 {
                self.window_start = offset - offset % BLOCK_BYTES as u64;
                read_window(&*self.file, &mut self.window, self.window_start, self.size)
                    .map_err(NodeError::unread(&self.name, self.window_start))?;
                continue;
            }
            into[..count].copy_from_slice(&found[..count]);
            into = &mut into[count..];
            offset += count as u64;
        }
        Ok(())
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
        if self.next(&mut body)? != Some(ChunkKind::Footer) {
            return Err(self.corrupt("the footer is not where the header says"));
        }
        self.require_end()?;
        self.offset = HEADER_BYTES as u64;
        self.has_ended = false;
        Ok(body)
    }

    /// Behind the footer stand only the zeros that fill its block.
    fn require_end(&mut self) -> Result<(), NodeError> {
        let mut rest = [0; BLOCK_BYTES];
        let length = usize::try_from(self.size - self.offset).unwrap_or(usize::MAX);
        if length >= BLOCK_BYTES {
            return Err(self.corrupt("more than the rest of a block stands behind the footer"));
        }
        self.read(&mut rest[..length], self.offset)?;
        if is_zero(&rest) { Ok(()) } else { Err(self.corrupt("something stands behind the footer")) }
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
        if self.has_ended {
            return Ok(None);
        }
        let rest = self.size.saturating_sub(self.offset);
        if rest < CHUNK_HEADER_BYTES as u64 {
            return Err(self.corrupt("the file ends inside a chunk's header"));
        }
        let mut head = [0; CHUNK_HEADER_BYTES];
        self.read(&mut head, self.offset)?;
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
        self.read(body, start)?;
        if crc32c::crc32c(body) != u32::from_le_bytes(array(&head, 12)) {
            return Err(self.corrupt("the chunk's check sum is wrong"));
        }
        self.offset = start + u64::from(length);
        self.has_ended = kind == ChunkKind::Footer;
        Ok(Some(kind))
    }
}

/// Read as much as one window takes, from a block's border on. Shorter than wanted only at the end.
fn read_window(file: &dyn DiskFile, window: &mut AlignedBuffer, start: u64, size: u64) -> io::Result<()> {
    let length = usize::try_from(size - start).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES);
    window.set_length(padded(length));
    let mut filled = 0;
    while filled < length {
        let count = file.read_at(&mut window.content_mut()[filled..], start + filled as u64)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
    }
    window.set_length(length);
    Ok(())
}
