//! What befalls a node: in its life, at its end, between two lives, and while it comes up.

use crate::seen::Seen;
use crate::support::World;
use crate::support::remote::{Ended, Remote};
use crate::traffic::Traffic;
use drawdown_node::simulation::Random;
use drawdown_node::{FsyncPolicy, Node, NodeError, NodeSettings};
use std::rc::Rc;

const HOUR_US: i64 = 3_600_000_000;
const BLOCK_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;

/// With `DRAWDOWN_SIMULATION_TELL` the course of a seed is told, to look for why it fails.
pub fn tell(what: impl FnOnce() -> String) {
    if std::env::var_os("DRAWDOWN_SIMULATION_TELL").is_some() {
        eprintln!("{}", what());
    }
}

/// One fault on its way, or none.
pub fn arm(world: &World, random: &mut Random, steps: u64) {
    match random.below(5) {
        0 => world.disk.fail_sync(1 + random.below(steps / 4)),
        1 => world.disk.fail_write(1 + random.below(steps * 3 / 8)),
        2 => world.disk.crash_in(1 + random.below(steps)),
        3 => world.disk.set_capacity(Some(120_000 + random.below(200_000))),
        _ => {}
    }
}

pub fn step_clock(world: &World, node: &Node, random: &mut Random, seen: &mut Seen) {
    let before = node.read(|_, stamp| stamp);
    let step = [-30_000_000, -2 * HOUR_US, -400 * 24 * HOUR_US, 3 * HOUR_US, 400 * 24 * HOUR_US];
    let by_us = step[random.below(step.len() as u64) as usize];
    world.clock.step_wall(by_us);
    if let (Ok(before), Ok(after)) = (before, node.read(|_, stamp| stamp)) {
        assert!((before..before + HOUR_US).contains(&after), "a step of {by_us} moved the stamp by {}", after - before);
    }
    if by_us < 0 {
        seen.note("fault: clock back");
    } else if node.stats().clock_held_us.is_some() {
        seen.note("fault: clock forward, held");
    }
    // Somebody notices.
    world.clock.step_wall(-by_us);
}

/// One pass of the remote store, with work between its chunks.
pub fn snapshot(node: &Node, remote: &mut Remote, traffic: &mut dyn Traffic, random: &mut Random, seen: &mut Seen) {
    if random.once_in(12) {
        *remote = Remote::default();
        seen.note("remote: lost");
    }
    let ended = remote.pass(node, random, |random, images| {
        traffic.imaged(images);
        traffic.work(node, random, seen);
    });
    match ended {
        Ended::Full => seen.note("remote: full pass"),
        Ended::Incremental => seen.note("remote: incremental pass"),
        Ended::GivenUp => seen.note("remote: pass given up"),
        Ended::Failed => {}
    }
}

/// What survives even a power cut: whatever was answered, if answers wait for the disk.
pub fn promised_seq(node: &Node, settings: &NodeSettings) -> u64 {
    match settings.fsync {
        FsyncPolicy::Always => node.acknowledged_seq(),
        _ => node.durable_seq(),
    }
}

/// The power goes on a copy of the machine: whatever this one answered is there, though nothing is that was
/// not synced.
pub fn cut_copy(world: &World, node: &Node, settings: &NodeSettings, traffic: &dyn Traffic, seen: &mut Seen) {
    let promised = promised_seq(node, settings);
    let copy_world = world.moved_to(world.disk.after_worst_crash());
    copy_world.disk.set_capacity(None);
    let copy = copy_world.open(settings.clone()).expect("nothing of it is damaged");
    let reached = copy.report().recovery_seq;
    assert!(reached >= promised, "up to {promised} was promised, a copy came up at {reached}");
    seen.note("fault: power cut on a copy");
    traffic.look_at_copy(&copy_world, copy);
}

/// End the life; the disk that the next one finds, and what survives even if the power goes from here on.
pub fn end(
    world: World,
    node: Rc<Node>,
    settings: &NodeSettings,
    traffic: &mut dyn Traffic,
    random: &mut Random,
    seen: &mut Seen,
) -> (World, u64) {
    world.disk.set_capacity(None);
    let failed = world.fatal.lock().take();
    if let Some(fatal) = failed.as_ref().filter(|_| !world.disk.is_dead()) {
        let is_sync = fatal.what.contains("durable");
        seen.note(if is_sync { "fault: fsync failed" } else { "fault: write failed" });
    }
    let is_closed = failed.is_none() && !world.disk.is_dead() && random.once_in(3) && node.close().is_ok();
    traffic.hear(&node);
    traffic.let_go();
    let (acknowledged, promised) = (node.acknowledged_seq(), promised_seq(&node, settings));
    drop(node);
    let is_cut = world.disk.is_dead();
    seen.note(match () {
        () if is_closed => "life ended: closed",
        () if is_cut => "life ended: power cut",
        () => "life ended: killed",
    });
    if failed.is_some() {
        seen.note("life ended: failed disk");
    }
    let goes_dark = is_closed || is_cut || failed.is_some() || random.once_in(3);
    tell(|| {
        let why = failed.as_ref().map_or("", |fatal| &fatal.what);
        format!(
            "life over: closed {is_closed}, dark {goes_dark}, {promised} of {acknowledged} answered is promised; {why}"
        )
    });
    if goes_dark && promised < acknowledged {
        seen.note("fault: power cut, answers not waiting for the disk");
        traffic.unpromise(promised);
    }
    let next = world.moved_to(if goes_dark { world.disk.after_crash(random) } else { world.disk.after_kill() });
    if random.once_in(3) {
        next.clock.step_wall(-1 - random.below(2 * HOUR_US as u64) as i64);
        seen.note("fault: clock back between two lives");
    }
    (next, promised)
}

fn with_file(world: &World, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> World {
    let disk = world.disk.after_kill();
    let mut bytes = disk.bytes_of(name).unwrap();
    change(&mut bytes);
    disk.plant(name, bytes);
    world.moved_to(disk)
}

/// What damage finds.
pub struct Folder<'a> {
    pub world: World,
    pub settings: &'a NodeSettings,
    /// Its journal does not go back to the beginning.
    pub is_restored: bool,
    pub promised_seq: u64,
}

/// Checkpoints that cannot be read are passed over; the journal's middle is refused.
pub fn damage(folder: Folder<'_>, random: &mut Random, seen: &mut Seen) -> World {
    if random.once_in(4) {
        return damage_checkpoints(folder, random, seen);
    }
    if random.once_in(2) {
        damage_journal(&folder, random, seen);
    }
    folder.world
}

fn damage_checkpoints(folder: Folder<'_>, random: &mut Random, seen: &mut Seen) -> World {
    let world = folder.world;
    let names = world.disk.names();
    let checkpoints: Vec<_> = names.iter().filter(|name| name.starts_with("ckpt-") && name.ends_with(".dc")).collect();
    let Some(newest) = checkpoints.last() else { return world };
    let all = random.once_in(2);
    let chosen = if all { &checkpoints[..] } else { std::slice::from_ref(newest) };
    let broken = chosen.iter().fold(world.moved_to(world.disk.after_kill()), |world, name| {
        with_file(&world, name, |bytes| bytes[70] ^= 0x5a)
    });
    if folder.is_restored && matches!(broken.open(folder.settings.clone()), Err(NodeError::Refused(_))) {
        seen.note("recovery: no checkpoint of a restored folder, refused");
        return world;
    }
    seen.note(if all { "recovery: all checkpoints damaged" } else { "recovery: newest checkpoint damaged" });
    broken
}

/// On a copy: bytes of the journal change, or what was written is gone again, in a segment that others follow,
/// so that what was in it had been durable. That is refused, unless a checkpoint covers it.
fn damage_journal(folder: &Folder<'_>, random: &mut Random, seen: &mut Seen) {
    let world = &folder.world;
    let written = |name: &String| {
        let bytes = world.disk.bytes_of(name).unwrap();
        let sectors = bytes.chunks(SECTOR_BYTES).enumerate().skip(BLOCK_BYTES / SECTOR_BYTES);
        sectors.filter(|(_, sector)| sector.iter().any(|byte| *byte != 0)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let names = world.disk.names().into_iter().filter(|name| name.starts_with("seg-"));
    let mut segments: Vec<_> =
        names.map(|name| (written(&name), name)).filter(|(sectors, _)| !sectors.is_empty()).collect();
    // What the last one holds may be one group that nothing proves: then it might never have been answered.
    if segments.pop().is_none() || segments.is_empty() {
        return;
    }
    let (sectors, name) = &segments[random.below(segments.len() as u64) as usize];
    let from = sectors[random.below(sectors.len() as u64) as usize] * SECTOR_BYTES;
    let is_flip = random.once_in(3);
    let broken = with_file(world, name, |bytes| match random.below(3) {
        _ if is_flip => bytes[from + 3] ^= 0x5a,
        0 => bytes[from..from + SECTOR_BYTES].fill(0),
        1 => bytes[from / BLOCK_BYTES * BLOCK_BYTES..].fill(0),
        _ => bytes.truncate(from),
    });
    match broken.open(folder.settings.clone()) {
        Err(NodeError::Corrupt(_)) if is_flip => seen.note("recovery: damaged middle, refused"),
        Err(NodeError::Corrupt(_)) => seen.note("recovery: sector of the middle gone, refused"),
        Err(other) => panic!("{other}"),
        Ok(node) => {
            let (reached, promised) = (node.report().recovery_seq, folder.promised_seq);
            assert!(reached >= promised, "{name} damaged at {from}: answered up to {promised}, came up at {reached}");
            seen.note("recovery: damaged middle covered by a checkpoint");
        }
    }
}

/// Nobody had work for it: closed as it came up, and opened once more.
fn closed_at_once(world: &World, settings: &NodeSettings, node: Node, seen: &mut Seen) -> Node {
    node.close().unwrap();
    let seq = node.applied_seq();
    drop(node);
    let node = world.open(settings.clone()).expect("it was closed on a healthy disk");
    assert_eq!(seq, node.applied_seq());
    seen.note("life ended: closed at once");
    node
}

/// Open, with the power perhaps going in the middle of it: what a killed process had written and not synced may
/// then still be lost.
pub fn recover(
    mut world: World,
    settings: &NodeSettings,
    remote: &Remote,
    promised_seq: u64,
    traffic: &mut dyn Traffic,
    random: &mut Random,
    seen: &mut Seen,
) -> (World, Rc<Node>) {
    if let Some(snapshot) = remote.current.as_ref().filter(|snapshot| snapshot.is_complete() && random.once_in(4)) {
        let over = snapshot.refused_over(&world.disk.after_kill());
        assert!(matches!(over, Some(NodeError::Refused(_))), "restored over a folder in use");
        seen.note("recovery: restore over a folder in use, refused");
    }
    for _ in 0..3 {
        if random.once_in(3) {
            world.disk.crash_in(1 + random.below(20));
        }
        match world.open(settings.clone()) {
            Ok(node) => {
                world.disk.crash_in(u64::MAX);
                tell(|| format!("recovered at {}: {}", node.applied_seq(), node.report().notes.join("; ")));
                if node.report().notes.join("; ").contains("the journal ends at seq") {
                    seen.note("recovery: torn tail, repaired");
                }
                let node = if random.once_in(6) { closed_at_once(&world, settings, node, seen) } else { node };
                if random.once_in(4) {
                    assert!(matches!(world.open(settings.clone()), Err(NodeError::FolderLocked { .. })));
                    seen.note("recovery: second owner, refused");
                }
                return (world, Rc::new(node));
            }
            Err(error) => {
                tell(|| format!("power cut in recovery: {error}"));
                assert!(world.disk.is_dead(), "opening failed on a healthy disk: {error}");
                seen.note("fault: power cut in recovery");
                traffic.unpromise(promised_seq);
                world = world.moved_to(world.disk.after_crash(random));
            }
        }
    }
    let node = world.open(settings.clone()).unwrap();
    (world, Rc::new(node))
}

/// The folder is gone: what the remote store has, if it has anything, and the seq up to which nothing may be
/// missing.
pub fn lose_folder(
    world: &World,
    remote: &mut Remote,
    traffic: &mut dyn Traffic,
    random: &mut Random,
    seen: &mut Seen,
) -> Option<(World, u64)> {
    let stale = remote.older.as_ref().filter(|_| random.once_in(2));
    let what =
        if stale.is_some() { "recovery: restored from a stale remote" } else { "recovery: restored from the remote" };
    let snapshot = stale.or(remote.current.as_ref()).filter(|snapshot| snapshot.is_complete())?;
    let (disk, recovery_seq) = snapshot.restore(random.draw()).unwrap();
    traffic.lose_all_but(snapshot);
    seen.note(what);
    if what.contains("stale") {
        // The newer one is of a history that is given up: a store ahead of its journal is refused.
        remote.current = remote.older.take();
    }
    Some((world.moved_to(disk), recovery_seq))
}
