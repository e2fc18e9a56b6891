//! Remote passes and restores in the wrong order, or of parts that do not fit: refused in words that say what is wrong,
//! and nothing that can be opened is left.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Disk, FsyncPolicy, Node, NodeError, NodeSettings, Restore};
use serde_json::{Value, json};
use std::sync::Arc;
use support::{START_US, World, engine_settings, record, set_up, small_settings};

/// A snapshot of four accounts, in parts.
struct Parts {
    images: Vec<Vec<u8>>,
    run: Vec<u8>,
    global: Vec<u8>,
    manifest: Value,
}

fn flush(node: &Node) {
    while node.step_commit() {}
}

fn node() -> (World, Node) {
    let world = World::new(31);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 4);
    for id in 0..8 {
        record(&node, &[(id, id % 4, 1)], START_US).unwrap();
    }
    flush(&node);
    (world, node)
}

fn parts() -> Parts {
    let (_world, node) = node();
    let begun = node.snapshot_begin(true).unwrap();
    let (_, images) = node.snapshot_chunk(100).unwrap().unwrap();
    let mut run = Vec::new();
    while let Some(more) = node.snapshot_keys().unwrap() {
        run.extend(more);
    }
    let global = node.snapshot_global().unwrap().1;
    node.snapshot_end(true).unwrap();
    let manifest = json!({
        "format": 1, "store_id": begun["store_id"], "epoch": begun["epoch"], "snapshot_seq": begun["start_seq"],
        "taken_at_us": begun["start_time_us"], "complete": true,
    });
    Parts { images: images.into_iter().map(|(_, image)| image).collect(), run, global, manifest }
}

fn words<T>(refused: Result<T, NodeError>) -> String {
    match refused {
        Ok(_) => panic!("taken"),
        Err(error) => error.to_string(),
    }
}

/// What a restore of these parts says, and that nothing can be opened where it was refused.
fn restored(parts: &Parts) -> Result<Value, NodeError> {
    let disk = SimulatedDisk::new(77);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let restore = || {
        let mut restore = Restore::begin_on(shared, &serde_json::to_vec(&parts.manifest).unwrap(), engine_settings())?;
        parts.images.iter().try_for_each(|image| restore.image(image))?;
        restore.keys(&parts.run)?;
        restore.finish(&parts.global)
    };
    let done = restore();
    assert_eq!(done.is_ok(), disk.names().contains(&"META".to_string()), "{:?}", disk.names());
    done
}

#[test]
fn a_pass_is_begun_before_it_is_asked_for_and_only_once() {
    let (_world, node) = node();
    assert!(words(node.snapshot_chunk(1)).contains("no snapshot pass is under way"));
    assert!(words(node.snapshot_keys()).contains("no snapshot pass is under way"));
    assert!(words(node.snapshot_end(true)).contains("no snapshot pass is under way"));
    node.snapshot_begin(true).unwrap();
    assert!(words(node.snapshot_begin(true)).contains("a snapshot pass is under way"));
    node.snapshot_end(false).unwrap();
    assert_eq!(Some(true), node.snapshot_begin(false).unwrap()["full"].as_bool(), "none was complete yet");
    node.snapshot_end(true).unwrap();
    assert_eq!(Some(false), node.snapshot_begin(false).unwrap()["full"].as_bool());
}

#[test]
fn keys_of_what_is_not_durable_yet_are_not_handed_out() {
    let (_world, node) = node();
    node.snapshot_begin(true).unwrap();
    record(&node, &[(100, 0, 1)], START_US).unwrap();
    let (max_seq, _) = node.snapshot_chunk(100).unwrap().unwrap();
    assert!(node.durable_seq() < max_seq);
    let said = words(node.snapshot_keys());
    assert!(said.contains(&format!("up to seq {max_seq}")) && said.contains("durable up to"), "{said}");
    flush(&node);
    assert!(node.snapshot_keys().unwrap().is_some(), "the same pass goes on");
}

/// Where groups are acknowledged before they are synced, keys and the shared image wait for a sync, not for luck.
#[test]
fn under_an_interval_what_was_only_written_is_synced_for_a_pass() {
    let world = World::new(32);
    let fsync = FsyncPolicy::Interval { ms: 60_000 };
    let node = world.open(NodeSettings { fsync, ..small_settings() }).unwrap();
    set_up(&node, 2);
    flush(&node);
    node.snapshot_begin(true).unwrap();
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    flush(&node);
    let (max_seq, _) = node.snapshot_chunk(100).unwrap().unwrap();
    assert!(node.durable_seq() < max_seq, "written, not synced");
    assert!(node.snapshot_keys().unwrap().is_some());
    assert!(node.durable_seq() >= max_seq);
    record(&node, &[(2, 1, 1)], START_US).unwrap();
    flush(&node);
    let (seq, _) = node.snapshot_global().unwrap();
    assert!(node.durable_seq() < seq);
    while node.snapshot_keys().unwrap().is_some() {}
    assert!(node.durable_seq() >= seq, "asked once more, the journal holds what the shared image says");
    node.snapshot_end(true).unwrap();
}

#[test]
fn parts_that_fit_are_restored() {
    let parts = parts();
    assert_eq!(Some(4), restored(&parts).unwrap()["accounts"].as_u64());
}

#[test]
fn a_manifest_that_makes_no_sense_is_refused() {
    for (says, field, value) in [
        ("is no id", "store_id", json!("nobody's")),
        // As long as an id, and none: digits alone, letters that are no digits, letters of two bytes.
        ("is no id", "store_id", json!("6ba7b8109dad11d180b400c04fd430c8")),
        ("is no id", "store_id", json!("6ba7b810-9dad-11d1-80b4-00c04fd430cg")),
        ("is no id", "store_id", json!("é".repeat(16))),
        ("manifest", "epoch", json!(-1)),
        ("none that openings could come to", "epoch", json!(u64::MAX)),
        ("no journal reaches that far", "snapshot_seq", json!(u64::MAX)),
        ("manifest", "snapshot_seq", json!("x")),
    ] {
        let mut parts = parts();
        parts.manifest[field] = value.clone();
        let said = words(restored(&parts));
        assert!(said.contains(says), "{field} {value}: {said}");
    }
}

#[test]
fn images_that_are_none_or_missing_or_doubled_are_refused() {
    type Change = fn(&mut Parts);
    let changes: [(&str, Change); 7] = [
        ("image 1 is no account image", |parts| parts.images[0].clear()),
        ("image 5 is another one of account number", |parts| parts.images.push(parts.images[0].clone())),
        ("some are missing", |parts| drop(parts.images.remove(0))),
        ("no global image", |parts| parts.global.truncate(3)),
        ("no global image", |parts| *parts.global.first_mut().unwrap() ^= 1),
        ("key", |parts| parts.run.truncate(parts.run.len() - 1)),
        ("restore it again", |parts| {
            let last = parts.images[0].len() - 1;
            parts.images[0].truncate(last);
        }),
    ];
    for (says, change) in changes {
        let mut parts = parts();
        change(&mut parts);
        let said = words(restored(&parts));
        assert!(said.contains(says), "{says}: {said}");
    }
}

#[test]
fn an_image_behind_the_first_keys_is_refused() {
    let parts = parts();
    let shared: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(77));
    let manifest = serde_json::to_vec(&parts.manifest).unwrap();
    let mut restore = Restore::begin_on(shared, &manifest, engine_settings()).unwrap();
    restore.image(&parts.images[0]).unwrap();
    restore.keys(&parts.run).unwrap();
    assert!(words(restore.image(&parts.images[1])).contains("comes after keys"));
}

#[test]
fn a_folder_that_somebody_holds_is_not_restored_into() {
    let parts = parts();
    let disk = SimulatedDisk::new(77);
    let _held = disk.lock().unwrap().expect("free");
    let manifest = serde_json::to_vec(&parts.manifest).unwrap();
    let refused = Restore::begin_on(Arc::new(disk.clone()), &manifest, engine_settings());
    assert!(matches!(refused.err(), Some(NodeError::FolderLocked { .. })));
}

/// A snapshot of nothing has no checkpoint that a folder could not do without: what cannot be read of it is said all
/// the same.
#[test]
fn an_empty_snapshot_whose_shared_image_is_damaged_is_refused() {
    let mut parts = parts();
    parts.images.clear();
    parts.run.clear();
    parts.manifest["snapshot_seq"] = json!(0);
    parts.global.truncate(24);
    parts.global.extend_from_slice(&[0xff; 8]);
    let said = words(restored(&parts));
    assert!(said.contains("the snapshot cannot be loaded") && said.contains(".dc"), "{said}");
}

/// What a restore leaves that was killed: a lock that nobody holds, and files that were not finished.
#[test]
fn a_restore_that_was_killed_is_begun_again_in_the_same_folder() {
    let parts = parts();
    let disk = SimulatedDisk::new(78);
    disk.plant("LOCK", Vec::new());
    disk.plant("ckpt-00000000000000000000.dc.tmp", vec![1; 100]);
    let manifest = serde_json::to_vec(&parts.manifest).unwrap();
    let mut restore = Restore::begin_on(Arc::new(disk.clone()), &manifest, engine_settings()).unwrap();
    parts.images.iter().for_each(|image| restore.image(image).unwrap());
    restore.keys(&parts.run).unwrap();
    restore.finish(&parts.global).unwrap();
    let node = World::on(disk, START_US + 1_000_000).open(small_settings()).unwrap();
    for id in 0..8 {
        let (_, again) = record(&node, &[(id, id % 4, 1)], START_US).unwrap();
        assert_eq!(Status::Duplicate, again[0].status);
    }
}
