//! Checkpoints that are whole by every check sum and yet wrong: numbers that contradict each other, counts and lengths
//! that lie, files of other stores and states. One that cannot be right is passed over for an older one, put aside, and
//! costs nothing; a state that the journal does not have is refused.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Node, NodeError, NodeSettings, verify_disk};
use support::forged::*;
use support::{START_US, World, record, set_up, small_settings};

const NO_PREVIOUS: u64 = u64::MAX;

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, checkpoint_journal_bytes_min: 1 << 40, ..small_settings() }
}

fn digest(node: &Node) -> u128 {
    node.read(|engine, _| engine.digest()).unwrap()
}

fn flush(node: &Node) {
    while node.step_commit() {}
}

fn newest_checkpoint(disk: &SimulatedDisk) -> String {
    disk.names().into_iter().rfind(|name| name.ends_with(".dc")).unwrap()
}

/// A full checkpoint, a delta on it, and journal behind both; the process was killed.
struct Story {
    disk: SimulatedDisk,
    newest: String,
    digest: u128,
}

fn story() -> Story {
    let world = World::new(51);
    let node = world.open(settings()).unwrap();
    set_up(&node, 3);
    for round in 0..3_u64 {
        record(&node, &[(round, round, 5)], START_US).unwrap();
        flush(&node);
        if round < 2 {
            node.checkpoint().unwrap();
        }
    }
    let digest = digest(&node);
    drop(node);
    let disk = world.disk.after_kill();
    let newest = newest_checkpoint(&disk);
    let before = number(&ChunkFile::on(&disk, &newest).header, SECOND_NUMBER);
    assert_ne!(NO_PREVIOUS, before, "the newest is a delta");
    Story { disk, newest, digest }
}

impl Story {
    /// The forged checkpoint is passed over for that reason, kept aside, and nothing is lost.
    fn assert_passed_over(&self, why: &str, forge: impl FnOnce(&mut ChunkFile)) {
        let disk = self.disk.after_kill();
        let mut file = ChunkFile::on(&disk, &self.newest);
        forge(&mut file);
        disk.plant(&self.newest, file.bytes());
        let world = World::on(disk, START_US + 1_000_000);
        let node = world.open(settings()).unwrap_or_else(|error| panic!("{why}: {error}"));
        let notes = &node.report().notes;
        assert!(notes.iter().any(|note| note.contains(&self.newest) && note.contains(why)), "{why}: {notes:?}");
        assert_eq!(self.digest, digest(&node), "{why}");
        assert_eq!(Some(file.bytes()), world.disk.bytes_of(&format!("aside/{}", self.newest)), "{why}");
        let again: Vec<_> = (0..3).map(|event| (event, event, 5)).collect();
        for outcome in record(&node, &again, START_US).unwrap().1 {
            assert_eq!(Status::Duplicate, outcome.status, "{why}");
        }
    }
}

#[test]
fn a_checkpoint_put_together_here_is_the_one_that_was_written() {
    let story = story();
    let bytes = story.disk.bytes_of(&story.newest).unwrap();
    assert!(bytes == ChunkFile::of(&bytes).bytes());
}

#[test]
fn a_footer_that_contradicts_itself_is_passed_over() {
    type Forge = fn(&mut ChunkFile);
    let forgeries: [Forge; 6] = [
        |file| {
            let mut short = file.footer().clone();
            short.truncate(59);
            file.set_body(FOOTER, short);
        },
        |file| file.footer()[RUN_COUNT] = 1,
        // The chain begins behind the checkpoint that it goes on from.
        |file| {
            let previous = number(&file.header, SECOND_NUMBER);
            put(file.footer(), FULL_START_SEQ, previous + 1);
        },
        // It goes on from itself.
        |file| {
            let own = number(&file.header, FIRST_NUMBER);
            put(&mut file.header, SECOND_NUMBER, own);
        },
        // A full one of another chain.
        |file| put(&mut file.header, SECOND_NUMBER, NO_PREVIOUS),
        |file| {
            let start = number(file.footer(), START_SEQ);
            put(file.footer(), START_SEQ, start + 1);
            put(file.footer(), END_SEQ, start + 1);
        },
    ];
    for forge in forgeries {
        story().assert_passed_over("the footer contradicts itself", forge);
    }
}

#[test]
fn a_place_that_holds_something_else_is_passed_over() {
    story().assert_passed_over("the footer is not where the header says", |file| {
        put(&mut file.header, FOOTER_OFFSET, 64);
    });
    story().assert_passed_over("another kind of chunk is expected here", |file| put(file.footer(), GLOBAL_OFFSET, 64));
    story().assert_passed_over("no chunk starts here", |file| put(file.footer(), GLOBAL_OFFSET, 65));
}

#[test]
fn counts_and_lengths_that_lie_are_passed_over() {
    story().assert_passed_over("1 account images are missing", |file| {
        let count = number(file.footer(), ACCOUNT_COUNT);
        put(file.footer(), ACCOUNT_COUNT, count + 1);
    });
    story().assert_passed_over("an account image is cut short", |file| {
        let mut images = file.chunk(ACCOUNTS).body.clone();
        images.extend_from_slice(&[0; 7]);
        file.set_body(ACCOUNTS, images);
    });
    story().assert_passed_over("an account image is cut short", |file| {
        let mut images = file.chunk(ACCOUNTS).body.clone();
        images[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        file.set_body(ACCOUNTS, images);
    });
    // Neither is memory asked for first.
    for length in [1 << 20, (1 << 30) + 1, u32::MAX] {
        story().assert_passed_over("a chunk longer than the rest of the file", |file| {
            file.chunk(ACCOUNTS).length = length;
        });
    }
}

#[test]
fn a_file_of_another_store_or_of_no_format_is_passed_over() {
    story().assert_passed_over("belongs to store 0909", |file| file.header[STORE..STORE + 16].fill(9));
    story().assert_passed_over("there is no format 0", |file| file.header[FORMAT] = 0);
}

/// The newest checkpoint of a longer history, whose footer says that it ends where the journal does.
#[test]
fn a_state_in_front_of_the_journal_is_refused() {
    let world = World::new(52);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    record(&node, &[(1, 0, 5)], START_US).unwrap();
    flush(&node);
    let end_seq = node.applied_seq();
    node.close().unwrap();
    drop(node);
    let disk = world.disk.after_kill();
    let longer = world.moved_to(disk.after_kill());
    let node = longer.open(settings()).unwrap();
    record(&node, &[(2, 0, 5)], START_US).unwrap();
    let reached = node.checkpoint().unwrap();
    let mut file = ChunkFile::on(&longer.disk, &newest_checkpoint(&longer.disk));
    put(&mut file.header, FIRST_NUMBER, end_seq);
    for field in [START_SEQ, END_SEQ, FULL_START_SEQ] {
        put(file.footer(), field, end_seq);
    }
    disk.plant(&format!("ckpt-{end_seq:020}.dc"), file.bytes());
    let before: Vec<_> = disk.names().into_iter().map(|name| (disk.bytes_of(&name), name)).collect();
    let refused = world.moved_to(disk.clone()).open(settings()).err().expect("refused");
    assert!(matches!(refused, NodeError::Refused(_)), "{refused}");
    let said = refused.to_string();
    assert!(said.contains(&format!("the state is at seq {reached}, the journal at {end_seq}")), "{said}");
    let after: Vec<_> = disk.names().into_iter().map(|name| (disk.bytes_of(&name), name)).collect();
    assert_eq!(before, after, "a refusal changed the folder");
}

/// Two stores that differ in what one event was worth: whole files, and no two of them fit together.
fn store_with(quantity: i64, is_closed: bool) -> SimulatedDisk {
    let world = World::new(53);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    record(&node, &[(1, 0, quantity)], START_US).unwrap();
    node.checkpoint().unwrap();
    record(&node, &[(2, 0, 1)], START_US).unwrap();
    flush(&node);
    if is_closed {
        node.close().unwrap();
    }
    world.disk.after_kill()
}

#[test]
fn a_checkpoint_of_another_state_is_found_by_verify_and_by_the_digest_of_a_clean_stop() {
    for is_closed in [false, true] {
        let (disk, other) = (store_with(5, is_closed), store_with(6, is_closed));
        let name = newest_checkpoint(&disk);
        disk.plant(&name, other.bytes_of(&name).unwrap());
        let found = verify_disk(&disk).unwrap_err().to_string();
        let opened = World::on(disk, START_US + 1_000_000).open(settings()).map(|_| ());
        if is_closed {
            assert!(found.contains("differs from the digest journaled"), "{found}");
            assert!(matches!(opened, Err(NodeError::Corrupt(_))), "{opened:?}");
        } else {
            // Only a replay from the beginning can tell.
            assert!(found.contains("replay from the beginning gives digest"), "{found}");
        }
    }
}
