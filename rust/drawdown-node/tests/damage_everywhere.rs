//! Damage in every file of a closed store (reliability T7): cut at every byte, change every byte,
//! swap, drop and double every block, zero every sector, exchange and age whole files.
//!
//! META vouches for everything a clean stop wrote, so there is one right state: what opens is it,
//! to the digest, and still knows its events; anything else is a refusal that names the file and
//! changes nothing. The usual run tries some thousand places, `DRAWDOWN_DAMAGE=all` every one.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::{Random, SimulatedDisk};
use drawdown_node::{Disk, Node, NodeError, NodeSettings, verify_disk};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use support::{START_US, World, record, set_up, small_settings};

const BLOCK: usize = 4096;
const SECTOR: usize = 512;
const ACCOUNTS: u64 = 3;
/// Places tried per file and kind of damage in the usual run.
const SAMPLE: usize = 60;

/// A closed store with segments, checkpoints and an archive, and what it was a life earlier.
struct Store {
    disk: SimulatedDisk,
    files: Vec<(String, Vec<u8>)>,
    earlier: Vec<(String, Vec<u8>)>,
    last_seq: u64,
    digest: u128,
    /// Id, account and quantity of events that must be known for ever.
    sent: Vec<(u64, u64, i64)>,
}

fn settings() -> NodeSettings {
    NodeSettings { segment_bytes: 24 << 10, checkpoint_deltas_max: 1, ..small_settings() }
}

fn files_of(disk: &SimulatedDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.names().into_iter().filter(|name| name != "LOCK");
    names.map(|name| (name.clone(), disk.bytes_of(&name).expect("it was listed"))).collect()
}

fn live(node: &Node, sent: &mut Vec<(u64, u64, i64)>, rounds: u64) {
    for round in 0..rounds {
        let first = sent.len() as u64;
        let events: Vec<_> = (first..first + 30).map(|id| (id, id % ACCOUNTS, 1 + (id % 7) as i64)).collect();
        record(node, &events, START_US).expect("a batch is taken");
        sent.extend(events);
        while node.step_commit() {}
        node.step_prepare();
        if round % 4 == 3 {
            node.checkpoint().expect("a checkpoint is written");
        }
    }
}

fn store() -> Store {
    let world = World::new(23);
    let mut sent = Vec::new();
    let node = world.open(settings()).unwrap();
    set_up(&node, ACCOUNTS);
    live(&node, &mut sent, 9);
    node.close().unwrap();
    drop(node);
    let earlier = files_of(&world.disk.after_kill());
    let node = world.open(settings()).unwrap();
    live(&node, &mut sent, 9);
    let digest = node.read(|engine, _| engine.digest()).unwrap();
    node.close().unwrap();
    let last_seq = node.applied_seq();
    drop(node);
    let disk = world.disk.after_kill();
    let files = files_of(&disk);
    let count = |prefix: &str| files.iter().filter(|(name, _)| name.contains(prefix)).count();
    assert!(count("seg-") >= 3 && count("ckpt-") >= 2, "{:?}", files.iter().map(|f| &f.0).collect::<Vec<_>>());
    Store { disk, files, earlier, last_seq, digest, sent }
}

#[derive(Default)]
struct Tally {
    whole: AtomicUsize,
    refused: AtomicUsize,
    /// Opened whole because opening did not need the damaged place; verify told of it.
    found_by_verify: AtomicUsize,
}

/// Open the store with `bytes` as the content of `name` (`None`: the file is gone) and judge.
fn try_with(store: &Store, name: &str, bytes: Option<Vec<u8>>, what: &str, tally: &Tally) {
    let disk = store.disk.after_kill();
    match bytes {
        Some(bytes) => disk.plant(name, bytes),
        None => disk.remove(name).unwrap(),
    }
    let before = files_of(&disk);
    let seen = verify_disk(&disk);
    assert_eq!(before, files_of(&disk), "{name}, {what}: verify changed the folder");
    let world = World::on(disk, START_US + 1_000_000);
    match world.open(settings()) {
        Ok(node) => {
            assert_eq!(store.last_seq, node.applied_seq(), "{name}, {what}: records are missing");
            assert_eq!(store.digest, node.read(|engine, _| engine.digest()).unwrap(), "{name}, {what}: another state");
            let known = [store.sent[0], store.sent[store.sent.len() / 2], store.sent[store.sent.len() - 1]];
            for outcome in record(&node, &known, START_US).unwrap().1 {
                assert_eq!(Status::Duplicate, outcome.status, "{name}, {what}: an event was forgotten");
            }
            match seen {
                Ok(report) => {
                    assert_eq!(report["digest"], format!("{:032x}", store.digest), "{name}, {what}: verify");
                }
                // Opening does not read everything; verify does.
                Err(_) => drop(tally.found_by_verify.fetch_add(1, Relaxed)),
            }
            tally.whole.fetch_add(1, Relaxed);
        }
        Err(error) => {
            let text = error.to_string();
            let is_named = match &error {
                NodeError::Corrupt(corruption) => {
                    before.iter().any(|(file, _)| *file == corruption.file) || corruption.file == name
                }
                // META of another format, or files without META, or a journal that is not there.
                NodeError::Refused(_) => ["META", "journal", "format", name].iter().any(|word| text.contains(word)),
                other => other.to_string().contains(name),
            };
            assert!(is_named, "{name}, {what}: the refusal names no place: {text}");
            assert!(seen.is_err(), "{name}, {what}: refused ({text}), though verify found it whole");
            assert_eq!(before, files_of(&world.disk), "{name}, {what}: a refusal changed the folder");
            tally.refused.fetch_add(1, Relaxed);
        }
    }
}

fn is_exhaustive() -> bool {
    std::env::var("DRAWDOWN_DAMAGE").is_ok_and(|value| value == "all")
}

/// Every place below `count`, or a sample with both ends.
fn places(count: usize, seed: u64) -> Vec<usize> {
    if is_exhaustive() || count <= SAMPLE {
        return (0..count).collect();
    }
    let mut random = Random(seed);
    let mut chosen: Vec<usize> = (0..SAMPLE).map(|_| random.below(count as u64) as usize).collect();
    chosen.extend([0, 1, count - 1]);
    chosen
}

/// Bytes up to the last that is not zero, and a few behind: what follows is room ahead.
fn used(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    (end + 40).min(bytes.len())
}

/// Give every file to `damage`, the files shared out between two threads.
fn for_each_file(store: &Store, damage: impl Fn(&str, &[u8], u64) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, bytes)) = store.files.get(next.fetch_add(1, Relaxed)) {
                    damage(name, bytes, name.bytes().map(u64::from).sum());
                }
            });
        }
    });
}

fn report(kind: &str, tally: &Tally) {
    let (whole, refused) = (tally.whole.load(Relaxed), tally.refused.load(Relaxed));
    let told = tally.found_by_verify.load(Relaxed);
    println!(
        "{kind}: {} cases, {refused} refused by name, {whole} opened whole ({told} told by verify)",
        whole + refused
    );
}

#[test]
fn every_cut_of_every_file_is_refused_or_harmless() {
    let (store, tally) = (store(), Tally::default());
    for_each_file(&store, |name, bytes, seed| {
        for length in places(used(bytes), seed) {
            try_with(&store, name, Some(bytes[..length].to_vec()), &format!("cut to {length}"), &tally);
        }
    });
    report("cuts", &tally);
    assert!(tally.refused.load(Relaxed) > 20);
}

#[test]
fn every_changed_byte_of_every_file_is_refused_or_harmless() {
    let (store, tally) = (store(), Tally::default());
    for_each_file(&store, |name, bytes, seed| {
        for at in places(used(bytes), seed) {
            for pattern in [1 << (at % 8), 0xff, bytes[at]] {
                let mut changed = bytes.to_vec();
                changed[at] ^= pattern;
                if changed != bytes {
                    try_with(&store, name, Some(changed), &format!("byte {at} ^ {pattern:#x}"), &tally);
                }
            }
        }
    });
    report("changed bytes", &tally);
    assert!(tally.refused.load(Relaxed) > 20);
}

#[test]
fn every_zeroed_sector_of_every_file_is_refused_or_harmless() {
    let (store, tally) = (store(), Tally::default());
    for_each_file(&store, |name, bytes, _| {
        for start in (0..used(bytes)).step_by(SECTOR) {
            let mut zeroed = bytes.to_vec();
            let end = (start + SECTOR).min(bytes.len());
            zeroed[start..end].fill(0);
            try_with(&store, name, Some(zeroed), &format!("sector at {start} zeroed"), &tally);
        }
    });
    report("zeroed sectors", &tally);
    assert!(tally.refused.load(Relaxed) > 20);
}

#[test]
fn dropped_doubled_and_swapped_blocks_are_refused_or_harmless() {
    let (store, tally) = (store(), Tally::default());
    for_each_file(&store, |name, bytes, _| {
        let blocks: Vec<&[u8]> = bytes.chunks(BLOCK).collect();
        for (at, block) in blocks.iter().enumerate().take(used(bytes).div_ceil(BLOCK)) {
            let without = [&blocks[..at], &blocks[at + 1..]].concat().concat();
            try_with(&store, name, Some(without.clone()), &format!("block {at} dropped"), &tally);
            let padded = [without, vec![0; block.len()]].concat();
            try_with(&store, name, Some(padded), &format!("block {at} dropped, room behind"), &tally);
            let mut doubled = [&blocks[..=at], &blocks[at..]].concat().concat();
            try_with(&store, name, Some(doubled.clone()), &format!("block {at} doubled"), &tally);
            doubled.truncate(bytes.len());
            try_with(&store, name, Some(doubled), &format!("block {at} doubled, same length"), &tally);
            for other in at + 1..blocks.len().min(at + 4) {
                let mut swapped = blocks.clone();
                swapped.swap(at, other);
                try_with(&store, name, Some(swapped.concat()), &format!("blocks {at} and {other} swapped"), &tally);
            }
        }
    });
    report("blocks", &tally);
    assert!(tally.refused.load(Relaxed) > 20);
}

#[test]
fn missing_exchanged_and_aged_files_are_refused_or_harmless() {
    let (store, tally) = (store(), Tally::default());
    for_each_file(&store, |name, bytes, _| {
        try_with(&store, name, None, "the file removed", &tally);
        for (other, content) in store.files.iter().filter(|(other, _)| other != name) {
            try_with(&store, name, Some(content.clone()), &format!("the content of {other}"), &tally);
        }
        if let Some((_, aged)) = store.earlier.iter().find(|(other, aged)| other == name && aged != bytes) {
            try_with(&store, name, Some(aged.clone()), "as it was a life earlier", &tally);
        }
    });
    for (name, content) in store.earlier.iter().filter(|(name, _)| store.files.iter().all(|(now, _)| now != name)) {
        try_with(&store, name, Some(content.clone()), "come back from a life earlier", &tally);
    }
    report("files", &tally);
    assert!(tally.refused.load(Relaxed) > 20);
}
