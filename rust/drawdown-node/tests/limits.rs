//! What happens at the bounds: a slow disk, a full disk, a failed disk, a failed engine.

mod support;

use drawdown_core::{Outcome, OutcomeSink, Rights, Status};
use drawdown_node::{Fatal, NodeSettings, SubmitError};
use std::time::Duration;
use support::{GRANTED, START_US, World, account_id, available, event, record, set_up, small_settings};

#[test]
fn a_disk_that_does_not_keep_up_sheds_new_work_definitely() {
    let world = World::new(31);
    let settings = NodeSettings { pending_bytes_max: 16 << 10, ..small_settings() };
    let node = world.open(settings).unwrap();
    set_up(&node, 2);
    let mut applied = 0;
    let refused = loop {
        match record(&node, &[(applied, 0, 1)], START_US) {
            Ok(_) => applied += 1,
            Err(refused) => break refused,
        }
        assert!(applied < 10_000);
    };
    assert!(matches!(refused, SubmitError::Overloaded { .. }), "{refused}");
    assert_eq!(GRANTED - applied as i64, node.read(|engine, _| available(engine, 0)).unwrap());
    while node.step_commit() {}
    assert_eq!(Status::Ok, record(&node, &[(applied, 0, 1)], START_US).unwrap().1[0].status);
    assert_eq!(0, node.stats().halted.iter().count());
}

#[test]
fn a_full_disk_is_read_only_until_there_is_room() {
    let world = World::new(32);
    let settings = NodeSettings { reserve_bytes: 64 << 10, ..small_settings() };
    let node = world.open(settings.clone()).unwrap();
    set_up(&node, 2);
    world.disk.set_capacity(Some(150 << 10));
    let mut sent = 0_u64;
    let refused = loop {
        let events: Vec<_> = (0..40).map(|i| (sent + i, 0, 1)).collect();
        match record(&node, &events, START_US) {
            Ok(_) => sent += 40,
            Err(refused) => break refused,
        }
        while node.step_commit() {}
        node.step_prepare();
        assert!(sent < 100_000);
    };
    assert!(matches!(refused, SubmitError::ReadOnly(_)), "{refused}");
    assert!(refused.to_string().contains("nothing applied"), "{refused}");
    let left = GRANTED - sent as i64;
    assert_eq!(left, node.read(|engine, _| available(engine, 0)).unwrap(), "reads go on");
    world.disk.set_capacity(None);
    for _ in 0..4 {
        node.step_prepare();
        while node.step_commit() {}
    }
    assert_eq!(None, node.stats().read_only);
    record(&node, &[(sent, 0, 1)], START_US).unwrap();
    while node.step_commit() {}
    node.close().unwrap();
    drop(node);
    let node = world.moved_to(world.disk.after_kill()).open(settings).unwrap();
    assert_eq!(left - 1, node.read(|engine, _| available(engine, 0)).unwrap());
}

#[test]
fn one_failed_sync_ends_the_process_with_74_and_answers_nothing() {
    let world = World::new(33);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    let durable = node.durable_seq();
    let (seq, _) = record(&node, &[(1, 0, 1)], START_US).unwrap();
    world.disk.fail_sync(1);
    node.step_commit();
    assert_eq!(Some(Fatal::DISK), world.fatal.lock().as_ref().map(|fatal| fatal.exit_code));
    assert_eq!(durable, node.acknowledged_seq());
    assert!(!node.wait_durable(seq, Duration::from_secs(5)));
    assert!(record(&node, &[(2, 0, 1)], START_US).is_err());
    assert!(world.disk.names().contains(&"FSYNC-FAILED".to_owned()));
    drop(node);
    // What recovery reads it also makes durable: a power cut right after it loses nothing of it.
    let world = world.moved_to(world.disk.after_kill());
    let node = world.open(small_settings()).unwrap();
    let recovered = node.applied_seq();
    assert!(node.report().notes.iter().any(|note| note.contains("written anew")), "{:?}", node.report());
    drop(node);
    for seed in 0..20 {
        let cut = world.disk.after_crash(&mut drawdown_node::simulation::Random(seed));
        assert_eq!(recovered, world.moved_to(cut).open(small_settings()).unwrap().applied_seq());
    }
}

/// Fails while taking an answer, as a defect in the engine would.
struct Failing;

impl OutcomeSink for Failing {
    fn push(&mut self, _index: u32, _outcome: &Outcome) {
        panic!("planted failure");
    }
}

#[test]
fn a_panic_inside_the_engine_poisons_it_with_70() {
    let world = World::new(34);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    record(&node, &[(1, 0, 0)], START_US).unwrap();
    let key = node.read(|engine, _| *engine.key()).unwrap();
    let id = account_id(0);
    let answer = node.submit(&[event(&key, "one", &id, 1, START_US)], &Rights::ALL, &mut Failing);
    assert!(matches!(answer, Err(SubmitError::Halted(_))), "{answer:?}");
    assert_eq!(Some(Fatal::PANIC), world.fatal.lock().as_ref().map(|fatal| fatal.exit_code));
    assert!(node.read(|engine, _| engine.next_seq()).is_err(), "a poisoned state is not read");
    // A group with earlier records may still be written, without a trace of the failed batch.
    node.step_commit();
    drop(node);
    // What was applied before stands; of the failed batch nothing is in the journal.
    let node = world.moved_to(world.disk.after_kill()).open(small_settings()).unwrap();
    assert_eq!(GRANTED, node.read(|engine, _| available(engine, 0)).unwrap());
}

/// The kernel may have dropped the pages: a second sync says yes to bytes that are lost.
#[test]
fn after_a_failed_sync_nothing_is_synced_or_written_again() {
    let world = World::new(36);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    let durable = node.durable_seq();
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    world.disk.fail_sync(1);
    node.step_commit();
    assert_eq!(Some(Fatal::DISK), world.fatal.lock().as_ref().map(|fatal| fatal.exit_code));
    node.step_seal();
    node.step_commit();
    assert!(node.checkpoint().is_err());
    assert!(node.close().is_err());
    assert_eq!((durable, durable), (node.durable_seq(), node.acknowledged_seq()));
    let node = world.moved_to(world.disk.after_worst_crash()).open(small_settings()).unwrap();
    assert_eq!(durable, node.applied_seq());
}

#[test]
fn refusals_write_nothing() {
    let world = World::new(35);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    let before = node.stats();
    let (seq, outcomes) = record(&node, &[(1, 0, GRANTED + 1), (2, 5, 1)], START_US).unwrap();
    assert_eq!([Status::Insufficient, Status::AccountUnknown], [outcomes[0].status, outcomes[1].status]);
    assert_eq!(before.applied_seq, seq);
    assert_eq!(0, node.stats().pending_bytes);
    assert!(!node.step_commit());
}

#[test]
fn a_query_tells_the_seq_that_its_answer_must_wait_for() {
    let world = World::new(37);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    while node.step_commit() {}
    let (seq, _) = record(&node, &[(1, 0, 1)], START_US).unwrap();
    let request = serde_json::json!({"type": "balance", "account": account_id(0), "credit_type": "credits"});
    let (told, answer) = node.query(&request).unwrap();
    assert_eq!(GRANTED - 1, answer.unwrap()["available"].as_i64().unwrap());
    assert_eq!(seq, told, "the answer shows what is not durable yet");
    assert!(node.acknowledged_seq() < told);
}
