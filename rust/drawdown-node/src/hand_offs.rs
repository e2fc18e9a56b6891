//! Hand-offs between threads, run under a scheduler that decides at every lock, wake-up, shared number
//! and change of the disk who goes on (`sync.rs`). The code is the node's own.
//!
//! Each scenario runs once per schedule: as many random ones, and as many with few changes of priority
//! (PCT), which reach what needs one thread to stand still for long. Waits without an end have none, so a
//! lost wake-up is a deadlock, and the scheduler tells of it with the schedule.
//!
//!     cargo test -p drawdown-node --lib --features hand-offs hand_offs
//!     DRAWDOWN_HAND_OFF_SCHEDULES=20000 cargo test --release -p drawdown-node --lib --features hand-offs hand_offs

mod changes_told;
mod commit_queue;
mod disk_trouble;
mod images;
mod positions;
mod segments_made;
#[path = "../tests/support/mod.rs"]
mod support;

use crate::settings::NodeSettings;
use crate::sync::{scheduled, thread};
use crate::{Drive, Node, SubmitError};
use drawdown_core::Status;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};
use std::sync::Arc;
use std::time::Duration;
use support::{START_US, World, record, set_up};

const SCHEDULES: usize = 100;
/// Changes of priority per PCT schedule: bugs that need as many to show have a floor of probability.
const PCT_DEPTH: usize = 3;
/// Steps after which threads go round without end.
const STEPS_MAX: usize = 200_000;
const STACK_BYTES: usize = 1 << 20;

/// A wait that only what it waits for can end.
const FOR_EVER: Duration = Duration::MAX;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Run `scenario` in many orders; in each so many waits may end early (`scheduled::begin`).
fn explore(timeouts: u32, scenario: fn()) {
    let schedules = number("DRAWDOWN_HAND_OFF_SCHEDULES", SCHEDULES);
    let seed = number("DRAWDOWN_HAND_OFF_SEED", 1) as u64;
    let config = || {
        let mut config = Config::new();
        config.stack_size = STACK_BYTES;
        config.silence_warnings = true;
        config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
        config
    };
    let run = move || {
        scheduled::begin(timeouts);
        scenario();
    };
    Runner::new(RandomScheduler::new_from_seed(seed, schedules), config()).run(run);
    Runner::new(PctScheduler::new_from_seed(seed, PCT_DEPTH, schedules), config()).run(run);
}

fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().spawn(run).expect("the scheduler has threads")
}

/// What all of them came to. A panic inside has ended the schedule before.
fn joined<T, const N: usize>(threads: [thread::JoinHandle<T>; N]) -> [T; N] {
    threads.map(|thread| thread.join().expect("a thread that ended well"))
}

/// A number below `end` of the scheduler's choice.
fn choose(end: u64) -> u64 {
    use shuttle::rand::Rng;
    shuttle::rand::thread_rng().gen_range(0..end)
}

/// One group per segment, and nothing beside what a scenario asks for.
fn settings() -> NodeSettings {
    NodeSettings {
        segment_bytes: 16 << 10,
        segments_ahead: 1,
        group_bytes_max: 4 << 10,
        pending_bytes_max: 1 << 20,
        reserve_bytes: 0,
        checkpoint_on_close: false,
        index_in_background: false,
        ..NodeSettings::default()
    }
}

/// A store with so many accounts, all of it durable, and its threads running.
fn running(settings: NodeSettings, accounts: u64) -> (Arc<World>, Arc<Node>) {
    let world = World::new(7);
    let node = world.open_driven(settings, Drive::Threads).expect("a new store opens");
    let seq = set_up(&node, accounts);
    assert!(node.wait_durable(seq, FOR_EVER));
    (Arc::new(world), Arc::new(node))
}

/// Send one event of 1 to an account; the seq to wait for.
fn send(node: &Node, id: u64, account: u64) -> Result<u64, SubmitError> {
    let (seq, outcomes) = record(node, &[(id, account, 1)], START_US)?;
    assert_eq!(Status::Ok, outcomes[0].status);
    Ok(seq)
}

/// Send it until it is taken: refusals for now are no end.
fn send_until_taken(node: &Node, id: u64, account: u64) -> u64 {
    loop {
        match send(node, id, account) {
            Ok(seq) => return seq,
            Err(SubmitError::Halted(why)) => panic!("{why}"),
            Err(_) => thread::yield_now(),
        }
    }
}

/// The store on another disk, driven by hand.
fn reopened(world: &World, disk: crate::simulation::SimulatedDisk) -> Node {
    world.moved_to(disk).open(settings()).expect("what was synced opens")
}

/// Whether an event is there: sent again it is known.
fn is_there(node: &Node, id: u64, account: u64) -> bool {
    let (_, outcomes) = record(node, &[(id, account, 1)], START_US).expect("a store that takes usage");
    match outcomes[0].status {
        Status::Duplicate => true,
        Status::Ok => false,
        other => panic!("event {id} sent again is {other:?}"),
    }
}
