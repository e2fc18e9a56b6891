//! Runs of event ids beside a folder's checkpoints, as a restore and version 0.1 leave them: a pass hands them out
//! while they matter, and a salvage keeps what they hold. Names that only look like theirs are nobody's business.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Disk, Node, NodeError, NodeSettings, salvage_disk};
use serde_json::json;
use std::sync::Arc;
use support::{GRANTED, World, available, golden, record, small_settings};

const TIME_US: i64 = 1_795_220_515_000_000;
const DAY_US: i64 = 86_400_000_000;
const KEY_BYTES: usize = 44;
/// Of the thirty-five events five are behind the last run.
const IDS_IN_RUNS: usize = 25;

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, checkpoint_deltas_max: 0, ..small_settings() }
}

fn open() -> (World, Node) {
    let world = World::on(golden("key-runs"), TIME_US + 1_000_000);
    let node = world.open(settings()).unwrap();
    assert_eq!(3, node.report().key_runs);
    (world, node)
}

fn runs(disk: &SimulatedDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.ends_with(".dk")).collect()
}

/// Event ids that the rest of a pass hands out.
fn ids(node: &Node) -> Result<usize, NodeError> {
    let mut bytes = 0;
    while let Some(run) = node.snapshot_keys()? {
        bytes += run.len();
    }
    Ok(bytes / KEY_BYTES)
}

#[test]
fn a_run_that_is_missing_while_its_ids_matter_fails_the_pass() {
    let (world, node) = open();
    let missing = runs(&world.disk)[1].clone();
    let bytes = world.disk.bytes_of(&missing).unwrap();
    world.disk.remove(&missing).unwrap();
    node.snapshot_begin(true).unwrap();
    let failed = ids(&node).unwrap_err();
    assert!(matches!(&failed, NodeError::Corrupt(found) if found.file == missing), "{failed}");
    assert!(failed.to_string().contains("needed and missing"), "{failed}");
    node.snapshot_end(false).unwrap();
    world.disk.plant(&missing, bytes);
    node.snapshot_begin(true).unwrap();
    assert_eq!(30, ids(&node).unwrap());
}

/// A pass may take longer than the ids of a run have left.
#[test]
fn a_run_that_left_while_a_pass_was_under_way_is_passed_over() {
    let (world, node) = open();
    node.snapshot_begin(true).unwrap();
    world.clock.advance(36 * DAY_US);
    node.accept_clock();
    for id in 200..203 {
        record(&node, &[(id, 1, 1)], TIME_US + 36 * DAY_US).unwrap();
        while node.step_commit() {}
        node.checkpoint().unwrap();
    }
    assert!(runs(&world.disk).is_empty(), "{:?}", runs(&world.disk));
    assert!(ids(&node).unwrap() < IDS_IN_RUNS, "ids of a run that is gone");
    node.snapshot_end(true).unwrap();
}

#[test]
fn a_salvage_keeps_the_ids_of_runs_and_of_the_journal_behind_them() {
    let disk = golden("key-runs");
    let target = SimulatedDisk::new(8);
    let report = salvage_disk(&disk, Some(Arc::new(target.clone()))).unwrap();
    assert_eq!((json!([]), json!([])), (report["lost"].clone(), report["forgotten"].clone()));
    let node = World::on(target, TIME_US + 1_000_000).open(settings()).unwrap();
    for id in 0..30 {
        let (_, again) = record(&node, &[(id, id % 3, 1)], TIME_US).unwrap();
        assert_eq!(Status::Duplicate, again[0].status, "event {id}");
    }
    assert_eq!(GRANTED - 10, node.read(|engine, _| available(engine, 0)).unwrap());
}

#[test]
fn files_that_only_look_like_runs_stay_where_they_are() {
    let (world, node) = open();
    let foreign = [
        "keys-1-2.dk",
        "keys-00000000000000000001-2.dk",
        "keys-1-00000000000000000002.dk",
        "keys-0000000000000000000x-00000000000000000002.dk",
        "keys-00000000000000000001.dk",
        "keys.dk",
    ];
    for name in foreign {
        world.disk.plant(name, b"of somebody else".to_vec());
    }
    // This one is a run's name, and no checkpoint wants it.
    world.disk.plant("keys-00000000000000000036-00000000000000000039.dk", b"left over".to_vec());
    record(&node, &[(300, 1, 1)], TIME_US).unwrap();
    while node.step_commit() {}
    node.checkpoint().unwrap();
    let kept = runs(&world.disk);
    assert!(foreign.iter().all(|name| kept.iter().any(|kept| kept == name)), "{kept:?}");
    assert_eq!(foreign.len() + 3, kept.len(), "{kept:?}");
}
