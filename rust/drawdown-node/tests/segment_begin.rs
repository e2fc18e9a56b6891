//! A process that ended between the name of a segment and its first frame: the next one goes on in the empty segment,
//! or puts another in its place, and whatever it answers can be read by the one after it.

mod support;

use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Node, NodeSettings};
use support::{START_US, World, record, set_up, small_settings};

const BLOCK: usize = 4096;

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, ..small_settings() }
}

fn last_segment(disk: &SimulatedDisk) -> (String, Vec<u8>) {
    let name = disk.names().into_iter().rfind(|name| name.starts_with("seg-")).unwrap();
    let bytes = disk.bytes_of(&name).unwrap();
    (name, bytes)
}

fn is_empty(segment: &[u8]) -> bool {
    segment[BLOCK..].iter().all(|byte| *byte == 0)
}

/// Events in groups of their own, until the disk is gone.
fn work(node: &Node) {
    for id in 0..100 {
        if record(node, &[(id, 0, 1)], START_US).is_err() || !node.step_commit() {
            return;
        }
    }
}

/// Folders of a process that was killed when its second segment had a name and no frame.
fn folders_that_end_in_an_empty_segment() -> Vec<SimulatedDisk> {
    let found = (1..80).filter_map(|nth| {
        let world = World::new(9);
        let node = world.open(settings()).unwrap();
        set_up(&node, 1);
        while node.step_commit() {}
        world.disk.crash_in(nth);
        work(&node);
        drop(node);
        let disk = world.disk.after_kill();
        let (name, bytes) = last_segment(&disk);
        (is_empty(&bytes) && !name.ends_with("00001.dj")).then_some(disk)
    });
    let found: Vec<_> = found.collect();
    assert!(found.len() >= 2, "killed in front of the folder's sync, and in front of the first frame");
    found
}

fn digest(node: &Node) -> u128 {
    node.read(|engine, _| engine.digest()).unwrap()
}

/// Open, close, and open again; the disk afterwards.
fn closed_without_work(disk: &SimulatedDisk) -> SimulatedDisk {
    let world = World::on(disk.after_kill(), START_US + 1_000_000);
    world.open(settings()).unwrap().close().unwrap();
    world.disk.after_kill()
}

/// A group of `events` is answered and the node closed; the next one has its state.
fn assert_what_is_answered_is_there_again(disk: &SimulatedDisk, events: u64) {
    let world = World::on(disk.after_kill(), START_US + 2_000_000);
    let node = world.open(settings()).unwrap();
    let batch: Vec<_> = (1_000..1_000 + events).map(|id| (id, 0, 1)).collect();
    let (seq, _) = record(&node, &batch, START_US).unwrap();
    assert!(node.step_commit());
    assert!(node.acknowledged_seq() >= seq);
    let answered = digest(&node);
    let killed = world.disk.after_kill();
    node.close().unwrap();
    drop(node);
    for left in [killed, world.disk.after_kill()] {
        let again = world.moved_to(left).open(settings()).unwrap_or_else(|error| panic!("{events} events: {error}"));
        assert_eq!(answered, digest(&again));
    }
}

#[test]
fn a_clean_stop_leaves_a_segment_that_never_had_a_group_empty() {
    for disk in folders_that_end_in_an_empty_segment() {
        let closed = closed_without_work(&disk);
        assert!(is_empty(&last_segment(&closed).1), "a digest begins the segment");
        assert_eq!(last_segment(&disk).0, last_segment(&closed).0);
    }
}

#[test]
fn a_group_of_any_size_goes_on_behind_an_empty_segment() {
    for disk in folders_that_end_in_an_empty_segment() {
        let closed = closed_without_work(&disk);
        for events in [1, 40, 1_000] {
            assert_what_is_answered_is_there_again(&disk, events);
            assert_what_is_answered_is_there_again(&closed, events);
        }
    }
}

/// The empty segment with the digest that earlier versions wrote into it, from the drawing in `frame.rs`.
fn with_digest_in_front(disk: &SimulatedDisk) -> SimulatedDisk {
    let digest = digest(&World::on(disk.after_kill(), START_US + 1_000_000).open(settings()).unwrap());
    let (name, mut bytes) = last_segment(disk);
    let first_seq = u64::from_le_bytes(bytes[40..48].try_into().unwrap());
    let mut frame = Vec::from(*b"DJF1\x03\0\0\0");
    frame.extend_from_slice(&16_u32.to_le_bytes());
    frame.extend_from_slice(&crc32c::crc32c(&digest.to_le_bytes()).to_le_bytes());
    frame.extend_from_slice(&bytes[32..40]);
    for number in [first_seq, first_seq - 1, START_US as u64, first_seq - 1] {
        frame.extend_from_slice(&number.to_le_bytes());
    }
    frame.extend_from_slice(&bytes[56..60]);
    let check = crc32c::crc32c_append(crc32c::crc32c(&bytes[16..32]), &frame);
    frame.extend_from_slice(&check.to_le_bytes());
    frame.extend_from_slice(&digest.to_le_bytes());
    frame.extend_from_slice(b"DJFE");
    bytes[BLOCK..BLOCK + frame.len()].copy_from_slice(&frame);
    let disk = disk.after_kill();
    disk.plant(&name, bytes);
    disk
}

#[test]
fn a_group_that_does_not_fit_behind_a_digest_alone_takes_the_place_of_both() {
    for disk in folders_that_end_in_an_empty_segment() {
        let disk = with_digest_in_front(&disk);
        let node = World::on(disk.after_kill(), START_US + 1_000_000).open(settings()).unwrap();
        assert_eq!((1, true), (node.report().digests_compared, node.report().was_clean));
        for events in [1, 40, 1_000] {
            assert_what_is_answered_is_there_again(&disk, events);
        }
    }
}
