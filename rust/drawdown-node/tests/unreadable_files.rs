//! A device that no longer gives some bytes: what stands in for them is used, as where they are changed.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Disk, Drive, Node, NodeError, NodeSettings, salvage_disk};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use support::hooked::{Answer, Call, HookedDisk};
use support::{GRANTED, START_US, World, account_id, available, record, set_up, small_settings};

const ROUNDS: u64 = 40;

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, checkpoint_journal_bytes_min: 1 << 40, ..small_settings() }
}

/// Two checkpoints and a journal behind them; the newest last.
fn story(seed: u64) -> (World, Vec<String>) {
    let world = World::new(seed);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    for round in 0..ROUNDS {
        let events: Vec<_> = (0..40).map(|i| (round * 40 + i, 0, 1)).collect();
        record(&node, &events, START_US).unwrap();
        while node.step_commit() {}
        node.step_prepare();
        if round == 10 || round == 20 {
            node.checkpoint().unwrap();
        }
    }
    node.close().unwrap();
    drop(node);
    let moved = world.moved_to(world.disk.after_kill());
    let names = moved.disk.names().into_iter().filter(|name| name.ends_with(".dc")).collect();
    (moved, names)
}

fn left(node: &Node) -> i64 {
    node.read(|engine, _| available(engine, 0)).unwrap()
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_passed_over() {
    let (world, checkpoints) = story(71);
    world.disk.fail_reads(checkpoints.last().unwrap());
    let node = world.open(settings()).unwrap();
    assert!(node.report().notes[0].contains("passed over"), "{:?}", node.report());
    assert_eq!(GRANTED - 40 * ROUNDS as i64, left(&node));
}

#[test]
fn a_salvage_passes_over_it_too() {
    let (world, checkpoints) = story(72);
    world.disk.fail_reads(checkpoints.last().unwrap());
    let target = SimulatedDisk::new(3);
    let report = salvage_disk(&world.disk, Some(Arc::new(target.clone()))).unwrap();
    assert_eq!(json!([]), report["lost"], "{report}");
    assert!(report["damage"][0].as_str().unwrap().contains("can't be read"), "{report}");
    let node = world.moved_to(target).open(settings()).unwrap();
    assert_eq!(GRANTED - 40 * ROUNDS as i64, left(&node));
}

#[test]
fn a_segment_that_cannot_be_read_stops_the_start_and_not_the_salvage() {
    let (world, checkpoints) = story(73);
    for name in &checkpoints {
        world.disk.fail_reads(name);
    }
    let segments: Vec<_> = world.disk.names().into_iter().filter(|name| name.contains("seg-")).collect();
    world.disk.fail_reads(&segments[segments.len() / 2]);
    let refused = world.open(settings()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, NodeError::Io { .. } | NodeError::Corrupt(_)), "{refused}");
    let target = SimulatedDisk::new(4);
    let report = salvage_disk(&world.disk, Some(Arc::new(target.clone()))).unwrap();
    let damage = report["damage"].as_array().unwrap();
    assert!(damage.iter().any(|what| what.as_str().unwrap().contains("blocks can't be read")), "{report}");
    let node = world.moved_to(target).open(settings()).unwrap();
    let kept = GRANTED - left(&node);
    assert!(kept > 0 && kept < 40 * ROUNDS as i64, "{report}");
    assert_eq!(Status::Duplicate, record(&node, &[(0, 0, 1)], START_US).unwrap().1[0].status);
}

/// A folder whose file `name` has this size, as far as it says.
fn with_size(world: &World, name: &str, size: u64) -> Result<Node, NodeError> {
    let name = name.to_owned();
    let disk = HookedDisk::over(&world.disk, move |call| match call {
        Call::Size(asked) if asked == name => Answer::Says(size),
        _ => Answer::AsUsual,
    });
    world.open_on(disk, settings(), Drive::Steps)
}

fn contents(disk: &SimulatedDisk) -> Vec<(String, Option<Vec<u8>>)> {
    disk.names().into_iter().map(|name| (name.clone(), disk.bytes_of(&name))).collect()
}

/// Of more bytes than any segment no memory is asked for; those that are not there are not taken for zeros.
#[test]
fn a_segment_that_is_not_as_long_as_it_says_stops_the_start() {
    let (world, _) = story(74);
    let last = world.disk.names().into_iter().rfind(|name| name.starts_with("seg-")).unwrap();
    let size = world.disk.bytes_of(&last).unwrap().len() as u64;
    let before = contents(&world.disk);
    for (says, words) in [((1 << 32) + 4_096, "are no segment's size"), (2 * size, "became shorter while being read")] {
        let refused = with_size(&world, &last, says).err().expect("refused");
        assert!(matches!(&refused, NodeError::Corrupt(found) if found.file == last), "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
        assert_eq!(before, contents(&world.disk), "a refusal changed the folder");
    }
    assert_eq!(GRANTED - 40 * ROUNDS as i64, left(&world.open(settings()).unwrap()));
}

#[test]
fn a_checkpoint_that_is_not_as_long_as_it_says_is_passed_over() {
    let (world, checkpoints) = story(75);
    let newest = checkpoints.last().unwrap();
    let size = world.disk.bytes_of(newest).unwrap().len() as u64;
    let node = with_size(&world, newest, size + 1).unwrap();
    assert!(node.report().notes[0].contains("can't be read"), "{:?}", node.report());
    assert_eq!(GRANTED - 40 * ROUNDS as i64, left(&node));
}

const USUAL: u8 = 0;
const MOVES: u8 = 1;
const FAILS: u8 = 2;

/// A node whose journal is archived under a reader's hands, or cannot be opened, whenever the test says so.
fn with_moving_journal(world: &World) -> (Node, Arc<AtomicU8>) {
    let mode = Arc::new(AtomicU8::new(USUAL));
    let (asked, inner) = (Arc::clone(&mode), world.disk.clone());
    let disk = HookedDisk::over(&world.disk, move |call| {
        let Call::OpenToRead(name) = call else { return Answer::AsUsual };
        let is_last = inner.names().iter().rfind(|other| other.starts_with("seg-")).is_some_and(|last| last == name);
        if !name.starts_with("seg-") || is_last {
            return Answer::AsUsual;
        }
        match asked.load(SeqCst) {
            MOVES => {
                let _ = inner.rename(name, &format!("archive/{name}"));
                Answer::AsUsual
            }
            FAILS => Answer::Fails(io::ErrorKind::PermissionDenied.into()),
            _ => Answer::AsUsual,
        }
    });
    (world.open_on(disk, settings(), Drive::Steps).unwrap(), mode)
}

fn ids_of_a_pass(node: &Node) -> Result<usize, NodeError> {
    node.snapshot_begin(true)?;
    let mut bytes = 0;
    while let Some(run) = node.snapshot_keys()? {
        bytes += run.len();
    }
    node.snapshot_end(true)?;
    Ok(bytes / 44)
}

/// A checkpoint may archive a segment between a look at the folder and the look into the file.
#[test]
fn journal_archived_under_the_hands_of_a_pass_or_a_question_is_found_again() {
    let (world, checkpoints) = story(76);
    // From the beginning, so that nothing is archived before it is asked for.
    checkpoints.iter().for_each(|name| world.disk.remove(name).unwrap());
    let archived: Vec<_> = world.disk.names().into_iter().filter(|name| name.starts_with("archive/seg-")).collect();
    for name in &archived {
        world.disk.rename(name, name.strip_prefix("archive/").unwrap()).unwrap();
    }
    let (node, mode) = with_moving_journal(&world);
    let question = json!({"type": "explain", "account": account_id(0), "event_id": "event-00000003"});
    let ask = |node: &Node| node.query(&question).map(|(_, answer)| answer.unwrap());
    let answer: Value = ask(&node).unwrap();
    assert!(answer.to_string().contains("event-00000003"), "{answer}");
    for trouble in [FAILS, MOVES] {
        mode.store(trouble, SeqCst);
        let (asked, handed_out) = (ask(&node), ids_of_a_pass(&node));
        mode.store(USUAL, SeqCst);
        if trouble == FAILS {
            for failed in [asked.map(|_| ()), handed_out.map(|_| ())] {
                assert!(matches!(&failed, Err(NodeError::Io { doing, .. }) if doing.contains("seg-")), "{failed:?}");
            }
            // Nothing is left of the pass that could not begin.
            assert!(node.snapshot_end(false).is_err());
        } else {
            assert_eq!((answer.clone(), 40 * ROUNDS as usize), (asked.unwrap(), handed_out.unwrap()));
            assert!(world.disk.names().iter().any(|name| name.starts_with("archive/seg-")));
        }
    }
    // One that is gone altogether is said to be.
    let first = world.disk.names().into_iter().find(|name| name.ends_with("seg-00000000000000000001.dj")).unwrap();
    world.disk.remove(&first).unwrap();
    let gone = ask(&node);
    assert!(gone.as_ref().err().is_none_or(|error| error.to_string().contains("journal")), "{gone:?}");
}
