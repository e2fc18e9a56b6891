//! A simulated disk that tells a test what is about to be done, so that it can do something of its own in between,
//! or let it fail.

use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Access, Disk, DiskFile};
use std::io;
use std::sync::Arc;

/// What is about to be done.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    Create(&'a str),
    OpenToRead(&'a str),
    Rename(&'a str),
    Remove(&'a str),
    /// Asked for its size, which may be answered otherwise.
    Size(&'a str),
}

/// What is done instead.
pub enum Answer {
    AsUsual,
    Fails(io::Error),
    Says(u64),
}

type Hook = dyn Fn(Call<'_>) -> Answer + Send + Sync;

#[derive(Clone)]
pub struct HookedDisk {
    disk: SimulatedDisk,
    hook: Arc<Hook>,
}

struct HookedFile {
    file: Arc<dyn DiskFile>,
    name: String,
    hook: Arc<Hook>,
}

impl HookedDisk {
    pub fn over(disk: &SimulatedDisk, hook: impl Fn(Call<'_>) -> Answer + Send + Sync + 'static) -> Arc<dyn Disk> {
        Arc::new(HookedDisk { disk: disk.clone(), hook: Arc::new(hook) })
    }

    fn ask(&self, call: Call<'_>) -> io::Result<()> {
        match (self.hook)(call) {
            Answer::Fails(error) => Err(error),
            _ => Ok(()),
        }
    }

    fn hooked(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(HookedFile { file, name: name.into(), hook: Arc::clone(&self.hook) })
    }
}

impl Disk for HookedDisk {
    fn name(&self) -> String {
        self.disk.name()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        self.disk.create_folder(folder)
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.ask(Call::Create(name))?;
        self.disk.create(name, access)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name, access)
    }

    fn open_to_read(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.ask(Call::OpenToRead(name))?;
        Ok(self.hooked(name, self.disk.open_to_read(name, access)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.ask(Call::Rename(from))?;
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.ask(Call::Remove(name))?;
        self.disk.remove(name)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.disk.lock()
    }

    fn random_bytes(&self) -> io::Result<[u8; 16]> {
        self.disk.random_bytes()
    }
}

impl DiskFile for HookedFile {
    fn size(&self) -> io::Result<u64> {
        match (self.hook)(Call::Size(&self.name)) {
            Answer::AsUsual => self.file.size(),
            Answer::Fails(error) => Err(error),
            Answer::Says(size) => Ok(size),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
