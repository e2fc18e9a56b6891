//! The ballast and the room that the journal, checkpoints and a close find on a full disk.

mod support;

use drawdown_core::Status;
use drawdown_node::{Disk, Node, NodeError, NodeSettings, SubmitError};
use std::io::ErrorKind;
use support::{GRANTED, START_US, World, available, record, set_up, small_settings};

const RESERVE_BYTES: u64 = 96 << 10;

fn settings() -> NodeSettings {
    NodeSettings { reserve_bytes: RESERVE_BYTES, checkpoint_journal_bytes_min: 1 << 40, ..small_settings() }
}

fn used(world: &World) -> u64 {
    world.disk.names().iter().filter_map(|name| world.disk.bytes_of(name)).map(|bytes| bytes.len() as u64).sum()
}

fn has(world: &World, name: &str) -> bool {
    world.disk.names().iter().any(|other| other == name)
}

fn left(node: &Node) -> i64 {
    node.read(|engine, _| available(engine, 0)).unwrap()
}

/// Send batches until one is refused for want of room; how many events were taken.
fn fill(node: &Node) -> u64 {
    let mut sent = 0;
    loop {
        let events: Vec<_> = (0..40).map(|i| (sent + i, 0, 1)).collect();
        match record(node, &events, START_US) {
            Ok(_) => sent += 40,
            Err(refused) => {
                assert!(matches!(refused, SubmitError::ReadOnly(_)), "{refused}");
                return sent;
            }
        }
        while node.step_commit() {}
        node.step_prepare();
        assert!(sent < 100_000);
    }
}

#[test]
fn ballast_that_has_no_room_beside_the_journal_is_not_begun() {
    let world = World::new(61);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    world.disk.set_capacity(Some(used(&world) + RESERVE_BYTES + (64 << 10)));
    for _ in 0..20 {
        node.step_prepare();
        assert!(!has(&world, "RESERVE") && !has(&world, "RESERVE.tmp"));
    }
    assert_eq!(None, node.stats().read_only);
    assert_eq!(Status::Ok, record(&node, &[(1, 0, 1)], START_US).unwrap().1[0].status);
    node.checkpoint().unwrap();
    node.close().unwrap();
}

#[test]
fn ballast_that_fails_half_way_leaves_nothing_and_is_not_tried_again() {
    let world = World::new(62);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    let mut is_seen = false;
    for _ in 0..20 {
        // Behind the last segment made ahead comes the ballast.
        world.disk.fail_write(2);
        node.step_prepare();
        is_seen |= world.disk.names().iter().any(|name| name.starts_with("RESERVE"));
    }
    assert!(!is_seen, "{:?}", world.disk.names());
    assert_eq!(None, node.stats().read_only);
}

#[test]
fn what_the_ballast_held_is_left_to_the_close() {
    let world = World::new(63);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    for _ in 0..8 {
        node.step_prepare();
    }
    assert!(has(&world, "RESERVE"));
    world.disk.set_capacity(Some(used(&world) + (70 << 10)));
    let sent = fill(&node);
    assert!(!has(&world, "RESERVE"));
    for _ in 0..20 {
        node.step_prepare();
        while node.step_commit() {}
    }
    assert!(!has(&world, "RESERVE") && !has(&world, "RESERVE.tmp"));
    assert!(node.stats().read_only.is_some(), "the journal goes on without room for the ballast");
    assert_eq!(GRANTED - sent as i64, left(&node));
    node.close().unwrap();
    drop(node);
    let node = world.moved_to(world.disk.after_kill()).open(settings()).unwrap();
    assert!(node.report().was_clean);
    assert_eq!(GRANTED - sent as i64, left(&node));
}

#[test]
fn the_journal_goes_on_and_the_ballast_is_back_when_there_is_room_for_both() {
    let world = World::new(64);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    for _ in 0..8 {
        node.step_prepare();
    }
    world.disk.set_capacity(Some(used(&world) + (40 << 10)));
    let sent = fill(&node);
    world.disk.set_capacity(Some(used(&world) + RESERVE_BYTES + (256 << 10)));
    for _ in 0..8 {
        node.step_prepare();
        while node.step_commit() {}
    }
    assert!(has(&world, "RESERVE"));
    assert_eq!(None, node.stats().read_only);
    assert_eq!(Status::Ok, record(&node, &[(sent, 0, 1)], START_US).unwrap().1[0].status);
}

#[test]
fn a_store_without_ballast_goes_on_without_it() {
    let world = World::new(65);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    world.disk.set_capacity(Some(used(&world) + (80 << 10)));
    let sent = fill(&node);
    assert!(!has(&world, "RESERVE"));
    // Room for segments, not for the ballast.
    world.disk.set_capacity(Some(used(&world) + (90 << 10)));
    for _ in 0..8 {
        node.step_prepare();
        while node.step_commit() {}
    }
    assert_eq!(None, node.stats().read_only);
    assert_eq!(Status::Ok, record(&node, &[(sent, 0, 1)], START_US).unwrap().1[0].status);
}

#[test]
fn a_start_on_a_full_disk_takes_the_room_of_leftovers_and_of_the_ballast() {
    let world = World::new(66);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    for _ in 0..8 {
        node.step_prepare();
    }
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    while node.step_commit() {}
    node.close().unwrap();
    drop(node);
    assert!(has(&world, "RESERVE"));
    world.disk.set_capacity(Some(used(&world)));
    let node = world.open(settings()).unwrap();
    assert_eq!(GRANTED - 1, left(&node));
    drop(node);

    // An earlier sync failed, so the last segment is written anew: beside what a killed process had begun.
    world.disk.set_capacity(None);
    world.disk.plant("segment-000001.tmp", vec![0; 64 << 10]);
    world.disk.plant("FSYNC-FAILED", b"fdatasync".to_vec());
    let _ = world.disk.remove("RESERVE");
    world.disk.set_capacity(Some(used(&world)));
    let node = world.open(settings()).unwrap();
    assert!(node.report().notes.iter().any(|note| note.contains("written anew")), "{:?}", node.report());
    assert_eq!(GRANTED - 1, left(&node));
}

#[test]
fn ballast_waits_until_segments_have_their_full_size() {
    let world = World::new(67);
    let node = world.open(NodeSettings { segment_bytes: 4 << 20, segments_ahead: 1, ..settings() }).unwrap();
    set_up(&node, 1);
    let ready = || world.disk.names().into_iter().find(|name| name.starts_with("segment-")).unwrap_or_default();
    let mut sizes = Vec::new();
    for number in 0..3_u64 {
        node.step_prepare();
        let made = ready();
        sizes.push(world.disk.bytes_of(&made).unwrap().len());
        node.step_prepare();
        // Behind the second the next has full size.
        assert_eq!(number >= 1, has(&world, "RESERVE"), "behind {sizes:?}");
        while number < 2 && made == ready() {
            record(&node, &[(node.applied_seq(), 0, 1)], START_US).unwrap();
            assert!(node.step_commit());
        }
    }
    assert_eq!(vec![1 << 20, 2 << 20, 4 << 20], sizes);
}

#[test]
fn without_ballast_to_give_up_a_start_on_a_full_disk_says_so_and_a_later_one_goes_on() {
    let world = World::new(68);
    let node = world.open(NodeSettings { reserve_bytes: 0, ..settings() }).unwrap();
    set_up(&node, 1);
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    while node.step_commit() {}
    drop(node);
    let world = world.moved_to(world.disk.after_kill());
    world.disk.plant("FSYNC-FAILED", b"fdatasync".to_vec());
    world.disk.set_capacity(Some(used(&world)));
    let refused = world.open(settings()).err().expect("no room to write the segment anew");
    assert!(matches!(&refused, NodeError::Io { source, .. } if source.kind() == ErrorKind::StorageFull), "{refused}");
    world.disk.set_capacity(None);
    assert_eq!(GRANTED - 1, left(&world.open(settings()).unwrap()));
}

/// Filled up until it is read-only, its ballast given up.
fn filled(seed: u64, settings: &NodeSettings) -> (World, Node, u64) {
    let world = World::new(seed);
    let node = world.open(self::settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    for _ in 0..8 {
        node.step_prepare();
    }
    node.close().unwrap();
    drop(node);
    assert!(has(&world, "RESERVE"));
    let node = world.open(settings.clone()).unwrap();
    world.disk.set_capacity(Some(used(&world) + (40 << 10)));
    let sent = fill(&node);
    assert!(!has(&world, "RESERVE"));
    (world, node, sent)
}

/// An earlier start made it, the settings of this one want none: what it held is given back to the journal.
#[test]
fn ballast_that_is_wanted_no_more_is_not_waited_for() {
    let (world, node, sent) = filled(69, &NodeSettings { reserve_bytes: 0, ..settings() });
    world.disk.set_capacity(Some(used(&world) + (90 << 10)));
    for _ in 0..8 {
        node.step_prepare();
        while node.step_commit() {}
    }
    assert_eq!(None, node.stats().read_only);
    assert!(!has(&world, "RESERVE"));
    assert_eq!(Status::Ok, record(&node, &[(sent, 0, 1)], START_US).unwrap().1[0].status);
}

/// The room told was not there when it came to writing: what could not be kept is not promised.
#[test]
fn a_shortage_goes_on_while_the_ballast_cannot_be_made() {
    let (world, node, sent) = filled(70, &settings());
    world.disk.set_capacity(None);
    node.step_prepare();
    assert!(node.stats().read_only.is_some(), "one segment of two");
    // The second is made by one write, and the ballast by the next.
    world.disk.fail_write(2);
    node.step_prepare();
    assert!(node.stats().read_only.is_some() && !has(&world, "RESERVE") && !has(&world, "RESERVE.tmp"));
    assert!(matches!(record(&node, &[(sent, 0, 1)], START_US), Err(SubmitError::ReadOnly(_))));
    node.step_prepare();
    assert_eq!((None, true), (node.stats().read_only, has(&world, "RESERVE")));
    assert_eq!(Status::Ok, record(&node, &[(sent, 0, 1)], START_US).unwrap().1[0].status);
}

/// Usage in several segments that are closed and have no index.
fn without_indexes(seed: u64) -> (World, Node) {
    let world = World::new(seed);
    let node = world.open(NodeSettings { reserve_bytes: 0, ..settings() }).unwrap();
    set_up(&node, 1);
    for id in 0..60 {
        record(&node, &[(id, 0, 1)], START_US).unwrap();
        while node.step_commit() {}
        node.step_prepare();
    }
    (world, node)
}

fn indexes(world: &World) -> Vec<String> {
    world.disk.names().into_iter().filter(|name| name.starts_with("index/")).collect()
}

#[test]
fn no_index_takes_the_room_that_the_next_segment_wants() {
    let (world, node) = without_indexes(67);
    world.disk.set_capacity(Some(used(&world) + (40 << 10)));
    let refused = node.index_step().unwrap_err();
    assert!(refused.to_string().contains("left is for the journal"), "{refused}");
    assert_eq!(0, indexes(&world).len());
    world.disk.set_capacity(None);
    node.index_step().unwrap();
    assert_eq!(1, indexes(&world).len());
}

#[test]
fn an_index_that_fails_half_way_leaves_nothing() {
    let (world, node) = without_indexes(68);
    world.disk.fail_write(1);
    node.index_step().unwrap_err();
    assert_eq!(0, indexes(&world).len());
    node.index_step().unwrap();
    assert_eq!(vec!["index/idx-00000000000000000001.di"], indexes(&world));
}
