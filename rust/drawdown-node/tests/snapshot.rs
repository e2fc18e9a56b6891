//! Remote passes and the folder restored from them, fed while events go on.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Disk, Node, Restore};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{GRANTED, START_US, World, available, engine_settings, record, set_up, small_settings};

/// What a remote store would hold.
#[derive(Default)]
struct Remote {
    images: BTreeMap<u32, Vec<u8>>,
    runs: Vec<Vec<u8>>,
    global: Vec<u8>,
    manifest: serde_json::Value,
}

fn flush(node: &Node) {
    while node.step_commit() {}
}

/// One pass in the order that is asked for, with events between its chunks.
fn pass(node: &Node, remote: &mut Remote, full: bool, mut between: impl FnMut()) -> u64 {
    let begun = node.snapshot_begin(full).unwrap();
    let mut imaged = 0;
    while let Some((max_seq, images)) = node.snapshot_chunk(2).unwrap() {
        between();
        flush(node);
        assert!(node.durable_seq() >= max_seq);
        while let Some(run) = node.snapshot_keys().unwrap() {
            remote.runs.push(run);
        }
        imaged += images.len() as u64;
        remote.images.extend(images);
    }
    flush(node);
    while let Some(run) = node.snapshot_keys().unwrap() {
        remote.runs.push(run);
    }
    remote.global = node.snapshot_global().unwrap().1;
    remote.manifest = json!({
        "format": 1, "store_id": begun["store_id"], "epoch": begun["epoch"], "snapshot_seq": begun["start_seq"],
        "taken_at_us": begun["start_time_us"], "complete": true,
    });
    node.snapshot_end(true).unwrap();
    imaged
}

fn restore(remote: &Remote) -> (SimulatedDisk, serde_json::Value) {
    let disk = SimulatedDisk::new(77);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let manifest = serde_json::to_vec(&remote.manifest).unwrap();
    let mut restore = Restore::begin_on(shared, &manifest, engine_settings()).unwrap();
    for image in remote.images.values() {
        restore.image(image).unwrap();
    }
    for run in &remote.runs {
        restore.keys(run).unwrap();
    }
    let report = restore.finish(&remote.global).unwrap();
    (disk, report)
}

#[test]
fn a_restored_folder_has_the_balances_and_remembers_the_events() {
    let world = World::new(21);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 9);
    flush(&node);
    let mut sent = 0_u64;
    let mut send = |node: &Node| {
        for _ in 0..10 {
            record(node, &[(sent, sent % 9, 3)], START_US).unwrap();
            sent += 1;
        }
    };
    let mut remote = Remote::default();
    send(&node);
    node.checkpoint().unwrap();
    send(&node);
    assert_eq!(9, pass(&node, &mut remote, false, || send(&node)), "the first pass is over everything");
    send(&node);
    assert_eq!(9, pass(&node, &mut remote, false, || send(&node)));
    record(&node, &[(1_000_000, 4, 3)], START_US).unwrap();
    // Events between the last chunks of the pass before have made all accounts dirty again.
    pass(&node, &mut remote, false, || {});
    assert_eq!(0, pass(&node, &mut remote, false, || {}), "nothing changed");
    let (digest, ids) = node.read(|engine, _| (engine.digest(), engine.key_usage().0)).unwrap();
    drop(node);

    let (disk, report) = restore(&remote);
    assert_eq!(format!("{digest:032x}"), report["digest"].as_str().unwrap());
    assert_eq!(Some(9), report["accounts"].as_u64());
    for _ in 0..3 {
        let world = World::on(disk.after_kill(), START_US + 5_000_000);
        let node = world.open(small_settings()).unwrap();
        assert_eq!((digest, ids), node.read(|engine, _| (engine.digest(), engine.key_usage().0)).unwrap());
        for id in (0..sent).chain([1_000_000]) {
            let account = if id == 1_000_000 { 4 } else { id % 9 };
            let (_, again) = record(&node, &[(id, account, 3)], START_US).unwrap();
            assert_eq!(Status::Duplicate, again[0].status, "event {id}");
        }
        record(&node, &[(2_000_000, 0, 3)], START_US).unwrap();
        flush(&node);
        node.checkpoint().unwrap();
        node.close().unwrap();
        drop(node);
        // Goes on as any folder does.
        let node = world.moved_to(world.disk.after_kill()).open(small_settings()).unwrap();
        let (_, again) = record(&node, &[(2_000_000, 0, 3)], START_US).unwrap();
        assert_eq!(Status::Duplicate, again[0].status);
    }
}

#[test]
fn ids_of_events_that_a_restore_gives_up_are_given_up_for_good() {
    let world = World::new(23);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 9);
    flush(&node);
    let mut remote = Remote::default();
    let mut sent = 0_u64..;
    // Every account goes on while others are imaged: some of these events are in no image, and all are in runs.
    pass(&node, &mut remote, false, || {
        for account in 0..9 {
            record(&node, &[(sent.next().unwrap(), account, 3)], START_US).unwrap();
        }
    });
    let count = sent.next().unwrap();
    drop(node);
    let (disk, _) = restore(&remote);
    let again = |disk: &SimulatedDisk| -> Vec<Status> {
        let node = World::on(disk.after_kill(), START_US + 5_000_000).open(small_settings()).unwrap();
        (0..count).map(|id| record(&node, &[(id, id % 9, 3)], START_US).unwrap().1[0].status).collect()
    };
    let at_once = again(&disk);
    assert!(at_once.contains(&Status::Ok) && at_once.contains(&Status::Duplicate), "{at_once:?}");
    let world = World::on(disk.after_kill(), START_US + 5_000_000);
    let node = world.open(small_settings()).unwrap();
    for account in 0..9 {
        record(&node, &[(1_000_000 + account, account, 3)], START_US).unwrap();
    }
    flush(&node);
    node.checkpoint().unwrap();
    node.close().unwrap();
    drop(node);
    assert_eq!(at_once, again(&world.disk), "after a life whose checkpoint is above them");
}

#[test]
fn a_pass_given_up_half_way_leaves_a_snapshot_that_never_double_applies() {
    let world = World::new(22);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 4);
    flush(&node);
    let mut remote = Remote::default();
    pass(&node, &mut remote, true, || {});
    for id in 0..8 {
        record(&node, &[(id, id % 4, 100)], START_US).unwrap();
    }
    // The second pass stores two accounts and dies.
    node.snapshot_begin(false).unwrap();
    let (_, images) = node.snapshot_chunk(2).unwrap().unwrap();
    flush(&node);
    while let Some(run) = node.snapshot_keys().unwrap() {
        remote.runs.push(run);
    }
    remote.images.extend(images);
    node.snapshot_end(false).unwrap();
    let (disk, _) = restore(&remote);
    let restored = World::on(disk, START_US + 5_000_000).open(small_settings()).unwrap();
    for id in 0..8 {
        record(&restored, &[(id, id % 4, 100)], START_US).unwrap();
    }
    for account in 0..4 {
        assert_eq!(GRANTED - 200, restored.read(|engine, _| available(engine, account)).unwrap());
    }
    let all = pass(&node, &mut remote, false, || {});
    assert_eq!(4, all, "what the given-up pass imaged comes again");
}

#[test]
fn a_folder_in_use_and_a_foreign_part_are_refused() {
    let world = World::new(23);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 2);
    flush(&node);
    let mut remote = Remote::default();
    pass(&node, &mut remote, true, || {});
    let manifest = serde_json::to_vec(&remote.manifest).unwrap();
    let used: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let refused = Restore::begin_on(used, &manifest, engine_settings()).err().unwrap();
    assert!(refused.to_string().contains("not empty"), "{refused}");
    let empty: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let restore = Restore::begin_on(empty, &manifest, engine_settings()).unwrap();
    assert!(restore.finish(b"rubbish").is_err());
    let empty: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    assert!(Restore::begin_on(empty, b"{}", engine_settings()).is_err());
}

#[test]
fn an_image_of_an_account_far_beyond_the_others_is_refused_before_room_is_made_for_it() {
    let world = World::new(25);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 2);
    flush(&node);
    let mut remote = Remote::default();
    pass(&node, &mut remote, true, || {});
    let manifest = serde_json::to_vec(&remote.manifest).unwrap();
    let empty: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let mut restore = Restore::begin_on(empty, &manifest, engine_settings()).unwrap();
    for image in remote.images.values() {
        restore.image(image).unwrap();
    }
    // Number 2^29 (field 1) with seq 2^30 (field 2): in protobuf varints.
    restore.image(&[0x08, 0x80, 0x80, 0x80, 0x80, 0x02, 0x10, 0x80, 0x80, 0x80, 0x80, 0x04]).unwrap();
    let refused = restore.finish(&remote.global).err().unwrap();
    assert!(refused.to_string().contains("account number 536870912"), "{refused}");
}

#[test]
fn the_ledger_reads_durable_records_from_any_seq_archive_included() {
    let world = World::new(24);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 3);
    for round in 0..60_u64 {
        let events: Vec<_> = (0..20).map(|i| (round * 20 + i, i % 3, 1)).collect();
        record(&node, &events, START_US).unwrap();
        flush(&node);
        if round % 7 == 0 {
            node.checkpoint().unwrap();
        }
    }
    assert!(world.disk.names().iter().any(|name| name.starts_with("archive/seg-")), "{:?}", world.disk.names());
    for first in [1, 2, 40, 500, node.durable_seq()] {
        let mut expected_at_most = first;
        let mut next = 0;
        node.read_records(first, |seq, _, body| {
            assert!(seq <= expected_at_most && !body.is_empty(), "gap before {seq}");
            expected_at_most = u64::MAX;
            next = next.max(seq);
            true
        })
        .unwrap();
        assert!(next > 0 && next <= node.durable_seq());
    }
}

#[test]
fn the_ledger_ends_where_nothing_is_durable_yet_and_where_the_reader_has_enough() {
    let world = World::new(25);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    flush(&node);
    let durable = node.durable_seq();
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    node.read_records(durable + 1, |seq, _, _| panic!("seq {seq} is not durable")).unwrap();
    flush(&node);
    record(&node, &[(2, 0, 1)], START_US).unwrap();
    flush(&node);
    let mut seen = Vec::new();
    node.read_records(1, |seq, _, _| {
        seen.push(seq);
        seen.len() < 2
    })
    .unwrap();
    assert_eq!(vec![1, durable + 1], seen, "a third group is there and nobody wants it");
}

/// A pass used to fail, and snapshots to rest for half a minute, whenever something was recorded
/// between the last image and the look that found no more.
#[test]
fn what_is_recorded_after_the_last_image_is_not_waited_for() {
    let world = World::new(23);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 3);
    flush(&node);
    let begun = node.snapshot_begin(true).unwrap();
    let (max_seq, images) = node.snapshot_chunk(100).unwrap().unwrap();
    assert_eq!((begun["start_seq"].as_u64(), 3), (Some(max_seq), images.len()));
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    assert!(node.snapshot_chunk(100).unwrap().is_none());
    assert!(node.durable_seq() < node.applied_seq());
    while node.snapshot_keys().unwrap().is_some() {}
    node.snapshot_end(true).unwrap();
}
