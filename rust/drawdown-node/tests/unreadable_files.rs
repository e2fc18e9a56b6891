//! A device that no longer gives some bytes: what stands in for them is used, as where they are changed.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Node, NodeError, NodeSettings, salvage_disk};
use serde_json::json;
use std::sync::Arc;
use support::{GRANTED, START_US, World, available, record, set_up, small_settings};

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
