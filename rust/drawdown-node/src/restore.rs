//! Building a data folder from a remote snapshot.

use crate::checkpoint_file::{CheckpointInfo, CheckpointWriter, KeyRunName, checkpoint_name};
use crate::chunk_file::{ChunkKind, FileKind};
use crate::chunk_writer::ChunkFileWriter;
use crate::disk::Disk;
use crate::environment::open_folder;
use crate::error::NodeError;
use crate::meta::{Meta, StoreId};
use crate::recovery::{RecoveryReport, rebuild, require_no_journal};
use crate::remote_pass::open_global;
use drawdown_core::Settings;
use drawdown_core::key_run::contained_keys;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What a remote snapshot says of itself; fields of no interest here are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Manifest {
    store_id: String,
    /// Of the process that took the snapshot.
    epoch: u64,
    /// The recovery point: everything up to here is in the snapshot.
    snapshot_seq: u64,
    #[serde(default)]
    taken_at_us: Option<i64>,
}

/// A folder in the making; nothing of it counts before `finish`.
pub struct Restore {
    disk: Arc<dyn Disk>,
    _lock: Box<dyn Send + Sync>,
    settings: Settings,
    manifest: Manifest,
    store: StoreId,
    keys: ChunkFileWriter,
    key_chunks: u64,
    images: CheckpointWriter,
    /// What is in the images so far, by account number.
    image_seqs: HashMap<u32, u64>,
    max_seq: u64,
}

/// Of a snapshot; a journal of a thousand million records a second does not get there in a century.
const SEQ_MAX: u64 = 1 << 62;
/// Openings of one folder between two restores of its store are fewer.
const EPOCHS_PER_RESTORE: u64 = 1_000_000;
/// Names until the end seq is known.
const KEYS_IN_THE_MAKING: KeyRunName = KeyRunName { first_seq: 0, last_seq: 0 };

impl Restore {
    /// Start in a folder that is absent or empty. `manifest` is a JSON object with `store_id`,
    /// `epoch`, `snapshot_seq` and perhaps `taken_at_us`.
    ///
    /// # Errors
    /// `Refused` for a folder in use or a manifest that makes no sense; `FolderLocked`, `Io`.
    pub fn begin(folder: impl Into<PathBuf>, manifest: &[u8]) -> Result<Restore, NodeError> {
        let disk = open_folder(folder.into())?;
        Restore::begin_on(Arc::new(disk), manifest, Settings::default())
    }

    /// `begin` on any disk.
    pub fn begin_on(disk: Arc<dyn Disk>, manifest: &[u8], settings: Settings) -> Result<Restore, NodeError> {
        settings.validate().map_err(NodeError::Refused)?;
        let manifest: Manifest = serde_json::from_slice(manifest)
            .map_err(|error| NodeError::Refused(format!("the snapshot's manifest: {error}")))?;
        let listed = disk.list("").map_err(NodeError::io("list the folder"))?;
        let in_use = listed.iter().find(|name| *name != "LOCK" && !name.ends_with(".tmp"));
        if let Some(name) = in_use.filter(|_| !cfg!(feature = "planted-stale-snapshot-wins")) {
            let what = format!("{} is not empty (it holds {name}): restore into an empty folder", disk.name());
            return Err(NodeError::Refused(what));
        }
        if !cfg!(feature = "planted-stale-snapshot-wins") {
            require_no_journal(&*disk)?;
        }
        let lock = disk.lock().map_err(NodeError::io("lock the folder"))?;
        let lock = lock.ok_or_else(|| NodeError::FolderLocked { folder: disk.name() })?;
        let store = StoreId::parse(&manifest.store_id)
            .ok_or_else(|| NodeError::Refused(format!("the manifest's store_id '{}' is no id", manifest.store_id)))?;
        let creating = || NodeError::io("begin the restored files");
        let keys = ChunkFileWriter::create(&*disk, KEYS_IN_THE_MAKING.path(), FileKind::KeyRun, store, (0, 0))
            .map_err(creating())?;
        let images = CheckpointWriter::create(&*disk, store, 0, None).map_err(creating())?;
        Ok(Restore {
            disk,
            _lock: lock,
            settings,
            manifest,
            store,
            keys,
            key_chunks: 0,
            images,
            image_seqs: HashMap::new(),
            max_seq: 0,
        })
    }

    /// Take over a run of keys, after every image: only keys of events that the images contain are kept.
    ///
    /// # Errors
    /// `Refused` for bytes that are no run; `Io`.
    pub fn keys(&mut self, run: &[u8]) -> Result<(), NodeError> {
        let run = contained_keys(run, |account| self.image_seqs.get(&account).copied())
            .map_err(|corrupt| NodeError::Refused(corrupt.0))?;
        self.key_chunks += 1;
        self.keys.write_chunk(ChunkKind::Keys, &run).map_err(NodeError::io("write restored keys"))
    }

    /// Take over an account's image; one per account, and all before the first run of keys.
    ///
    /// # Errors
    /// `Refused` for bytes that are no image, a second one of an account, and one that comes after keys; `Io`.
    pub fn image(&mut self, image: &[u8]) -> Result<(), NodeError> {
        let number = self.image_seqs.len() + 1;
        let (account, seq) =
            image_head(image).ok_or_else(|| NodeError::Refused(format!("image {number} is no account image")))?;
        if self.key_chunks > 0 {
            return Err(NodeError::Refused(format!("image {number} comes after keys; hand over all images first")));
        }
        if self.image_seqs.insert(account, seq).is_some() {
            return Err(NodeError::Refused(format!("image {number} is another one of account number {account}")));
        }
        self.max_seq = self.max_seq.max(seq);
        self.images.add(account, image).map_err(NodeError::io("write a restored image"))
    }

    /// Accounts are numbered without gaps. Checked before anything is loaded: room is made up to the highest
    /// number, which may be any in a store that somebody else wrote to.
    fn require_each_account(&self) -> Result<(), NodeError> {
        let (count, highest) = (self.image_seqs.len(), self.image_seqs.keys().max());
        match highest.filter(|highest| **highest as usize >= count) {
            None => Ok(()),
            Some(highest) => Err(NodeError::Refused(format!(
                "the snapshot has an image of account number {highest}, but only {count} images: some are missing"
            ))),
        }
    }

    /// Write the rest; afterwards the folder can be opened. The state is loaded once to be sure.
    /// Answers the recovery point (`recovery_seq`, `recovery_time_us`), `accounts`, the `first_seq`
    /// of the new journal, and the `digest`.
    ///
    /// # Errors
    /// `Refused`, `Corrupt`: the snapshot's parts do not fit together; the folder has no META and
    /// cannot be opened. `Io`.
    pub fn finish(self, global_image: &[u8]) -> Result<Value, NodeError> {
        let writing = || NodeError::io("write the restored files");
        self.require_each_account()?;
        let disk = &*self.disk;
        let (store_key, global_image) = open_global(global_image)
            .ok_or_else(|| NodeError::Refused("the global image is no global image".into()))?;
        let global_seq =
            image_seq(global_image).ok_or_else(|| NodeError::Refused("the global image holds nothing".into()))?;
        let end_seq = self.max_seq.max(global_seq).max(self.manifest.snapshot_seq);
        if end_seq > SEQ_MAX {
            return Err(NodeError::Refused(format!("the snapshot names seq {end_seq}, no journal reaches that far")));
        }
        let run = KeyRunName { first_seq: 1, last_seq: end_seq };
        let mut keys = self.keys;
        keys.write_chunk(ChunkKind::Footer, &self.key_chunks.to_le_bytes()).map_err(writing())?;
        keys.rename(disk, run.path(), (1, end_seq)).map_err(writing())?;
        keys.publish(disk, "keys-rename").map_err(writing())?;
        let info = CheckpointInfo {
            start_seq: end_seq,
            end_seq,
            full_start_seq: end_seq,
            previous: None,
            global_offset: 0,
            accounts: 0,
            stamp_us: self.manifest.taken_at_us.unwrap_or(0),
            keys_to: end_seq,
            runs: vec![run],
            bytes: 0,
        };
        let mut images = self.images;
        images.restart_at(disk, end_seq).map_err(writing())?;
        images.publish(disk, global_image, info).map_err(writing())?;
        let meta = Meta {
            store_id: self.store,
            store_key,
            epoch: epoch_after_restore(self.manifest.epoch)?,
            durable_seq: end_seq,
            first_seq: end_seq + 1,
        };
        let mut report = RecoveryReport::default();
        let rebuilt = rebuild(disk, &meta, self.settings, &mut report)?;
        if !rebuilt.damaged.is_empty() {
            return Err(NodeError::Refused(format!("the snapshot cannot be loaded: {}", report.notes.join("; "))));
        }
        if rebuilt.engine.next_seq() != end_seq + 1 {
            // An image whose head says another seq than the rest of it.
            let found = rebuilt.engine.next_seq() - 1;
            let what = format!("the snapshot's parts reach seq {found}, they say {end_seq}: restore from another copy");
            return Err(NodeError::Refused(what));
        }
        let listed = checkpoint_name(end_seq);
        debug_assert!(disk.list("").is_ok_and(|names| names.contains(&listed)));
        meta.write(disk).map_err(NodeError::io("write META"))?;
        Ok(json!({
            "recovery_seq": self.manifest.snapshot_seq,
            "recovery_time_us": self.manifest.taken_at_us,
            "accounts": self.image_seqs.len(),
            "first_seq": end_seq + 1,
            "digest": format!("{:032x}", rebuilt.engine.digest()),
        }))
    }
}

/// Whoever still has the folder of before, and opens it again and again, must never come to an epoch of the
/// restored one: each restore begins another million.
fn epoch_after_restore(of_snapshot: u64) -> Result<u64, NodeError> {
    let begun = (of_snapshot / EPOCHS_PER_RESTORE).checked_add(1).and_then(|n| n.checked_mul(EPOCHS_PER_RESTORE));
    begun.filter(|epoch| *epoch <= SEQ_MAX).ok_or_else(|| {
        NodeError::Refused(format!("the manifest's epoch {of_snapshot} is none that openings could come to"))
    })
}

/// Number and seq of an account image: its fields 1 and 2, varints, written first (core's
/// image.rs). An absent field is 0.
fn image_head(image: &[u8]) -> Option<(u32, u64)> {
    let mut rest = image;
    let number = take_field(&mut rest, 1)?;
    let seq = take_field(&mut rest, 2)?;
    Some((u32::try_from(number).ok()?, seq))
}

/// Seq of a global image: its field 1.
fn image_seq(image: &[u8]) -> Option<u64> {
    take_field(&mut &*image, 1)
}

/// The varint field `tag` if it stands at the start of `rest`, else 0.
fn take_field(rest: &mut &[u8], tag: u8) -> Option<u64> {
    let (first, mut after) = rest.split_first()?;
    if *first != tag << 3 {
        return Some(0);
    }
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, more) = after.split_first()?;
        after = more;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            *rest = after;
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_opening_of_an_older_folder_comes_to_the_epoch_of_a_restored_one() {
        assert_eq!(1_000_000, epoch_after_restore(0).unwrap());
        assert_eq!(1_000_000, epoch_after_restore(999_999).unwrap());
        assert_eq!(2_000_000, epoch_after_restore(1_000_000).unwrap());
        assert!(epoch_after_restore(u64::MAX).is_err());
    }

    #[test]
    fn heads_of_images_are_read() {
        assert_eq!(Some((300, 5)), image_head(&[0x08, 0xac, 0x02, 0x10, 5, 0x1a, 1, 97]));
        assert_eq!(Some((0, 5)), image_head(&[0x10, 5, 0x1a, 1, 97]));
        assert_eq!(None, image_head(&[]));
        assert_eq!(None, image_head(&[0x08, 0xff]));
    }
}
