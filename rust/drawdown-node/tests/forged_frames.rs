//! Journals that are whole by every check sum and yet wrong: frames written anew with other words in
//! them, in the order a reader expects. What opens is the state that was, or a prefix that the tail
//! rule allows; everything else is refused, names the segment, and changes nothing.
//!
//! The bytes are put together here from the drawings in `segment.rs` and `frame.rs`, not by that code.

mod support;

use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Node, NodeError, NodeSettings, salvage_disk};
use std::collections::BTreeMap;
use support::{START_US, World, available, record, set_up, small_settings};

const BLOCK: usize = 4096;
const HEADER: usize = 64;
/// Of a segment's header, in front of its check sum.
const SEGMENT_CHECKED: usize = 72;
const RECORDS: u8 = 1;
const DIGEST: u8 = 3;

/// A frame taken apart: its header without check sums and chain, and its body.
#[derive(Clone)]
struct Frame {
    header: [u8; HEADER],
    body: Vec<u8>,
}

impl Frame {
    fn kind(&self) -> u8 {
        self.header[4]
    }

    fn number(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.header[at..at + 8].try_into().unwrap())
    }

    fn set(&mut self, at: usize, number: u64) {
        self.header[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
}

const EPOCH: usize = 16;
const LAST_SEQ: usize = 32;
const DURABLE_SEQ: usize = 48;

/// One segment, and what account 0 had left behind each group.
struct Example {
    disk: SimulatedDisk,
    name: String,
    bytes: Vec<u8>,
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
        record(&node, &[(round * 10, 0, 1 + round as i64), (round * 10 + 1, 0, 2)], START_US).unwrap();
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

fn frames(segment: &[u8]) -> Vec<Frame> {
    let (mut found, mut at) = (Vec::new(), BLOCK);
    while segment[at..].starts_with(b"DJF1") {
        let header: [u8; HEADER] = segment[at..at + HEADER].try_into().unwrap();
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        found.push(Frame { header, body: segment[at + HEADER..at + HEADER + length].to_vec() });
        at += (HEADER + length + 4).next_multiple_of(BLOCK);
    }
    found
}

/// The segment with these frames, all check sums and the chain right.
fn sealed(segment: &[u8], frames: &[Frame]) -> Vec<u8> {
    let store = &segment[16..32];
    let mut chain = u32::from_le_bytes(segment[56..60].try_into().unwrap());
    let mut bytes = segment[..BLOCK].to_vec();
    for frame in frames {
        let mut header = frame.header;
        header[8..12].copy_from_slice(&(frame.body.len() as u32).to_le_bytes());
        header[12..16].copy_from_slice(&crc32c::crc32c(&frame.body).to_le_bytes());
        header[56..60].copy_from_slice(&chain.to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c(store), &header[..60]);
        header[60..64].copy_from_slice(&check.to_le_bytes());
        chain = crc32c::crc32c_append(chain, &header);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&frame.body);
        bytes.extend_from_slice(b"DJFE");
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(segment.len(), 0);
    bytes
}

/// The seq it opened at, in a state that was; or the words of the refusal, which names the segment.
fn opened(example: &Example, bytes: Vec<u8>) -> Result<u64, String> {
    let disk = example.disk.after_kill();
    disk.plant(&example.name, bytes);
    let contents = |disk: &SimulatedDisk| -> Vec<_> {
        disk.names().into_iter().map(|name| (disk.bytes_of(&name), name)).collect()
    };
    let before = contents(&disk);
    let world = World::on(disk, START_US + 1_000_000);
    match world.open(settings()) {
        Ok(node) => {
            let seq = node.applied_seq();
            let left = node.read(|engine, _| available(engine, 0)).unwrap();
            assert_eq!(Some(&left), example.history.get(&seq), "a state that never was, at seq {seq}");
            Ok(seq)
        }
        Err(NodeError::Corrupt(corruption)) => {
            assert_eq!(example.name, corruption.file);
            assert_eq!(before, contents(&world.disk), "a refusal changed the folder");
            Err(corruption.to_string())
        }
        Err(other) => panic!("a refusal that names no segment: {other}"),
    }
}

fn refusal(example: &Example, frames: &[Frame]) -> String {
    let bytes = sealed(&example.bytes, frames);
    opened(example, bytes).expect_err("refused")
}

#[test]
fn frames_put_together_here_are_those_of_the_journal() {
    let example = example(true);
    let frames = frames(&example.bytes);
    assert!(frames.len() >= 6, "{}", frames.len());
    assert!(sealed(&example.bytes, &frames) == example.bytes);
}

/// Check sums say that the bytes are those written, the digest that they still mean the same.
#[test]
fn another_digest_than_that_of_the_replayed_state_is_refused() {
    let example = example(true);
    let mut frames = frames(&example.bytes);
    let digest = frames.iter_mut().rfind(|frame| frame.kind() == DIGEST).expect("of the clean stop");
    digest.body[0] ^= 1;
    let words = refusal(&example, &frames);
    assert!(words.contains("differs from the digest journaled at seq"), "{words}");
    // Nor is it salvaged: what is lost of such a state nobody could say.
    let disk = example.disk.after_kill();
    disk.plant(&example.name, sealed(&example.bytes, &frames));
    let refused = salvage_disk(&disk, None).expect_err("refused").to_string();
    assert!(refused.contains("is not the one journaled there"), "{refused}");
}

#[test]
fn no_changed_byte_of_a_record_makes_another_state() {
    let example = example(true);
    let whole = frames(&example.bytes);
    let last = *example.history.keys().next_back().unwrap();
    let (mut by_digest, mut by_record, mut harmless) = (0, 0, 0);
    for index in (0..whole.len()).filter(|index| whole[*index].kind() == RECORDS) {
        for at in 0..whole[index].body.len() {
            let mut changed = whole.clone();
            changed[index].body[at] ^= 1 << (at % 8);
            match opened(&example, sealed(&example.bytes, &changed)) {
                Ok(seq) => {
                    assert_eq!(last, seq, "frame {index}, byte {at}");
                    harmless += 1;
                }
                Err(words) if words.contains("differs from the digest") => by_digest += 1,
                Err(_) => by_record += 1,
            }
        }
    }
    println!("{by_digest} by the digest, {by_record} by the record, {harmless} in what no state has");
    assert!(by_digest > 20 && by_record > 20, "{by_digest} by the digest, {by_record} by the record");
}

#[test]
fn a_frame_that_says_more_seqs_than_it_holds_is_refused() {
    let example = example(true);
    let whole = frames(&example.bytes);
    for index in (0..whole.len()).filter(|index| whole[*index].kind() == RECORDS) {
        let mut changed = whole.clone();
        for later in &mut changed[index..] {
            // The frames behind it go on where this one says that it ends.
            let first_seq = later.number(24);
            later.set(24, first_seq + u64::from(later.number(LAST_SEQ) != whole[index].number(LAST_SEQ)));
            later.set(LAST_SEQ, later.number(LAST_SEQ) + 1);
        }
        let words = refusal(&example, &changed);
        assert!(words.contains("as next seq"), "frame {index}: {words}");
    }
}

#[test]
fn a_frame_of_an_earlier_epoch_or_of_no_known_kind_is_refused() {
    let example = example(true);
    let mut changed = frames(&example.bytes);
    changed[1].set(EPOCH, 9);
    let words = refusal(&example, &changed);
    assert!(words.contains("epoch is lower than the one before"), "{words}");
    let mut changed = frames(&example.bytes);
    changed[1].header[4] = 4;
    let words = refusal(&example, &changed);
    assert!(words.contains("unknown kind"), "{words}");
}

/// Seqs that no group can have: it ends in front of where it begins, or begins with none; a seal that covers records.
#[test]
fn a_frame_whose_seqs_contradict_each_other_is_refused() {
    let example = example(true);
    let whole = frames(&example.bytes);
    for (first_seq, last_seq) in [(9, 8), (9, 7), (0, 5)] {
        let mut changed = whole.clone();
        changed[1].set(24, first_seq);
        changed[1].set(LAST_SEQ, last_seq);
        let words = refusal(&example, &changed);
        assert!(words.contains("seqs contradict each other"), "{first_seq} to {last_seq}: {words}");
    }
    let mut changed = whole.clone();
    let digest = changed.iter_mut().find(|frame| frame.kind() == DIGEST).unwrap();
    digest.set(LAST_SEQ, digest.number(24));
    assert!(refusal(&example, &changed).contains("seqs contradict each other"));
}

/// The header of the last group is whole and says more than the file has: that is no torn write.
#[test]
fn a_last_frame_longer_than_the_segment_is_refused() {
    let example = example(false);
    let whole = frames(&example.bytes);
    let mut bytes = sealed(&example.bytes, &whole);
    let at = BLOCK * whole.len();
    for length in [bytes.len() as u32, u32::MAX] {
        bytes[at + 8..at + 12].copy_from_slice(&length.to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c(&bytes[16..32]), &bytes[at..at + 60]);
        bytes[at + 60..at + 64].copy_from_slice(&check.to_le_bytes());
        let words = opened(&example, bytes.clone()).expect_err("refused");
        assert!(words.contains("longer than the rest of the file") && words.contains("fully written"), "{words}");
    }
}

/// Rules (b) and (c) of the tail: the same hole, and what is behind it says whether it was durable.
#[test]
fn a_hole_is_repaired_only_if_nothing_behind_it_says_that_it_was_durable() {
    let example = example(false);
    let whole = frames(&example.bytes);
    let groups: Vec<u64> = example.history.keys().copied().collect();
    for hole in 1..whole.len() - 1 {
        let at = BLOCK * (1 + hole);
        for (durable_seq, expected) in [(groups[hole], Ok(groups[hole])), (groups[hole] + 1, Err(()))] {
            let mut changed = whole.clone();
            changed[hole + 1..].iter_mut().for_each(|frame| frame.set(DURABLE_SEQ, durable_seq));
            let mut bytes = sealed(&example.bytes, &changed);
            bytes[at..at + BLOCK].fill(0);
            assert_eq!(expected, opened(&example, bytes).map_err(|_| ()), "hole {hole}, durable {durable_seq}");
        }
    }
}

/// A disk that shows an old write again behind a torn one says nothing of the torn one.
#[test]
fn a_copy_of_an_older_frame_behind_a_torn_one_proves_nothing() {
    let example = example(false);
    let count = frames(&example.bytes).len();
    let groups: Vec<u64> = example.history.keys().copied().collect();
    let torn = BLOCK * count;
    for older in 1..count {
        let mut bytes = example.bytes.clone();
        bytes.copy_within(BLOCK * older..BLOCK * (older + 1), torn + BLOCK);
        bytes[torn..torn + BLOCK].fill(0);
        assert_eq!(Ok(groups[count - 1]), opened(&example, bytes), "frame {older} again");
    }
}

/// Whole by its own words, and of a store that is not this one; or of this one, and another than its name says.
#[test]
fn a_segment_of_another_store_or_seq_is_refused() {
    let example = example(true);
    let header = |at: usize, bytes: &[u8]| {
        let mut segment = example.bytes.clone();
        segment[at..at + bytes.len()].copy_from_slice(bytes);
        let check = crc32c::crc32c(&segment[..SEGMENT_CHECKED]).to_le_bytes();
        segment[SEGMENT_CHECKED..SEGMENT_CHECKED + 4].copy_from_slice(&check);
        opened(&example, segment).expect_err("refused")
    };
    let says = header(16, &[9; 16]);
    assert!(says.contains("belongs to store 0909"), "{says}");
    let says = header(40, &2_u64.to_le_bytes());
    assert!(says.contains("begins at seq 2"), "{says}");
    let says = header(64, &(1_u64 << 20).to_le_bytes());
    assert!(says.contains("it was made with 1048576"), "{says}");
}

#[test]
fn a_journal_without_its_first_segment_is_refused() {
    let world = World::new(8);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    for round in 0..30_u64 {
        record(&node, &[(round, 0, 1)], START_US).unwrap();
        while node.step_commit() {}
        node.step_prepare();
    }
    node.close().unwrap();
    drop(node);
    let mut names: Vec<String> = world.disk.names().into_iter().filter(|name| name.starts_with("seg-")).collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    for missing in 0..names.len() - 1 {
        let disk = world.disk.after_kill();
        drawdown_node::Disk::remove(&disk, &names[missing]).unwrap();
        let Err(error) = World::on(disk, START_US + 1_000_000).open(settings()) else {
            panic!("opened without segment {missing}");
        };
        let NodeError::Corrupt(corruption) = &error else { panic!("{error}") };
        let named = if missing == 0 { 1 } else { missing - 1 };
        assert_eq!(names[named], corruption.file, "{error}");
    }
}
