//! Stores that take more than one step of everything: more accounts than are imaged in one holding of the lock,
//! checkpoints and runs of event ids longer than a write, a read and a sync, groups and segments longer than a window.
//! What was answered is there again, and so is what a salvage or a restore makes of it.

mod support;

use drawdown_core::{Command, Rights, Settings, Status};
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Disk, Drive, Node, NodeError, NodeSettings, Restore, salvage_disk};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{GRANTED, START_US, World, account_id, available, record, set_up};

const KEY_BYTES: usize = 44;
const RUN_BYTES: usize = 1 << 20;

fn settings() -> NodeSettings {
    NodeSettings {
        segment_bytes: 16 << 20,
        reserve_bytes: 0,
        checkpoint_on_close: false,
        checkpoint_journal_bytes_min: 1 << 40,
        ..NodeSettings::default()
    }
}

fn world(seed: u64) -> World {
    World::new(seed).with(Settings { dedupe_budget_bytes: 64 << 20, ..Settings::default() })
}

fn flush(node: &Node) {
    while node.step_commit() {}
}

fn digest(node: &Node) -> u128 {
    node.read(|engine, _| engine.digest()).unwrap()
}

const ACCOUNTS: u64 = 300;

/// Accounts whose grants have long words with them: images of about three MiB.
fn with_large_images(node: &Node) {
    let metadata: serde_json::Map<String, Value> =
        (0..10).map(|number| (format!("word-{number}"), json!("x".repeat(1_000)))).collect();
    set_up(node, ACCOUNTS);
    for number in 0..ACCOUNTS {
        let command = json!({"type": "create_grant", "account": account_id(number), "grant": {
            "grant_id": "long", "credit_type": "credits", "amount": "7", "metadata": metadata}});
        let command: Command = serde_json::from_value(command).unwrap();
        let (_, outcomes) = node.execute(&[command], &Rights::ALL).unwrap();
        assert_eq!(Some(Status::Ok), outcomes[0].status);
    }
}

#[test]
fn a_checkpoint_of_many_writes_is_loaded_instead_of_the_journal() {
    let world = world(81);
    let node = world.open(settings()).unwrap();
    with_large_images(&node);
    flush(&node);
    node.checkpoint().unwrap();
    let before = digest(&node);
    drop(node);
    let killed = world.moved_to(world.disk.after_kill());
    let name = killed.disk.names().into_iter().find(|name| name.ends_with(".dc")).unwrap();
    assert!(killed.disk.bytes_of(&name).unwrap().len() > 2 << 20, "longer than a read");
    let node = killed.open(settings()).unwrap();
    assert_eq!((before, ACCOUNTS), (digest(&node), node.report().accounts_loaded));
    assert_eq!(0, node.report().records_replayed);
}

/// While it closes nobody else wants the lock: the checkpoint of the close leaves it to nobody.
#[test]
fn a_close_beside_threads_images_every_account() {
    let world = world(82);
    let closing = NodeSettings { checkpoint_on_close: true, ..settings() };
    let node = world.open_driven(closing.clone(), Drive::Threads).unwrap();
    with_large_images(&node);
    assert!(node.wait_durable(node.applied_seq(), Duration::from_secs(60)));
    let before = digest(&node);
    node.close().unwrap();
    drop(node);
    let node = world.moved_to(world.disk.after_kill()).open(closing).unwrap();
    assert_eq!((before, ACCOUNTS), (digest(&node), node.report().accounts_loaded));
    assert_eq!((0, true), (node.report().records_replayed, node.report().was_clean));
}

#[test]
fn a_salvage_has_every_account_of_many() {
    let world = world(83);
    let node = world.open(settings()).unwrap();
    with_large_images(&node);
    flush(&node);
    let before = digest(&node);
    node.close().unwrap();
    drop(node);
    let target = SimulatedDisk::new(3);
    let report = salvage_disk(&world.disk, Some(Arc::new(target.clone()))).unwrap();
    assert_eq!((json!([]), json!(ACCOUNTS)), (report["lost"].clone(), report["accounts"].clone()));
    let node = world.moved_to(target).open(settings()).unwrap();
    assert_eq!(before, digest(&node));
    assert_eq!(GRANTED + 7, node.read(|engine, _| available(engine, ACCOUNTS - 1)).unwrap());
}

/// One batch of that many events, in one group, on one account.
fn with_events(world: &World, events: u64) -> Node {
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    let batch: Vec<_> = (0..events).map(|id| (id, 0, 1)).collect();
    record(&node, &batch, START_US).unwrap();
    flush(&node);
    node
}

fn assert_duplicates(node: &Node, ids: impl Iterator<Item = u64>) {
    for id in ids {
        let (_, again) = record(node, &[(id, 0, 1)], START_US).unwrap();
        assert_eq!(Status::Duplicate, again[0].status, "event {id}");
    }
}

/// Everything a full pass hands out.
struct Snapshot {
    manifest: Vec<u8>,
    images: Vec<Vec<u8>>,
    runs: Vec<Vec<u8>>,
    global: Vec<u8>,
}

fn snapshot(node: &Node) -> Snapshot {
    let begun = node.snapshot_begin(true).unwrap();
    let (_, images) = node.snapshot_chunk(100).unwrap().unwrap();
    let mut runs = Vec::new();
    while let Some(run) = node.snapshot_keys().unwrap() {
        runs.push(run);
    }
    let global = node.snapshot_global().unwrap().1;
    node.snapshot_end(true).unwrap();
    let manifest = json!({"store_id": begun["store_id"], "epoch": begun["epoch"], "snapshot_seq": begun["start_seq"],
        "taken_at_us": begun["start_time_us"]});
    let images = images.into_iter().map(|(_, image)| image).collect();
    Snapshot { manifest: manifest.to_string().into_bytes(), images, runs, global }
}

fn begin(world: &World, snapshot: &Snapshot, disk: &SimulatedDisk) -> Restore {
    let mut restore = Restore::begin_on(Arc::new(disk.clone()), &snapshot.manifest, world.engine.clone()).unwrap();
    snapshot.images.iter().for_each(|image| restore.image(image).unwrap());
    restore
}

#[test]
fn event_ids_of_more_than_one_run_are_handed_out_salvaged_and_remembered() {
    const EVENTS: u64 = 60_000;
    let world = world(84);
    let node = with_events(&world, EVENTS);
    let snapshot = snapshot(&node);
    assert!(snapshot.runs.len() > 2 && snapshot.runs.iter().all(|run| run.len() <= RUN_BYTES));
    assert_eq!(EVENTS as usize * KEY_BYTES, snapshot.runs.iter().map(Vec::len).sum::<usize>());
    drop(node);
    let target = SimulatedDisk::new(4);
    let report = salvage_disk(&world.disk.after_kill(), Some(Arc::new(target.clone()))).unwrap();
    assert_eq!((json!([]), json!([])), (report["lost"].clone(), report["forgotten"].clone()));
    let node = world.moved_to(target).open(settings()).unwrap();
    assert_eq!(GRANTED - EVENTS as i64, node.read(|engine, _| available(engine, 0)).unwrap());
    assert_duplicates(&node, (0..EVENTS).step_by(997).chain([EVENTS - 1]));
}

/// The file of the ids then ends with the last byte of a write: nothing is left for another one.
#[test]
fn event_ids_that_fill_their_writes_to_the_byte_are_remembered() {
    // 64 of the file's header, 20 of each of eight chunks' and 8 of the footer's body are the rest of a MiB.
    const EVENTS: usize = ((1 << 20) - 64 - 8 * 20 - 8) / KEY_BYTES;
    const { assert!(64 + 8 * 20 + 8 + EVENTS * KEY_BYTES == 1 << 20) };
    let world = world(85);
    let node = with_events(&world, EVENTS as u64);
    let snapshot = snapshot(&node);
    drop(node);
    let keys: Vec<u8> = snapshot.runs.concat();
    let disk = SimulatedDisk::new(5);
    let mut restore = begin(&world, &snapshot, &disk);
    let parts: Vec<&[u8]> = keys.chunks(EVENTS.div_ceil(7) * KEY_BYTES).collect();
    assert_eq!(7, parts.len());
    parts.into_iter().for_each(|part| restore.keys(part).unwrap());
    restore.finish(&snapshot.global).unwrap();
    let name = disk.names().into_iter().find(|name| name.ends_with(".dk")).unwrap();
    assert_eq!(1 << 20, disk.bytes_of(&name).unwrap().len());
    let node = world.moved_to(disk).open(settings()).unwrap();
    assert_duplicates(&node, (0..EVENTS as u64).step_by(499).chain([EVENTS as u64 - 1]));
}

/// Long files are synced on the way. A sync that fails there lost what nobody will write again.
#[test]
fn a_sync_in_the_middle_of_a_long_file_that_fails_ends_the_restore() {
    let world = world(86);
    let node = with_events(&world, 24_000);
    let snapshot = snapshot(&node);
    drop(node);
    let disk = SimulatedDisk::new(6);
    let mut restore = begin(&world, &snapshot, &disk);
    disk.fail_sync(1);
    let run = &snapshot.runs[0];
    let taken = (0..40).map(|_| restore.keys(run)).take_while(Result::is_ok).count();
    assert!((31..=33).contains(&taken), "{taken} MiB without a sync");
    drop(restore);
    assert!(!disk.names().iter().any(|name| name == "META" || name.ends_with(".dk")), "{:?}", disk.names());
    // Nor is it one with a sync that does not fail.
    let mut restore = begin(&world, &snapshot, &disk);
    let syncs = disk.syncs();
    (0..33).for_each(|_| restore.keys(run).unwrap());
    assert_eq!(1, disk.syncs() - syncs);
}

/// A group longer than what is kept of buffers, than a read of the ledger and than the segment made for it.
#[test]
fn a_batch_longer_than_a_window_is_answered_listed_and_there_again() {
    const EVENTS: u64 = 160_000;
    let world = world(87);
    let small = NodeSettings { group_bytes_max: 8 << 10, ..settings() };
    let node = world.open(small.clone()).unwrap();
    set_up(&node, 2);
    let batch: Vec<_> = (0..EVENTS).map(|id| (id, id / (EVENTS - 1), 1)).collect();
    let journal_before = node.stats().journal_bytes;
    let (seq, _) = record(&node, &batch, START_US).unwrap();
    flush(&node);
    assert!(node.acknowledged_seq() >= seq);
    assert!(node.stats().journal_bytes - journal_before > 4 << 20, "{:?}", node.stats().journal_bytes);
    let listing = json!({"type": "ledger", "account": account_id(1), "limit": 3});
    let listed = node.query(&listing).unwrap().1.unwrap();
    assert_eq!(format!("event-{:08}", EVENTS - 1), listed["entries"][0]["event_id"], "{listed}");
    // The buffer of before is used for what follows it, and holds nothing of it.
    record(&node, &[(EVENTS, 1, 1)], START_US).unwrap();
    flush(&node);
    let before = digest(&node);
    drop(node);
    let node = world.moved_to(world.disk.after_kill()).open(small).unwrap();
    assert_eq!(before, digest(&node));
    assert_duplicates(&node, (0..EVENTS - 1).step_by(9_973));
}

/// Six thousand groups: the last segment is longer than two reads, and what is asked for stands at its end.
#[test]
fn a_record_behind_many_windows_of_the_open_segment_is_listed() {
    let world = world(88);
    let node = world.open(settings()).unwrap();
    set_up(&node, 2);
    for id in 0..6_200 {
        record(&node, &[(id, 0, 1)], START_US).unwrap();
        assert!(node.step_commit());
    }
    record(&node, &[(9_999, 1, 1)], START_US).unwrap();
    flush(&node);
    assert!(node.stats().segment_end > 9 << 20, "{}", node.stats().segment_end);
    let listing = json!({"type": "ledger", "account": account_id(1), "limit": 1});
    let listed = node.query(&listing).unwrap().1.unwrap();
    assert_eq!("event-00009999", listed["entries"][0]["event_id"], "{listed}");
}

/// Of a file that was written in part nothing stays, and the next one is whole.
#[test]
fn a_long_checkpoint_that_fails_leaves_nothing_behind() {
    let world = world(89);
    let node = world.open(settings()).unwrap();
    with_large_images(&node);
    flush(&node);
    let before = world.disk.names();
    world.disk.fail_write(2);
    let failed = node.checkpoint().unwrap_err();
    assert!(matches!(failed, NodeError::Io { .. }), "{failed}");
    assert_eq!(before, world.disk.names());
    node.checkpoint().unwrap();
    drop(node);
    let disk: Arc<dyn Disk> = Arc::new(world.disk.after_kill());
    assert!(salvage_disk(&*disk, None).unwrap()["checkpoint_seq"].as_u64() > Some(0));
}
