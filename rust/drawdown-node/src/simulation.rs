//! A disk in memory that forgets like a real one: seeded, deterministic, one thread.
//!
//! Bytes written but not synced are lost at a crash sector by sector, in any combination; names
//! not synced are lost from the newest back. For tests, of this crate and of others.

use crate::disk::{Access, Disk, DiskFile};
use crate::sync::let_others_run;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

const SECTOR_BYTES: usize = 512;

/// A small seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// True once in `of` times.
    pub fn once_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

#[derive(Clone, Default)]
struct Inode {
    /// As the process sees it.
    live: Vec<u8>,
    /// As the device would have it after a crash that loses everything it may.
    durable: Vec<u8>,
    /// Sectors written and not synced, with what each write put there, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone)]
enum NameChange {
    Set(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    locked: bool,
    capacity: Option<u64>,
    /// Files that can't be read.
    unreadable: BTreeSet<usize>,
    /// Counts down; the sync or write that reaches zero fails.
    fail_sync_in: Option<u64>,
    fail_write_in: Option<u64>,
    /// Counts down over every change and sync; at zero the power goes.
    crash_in: Option<u64>,
    dead: bool,
    random: Option<Random>,
    syncs: u64,
}

/// The simulated folder. Clones share it.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

struct SimulatedFile {
    state: Arc<Mutex<State>>,
    inode: usize,
}

struct SimulatedLock(Arc<Mutex<State>>);

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.0.lock().locked = false;
    }
}

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Set(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

impl SimulatedDisk {
    pub fn new(seed: u64) -> SimulatedDisk {
        let state = State { random: Some(Random(seed)), ..State::default() };
        SimulatedDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// What a machine finds after power came back: a disk of its own, all faults off.
    pub fn after_crash(&self, random: &mut Random) -> SimulatedDisk {
        let state = self.state.lock();
        let mut names = state.durable_names.clone();
        let kept = random.below(state.name_changes.len() as u64 + 1) as usize;
        for change in &state.name_changes[..kept] {
            apply_name(&mut names, change);
        }
        let inodes = state.inodes.iter().map(|inode| {
            let mut durable = inode.durable.clone();
            // Three moods: nothing arrived, everything arrived, or any part of it.
            let mood = random.below(4);
            for (offset, sector) in &inode.unsynced {
                if mood == 1 || (mood >= 2 && random.once_in(2)) {
                    let end = offset + sector.len();
                    durable.resize(durable.len().max(end), 0);
                    durable[*offset..end].copy_from_slice(sector);
                }
            }
            Inode { live: durable.clone(), durable, unsynced: Vec::new() }
        });
        let state = State {
            inodes: inodes.collect(),
            durable_names: names.clone(),
            names,
            capacity: state.capacity,
            random: Some(Random(random.draw())),
            ..State::default()
        };
        SimulatedDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// The worst that a machine can find if the power goes now: nothing but what was synced.
    pub fn after_worst_crash(&self) -> SimulatedDisk {
        let state = self.state.lock();
        let inodes = state.inodes.iter().map(|inode| Inode {
            live: inode.durable.clone(),
            durable: inode.durable.clone(),
            unsynced: Vec::new(),
        });
        let copy = State {
            inodes: inodes.collect(),
            names: state.durable_names.clone(),
            durable_names: state.durable_names.clone(),
            capacity: state.capacity,
            random: state.random.clone(),
            ..State::default()
        };
        SimulatedDisk { state: Arc::new(Mutex::new(copy)) }
    }

    /// What another process finds after this one was killed: everything written.
    pub fn after_kill(&self) -> SimulatedDisk {
        let state = self.state.lock();
        let copy = State {
            inodes: state.inodes.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            name_changes: state.name_changes.clone(),
            capacity: state.capacity,
            random: state.random.clone(),
            ..State::default()
        };
        SimulatedDisk { state: Arc::new(Mutex::new(copy)) }
    }

    /// Room for this many bytes in all files; more is `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// The n-th sync from now fails, once; 1 is the next.
    pub fn fail_sync(&self, nth: u64) {
        self.state.lock().fail_sync_in = Some(nth);
    }

    /// The n-th write from now is cut short and fails, once; 1 is the next.
    pub fn fail_write(&self, nth: u64) {
        self.state.lock().fail_write_in = Some(nth);
    }

    /// Reading this file fails from now on, as a device with a bad block does.
    pub fn fail_reads(&self, name: &str) {
        let mut state = self.state.lock();
        let inode = state.names[name];
        state.unreadable.insert(inode);
    }

    /// The power goes at the n-th write, sync or change of a name from now; 1 is the next. That
    /// one does not happen, and everything fails from then on.
    pub fn crash_in(&self, nth: u64) {
        self.state.lock().crash_in = Some(nth);
    }

    /// Whether the power has gone.
    pub fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// Syncs so far.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// The bytes of a file as the process sees them.
    pub fn bytes_of(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        state.names.get(name).map(|&inode| state.inodes[inode].live.clone())
    }

    /// Every file name, sorted.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().names.keys().cloned().collect()
    }

    /// Put a file there as if it had always been; for planting damage.
    pub fn plant(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let inode = state.inodes.len();
        state.inodes.push(Inode { live: bytes.clone(), durable: bytes, unsynced: Vec::new() });
        state.names.insert(name.into(), inode);
        state.durable_names.insert(name.into(), inode);
    }

    fn handle(&self, inode: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { state: Arc::clone(&self.state), inode })
    }

    fn find(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.state.lock().names.get(name).copied();
        inode.map(|inode| self.handle(inode)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl State {
    fn change_name(&mut self, change: NameChange) {
        apply_name(&mut self.names, &change);
        self.name_changes.push(change);
    }

    fn count_down(counter: &mut Option<u64>) -> bool {
        match counter {
            Some(left) if *left <= 1 => {
                *counter = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// One more change or sync: fails from the moment the power goes.
    fn tick(&mut self) -> io::Result<()> {
        if State::count_down(&mut self.crash_in) {
            self.dead = true;
        }
        if self.dead { Err(io::Error::other("the simulated power went")) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|&inode| self.inodes[inode].live.len() as u64).sum()
    }
}

impl Disk for SimulatedDisk {
    fn name(&self) -> String {
        "simulated disk".into()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        let inside = |name: &String| match folder {
            "" => (!name.contains('/')).then(|| name.clone()),
            folder => name.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned),
        };
        Ok(state.names.keys().filter_map(inside).collect())
    }

    fn create_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let_others_run();
        let mut state = self.state.lock();
        state.tick()?;
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change_name(NameChange::Set(name.into(), inode));
        drop(state);
        Ok(self.handle(inode))
    }

    fn open(&self, name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.find(name)
    }

    fn open_to_read(&self, name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.find(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let_others_run();
        let mut state = self.state.lock();
        state.tick()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let_others_run();
        let mut state = self.state.lock();
        state.tick()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove(name.into()));
        Ok(())
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        if cfg!(feature = "planted-no-folder-sync") {
            return Ok(());
        }
        let_others_run();
        let mut state = self.state.lock();
        state.tick()?;
        if State::count_down(&mut state.fail_sync_in) {
            return Err(io::Error::other("simulated fsync failure"));
        }
        // One journal of names for all folders: harsher orders are covered by the cut points.
        state.durable_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state.lock();
        Ok(state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used())))
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimulatedLock(Arc::clone(&self.state)))))
    }

    fn random_bytes(&self) -> io::Result<[u8; 16]> {
        let mut state = self.state.lock();
        let random = state.random.as_mut().expect("a simulated disk has a seed");
        let (a, b) = (random.draw(), random.draw());
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&a.to_le_bytes());
        bytes[8..].copy_from_slice(&b.to_le_bytes());
        Ok(bytes)
    }
}

impl DiskFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.state.lock().inodes[self.inode].live.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock();
        if state.unreadable.contains(&self.inode) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let live = &state.inodes[self.inode].live;
        let start = usize::try_from(offset).map_err(io::Error::other)?.min(live.len());
        let count = buffer.len().min(live.len() - start);
        buffer[..count].copy_from_slice(&live[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let_others_run();
        let mut state = self.state.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        state.tick()?;
        let grown = (start + bytes.len()).saturating_sub(state.inodes[self.inode].live.len());
        if state.capacity.is_some_and(|capacity| state.used() + grown as u64 > capacity) && grown > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let fails = State::count_down(&mut state.fail_write_in);
        let bytes = if fails { &bytes[..bytes.len() / 2] } else { bytes };
        let inode = &mut state.inodes[self.inode];
        let end = start + bytes.len();
        inode.live.resize(inode.live.len().max(end), 0);
        inode.live[start..end].copy_from_slice(bytes);
        let mut from = start;
        while from < end {
            let to = ((from / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
            inode.unsynced.push((from, bytes[from - start..to - start].to_vec()));
            from = to;
        }
        Ok(bytes.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        let_others_run();
        let mut state = self.state.lock();
        state.tick()?;
        state.syncs += 1;
        let fails = State::count_down(&mut state.fail_sync_in);
        let inode = &mut state.inodes[self.inode];
        if fails {
            // As Linux does: the pages are now clean, though nothing of them was kept.
            inode.unsynced.clear();
            return Err(io::Error::other("simulated fsync failure"));
        }
        // Only what is dirty: bytes that a failed sync gave up stay lost until written again.
        for (offset, sector) in std::mem::take(&mut inode.unsynced) {
            let end = offset + sector.len();
            inode.durable.resize(inode.durable.len().max(end), 0);
            inode.durable[offset..end].copy_from_slice(&sector);
        }
        Ok(())
    }
}
