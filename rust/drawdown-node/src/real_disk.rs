//! The data folder on a real file system.

use crate::aligned::{AlignedBuffer, BLOCK_BYTES, is_aligned, padded};
use crate::disk::{Access, Disk, DiskFile};
use crate::os;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of files. Descriptors are closed on exec, so no child keeps the lock.
pub struct RealDisk {
    root: PathBuf,
}

struct RealFile {
    file: File,
    direct: bool,
}

impl RealDisk {
    /// The folder is created when it is absent; its name, and those of folders made above it, are then durable.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<RealDisk> {
        let disk = RealDisk::existing(root);
        let absent = disk.root.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let holders: Vec<_> = absent.filter_map(Path::parent).map(Path::to_path_buf).collect();
        fs::create_dir_all(&disk.root)?;
        for holder in holders {
            let here = holder.as_os_str().is_empty();
            File::open(if here { Path::new(".") } else { &holder })?.sync_all()?;
        }
        Ok(disk)
    }

    /// The folder as it is; nothing is created.
    pub fn existing(root: impl Into<PathBuf>) -> RealDisk {
        RealDisk { root: root.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    fn open_as(&self, name: &str, access: Access, options: &OpenOptions) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        if access == Access::Direct {
            let mut direct = options.clone();
            direct.custom_flags(libc::O_DIRECT);
            match direct.open(&path) {
                // Some file systems know no direct access: the cache then does, with fdatasync.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                other => return Ok(Arc::new(RealFile { file: other?, direct: true })),
            }
        }
        Ok(Arc::new(RealFile { file: options.open(&path)?, direct: false }))
    }
}

impl Disk for RealDisk {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(folder))
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        self.open_as(name, access, &options)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.open_as(name, access, OpenOptions::new().read(true).write(true))
    }

    fn open_to_read(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.open_as(name, access, OpenOptions::new().read(true))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        if cfg!(feature = "planted-no-folder-sync") {
            return Ok(());
        }
        File::open(self.path(folder))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        os::free_bytes(&File::open(&self.root)?)
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let path = self.path("LOCK");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Ok(if os::try_lock(&file)? { Some(Box::new(file)) } else { None })
    }

    fn random_bytes(&self) -> io::Result<[u8; 16]> {
        let mut bytes = [0; 16];
        File::open(Path::new("/dev/urandom"))?.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if !self.direct || is_aligned(buffer, offset) {
            return self.file.read_at(buffer, offset);
        }
        let skipped = usize::try_from(offset % BLOCK_BYTES as u64).expect("below one block");
        let mut whole = AlignedBuffer::zeroed(padded(skipped + buffer.len()));
        let count = self.file.read_at(whole.content_mut(), offset - skipped as u64)?;
        let found = count.saturating_sub(skipped).min(buffer.len());
        buffer[..found].copy_from_slice(&whole.content()[skipped..skipped + found]);
        Ok(found)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if !self.direct || is_aligned(bytes, offset) {
            return self.file.write_at(bytes, offset);
        }
        let mut copy = AlignedBuffer::with_capacity(bytes.len());
        copy.tail().extend_from_slice(bytes);
        if !is_aligned(copy.content(), offset) {
            let text = "a direct write must cover whole blocks";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.file.write_at(copy.content(), offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
