//! The data folder as the node sees it, so that the simulator can stand in for it.
//!
//! Names are relative to the folder (`META`, `archive/seg-…`). Nothing written is durable
//! before `sync_data` of its file returned, no name before `sync_folder` of its folder did.

use std::io;
use std::sync::Arc;

/// How a file will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Past the page cache where the file system can: journal segments, whose bytes are written
    /// once and must be read as the device has them.
    Direct,
    /// Through the page cache.
    Cached,
}

/// An open file. Shared between threads; positions are explicit.
pub trait DiskFile: Send + Sync {
    fn size(&self) -> io::Result<u64>;
    /// Bytes read; fewer than asked only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Bytes written; fewer than given is a short write.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Afterwards every byte written before is durable. After an error nothing is known, and a
    /// second call may lie: never retry it.
    fn sync_data(&self) -> io::Result<()>;

    /// Fill `buffer` or fail with `UnexpectedEof`.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let count = self.read_at(buffer, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = &mut buffer[count..];
            offset += count as u64;
        }
        Ok(())
    }

    /// Write everything or fail. A short write is an error: what follows it is unknown.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let count = self.write_at(bytes, offset)?;
        if count == bytes.len() {
            return Ok(());
        }
        let text = format!("short write: {count} of {} bytes", bytes.len());
        Err(io::Error::new(io::ErrorKind::WriteZero, text))
    }
}

/// The folder. All calls block.
pub trait Disk: Send + Sync {
    /// How people know this folder.
    fn name(&self) -> String;
    /// File names directly inside `folder` (`""` is the data folder), sorted; empty if it is absent.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    fn create_folder(&self, folder: &str) -> io::Result<()>;
    /// A new empty file; an old one of that name is emptied.
    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// An existing file, to read and write.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// An existing file, to read only.
    fn open_to_read(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
    /// Bytes that files may still grow by, as far as the file system tells; others take of them too.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Own the folder until the value is dropped; `None` if another process does.
    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>>;
    /// Sixteen unpredictable bytes, for the store's id and key.
    fn random_bytes(&self) -> io::Result<[u8; 16]>;
}

/// Replace `name` by `bytes` so that after a crash it is wholly the old or wholly the new.
pub(crate) fn replace_file(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    let file = disk.create(&temporary, Access::Cached)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(&temporary, name)?;
    disk.sync_folder("")
}

/// A whole file of at most `bytes_max` bytes.
pub(crate) fn read_file(disk: &dyn Disk, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open_to_read(name, Access::Cached)?;
    let size = file.size()?;
    if size > bytes_max {
        let text = format!("{name} has {size} bytes, at most {bytes_max} are expected");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| io::ErrorKind::InvalidData)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
