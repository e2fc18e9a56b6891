//! The rule for the journal's tail, clause by clause (scan.rs): what is repaired, what is refused, and that what was
//! taken out is kept.

mod support;

use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{FsyncPolicy, Node, NodeError, NodeSettings};
use support::{START_US, World, available, record, set_up, small_settings};

const BLOCK: usize = 4096;

/// A store that was killed: its last segment, and by the seq behind each frame what account 0 had then.
struct Store {
    disk: SimulatedDisk,
    segment: String,
    bytes: Vec<u8>,
    /// Offset of each frame of the segment, and the seq that it ends with.
    frames: Vec<(usize, u64)>,
    balances: Vec<(u64, i64)>,
}

fn settings(fsync: FsyncPolicy) -> NodeSettings {
    NodeSettings { fsync, checkpoint_on_close: false, segment_bytes: 256 << 10, ..small_settings() }
}

/// Four groups of forty events, each in a frame of its own, of several sectors; `work` is done in front of the kill.
fn store(fsync: FsyncPolicy, work: impl FnOnce(&Node)) -> Store {
    let world = World::new(5);
    let node = world.open(settings(fsync)).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    // Whatever the policy, what is in front of the four groups is durable and proven so.
    node.step_seal();
    let balance = |node: &Node| node.read(|engine, _| available(engine, 0)).unwrap();
    let mut balances = vec![(node.applied_seq(), balance(&node))];
    for round in 0..4_u64 {
        let events: Vec<_> = (0..40).map(|i| (40 * round + i, 0, 1)).collect();
        record(&node, &events, START_US).unwrap();
        assert!(node.step_commit());
        balances.push((node.applied_seq(), balance(&node)));
    }
    work(&node);
    drop(node);
    Store::of(world.disk.after_kill(), balances)
}

impl Store {
    fn of(disk: SimulatedDisk, balances: Vec<(u64, i64)>) -> Store {
        let segment = disk.names().into_iter().rfind(|name| name.starts_with("seg-")).unwrap();
        let bytes = disk.bytes_of(&segment).unwrap();
        let starts = (BLOCK..bytes.len()).step_by(BLOCK).filter(|at| bytes[*at..*at + 4] == *b"DJF1");
        let frames = starts.map(|at| (at, u64::from_le_bytes(bytes[at + 32..at + 40].try_into().unwrap()))).collect();
        Store { disk, segment, bytes, frames, balances }
    }

    /// Offset of the frame that ends with the seq of group `number`, from 1.
    fn frame_of(&self, number: usize) -> usize {
        let seq = self.balances[number].0;
        self.frames.iter().find(|(_, last)| *last == seq).unwrap().0
    }

    fn opened_with(&self, change: impl FnOnce(&mut Vec<u8>)) -> (World, Result<Node, NodeError>) {
        let disk = self.disk.after_kill();
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        disk.plant(&self.segment, bytes);
        let world = World::on(disk, START_US + 1_000_000);
        let opened = world.open(settings(FsyncPolicy::Always));
        (world, opened)
    }

    /// Opening goes on behind group `number`, tells why, and keeps aside what it took out.
    fn assert_repaired_behind(&self, number: usize, why: &str, change: impl Fn(&mut Vec<u8>)) {
        let (world, opened) = self.opened_with(&change);
        let node = opened.unwrap();
        let (seq, balance) = self.balances[number];
        assert_eq!((seq, balance), (node.applied_seq(), node.read(|engine, _| available(engine, 0)).unwrap()));
        let notes = node.report().notes.join("\n");
        assert!(notes.contains(why) && notes.contains(&format!("ends at seq {seq}")), "{notes}");
        let aside = world.disk.names().into_iter().find(|name| name.starts_with("aside/torn-")).unwrap();
        let mut changed = self.bytes.clone();
        change(&mut changed);
        let kept = world.disk.bytes_of(&aside).unwrap();
        let from = self.frame_of(number + 1);
        assert_eq!(changed[from..from + kept.len()], kept);
        // What was repaired stays repaired: the next opening finds nothing to do.
        drop(node);
        let again = world.moved_to(world.disk.after_kill()).open(settings(FsyncPolicy::Always)).unwrap();
        assert_eq!((seq, Vec::<String>::new()), (again.applied_seq(), again.report().notes.clone()));
    }

    fn assert_refused(&self, why: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let disk_before = self.disk.after_kill();
        let (world, opened) = self.opened_with(change);
        let refused = opened.err().expect("it is damaged");
        assert!(matches!(&refused, NodeError::Corrupt(found) if found.file == self.segment), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
        let names = |disk: &SimulatedDisk| disk.names().into_iter().filter(|name| name != "LOCK").collect::<Vec<_>>();
        assert_eq!(names(&disk_before), names(&world.disk), "a refusal changed the folder");
    }
}

fn zero_sector_of(frame: usize) -> impl Fn(&mut Vec<u8>) {
    move |bytes| bytes[frame..frame + 512].fill(0)
}

fn flip_in(frame: usize) -> impl Fn(&mut Vec<u8>) {
    move |bytes| bytes[frame + 70] ^= 0x40
}

#[test]
fn a_the_last_write_torn_is_repaired() {
    let store = store(FsyncPolicy::Always, |_| {});
    store.assert_repaired_behind(3, "the last write was torn", zero_sector_of(store.frame_of(4)));
}

#[test]
fn a_not_where_a_checkpoint_vouches_for_it() {
    let store = store(FsyncPolicy::Always, |node| {
        node.checkpoint().unwrap();
    });
    // No seal: the checkpoint alone says that the group was durable. Its balances do not need the group, its ids do.
    store.assert_refused("event ids that must be remembered stand there", zero_sector_of(store.frame_of(4)));
}

#[test]
fn a_not_where_a_seal_stands_behind_it() {
    let store = store(FsyncPolicy::Always, |node| node.step_seal());
    store.assert_refused("was durable", zero_sector_of(store.frame_of(4)));
}

#[test]
fn b_unsynced_writes_out_of_order_are_repaired_up_to_the_first_that_is_missing() {
    for policy in [FsyncPolicy::Interval { ms: 60_000 }, FsyncPolicy::Os] {
        let store = store(policy, |_| {});
        for missing in 1..=3 {
            let why = "unsynced writes reached the disk out of order";
            store.assert_repaired_behind(missing - 1, why, zero_sector_of(store.frame_of(missing)));
            store.assert_repaired_behind(missing - 1, why, flip_in(store.frame_of(missing)));
        }
    }
}

#[test]
fn c_the_same_under_always_is_damage() {
    let store = store(FsyncPolicy::Always, |_| {});
    for damaged in 1..=3 {
        store.assert_refused("was durable", zero_sector_of(store.frame_of(damaged)));
        store.assert_refused("was durable", flip_in(store.frame_of(damaged)));
    }
}

#[test]
fn c_a_last_frame_that_was_written_whole_and_is_wrong_is_damage() {
    let store = store(FsyncPolicy::Always, |_| {});
    store.assert_refused("the frame was fully written", flip_in(store.frame_of(4)));
}

/// The undecidable remainder: without a seal or a witness a last group that is gone leaves no trace.
#[test]
fn a_last_group_that_is_gone_whole_cannot_be_told_from_one_never_written() {
    let store = store(FsyncPolicy::Always, |_| {});
    let frame = store.frame_of(4);
    let (_, opened) = store.opened_with(|bytes| bytes[frame..frame + BLOCK].fill(0));
    let node = opened.unwrap();
    assert_eq!(store.balances[3].0, node.applied_seq());
}

/// A seal after a pause or the digest of a clean stop, and one group behind it: where it stands and how long it is.
fn proof_with_one_group_behind(policy: FsyncPolicy, is_digest: bool) -> (Store, usize, usize) {
    let mut world = World::new(5);
    let mut node = world.open(settings(policy)).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    if is_digest {
        node.close().unwrap();
        drop(node);
        world = world.moved_to(world.disk.after_kill());
        node = world.open(settings(policy)).unwrap();
    } else {
        node.step_seal();
    }
    record(&node, &[(900, 0, 1)], START_US).unwrap();
    assert!(node.step_commit());
    drop(node);
    let store = Store::of(world.disk.after_kill(), Vec::new());
    let (at, _) = store.frames[store.frames.len() - 2];
    assert_eq!(if is_digest { 3 } else { 2 }, store.bytes[at + 4], "the kind of the frame in front of the last");
    (store, at, if is_digest { 84 } else { 68 })
}

/// What follows a seal or a digest was written after it was durable, whatever the policy.
#[test]
fn c_a_damaged_seal_or_digest_in_front_of_one_group_is_damage() {
    for policy in [FsyncPolicy::Always, FsyncPolicy::Interval { ms: 60_000 }, FsyncPolicy::Os] {
        for is_digest in [false, true] {
            let (store, at, length) = proof_with_one_group_behind(policy, is_digest);
            for byte in at..at + length {
                store.assert_refused("was durable", |bytes| bytes[byte] ^= 0x40);
            }
            store.assert_refused("was durable", zero_sector_of(at));
        }
    }
}
