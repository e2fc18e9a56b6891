//! Damage at rest: every cut, every flipped byte, every zeroed sector, missing and swapped parts.
//! Either the exact state of some prefix that 5.2's tail rule allows, or a refusal that names the
//! place; never a panic, never another state, and a refusal changes nothing.

mod support;

use drawdown_node::simulation::{Random, SimulatedDisk};
use drawdown_node::{Node, NodeError, NodeSettings, Restore};
use std::collections::BTreeMap;
use support::{START_US, World, available, record, set_up, small_settings};

/// A small store: a few groups, no checkpoint, a clean stop.
struct Example {
    disk: SimulatedDisk,
    name: String,
    bytes: Vec<u8>,
    /// Available of account 0 by the last seq of each group.
    history: BTreeMap<u64, i64>,
}

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, ..small_settings() }
}

fn example(clean: bool) -> Example {
    let world = World::new(7);
    let node = world.open(settings()).unwrap();
    let mut history = BTreeMap::from([(0, 0)]);
    let mut note = |node: &Node| {
        while node.step_commit() {}
        history.insert(node.durable_seq(), node.read(|engine, _| available(engine, 0)).unwrap());
    };
    set_up(&node, 1);
    note(&node);
    for round in 0..4_u64 {
        let events: Vec<_> = (0..3).map(|i| (round * 10 + i, 0, 1 + round as i64)).collect();
        record(&node, &events, START_US).unwrap();
        note(&node);
    }
    if clean {
        node.close().unwrap();
    }
    drop(node);
    let disk = world.disk.after_kill();
    let name = disk.names().into_iter().find(|name| name.starts_with("seg-")).unwrap();
    let bytes = disk.bytes_of(&name).unwrap();
    Example { disk, name, bytes, history }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    /// Opened at this seq.
    Prefix(u64),
    Refused,
}

/// Open with one file replaced; check that what comes up is a state that was, or that nothing changed.
fn open_with(example: &Example, bytes: Option<Vec<u8>>, what: &str) -> Verdict {
    let disk = example.disk.after_kill();
    match bytes {
        Some(bytes) => disk.plant(&example.name, bytes),
        None => drop(drawdown_node::Disk::remove(&disk, &example.name)),
    }
    let before: Vec<_> = disk.names().into_iter().map(|name| (disk.bytes_of(&name), name)).collect();
    let world = World::on(disk, START_US + 1_000_000);
    match world.open(settings()) {
        Ok(node) => {
            let seq = node.applied_seq();
            let expected = example.history.get(&seq).unwrap_or_else(|| panic!("{what}: opened at seq {seq}"));
            if seq > 0 {
                assert_eq!(*expected, node.read(|engine, _| available(engine, 0)).unwrap(), "{what}");
            }
            Verdict::Prefix(seq)
        }
        Err(error) => {
            let named = match &error {
                NodeError::Corrupt(corruption) => corruption.file.contains("seg-"),
                NodeError::Refused(text) => text.contains("journal"),
                _ => false,
            };
            assert!(named, "{what}: the refusal does not name the place: {error}");
            let after: Vec<_> = world.disk.names().into_iter().map(|name| (world.disk.bytes_of(&name), name)).collect();
            assert_eq!(before, after, "{what}: a refusal changed the folder");
            Verdict::Refused
        }
    }
}

/// Bytes of the segment that hold anything.
fn used(example: &Example) -> usize {
    example.bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

#[test]
fn a_segment_cut_at_any_byte_is_refused() {
    let example = example(true);
    let steps = (0..example.bytes.len()).filter(|at| *at <= used(&example) || at % 997 == 0);
    for at in steps.step_by(7) {
        let cut = example.bytes[..at].to_vec();
        assert_eq!(Verdict::Refused, open_with(&example, Some(cut), &format!("cut at {at}")));
    }
}

#[test]
fn every_flipped_byte_of_a_closed_journal_is_refused_or_harmless() {
    let example = example(true);
    let last = *example.history.keys().next_back().unwrap();
    let (mut refused, mut harmless) = (0, 0);
    for at in (0..used(&example)).filter(|at| at % 4096 < 400 || at % 31 == 0) {
        let mut flipped = example.bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        match open_with(&example, Some(flipped), &format!("flip at {at}")) {
            Verdict::Refused => refused += 1,
            // Padding holds nothing.
            Verdict::Prefix(seq) => {
                assert_eq!(last, seq, "flip at {at} lost records");
                harmless += 1;
            }
        }
    }
    assert!(refused > 500 && harmless > 100, "{refused} refused, {harmless} harmless");
}

#[test]
fn a_torn_last_group_is_repaired_once_and_any_other_zeroed_sector_is_refused() {
    let example = example(false);
    let groups: Vec<u64> = example.history.keys().copied().collect();
    let (last, before) = (groups[groups.len() - 1], groups[groups.len() - 2]);
    let mut prefixes = BTreeMap::new();
    for sector in 0..used(&example) / 512 + 1 {
        let mut zeroed = example.bytes.clone();
        zeroed[sector * 512..(sector + 1) * 512].fill(0);
        let is_change = zeroed != example.bytes;
        let verdict = open_with(&example, Some(zeroed), &format!("sector {sector}"));
        match verdict {
            Verdict::Prefix(seq) if is_change => {
                assert_eq!(before, seq, "sector {sector}");
                *prefixes.entry(seq).or_insert(0) += 1;
            }
            Verdict::Prefix(seq) => assert_eq!(last, seq, "sector {sector}"),
            Verdict::Refused => {}
        }
    }
    assert!(prefixes.get(&before).is_some_and(|count| *count >= 1), "{prefixes:?}");
}

#[test]
fn whatever_is_damaged_in_front_of_a_later_segment_is_refused_though_one_group_stands_there() {
    let world = World::new(13);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    let segments = || world.disk.names().into_iter().filter(|name| name.starts_with("seg-")).collect::<Vec<_>>();
    let mut round = 0;
    while segments().len() < 2 {
        while node.step_commit() {}
        node.step_seal();
        record(&node, &[(round, 0, 1)], START_US).unwrap();
        assert!(node.step_commit());
        round += 1;
    }
    let answered = node.acknowledged_seq();
    drop(node);
    let name = segments().remove(0);
    let bytes = world.disk.bytes_of(&name).unwrap();
    let mut refused = 0;
    for sector in 8..bytes.len() / 512 {
        let place = sector * 512..(sector + 1) * 512;
        if bytes[place.clone()].iter().all(|byte| *byte == 0) {
            continue;
        }
        for is_flip in [false, true] {
            let disk = world.disk.after_kill();
            let mut damaged = bytes.clone();
            if is_flip {
                damaged[place.start] ^= 1
            } else {
                damaged[place.clone()].fill(0)
            }
            disk.plant(&name, damaged);
            match world.moved_to(disk).open(settings()) {
                Err(NodeError::Corrupt(corruption)) => {
                    assert!(corruption.file.contains("seg-"), "{corruption:?}");
                    refused += 1;
                }
                Err(other) => panic!("sector {sector}: {other}"),
                Ok(node) => panic!("sector {sector}: {answered} was answered, {} is there", node.applied_seq()),
            }
        }
    }
    assert!(refused >= 8, "{refused}");
}

#[test]
fn dropped_doubled_and_swapped_frames_are_refused() {
    let example = example(true);
    let frames: Vec<usize> =
        (4096..used(&example)).step_by(4096).filter(|at| example.bytes[*at..*at + 4] == *b"DJF1").collect();
    assert!(frames.len() >= 6, "{frames:?}");
    for (index, &at) in frames.iter().enumerate() {
        let is_last = index + 1 == frames.len();
        let mut zeroed = example.bytes.clone();
        zeroed[at..at + 4096].fill(0);
        let verdict = open_with(&example, Some(zeroed), &format!("frame {index} zeroed"));
        // The digest frame of the clean stop holds no record, and META vouches for the rest.
        let last = *example.history.keys().next_back().unwrap();
        assert_eq!(if is_last { Verdict::Prefix(last) } else { Verdict::Refused }, verdict);
        if !is_last {
            let next = frames[index + 1];
            let mut doubled = example.bytes.clone();
            doubled.copy_within(at..at + 4096, next);
            assert_eq!(Verdict::Refused, open_with(&example, Some(doubled), &format!("frame {index} doubled")));
            let mut swapped = example.bytes.clone();
            swapped[at..at + 4096].copy_from_slice(&example.bytes[next..next + 4096]);
            swapped[next..next + 4096].copy_from_slice(&example.bytes[at..at + 4096]);
            assert_eq!(Verdict::Refused, open_with(&example, Some(swapped), &format!("frame {index} swapped")));
        }
    }
    assert_eq!(Verdict::Refused, open_with(&example, None, "the segment removed"));
}

#[test]
fn random_rubbish_never_panics() {
    let example = example(true);
    let mut random = Random(99);
    for round in 0..300 {
        let mut bytes = example.bytes.clone();
        let length = bytes.len() as u64;
        for _ in 0..1 + random.below(3) {
            let start = random.below(length) as usize;
            let end = (start + random.below(5000) as usize).min(bytes.len());
            let filler = random.draw().to_le_bytes();
            bytes[start..end].iter_mut().enumerate().for_each(|(i, byte)| *byte = filler[i % 8]);
        }
        open_with(&example, Some(bytes), &format!("rubbish {round}"));
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_both_damaged_still_recover_from_the_journal() {
    let world = World::new(11);
    let settings = NodeSettings { checkpoint_deltas_max: 1, ..settings() };
    let node = world.open(settings.clone()).unwrap();
    set_up(&node, 4);
    for round in 0..5_u64 {
        record(&node, &[(round, round % 4, 5)], START_US).unwrap();
        node.checkpoint().unwrap();
    }
    let digest = node.read(|engine, _| engine.digest()).unwrap();
    node.close().unwrap();
    drop(node);
    let checkpoints: Vec<String> = world.disk.names().into_iter().filter(|name| name.starts_with("ckpt-")).collect();
    assert!(checkpoints.len() >= 3, "{checkpoints:?}");
    let mut random = Random(3);
    let mut passed_over = 0;
    for round in 0..200 {
        let disk = world.disk.after_kill();
        for name in checkpoints.iter().rev().take(1 + round % checkpoints.len()) {
            let mut bytes = disk.bytes_of(name).unwrap();
            let at = random.below(bytes.len() as u64) as usize;
            if random.once_in(3) {
                bytes.truncate(at)
            } else {
                bytes[at] ^= 1 + random.below(255) as u8
            }
            disk.plant(name, bytes);
        }
        let node = World::on(disk, START_US).open(settings.clone()).unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_eq!(digest, node.read(|engine, _| engine.digest()).unwrap(), "round {round}");
        passed_over += usize::from(!node.report().notes.is_empty());
        let (_, again) = record(&node, &[(4, 0, 5)], START_US).unwrap();
        assert_eq!(drawdown_core::Status::Duplicate, again[0].status);
    }
    assert!(passed_over > 100, "{passed_over}");
}

/// `rm data/*` leaves folders alone: the archive is of a store that was here, and no other may begin or be restored
/// beside it.
#[test]
fn a_folder_with_nothing_but_archived_journal_is_no_empty_folder() {
    let world = World::new(17);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    for round in 0..40 {
        record(&node, &[(round, 0, 1)], START_US).unwrap();
        while node.step_commit() {}
        node.checkpoint().unwrap();
    }
    node.close().unwrap();
    drop(node);
    for name in world.disk.names().into_iter().filter(|name| !name.contains('/')) {
        drawdown_node::Disk::remove(&world.disk, &name).unwrap();
    }
    let left = world.disk.names().into_iter().filter(|name| name != "LOCK").collect::<Vec<_>>();
    assert!(left.iter().any(|name| name.starts_with("archive/seg-")), "{left:?}");
    let manifest =
        serde_json::json!({"store_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "epoch": 1, "snapshot_seq": 1});
    let disk = std::sync::Arc::new(world.disk.clone());
    let restored = Restore::begin_on(disk, &serde_json::to_vec(&manifest).unwrap(), support::engine_settings());
    for refused in [world.open(settings()).err(), restored.err()] {
        let said = refused.expect("it is not empty").to_string();
        assert!(said.contains(&left[0]) && said.contains("move"), "{said}");
    }
    let after = world.disk.names().into_iter().filter(|name| name != "LOCK").collect::<Vec<_>>();
    assert_eq!(left, after, "a refusal changed the folder");
}
