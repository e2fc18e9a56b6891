//! Checkpoints while something else happens: groups that are written in between, a file that reads back otherwise than
//! it was written, a disk that takes none for a while. What was answered never hangs on them.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Drive, Node, NodeError, NodeSettings, salvage_disk};
use serde_json::json;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use support::forged::{ChunkFile, END_SEQ, KEYS_TO, number, put};
use support::hooked::{Answer, Call, HookedDisk};
use support::{GRANTED, START_US, World, available, record, set_up, small_settings};

const BLOCK: usize = 4096;

fn settings() -> NodeSettings {
    NodeSettings {
        checkpoint_on_close: false,
        checkpoint_journal_bytes_min: 1 << 40,
        segment_bytes: 256 << 10,
        ..small_settings()
    }
}

fn flush(node: &Node) {
    while node.step_commit() {}
}

fn digest(node: &Node) -> u128 {
    node.read(|engine, _| engine.digest()).unwrap()
}

fn is_checkpoint(name: &str) -> bool {
    name.starts_with("ckpt-")
}

/// A node that takes and writes an event of its own while each checkpoint's file is made.
fn with_an_event_in_every_checkpoint(world: &World) -> Arc<Node> {
    let here: Arc<OnceLock<Arc<Node>>> = Arc::default();
    let known = Arc::clone(&here);
    let disk = HookedDisk::over(&world.disk, move |call| {
        if let (Call::Create(name), Some(node)) = (call, known.get())
            && is_checkpoint(name)
        {
            record(node, &[(1_000 + node.applied_seq(), 0, 1)], START_US).unwrap();
            flush(node);
        }
        Answer::AsUsual
    });
    let node = Arc::new(world.open_on(disk, settings(), Drive::Steps).unwrap());
    assert!(here.set(Arc::clone(&node)).is_ok());
    node
}

/// Flip a byte of the group that begins with `seq`.
fn damage_group(disk: &SimulatedDisk, seq: u64) {
    let name = disk.names().into_iter().rfind(|name| name.starts_with("seg-")).unwrap();
    let mut bytes = disk.bytes_of(&name).unwrap();
    let begins = |at: &usize| bytes[*at..*at + 4] == *b"DJF1" && number(&bytes, at + 24) == seq;
    let at = (BLOCK..bytes.len()).step_by(BLOCK).find(begins).unwrap();
    bytes[at + 70] ^= 1;
    disk.plant(&name, bytes);
}

/// Images of different moments, with the journal that led from one to the other damaged, are no state.
#[test]
fn a_checkpoint_whose_own_stretch_of_journal_is_damaged_is_not_salvaged_from() {
    let world = World::new(41);
    let node = with_an_event_in_every_checkpoint(&world);
    set_up(&node, 2);
    record(&node, &[(1, 0, 5)], START_US).unwrap();
    flush(&node);
    let older = node.checkpoint().unwrap();
    record(&node, &[(2, 0, 7)], START_US).unwrap();
    flush(&node);
    let left = node.read(|engine, _| available(engine, 0)).unwrap();
    let start_seq = node.checkpoint().unwrap();
    record(&node, &[(3, 1, 1)], START_US).unwrap();
    flush(&node);
    let last_seq = node.durable_seq();
    let disk = world.disk.after_kill();
    let mut file = ChunkFile::on(&disk, &format!("ckpt-{start_seq:020}.dc"));
    assert!(number(file.footer(), END_SEQ) > start_seq, "nothing was written in between");
    damage_group(&disk, start_seq + 1);
    let target = SimulatedDisk::new(2);
    let report = salvage_disk(&disk, Some(Arc::new(target.clone()))).unwrap();
    assert_eq!((json!(older), json!(start_seq)), (report["checkpoint_seq"].clone(), report["recovered_seq"].clone()));
    assert_eq!(json!([[start_seq + 1, last_seq]]), report["lost"]);
    let damage = report["damage"].to_string();
    assert!(damage.contains(&format!("checkpoint {start_seq} needs the journal up to seq")), "{damage}");
    let salvaged = world.moved_to(target).open(settings()).unwrap();
    assert_eq!(left, salvaged.read(|engine, _| available(engine, 0)).unwrap());
}

#[test]
fn a_checkpoint_that_events_went_into_is_loaded_with_them() {
    let world = World::new(42);
    let node = with_an_event_in_every_checkpoint(&world);
    set_up(&node, 2);
    flush(&node);
    node.checkpoint().unwrap();
    let node_digest = digest(&node);
    let again = world.moved_to(world.disk.after_kill()).open(settings()).unwrap();
    assert_eq!(node_digest, digest(&again));
    let opened = again.read(|engine, _| available(engine, 0)).unwrap();
    assert_eq!(GRANTED - 1, opened);
}

/// The device gives back other bytes than it was given, and they are whole.
#[test]
fn a_checkpoint_that_reads_back_otherwise_counts_as_none() {
    let world = World::new(43);
    let is_armed = Arc::new(AtomicBool::new(false));
    let (armed, inner) = (Arc::clone(&is_armed), world.disk.clone());
    let disk = HookedDisk::over(&world.disk, move |call| {
        if let Call::Rename(from) = call
            && is_checkpoint(from)
            && armed.load(SeqCst)
        {
            let mut file = ChunkFile::on(&inner, from);
            put(file.footer(), KEYS_TO, 1);
            inner.plant(from, file.bytes());
        }
        Answer::AsUsual
    });
    let node = world.open_on(disk, settings(), Drive::Steps).unwrap();
    set_up(&node, 1);
    for round in 0..60 {
        let events: Vec<_> = (0..20).map(|event| (100 * round + event, 0, 1)).collect();
        record(&node, &events, START_US).unwrap();
        flush(&node);
        node.step_prepare();
        if round == 20 {
            node.checkpoint().unwrap();
        }
    }
    let before = (node.stats().checkpoint_seq, node.stats().checkpoints);
    is_armed.store(true, SeqCst);
    let failed = node.checkpoint().unwrap_err();
    assert!(matches!(&failed, NodeError::Corrupt(found) if is_checkpoint(&found.file)), "{failed}");
    assert!(failed.to_string().contains("reads back otherwise"), "{failed}");
    let stats = node.stats();
    assert_eq!((before, 1), ((stats.checkpoint_seq, stats.checkpoints), stats.checkpoint_failures));
    assert!(stats.checkpoint_error.is_some_and(|error| error.contains("reads back otherwise")));
    assert!(!world.disk.names().iter().any(|name| name.starts_with("archive/")), "journal left for it");
    // The next one takes its place.
    is_armed.store(false, SeqCst);
    node.checkpoint().unwrap();
    assert_eq!(None, node.stats().checkpoint_error);
    let again = world.moved_to(world.disk.after_kill()).open(settings()).unwrap();
    assert_eq!((digest(&node), Vec::<String>::new()), (digest(&again), again.report().notes.clone()));
}

#[test]
fn a_disk_that_takes_no_checkpoint_stops_no_event() {
    let world = World::new(44);
    let is_armed = Arc::new(AtomicBool::new(true));
    let armed = Arc::clone(&is_armed);
    let disk = HookedDisk::over(&world.disk, move |call| match call {
        Call::Create(name) if is_checkpoint(name) && armed.load(SeqCst) => {
            Answer::Fails(io::ErrorKind::StorageFull.into())
        }
        _ => Answer::AsUsual,
    });
    let due_soon = NodeSettings { checkpoint_journal_bytes_min: 32 << 10, ..settings() };
    let node = world.open_on(disk, due_soon, Drive::Threads).unwrap();
    set_up(&node, 1);
    let begun = Instant::now();
    let mut sent = 0;
    while node.stats().checkpoint_failures == 0 {
        let (seq, _) = record(&node, &[(sent, 0, 1)], START_US).unwrap();
        assert!(node.wait_durable(seq, Duration::from_secs(20)));
        sent += 1;
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", node.stats());
    }
    assert!(node.stats().checkpoint_error.is_some_and(|error| error.contains("write a checkpoint")));
    let (seq, outcomes) = record(&node, &[(sent, 0, 1)], START_US).unwrap();
    assert_eq!((Status::Ok, None), (outcomes[0].status, node.stats().halted));
    assert!(node.wait_durable(seq, Duration::from_secs(20)));
    is_armed.store(false, SeqCst);
    node.checkpoint().unwrap();
    assert_eq!(None, node.stats().checkpoint_error);
    node.close().unwrap();
    drop(node);
    let node = world.moved_to(world.disk.after_kill()).open(settings()).unwrap();
    assert_eq!(GRANTED - sent as i64 - 1, node.read(|engine, _| available(engine, 0)).unwrap());
}
