//! Power cuts, kills and failing disks at seeded random moments: nothing acknowledged is lost,
//! nothing is applied twice, and what survives is always a prefix of what was submitted.

mod support;

use drawdown_core::{Settings, Status};
use drawdown_node::simulation::Random;
use drawdown_node::{Clock, Node, SubmitError, verify_disk};
use support::{GRANTED, World, available, engine_settings, record, set_up, small_settings};

const ACCOUNTS: u64 = 6;

/// An event as it was submitted.
#[derive(Clone, Copy, Debug)]
struct Sent {
    id: u64,
    account: u64,
    quantity: i64,
    time_us: i64,
    /// The seq to wait for.
    seq: u64,
}

impl Sent {
    fn again(&self, node: &Node) -> Result<(u64, Status), SubmitError> {
        let (seq, outcomes) = record(node, &[(self.id, self.account, self.quantity)], self.time_us)?;
        Ok((seq, outcomes[0].status))
    }

    /// What a retry of an applied event is answered.
    fn repeated(&self, node: &Node) -> Status {
        let floor = node.read(|engine, _| engine.floor_us()).unwrap();
        if self.time_us < floor { Status::TooLate } else { Status::Duplicate }
    }
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
    /// Segments read for event ids alone.
    key_segments: u32,
    forgotten: u32,
}

impl Observer {
    fn acknowledge(&mut self, seq: u64) {
        let reached = self.open.iter().take_while(|sent| sent.seq <= seq).count();
        self.acknowledged.extend(self.open.drain(..reached));
    }

    fn send(&mut self, node: &Node, random: &mut Random, time_us: i64) -> bool {
        let known = self.acknowledged.len() as u64;
        if known > 0 && random.once_in(3) {
            let sent = self.acknowledged[random.below(known) as usize];
            return match sent.again(node) {
                Ok((_, status)) => {
                    assert_eq!(sent.repeated(node), status, "{sent:?}");
                    true
                }
                Err(error) => self.refused(node, error),
            };
        }
        let mut batch = Vec::new();
        for _ in 0..1 + random.below(40) {
            self.next_id += 1;
            batch.push((self.next_id, random.below(ACCOUNTS), 1 + random.below(9) as i64));
        }
        match record(node, &batch, time_us) {
            Ok((seq, outcomes)) => {
                for ((id, account, quantity), outcome) in batch.into_iter().zip(outcomes) {
                    assert_eq!(Status::Ok, outcome.status, "event {id} of {time_us}");
                    self.open.push(Sent { id, account, quantity, time_us, seq });
                }
                true
            }
            Err(error) => self.refused(node, error),
        }
    }

    /// Whether the node goes on.
    fn refused(&self, node: &Node, error: SubmitError) -> bool {
        match error {
            SubmitError::Halted(_) => false,
            SubmitError::ReadOnly(_) => {
                // Definite, and over as soon as segments can be made again.
                node.step_prepare();
                node.step_prepare();
                true
            }
            other => panic!("{other}"),
        }
    }

    /// After recovery: account for every event, then take what survived as acknowledged.
    fn audit(&mut self, node: &Node, seen: &mut Seen) {
        let recovered_seq = node.applied_seq();
        let before: Vec<i64> =
            (0..ACCOUNTS).map(|account| node.read(|engine, _| available(engine, account)).unwrap()).collect();
        for sent in &self.acknowledged {
            let status = sent.again(node).unwrap().1;
            assert_eq!(sent.repeated(node), status, "acknowledged {sent:?} was lost");
            seen.forgotten += u32::from(status == Status::TooLate);
        }
        let open = std::mem::take(&mut self.open);
        let mut survivors = 0;
        let mut lost = false;
        for mut sent in open {
            let survived = sent.seq <= recovered_seq;
            let (seq, status) = sent.again(node).unwrap();
            if survived {
                assert_eq!(sent.repeated(node), status, "{sent:?} is below seq {recovered_seq}");
                survivors += 1;
                self.acknowledged.push(sent);
            } else if status == Status::Ok {
                lost = true;
                sent.seq = seq;
                self.open.push(sent);
            } else {
                assert_eq!(Status::TooLate, status, "{sent:?} is behind seq {recovered_seq}");
            }
        }
        seen.lost_unacknowledged += u32::from(lost);
        let known = self.acknowledged.len();
        for (account, found) in before.into_iter().enumerate() {
            let of_account = self.acknowledged.iter().filter(|sent| sent.account == account as u64);
            let burned: i64 = of_account.map(|sent| sent.quantity).sum();
            assert_eq!(GRANTED - burned, found, "account {account}, {known} events known, {survivors} unanswered");
        }
        self.audit_keys(node);
    }

    /// Every applied event at or above the floor is remembered, and nothing else.
    fn audit_keys(&self, node: &Node) {
        let (floor, live) = node.read(|engine, _| (engine.floor_us(), engine.key_usage().0)).unwrap();
        let wanted = self.acknowledged.iter().chain(&self.open).filter(|sent| sent.time_us >= floor).count();
        assert_eq!(wanted, live, "ids remembered above {floor}");
    }
}

/// When the events of a run are dated.
#[derive(Clone, Copy, PartialEq)]
enum Times {
    /// All at one instant, inside the window.
    One,
    /// About now, up to some seconds late or early; the window is short, so that its floor rises.
    Moving,
}

impl Times {
    fn draw(self, world: &World, random: &mut Random) -> i64 {
        match self {
            Times::One => support::START_US,
            Times::Moving => world.clock.read().wall_us + random.below(10_000_000) as i64 - 5_000_000,
        }
    }

    fn engine(self) -> Settings {
        match self {
            Times::One => engine_settings(),
            Times::Moving => Settings {
                dedupe_window_us: 60_000_000,
                guaranteed_window_us: 5_000_000,
                dedupe_bucket_us: 1_000_000,
                ..engine_settings()
            },
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
fn live(
    world: World,
    node: Node,
    times: Times,
    observer: &mut Observer,
    random: &mut Random,
    seen: &mut Seen,
) -> World {
    match random.below(4) {
        0 => world.disk.fail_sync(1 + random.below(40)),
        1 => world.disk.fail_write(1 + random.below(60)),
        _ => world.disk.crash_in(1 + random.below(150)),
    }
    for _ in 0..200 {
        world.clock.advance(1 + random.below(3_000_000) as i64);
        let alive = match random.below(12) {
            0..5 => {
                let time_us = times.draw(&world, random);
                observer.send(&node, random, time_us)
            }
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

fn run(seed: u64, lives: u32, times: Times, seen: &mut Seen) {
    let mut random = Random(seed);
    let mut world = World::new(seed).with(times.engine());
    let mut observer = Observer::default();
    let mut node = open_set_up(&world);
    for _ in 0..lives {
        world = live(world, node, times, &mut observer, &mut random, seen);
        (world, node) = reopen(world, &mut random, seen);
        seen.torn += node.report().notes.len() as u32;
        seen.from_checkpoint += u32::from(node.report().checkpoint_seq > 0);
        seen.key_segments += node.report().key_segments;
        observer.audit(&node, seen);
    }
    node.close().unwrap();
    drop(node);
    let report = verify_disk(&world.disk).unwrap();
    assert_eq!(Some(true), report["replayed_from_genesis"].as_bool());
}

/// Run the seeds `DRAWDOWN_CRASH_FIRST..` (`DRAWDOWN_CRASH_SEEDS` of them); `None` for a few of one's own choice.
fn run_seeds(times: Times) -> Option<Seen> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, seeds) = (number("DRAWDOWN_CRASH_FIRST").unwrap_or(1), number("DRAWDOWN_CRASH_SEEDS").unwrap_or(60));
    let mut seen = Seen::default();
    for seed in first..first + seeds {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, 5, times, &mut seen)));
        if let Err(panic) = outcome {
            eprintln!("failing seed: {seed} (DRAWDOWN_CRASH_FIRST={seed} DRAWDOWN_CRASH_SEEDS=1)");
            std::panic::resume_unwind(panic);
        }
    }
    eprintln!("{seen:?}");
    (seeds >= 60).then_some(seen)
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_applied_twice() {
    let Some(seen) = run_seeds(Times::One) else { return };
    assert!(seen.crashes > 50 && seen.kills > 10 && seen.fatal > 10, "{seen:?}");
    assert!(seen.torn > 10 && seen.from_checkpoint > 10 && seen.lost_unacknowledged > 10, "{seen:?}");
    assert!(seen.failed_openings > 10, "{seen:?}");
}

#[test]
fn every_id_above_the_floor_is_remembered_and_no_other_while_the_floor_rises() {
    let Some(seen) = run_seeds(Times::Moving) else { return };
    assert!(seen.crashes > 50 && seen.kills > 10 && seen.from_checkpoint > 10, "{seen:?}");
    assert!(seen.forgotten > 100 && seen.key_segments > 30, "{seen:?}");
}

/// A power cut straight after each answer, for more groups than any counter of syncs would wrap in.
#[test]
fn each_of_many_groups_is_durable_before_its_answer() {
    let world = World::new(71);
    let node = open_set_up(&world);
    let mut random = Random(17);
    for sent in 1..=230 {
        let (seq, _) = record(&node, &[(sent, 0, 1)], support::START_US).unwrap();
        node.step_prepare();
        while node.step_commit() {}
        assert!(node.acknowledged_seq() >= seq);
        for _ in 0..8 {
            let survivor = world.moved_to(world.disk.after_crash(&mut random)).open(small_settings()).unwrap();
            let left = survivor.read(|engine, _| available(engine, 0)).unwrap();
            assert_eq!(GRANTED - sent as i64, left, "answered event {sent} did not survive");
        }
    }
}
