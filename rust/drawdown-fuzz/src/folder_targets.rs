//! Files of a data folder and parts of a remote snapshot, changed while nobody looked.
//!
//! ```text
//! folder:   file number 1 | patches: offset 2 LE, length 1, bytes
//! restore:  part number 1 | the part as it comes
//! ```

use crate::Target;
use crate::base;
use drawdown_core::Rights;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{
    Clock, Drive, Environment, Node, NodeError, NodeSettings, Restore, SimulatedClock, SubmitError, verify_disk,
};
use serde_json::json;
use std::sync::{Arc, OnceLock};

pub const FOLDER: Target = Target { name: "folder", run: folder, seeds: folder_seeds };
pub const RESTORE: Target = Target { name: "restore", run: restore, seeds: restore_seeds };

type File = (String, Vec<u8>);

struct Store {
    files: Vec<File>,
    digest: u128,
    /// Manifest, global image, key runs, account images.
    parts: Vec<Vec<u8>>,
    runs: usize,
}

fn node_settings() -> NodeSettings {
    NodeSettings {
        segment_bytes: 16 << 10,
        group_bytes_max: 4 << 10,
        pending_bytes_max: 1 << 20,
        reserve_bytes: 0,
        ..NodeSettings::default()
    }
}

fn open(disk: &SimulatedDisk) -> Result<Node, NodeError> {
    let environment = Environment {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimulatedClock::new(base::START_US)) as Arc<dyn Clock>,
        on_fatal: Arc::new(|_| {}),
    };
    Node::open_in(environment, node_settings(), base::settings(), Drive::Steps)
}

/// A closed store with two checkpoints, and the parts of a remote snapshot of it.
fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| make_store().expect("a healthy disk"))
}

fn make_store() -> Result<Store, NodeError> {
    let disk = SimulatedDisk::new(5);
    let node = open(&disk)?;
    let execute = |text: &str| node.execute(&base::commands(text), &Rights::ALL).map_err(halted);
    execute(base::SET_UP)?;
    while node.step_commit() {}
    node.checkpoint()?;
    execute(r#"[{"type": "create_account", "account": "third"}]"#)?;
    while node.step_commit() {}
    let (parts, runs) = snapshot(&node)?;
    let digest = node.read(|engine, _| engine.digest()).map_err(halted)?;
    node.close()?;
    let files = disk.names().into_iter().filter(|name| name != "LOCK");
    let files = files.filter_map(|name| disk.bytes_of(&name).map(|bytes| (name, bytes))).collect();
    Ok(Store { files, digest, parts, runs })
}

fn halted(error: SubmitError) -> NodeError {
    NodeError::Halted(error.to_string())
}

fn snapshot(node: &Node) -> Result<(Vec<Vec<u8>>, usize), NodeError> {
    let begun = node.snapshot_begin(true)?;
    let (mut runs, mut images) = (Vec::new(), Vec::new());
    while let Some((_, chunk)) = node.snapshot_chunk(2)? {
        while let Some(run) = node.snapshot_keys()? {
            runs.push(run);
        }
        images.extend(chunk.into_iter().map(|(_, image)| image));
    }
    let global = node.snapshot_global().map_err(halted)?.1;
    node.snapshot_end(true)?;
    let manifest = json!({
        "format": 1, "store_id": begun["store_id"], "epoch": begun["epoch"],
        "snapshot_seq": begun["start_seq"], "taken_at_us": begun["start_time_us"], "complete": true,
    });
    let run_count = runs.len();
    let mut parts = vec![manifest.to_string().into_bytes(), global];
    parts.extend(runs);
    parts.extend(images);
    Ok((parts, run_count))
}

fn planted(files: &[File]) -> SimulatedDisk {
    let disk = SimulatedDisk::new(6);
    for (name, bytes) in files {
        disk.plant(name, bytes.clone());
    }
    disk
}

/// Open the store with one file patched: as it was, or refused.
fn folder(bytes: &[u8]) -> bool {
    let Some((&number, mut patches)) = bytes.split_first() else { return false };
    let store = store();
    let mut files = store.files.clone();
    let at = usize::from(number) % files.len();
    let file = &mut files[at].1;
    while let [low, high, length, rest @ ..] = patches {
        let length = usize::from(*length).min(rest.len());
        let start = usize::from(u16::from_le_bytes([*low, *high])).min(file.len());
        let end = (start + length).min(file.len());
        file[start..end].copy_from_slice(&rest[..end - start]);
        patches = &rest[length..];
    }
    let _ = verify_disk(&planted(&files));
    let Ok(node) = open(&planted(&files)) else { return false };
    let digest = node.read(|engine, _| engine.digest()).expect("just opened");
    // META holds the store's key and no check of the settings: with others the state may be another.
    if !matches!(files[at].0.as_str(), "META" | "SETTINGS") {
        assert_eq!(store.digest, digest, "{} changed, another state opened", files[at].0);
    }
    node.close().expect("a healthy disk");
    true
}

/// Restore with one part replaced: the snapshot's state, a state that keeps its laws, or refused.
fn restore(bytes: &[u8]) -> bool {
    let Some((&number, part)) = bytes.split_first() else { return false };
    let store = store();
    let mut parts = store.parts.clone();
    let at = usize::from(number) % parts.len();
    parts[at] = part.to_vec();
    let disk = SimulatedDisk::new(7);
    if restore_from(&disk, &parts, store.runs).is_err() {
        return false;
    }
    let Ok(node) = open(&disk) else { return false };
    let conservation = node.read(|engine, _| engine.conservation_json(None)).expect("just opened");
    assert!(conservation["holds"].is_boolean());
    node.close().expect("a healthy disk");
    true
}

fn restore_from(disk: &SimulatedDisk, parts: &[Vec<u8>], runs: usize) -> Result<(), NodeError> {
    let mut restore = Restore::begin_on(Arc::new(disk.clone()), &parts[0], base::settings())?;
    for image in &parts[2 + runs..] {
        restore.image(image)?;
    }
    for run in &parts[2..2 + runs] {
        restore.keys(run)?;
    }
    restore.finish(&parts[1]).map(|_| ())
}

fn folder_seeds() -> Vec<File> {
    let files = &store().files;
    let unchanged = files.iter().enumerate().map(|(number, (name, bytes))| {
        let plain = name.replace('/', "-");
        let mut seed = vec![number as u8, 0, 0, 64.min(bytes.len()) as u8];
        seed.extend(&bytes[..64.min(bytes.len())]);
        (format!("first-bytes-of-{plain}"), seed)
    });
    unchanged.collect()
}

fn restore_seeds() -> Vec<File> {
    let parts = store().parts.iter().enumerate();
    parts.map(|(number, part)| (format!("part-{number}"), [&[number as u8][..], part].concat())).collect()
}
