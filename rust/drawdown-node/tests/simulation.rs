//! The whole node in a simulated world: disk, clocks, remote store, all failing, from one seed.
//!
//! Lives follow each other; each ends by a kill, a power cut, a failed disk, a loss of the folder, or a
//! close. Each seed is lived twice, by two kinds of traffic: `sums` is plain usage of which every event is sent
//! again after every life, so that what was answered must be known, what was refused for certain must be new,
//! and the balances are exactly the sums; `stories` is everything else an engine does, held against the
//! reference ledger, which must be found exactly as it was at the seq where the node comes up.
//! The same seed writes the same bytes: a hundred seeds and less are all lived twice, of more one in twenty.
//!
//! `DRAWDOWN_SIMULATION_FIRST` and `DRAWDOWN_SIMULATION_SEEDS` ask for more, and repeat a seed.

#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/kinds.rs"]
mod kinds;
#[path = "simulation/lived.rs"]
mod lived;
#[path = "../../drawdown-core/tests/model/mod.rs"]
mod model;
#[path = "simulation/seen.rs"]
mod seen;
#[path = "simulation/stories.rs"]
mod stories;
#[path = "simulation/sums.rs"]
mod sums;
mod support;
#[path = "simulation/traffic.rs"]
mod traffic;

use drawdown_core::Settings;
use drawdown_node::simulation::{Random, SimulatedDisk};
use drawdown_node::{FsyncPolicy, Node, NodeSettings, verify_disk};
use faults::Folder;
use model::*;
use seen::Seen;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use stories::Stories;
use sums::{ACCOUNTS, Sums};
use support::remote::Remote;
use support::{World, engine_settings, set_up, small_settings};
use traffic::Traffic;

const LIVES: u32 = 6;
/// Steps of a long life, of which there is one in three: more than a hundred groups of the journal.
const LONG: u64 = 4;
/// Of long runs, every so manieth seed is lived a second time.
const TWICE: u64 = 20;
/// Runs of hours say how far they are.
const TOLD: u64 = 1_000;
const MINUTE_US: u64 = 60_000_000;

/// One kind of world.
struct Kind {
    settings: NodeSettings,
    steps: u64,
    remote: Remote,
    is_restored: bool,
}

/// One life; what it ends with is in the world.
fn live(world: &World, node: &Node, kind: &mut Kind, traffic: &mut dyn Traffic, random: &mut Random, seen: &mut Seen) {
    let is_long = random.once_in(3);
    let steps = if is_long { kind.steps * LONG } else { kind.steps };
    faults::arm(world, random, steps);
    let mut was_full = false;
    for _ in 0..steps {
        world.clock.advance(1 + random.below(2_000_000) as i64);
        let goes_on = match random.below(20) {
            0..10 => traffic.work(node, random, seen),
            10..14 => node.step_commit() || !world.disk.is_dead(),
            14 => {
                node.step_seal();
                true
            }
            15 => {
                node.step_prepare();
                true
            }
            16 => node.checkpoint().is_ok() || !world.disk.is_dead(),
            17 => {
                faults::step_clock(world, node, random, seen);
                true
            }
            18 => {
                faults::snapshot(node, &mut kind.remote, traffic, random, seen);
                true
            }
            _ => {
                if was_full && node.stats().read_only.is_none() {
                    seen.note("fault: disk full, resumed");
                    was_full = false;
                }
                true
            }
        };
        traffic.hear(node);
        traffic.look(node);
        if node.stats().read_only.is_some() && random.once_in(3) {
            was_full = true;
            world.disk.set_capacity(None);
            node.step_prepare();
            node.step_prepare();
        }
        if !goes_on || world.disk.is_dead() || world.fatal.lock().is_some() {
            break;
        }
        if is_long && random.once_in(40) {
            faults::cut_copy(world, node, &kind.settings, traffic, seen);
        }
    }
    if random.once_in(2) {
        // The last that anybody saw, of which nothing else may be written any more.
        while node.step_commit() {}
        world.clock.advance(1 + random.below(MINUTE_US) as i64);
        traffic.ask(node);
        if random.once_in(2) {
            node.step_commit();
        }
    }
    traffic.hear(node);
}

/// Every byte there is, under its name.
fn imprint(disk: &SimulatedDisk, hasher: &mut DefaultHasher) {
    for name in disk.names() {
        (disk.bytes_of(&name), name).hash(hasher);
    }
}

/// All lives of one world; what was on its disks at the end of each, as a hash.
fn run(
    mut world: World,
    mut node: Rc<Node>,
    mut kind: Kind,
    traffic: &mut dyn Traffic,
    random: &mut Random,
    seen: &mut Seen,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut counted_seq = 0;
    for _ in 0..LIVES {
        live(&world, &node, &mut kind, traffic, random, seen);
        imprint(&world.disk, &mut hasher);
        counted_seq = kinds::note_records(&world.disk, counted_seq, seen);
        let promised_seq = faults::promised_seq(&node, &kind.settings);
        let surviving_seq;
        (world, surviving_seq) = faults::end(world, node, &kind.settings, traffic, random, seen);
        let is_lost = random.once_in(5);
        let lost = is_lost.then(|| faults::lose_folder(&world, &mut kind.remote, traffic, random, seen)).flatten();
        let known_to = lost.as_ref().map_or(u64::MAX, |(_, seq)| *seq);
        kind.is_restored |= lost.is_some();
        let Kind { settings, is_restored, .. } = &kind;
        let found = match lost {
            Some((restored, _)) => restored,
            None => faults::damage(Folder { world, settings, is_restored: *is_restored, promised_seq }, random, seen),
        };
        (world, node) = faults::recover(found, settings, &kind.remote, surviving_seq, traffic, random, seen);
        counted_seq = counted_seq.min(node.applied_seq());
        let from_checkpoint = node.report().checkpoint_seq > 0;
        seen.note(if from_checkpoint { "recovery: from a checkpoint" } else { "recovery: from the journal alone" });
        traffic.audit(&world, &node, known_to, seen);
    }
    traffic.let_go();
    node.close().unwrap();
    drop(node);
    verify_disk(&world.disk).unwrap();
    imprint(&world.disk, &mut hasher);
    hasher.finish()
}

fn settings(random: &mut Random) -> NodeSettings {
    // Where answers do not wait for the disk, several frames may be lost, in any order.
    let fsync = if random.once_in(4) { FsyncPolicy::Os } else { FsyncPolicy::Always };
    // Segments that hold one small group, and none where anything but a group stands in front.
    let segment_bytes = if random.once_in(8) { 16 << 10 } else { 32 << 10 };
    NodeSettings { fsync, segment_bytes, ..small_settings() }
}

fn begun(world: &World, settings: &NodeSettings) -> Rc<Node> {
    Rc::new(world.open(settings.clone()).unwrap())
}

fn run_sums(seed: u64, seen: &mut Seen) -> u64 {
    let mut random = Random(seed);
    let settings = settings(&mut random);
    // Booked as soon as they end, or no life would see it.
    let world = World::new(seed).with(Settings { late_grace_us: 0, ..engine_settings() });
    let node = begun(&world, &settings);
    set_up(&node, ACCOUNTS + 1);
    while node.step_commit() {}
    // Also where answers do not wait for the disk: what is asked of the accounts rests on their being there.
    node.step_seal();
    let kind = Kind { settings, steps: 120, remote: Remote::default(), is_restored: false };
    run(world, node, kind, &mut Sums::default(), &mut random, seen)
}

fn run_stories(seed: u64, seen: &mut Seen) -> u64 {
    let mut random = Random(!seed);
    let settings = settings(&mut random);
    let world = World::new(!seed);
    let node = begun(&world, &settings);
    let mut stories = Stories::begin(&world, &node, seed);
    while node.step_commit() {}
    node.step_seal();
    stories.hear(&node);
    let kind = Kind { settings, steps: 50, remote: Remote::default(), is_restored: false };
    run(world, node, kind, &mut stories, &mut random, seen)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seeds still to be lived, which the threads take one by one; none after a failure.
struct Seeds {
    next: AtomicU64,
    first: u64,
    end: u64,
}

impl Seeds {
    fn is_every_one_twice(&self) -> bool {
        self.end - self.first <= 100
    }

    fn take(&self) -> Option<u64> {
        let seed = self.next.fetch_add(1, Ordering::Relaxed);
        let lived = seed.saturating_sub(self.first);
        if seed < self.end && lived > 0 && lived.is_multiple_of(TOLD) {
            println!("{lived} seeds");
        }
        (seed < self.end).then_some(seed)
    }

    /// All of them, as far as this thread comes; what it met.
    fn live(&self) -> Seen {
        let mut seen = Seen::default();
        while let Some(seed) = self.take() {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.live_one(seed, &mut seen)));
            if let Err(panic) = outcome {
                self.next.store(self.end, Ordering::Relaxed);
                eprintln!("failing seed: {seed} (DRAWDOWN_SIMULATION_FIRST={seed} DRAWDOWN_SIMULATION_SEEDS=1)");
                std::panic::resume_unwind(panic);
            }
        }
        seen
    }

    fn live_one(&self, seed: u64, seen: &mut Seen) {
        let wrote = [run_sums(seed, seen), run_stories(seed, seen)];
        if self.is_every_one_twice() || seed.is_multiple_of(TWICE) {
            let mut again = Seen::default();
            let wrote_again = [run_sums(seed, &mut again), run_stories(seed, &mut again)];
            assert_eq!(wrote, wrote_again, "the same lives wrote other bytes");
            seen.note("lived twice: the same bytes");
        }
    }
}

#[test]
fn in_no_life_is_an_answer_taken_back() {
    let (first, count) = (number("DRAWDOWN_SIMULATION_FIRST", 1), number("DRAWDOWN_SIMULATION_SEEDS", 100));
    let seeds = Seeds { next: AtomicU64::new(first), first, end: first + count };
    let mut seen = Seen::default();
    // A world is its thread's alone, so that as many are lived at once as there are processors.
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let lived: Vec<_> = (0..threads).map(|_| scope.spawn(|| seeds.live())).collect();
        for one in lived {
            match one.join() {
                Ok(met) => seen.add(&met),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    seen.print();
    let least = if count >= 10_000 { 100 } else { 1 };
    let rare = seen.rarer_than(least);
    assert!(count < 100 || rare.is_empty(), "of {} less than {least} times: {rare:?}", seen.kinds());
}
