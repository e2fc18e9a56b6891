//! Checkpoints: images of accounts, each at its own seq, and what recovery needs beside them.
//!
//! ```text
//! ckpt-<start seq>.dc       a chunk file (chunk_file.rs): accounts*, global, footer
//! account chunk body        (account number 4, image length 4, image)*
//! footer body
//!   0  start seq            8   every image is at this seq or later; replay starts behind it
//!   8  end seq              8   no image is later; the global image is exactly here
//!  16  full start seq       8   of the full checkpoint this chain stands on (itself if full)
//!  24  global offset        8   of the global image's chunk
//!  32  accounts             8   images in this file
//!  40  stamp                8   microseconds UTC of the global image
//!  48  keys to              8   the key runs below hold every key up to here; the journal the others
//!  56  run count            4
//!  60  (first seq 8, last seq 8)*   key runs to load
//! ```
//! Little endian. A delta holds only accounts changed since the checkpoint before it; of several
//! images of one account the newest counts.

use crate::chunk_file::{ChunkKind, FileKind};
use crate::chunk_reader::ChunkFileReader;
use crate::chunk_writer::ChunkFileWriter;
use crate::disk::Disk;
use crate::error::NodeError;
use crate::meta::{StoreId, array};
use crate::segment::number_between;
use std::io;

/// The second header number of a full checkpoint.
const NO_PREVIOUS: u64 = u64::MAX;
const FOOTER_FIXED_BYTES: usize = 60;
/// An account chunk is written when it has grown past this.
const ACCOUNT_CHUNK_BYTES: usize = 1 << 20;

/// A key run by the seqs it covers, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyRunName {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

impl KeyRunName {
    pub(crate) fn path(self) -> String {
        format!("keys-{:020}-{:020}.dk", self.first_seq, self.last_seq)
    }

    pub(crate) fn parse(name: &str) -> Option<KeyRunName> {
        let (first, last) = name.strip_prefix("keys-")?.strip_suffix(".dk")?.split_once('-')?;
        let sizes = first.len() == 20 && last.len() == 20;
        if sizes { Some(KeyRunName { first_seq: first.parse().ok()?, last_seq: last.parse().ok()? }) } else { None }
    }
}

/// What is known of a checkpoint without its images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointInfo {
    pub(crate) start_seq: u64,
    pub(crate) end_seq: u64,
    pub(crate) full_start_seq: u64,
    /// The checkpoint this delta builds on; `None` for a full one.
    pub(crate) previous: Option<u64>,
    pub(crate) global_offset: u64,
    pub(crate) accounts: u64,
    pub(crate) stamp_us: i64,
    pub(crate) keys_to: u64,
    pub(crate) runs: Vec<KeyRunName>,
    pub(crate) bytes: u64,
}

pub(crate) fn checkpoint_name(start_seq: u64) -> String {
    format!("ckpt-{start_seq:020}.dc")
}

/// Start seqs of every checkpoint file, ascending.
pub(crate) fn checkpoints(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let mut found: Vec<u64> = disk.list("")?.iter().filter_map(|name| number_between(name, "ckpt-", ".dc")).collect();
    found.sort_unstable();
    Ok(found)
}

impl CheckpointInfo {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FOOTER_FIXED_BYTES + 16 * self.runs.len());
        for number in [self.start_seq, self.end_seq, self.full_start_seq, self.global_offset, self.accounts] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.stamp_us.to_le_bytes());
        bytes.extend_from_slice(&self.keys_to.to_le_bytes());
        let count = u32::try_from(self.runs.len()).expect("runs are merged long before they are this many");
        bytes.extend_from_slice(&count.to_le_bytes());
        for run in &self.runs {
            bytes.extend_from_slice(&run.first_seq.to_le_bytes());
            bytes.extend_from_slice(&run.last_seq.to_le_bytes());
        }
        bytes
    }

    fn decode(footer: &[u8], header_numbers: (u64, u64), bytes: u64) -> Option<CheckpointInfo> {
        if footer.len() < FOOTER_FIXED_BYTES {
            return None;
        }
        let count = u32::from_le_bytes(array(footer, 56)) as usize;
        if footer.len() != FOOTER_FIXED_BYTES + 16 * count {
            return None;
        }
        let number = |offset| u64::from_le_bytes(array(footer, offset));
        let run = |index: usize| KeyRunName {
            first_seq: number(FOOTER_FIXED_BYTES + 16 * index),
            last_seq: number(FOOTER_FIXED_BYTES + 16 * index + 8),
        };
        let info = CheckpointInfo {
            start_seq: number(0),
            end_seq: number(8),
            full_start_seq: number(16),
            previous: (header_numbers.1 != NO_PREVIOUS).then_some(header_numbers.1),
            global_offset: number(24),
            accounts: number(32),
            stamp_us: i64::from_le_bytes(array(footer, 40)),
            keys_to: number(48),
            runs: (0..count).map(run).collect(),
            bytes,
        };
        let chained = match info.previous {
            None => info.full_start_seq == info.start_seq,
            Some(previous) => info.full_start_seq <= previous && previous < info.start_seq,
        };
        let ordered = info.start_seq == header_numbers.0 && info.start_seq <= info.end_seq;
        (chained && ordered).then_some(info)
    }
}

/// Writes account images, then the rest.
pub(crate) struct CheckpointWriter {
    file: ChunkFileWriter,
    chunk: Vec<u8>,
    accounts: u64,
}

impl CheckpointWriter {
    pub(crate) fn create(
        disk: &dyn Disk,
        store: StoreId,
        start_seq: u64,
        previous: Option<u64>,
    ) -> io::Result<CheckpointWriter> {
        let numbers = (start_seq, previous.unwrap_or(NO_PREVIOUS));
        let file = ChunkFileWriter::create(disk, checkpoint_name(start_seq), FileKind::Checkpoint, store, numbers)?;
        Ok(CheckpointWriter { file, chunk: Vec::with_capacity(2 * ACCOUNT_CHUNK_BYTES), accounts: 0 })
    }

    /// Another start seq, where it is known only at the end.
    pub(crate) fn restart_at(&mut self, disk: &dyn Disk, start_seq: u64) -> io::Result<()> {
        self.file.rename(disk, checkpoint_name(start_seq), (start_seq, NO_PREVIOUS))
    }

    pub(crate) fn add(&mut self, account: u32, image: &[u8]) -> io::Result<()> {
        let length = u32::try_from(image.len()).map_err(|_| io::Error::other("an account image over 4 GiB"))?;
        self.chunk.extend_from_slice(&account.to_le_bytes());
        self.chunk.extend_from_slice(&length.to_le_bytes());
        self.chunk.extend_from_slice(image);
        self.accounts += 1;
        if self.chunk.len() >= ACCOUNT_CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.chunk.is_empty() {
            self.file.write_chunk(ChunkKind::Accounts, &self.chunk)?;
            self.chunk.clear();
        }
        Ok(())
    }

    /// Write the global image and the footer; afterwards the checkpoint is durable. Of `info`,
    /// place, counts and size are filled in here.
    pub(crate) fn publish(
        mut self,
        disk: &dyn Disk,
        global: &[u8],
        mut info: CheckpointInfo,
    ) -> io::Result<CheckpointInfo> {
        self.flush()?;
        info.global_offset = self.file.offset();
        info.accounts = self.accounts;
        self.file.write_chunk(ChunkKind::Global, global)?;
        self.file.write_chunk(ChunkKind::Footer, &info.encode())?;
        info.bytes = self.file.publish(disk, "checkpoint-rename")?;
        Ok(info)
    }
}

/// A checkpoint open for reading.
pub(crate) struct CheckpointReader {
    file: ChunkFileReader,
    pub(crate) info: CheckpointInfo,
}

impl CheckpointReader {
    pub(crate) fn open(disk: &dyn Disk, store: StoreId, start_seq: u64) -> Result<CheckpointReader, NodeError> {
        let name = checkpoint_name(start_seq);
        let mut file = ChunkFileReader::open(disk, &name, FileKind::Checkpoint, store)?;
        let footer = file.footer()?;
        let info = CheckpointInfo::decode(&footer, file.header.numbers, file.size())
            .filter(|info| info.start_seq == start_seq)
            .ok_or_else(|| NodeError::corrupt(&name, file.header.footer_offset, "the footer contradicts itself"))?;
        Ok(CheckpointReader { file, info })
    }

    pub(crate) fn global(&mut self) -> Result<Vec<u8>, NodeError> {
        self.file.chunk_at(self.info.global_offset, ChunkKind::Global)
    }

    /// Give every account image to `visit`; counts and the whole file are checked.
    pub(crate) fn images(
        mut self,
        mut visit: impl FnMut(u32, &[u8]) -> Result<(), String>,
    ) -> Result<CheckpointInfo, NodeError> {
        let mut body = Vec::new();
        let mut accounts = 0;
        while let Some(kind) = self.file.next(&mut body)? {
            if kind != ChunkKind::Accounts {
                continue;
            }
            let mut rest = body.as_slice();
            while !rest.is_empty() {
                let cut = || self.file.corrupt("an account image is cut short");
                if rest.len() < 8 {
                    return Err(cut());
                }
                let account = u32::from_le_bytes(array(rest, 0));
                let length = u32::from_le_bytes(array(rest, 4)) as usize;
                let image = rest.get(8..8 + length).ok_or_else(cut)?;
                visit(account, image).map_err(|what| self.file.corrupt(format!("in front of here: {what}")))?;
                rest = &rest[8 + length..];
                accounts += 1;
            }
        }
        if accounts != self.info.accounts {
            let what = format!("{} account images are missing", self.info.accounts.abs_diff(accounts));
            return Err(NodeError::corrupt(self.file.name(), self.info.bytes, what));
        }
        Ok(self.info)
    }
}
