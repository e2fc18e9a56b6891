//! Power cuts, kills and failing disks at seeded random moments: nothing acknowledged is lost,
//! nothing is applied twice, and what survives is always a prefix of what was submitted.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::Random;
use drawdown_node::{Node, SubmitError, verify_disk};
use support::{GRANTED, World, available, record, set_up, small_settings};

const ACCOUNTS: u64 = 6;

/// An event as it was submitted.
#[derive(Clone, Copy, Debug)]
struct Sent {
    id: u64,
    account: u64,
    quantity: i64,
    /// The seq to wait for.
    seq: u64,
}

/// What an outside observer knows.
#[derive(Default)]
struct Observer {
    /// Known to be applied.
    acknowledged: Vec<Sent>,
    /// Submitted, answer not seen; in order.
    open: Vec<Sent>,
    next_id: u64,
}

#[derive(Default, Debug)]
struct Seen {
    crashes: u32,
    kills: u32,
    fatal: u32,
    failed_openings: u32,
    torn: u32,
    from_checkpoint: u32,
    lost_unacknowledged: u32,
    checkpoints: u64,
}

impl Observer {
    fn acknowledge(&mut self, seq: u64) {
        let reached = self.open.iter().take_while(|sent| sent.seq <= seq).count();
        self.acknowledged.extend(self.open.drain(..reached));
    }

    fn send(&mut self, node: &Node, random: &mut Random, time_us: i64) -> bool {
        let mut batch = Vec::new();
        for _ in 0..1 + random.below(40) {
            let known = self.acknowledged.len() as u64;
            if known > 0 && random.once_in(8) {
                let again = self.acknowledged[random.below(known) as usize];
                batch.push((again.id, again.account, again.quantity));
            } else {
                self.next_id += 1;
                batch.push((self.next_id, random.below(ACCOUNTS), 1 + random.below(9) as i64));
            }
        }
        match record(node, &batch, time_us) {
            Ok((seq, outcomes)) => {
                for ((id, account, quantity), outcome) in batch.into_iter().zip(outcomes) {
                    match outcome.status {
                        Status::Ok => self.open.push(Sent { id, account, quantity, seq }),
                        Status::Duplicate => {}
                        other => panic!("event {id} answered {other:?}"),
                    }
                }
                true
            }
            Err(SubmitError::Halted(_)) => false,
            Err(SubmitError::ReadOnly(_)) => {
                // Definite, and over as soon as segments can be made again.
                node.step_prepare();
                node.step_prepare();
                true
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// After recovery: account for every event, then take what survived as acknowledged.
    fn audit(&mut self, node: &Node, time_us: i64, seen: &mut Seen) {
        let before: Vec<i64> =
            (0..ACCOUNTS).map(|account| node.read(|engine, _| available(engine, account)).unwrap()).collect();
        for sent in &self.acknowledged {
            let again = record(node, &[(sent.id, sent.account, sent.quantity)], time_us).unwrap().1;
            assert_eq!(Status::Duplicate, again[0].status, "acknowledged event {} was lost", sent.id);
        }
        let open = std::mem::take(&mut self.open);
        let mut survivors = 0;
        let mut lost = false;
        for mut sent in open {
            let (seq, again) = record(node, &[(sent.id, sent.account, sent.quantity)], time_us).unwrap();
            match again[0].status {
                Status::Duplicate => {
                    assert!(!lost, "event {} survived though an earlier one did not", sent.id);
                    survivors += 1;
                    self.acknowledged.push(sent);
                }
                Status::Ok => {
                    lost = true;
                    sent.seq = seq;
                    self.open.push(sent);
                }
                other => panic!("event {} answered {other:?} after recovery", sent.id),
            }
        }
        seen.lost_unacknowledged += u32::from(lost);
        let known = self.acknowledged.len();
        for (account, found) in before.into_iter().enumerate() {
            let of_account = self.acknowledged.iter().filter(|sent| sent.account == account as u64);
            let burned: i64 = of_account.map(|sent| sent.quantity).sum();
            assert_eq!(GRANTED - burned, found, "account {account}, {known} events known, {survivors} unanswered");
        }
    }
}

fn open_set_up(world: &World) -> Node {
    let node = world.open(small_settings()).unwrap();
    set_up(&node, ACCOUNTS);
    while node.step_commit() {}
    node
}

/// One life of a process; ends with the disk to go on with.
fn live(world: World, node: Node, observer: &mut Observer, random: &mut Random, seen: &mut Seen) -> World {
    match random.below(4) {
        0 => world.disk.fail_sync(1 + random.below(40)),
        1 => world.disk.fail_write(1 + random.below(60)),
        _ => world.disk.crash_in(1 + random.below(150)),
    }
    for _ in 0..200 {
        world.clock.advance(1 + random.below(3_000_000) as i64);
        // One instant for all, inside the window: a retry repeats its time.
        let alive = match random.below(12) {
            0..5 => observer.send(&node, random, support::START_US),
            5..9 => node.step_commit() || !world.disk.is_dead(),
            9 => {
                node.step_seal();
                true
            }
            10 => {
                node.step_prepare();
                true
            }
            _ => {
                let _ = node.checkpoint();
                true
            }
        };
        observer.acknowledge(node.acknowledged_seq());
        if !alive || world.disk.is_dead() || world.fatal.lock().is_some() {
            break;
        }
    }
    observer.acknowledge(node.acknowledged_seq());
    seen.checkpoints += node.stats().checkpoints;
    seen.fatal += u32::from(world.fatal.lock().is_some());
    let closed = random.once_in(6) && node.close().is_ok();
    if closed {
        observer.acknowledge(node.acknowledged_seq());
        assert!(observer.open.is_empty(), "a clean close leaves nothing unanswered");
    }
    drop(node);
    if world.disk.is_dead() || random.once_in(2) {
        seen.crashes += 1;
        world.moved_to(world.disk.after_crash(random))
    } else {
        seen.kills += 1;
        world.moved_to(world.disk.after_kill())
    }
}

/// Open, with the power perhaps going in the middle of it.
fn reopen(mut world: World, random: &mut Random, seen: &mut Seen) -> (World, Node) {
    for _ in 0..3 {
        if random.once_in(3) {
            world.disk.crash_in(1 + random.below(20));
        }
        match world.open(small_settings()) {
            Ok(node) => {
                world.disk.crash_in(u64::MAX);
                return (world, node);
            }
            Err(error) => {
                assert!(world.disk.is_dead(), "opening failed on a healthy disk: {error}");
                seen.failed_openings += 1;
                world = world.moved_to(world.disk.after_crash(random));
            }
        }
    }
    let node = world.open(small_settings()).unwrap();
    (world, node)
}

fn run(seed: u64, lives: u32, seen: &mut Seen) {
    let mut random = Random(seed);
    let mut world = World::new(seed);
    let mut observer = Observer::default();
    let mut node = open_set_up(&world);
    for _ in 0..lives {
        world = live(world, node, &mut observer, &mut random, seen);
        (world, node) = reopen(world, &mut random, seen);
        seen.torn += node.report().notes.len() as u32;
        seen.from_checkpoint += u32::from(node.report().checkpoint_seq > 0);
        observer.audit(&node, support::START_US, seen);
    }
    node.close().unwrap();
    drop(node);
    let report = verify_disk(&world.disk).unwrap();
    assert_eq!(Some(true), report["replayed_from_genesis"].as_bool());
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_applied_twice() {
    let lives = 5;
    let seeds = std::env::var("DRAWDOWN_CRASH_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let first = std::env::var("DRAWDOWN_CRASH_FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(1_u64);
    let mut seen = Seen::default();
    for seed in first..first + seeds {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, lives, &mut seen)));
        if let Err(panic) = outcome {
            eprintln!("failing seed: {seed} (DRAWDOWN_CRASH_FIRST={seed} DRAWDOWN_CRASH_SEEDS=1)");
            std::panic::resume_unwind(panic);
        }
    }
    eprintln!("{seen:?}");
    if seeds >= 60 {
        assert!(seen.crashes > 50 && seen.kills > 10 && seen.fatal > 10, "{seen:?}");
        assert!(seen.torn > 10 && seen.from_checkpoint > 10 && seen.lost_unacknowledged > 10, "{seen:?}");
        assert!(seen.failed_openings > 10, "{seen:?}");
    }
}
