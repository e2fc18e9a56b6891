//! A new folder out of a damaged one: what is lost is said to the seq, nothing is charged twice,
//! and the damaged folder stays as it was.

mod support;

use drawdown_core::Status;
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Disk, Node, NodeError, NodeSettings, RealDisk, salvage_disk, salvage_folder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{GRANTED, START_US, World, available, record, set_up, small_settings};

const ROUNDS: u64 = 60;
const EVENTS: u64 = 40;

/// Some segments, checkpoints where asked for, a clean stop.
struct Story {
    world: World,
    disk: SimulatedDisk,
    /// Available of account 0 by the last seq of each round.
    left: BTreeMap<u64, i64>,
    digest: String,
    last_seq: u64,
}

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, checkpoint_journal_bytes_min: 1 << 40, ..small_settings() }
}

fn digest(node: &Node) -> String {
    format!("{:032x}", node.read(|engine, _| engine.digest()).unwrap())
}

fn story(checkpoints_after: &[u64]) -> Story {
    let world = World::new(91);
    let node = world.open(settings()).unwrap();
    let mut left = BTreeMap::new();
    set_up(&node, 2);
    for round in 0..ROUNDS {
        let events: Vec<_> = (0..EVENTS).map(|i| (round * EVENTS + i, 0, 1)).collect();
        record(&node, &events, START_US + round as i64 * 1_000_000).unwrap();
        world.clock.advance(1_000_000);
        while node.step_commit() {}
        node.step_prepare();
        left.insert(node.durable_seq(), node.read(|engine, _| available(engine, 0)).unwrap());
        if checkpoints_after.contains(&round) {
            node.checkpoint().unwrap();
        }
    }
    let (digest, last_seq) = (digest(&node), node.durable_seq());
    node.close().unwrap();
    drop(node);
    let disk = world.disk.after_kill();
    Story { world, disk, left, digest, last_seq }
}

impl Story {
    fn segments(&self) -> Vec<String> {
        self.named("seg-")
    }

    fn named(&self, part: &str) -> Vec<String> {
        let mut names = self.disk.names();
        names.retain(|name| name.contains(part) && !name.ends_with(".ix"));
        names.sort_by_key(|name| name.rsplit('/').next().map(str::to_owned));
        names
    }

    fn damage(&self, name: &str, offset: usize) {
        let mut bytes = self.disk.bytes_of(name).unwrap();
        for byte in &mut bytes[offset..offset + 64] {
            *byte ^= 0x5a;
        }
        self.disk.plant(name, bytes);
    }

    fn remove(&self, name: &str) {
        self.disk.remove(name).unwrap();
    }

    /// Salvage, and check that the damaged folder was only read and that the new one opens as told.
    fn salvage(&self) -> (Value, Node) {
        let before: Vec<_> = self.disk.names().iter().map(|name| self.disk.bytes_of(name)).collect();
        let refused = self.world.moved_to(self.disk.after_kill()).open(settings());
        let target = SimulatedDisk::new(5);
        let told = salvage_disk(&self.disk, None).unwrap();
        let report = salvage_disk(&self.disk, Some(Arc::new(target.clone()))).unwrap();
        let after: Vec<_> = self.disk.names().iter().map(|name| self.disk.bytes_of(name)).collect();
        assert_eq!(before, after, "the damaged folder was changed");
        for fact in ["recovered_seq", "lost", "forgotten", "digest", "damage"] {
            assert_eq!(told[fact], report[fact], "{fact} is not as told before");
        }
        assert_eq!(refused.is_ok(), report["damage"].as_array().unwrap().is_empty(), "{report}");
        let node = self.world.moved_to(target).open(settings()).unwrap();
        assert_eq!(report["digest"], digest(&node));
        assert_eq!(json!(true), report["conservation"]["holds"]);
        assert_ne!(report["store_id"], report["new_store_id"]);
        assert_eq!(report["new_store_id"], node.store_id().to_string());
        (report, node)
    }

    fn left_at(&self, seq: u64) -> i64 {
        *self.left.range(..=seq).next_back().unwrap().1
    }
}

fn left(node: &Node) -> i64 {
    node.read(|engine, _| available(engine, 0)).unwrap()
}

fn again(node: &Node, event: u64) -> Status {
    let time_us = START_US + (event / EVENTS) as i64 * 1_000_000;
    let outcome = record(node, &[(event, 0, 1)], time_us).unwrap().1[0].status;
    while node.step_commit() {}
    outcome
}

#[test]
fn nothing_is_lost_of_a_whole_folder() {
    let story = story(&[20, 40]);
    let (report, node) = story.salvage();
    assert_eq!(json!([]), report["lost"]);
    assert_eq!(json!([]), report["forgotten"]);
    assert_eq!(story.digest, report["digest"]);
    for event in [0, 700, ROUNDS * EVENTS - 1] {
        assert_eq!(Status::Duplicate, again(&node, event));
    }
}

#[test]
fn damage_in_the_middle_without_a_checkpoint_loses_what_is_behind_it() {
    let story = story(&[]);
    let segments = story.segments();
    story.damage(&segments[segments.len() / 2], 8192 + 100);
    let (report, node) = story.salvage();
    let recovered = report["recovered_seq"].as_u64().unwrap();
    assert!(recovered > 100 && recovered < story.last_seq);
    assert_eq!(json!([[recovered + 1, story.last_seq]]), report["lost"]);
    assert_eq!(story.left_at(recovered), left(&node));
    assert!(report["damage"][0].as_str().unwrap().contains(".dj at byte"), "{report}");
    // What is kept is remembered; what is lost may be sent again, and is taken once.
    assert_eq!(Status::Duplicate, again(&node, 0));
    let lost = ROUNDS * EVENTS - 1;
    assert_eq!(Status::Ok, again(&node, lost));
    assert_eq!(Status::Duplicate, again(&node, lost));
}

#[test]
fn a_missing_segment_loses_what_is_behind_it() {
    let story = story(&[]);
    let segments = story.segments();
    story.remove(&segments[segments.len() / 2]);
    let (report, node) = story.salvage();
    let recovered = report["recovered_seq"].as_u64().unwrap();
    assert_eq!(json!([[recovered + 1, story.last_seq]]), report["lost"]);
    assert_eq!(story.left_at(recovered), left(&node));
}

#[test]
fn damage_behind_a_newer_checkpoint_loses_no_balance_and_forgets_no_charge() {
    let story = story(&[20, 50]);
    let early = story.segments()[1].clone();
    story.damage(&early, 8192 + 100);
    let (report, node) = story.salvage();
    assert_eq!(json!([]), report["lost"], "{report}");
    assert_eq!(story.left_at(story.last_seq), left(&node));
    let forgotten = report["forgotten"].as_array().unwrap();
    assert_eq!(1, forgotten.len(), "{report}");
    // Whatever is sent again, none of it is charged a second time.
    let before = left(&node);
    let mut seen = BTreeMap::new();
    for event in (0..ROUNDS * EVENTS).step_by(7) {
        let status = again(&node, event);
        assert!(matches!(status, Status::Duplicate | Status::TooLate), "{event}: {status:?}");
        *seen.entry(format!("{status:?}")).or_insert(0) += 1;
    }
    assert_eq!(before, left(&node));
    assert_eq!(2, seen.len(), "{seen:?}");
}

#[test]
fn damage_of_a_moment_ago_forgets_no_charge_either() {
    let story = story(&[ROUNDS - 1]);
    let segments = story.segments();
    story.damage(&segments[segments.len() - 2], 8192 + 100);
    let (report, node) = story.salvage();
    assert_eq!(json!([]), report["lost"], "{report}");
    assert_eq!(1, report["forgotten"].as_array().unwrap().len(), "{report}");
    assert!(report["floor_us"].as_i64() > report["recovered_time_us"].as_i64(), "{report}");
    let before = left(&node);
    for event in (0..ROUNDS * EVENTS).step_by(7) {
        assert!(matches!(again(&node, event), Status::Duplicate | Status::TooLate), "{event}");
    }
    assert_eq!(before, left(&node));
    let floor_us = report["floor_us"].as_i64().unwrap();
    assert_eq!(Status::Ok, record(&node, &[(90_000, 0, 1)], floor_us).unwrap().1[0].status);
}

#[test]
fn without_any_checkpoint_the_journal_alone_is_enough() {
    let story = story(&[20, 50]);
    let checkpoints = story.named("ckpt-");
    assert_eq!(2, checkpoints.len());
    for name in &checkpoints {
        story.damage(name, 200);
    }
    let report = salvage_disk(&story.disk, None).unwrap();
    assert_eq!(json!([]), report["lost"], "{report}");
    assert_eq!(story.digest, report["digest"]);
    // The same with a journal that breaks off too: as far as it goes.
    let segments = story.segments();
    story.remove(&segments[2]);
    let (report, node) = story.salvage();
    let recovered = report["recovered_seq"].as_u64().unwrap();
    assert_eq!(json!([[recovered + 1, story.last_seq]]), report["lost"]);
    assert_eq!(story.left_at(recovered), left(&node));
}

#[test]
fn what_cannot_be_salvaged_is_refused_and_a_target_in_use_too() {
    let story = story(&[]);
    let target = SimulatedDisk::new(6);
    target.plant("seg-00000000000000000001.dj", vec![0; 4096]);
    let refused = salvage_disk(&story.disk, Some(Arc::new(target))).unwrap_err();
    assert!(matches!(refused, NodeError::Refused(_)), "{refused}");
    let first = story.segments()[0].clone();
    story.remove(&first);
    let refused = salvage_disk(&story.disk, None).unwrap_err();
    assert!(matches!(refused, NodeError::Corrupt(_)), "{refused}");
    story.damage("META", 8);
    assert!(salvage_disk(&story.disk, None).is_err());
}

#[test]
fn a_damaged_run_of_event_ids_is_forgotten_and_said_before() {
    let first = story(&[20]);
    let kept = SimulatedDisk::new(6);
    salvage_disk(&first.disk, Some(Arc::new(kept.clone()))).unwrap();
    let node = first.world.moved_to(kept.clone()).open(settings()).unwrap();
    let (digest, last_seq) = (digest(&node), node.durable_seq());
    drop(node);
    let story = Story { world: first.world, disk: kept.after_kill(), left: first.left, digest, last_seq };
    let runs = story.named(".dk");
    story.damage(&runs[0], 4096 + 200);
    let (report, node) = story.salvage();
    assert_eq!(json!([]), report["lost"], "{report}");
    assert_eq!(1, report["forgotten"].as_array().unwrap().len(), "{report}");
    assert_eq!(GRANTED - (ROUNDS * EVENTS) as i64, left(&node));
    // Never charged twice: what may have stood in the run is too late.
    assert_eq!(Status::TooLate, again(&node, 700));
}

/// Without a single frame there is no beginning either, whatever META says that there was.
#[test]
fn a_folder_without_a_readable_frame_is_not_salvaged_as_an_empty_store() {
    let story = story(&[]);
    for name in story.segments() {
        let zeros = vec![0; story.disk.bytes_of(&name).unwrap().len()];
        story.disk.plant(&name, zeros);
    }
    let refused = salvage_disk(&story.disk, None).unwrap_err();
    assert!(matches!(&refused, NodeError::Corrupt(found) if found.what.contains("does not begin")), "{refused}");
}

/// What a restored folder began with is nowhere else.
#[test]
fn a_restored_folder_whose_checkpoint_is_damaged_is_not_salvaged_from_its_journal() {
    let first = story(&[]);
    let kept = SimulatedDisk::new(6);
    salvage_disk(&first.disk, Some(Arc::new(kept.clone()))).unwrap();
    let node = first.world.moved_to(kept.clone()).open(settings()).unwrap();
    record(&node, &[(90_000, 0, 1)], START_US + 100_000_000).unwrap();
    while node.step_commit() {}
    drop(node);
    let story = Story { disk: kept.after_kill(), ..first };
    story.damage(&story.named("ckpt-")[0], 200);
    let refused = salvage_disk(&story.disk, None).unwrap_err();
    assert!(matches!(refused, NodeError::Corrupt(_)), "{refused}");
    assert!(refused.to_string().contains("no checkpoint can be used"), "{refused}");
}

/// Seals and digests stand between the groups, and nothing of theirs is taken for an event.
#[test]
fn seals_between_the_groups_do_not_end_a_salvage() {
    let world = World::new(92);
    let mut left = 0;
    for run in 0..3_u64 {
        let node = world.open(settings()).unwrap();
        if run == 0 {
            set_up(&node, 1);
        }
        for round in 0..4 {
            record(&node, &[(10 * run + round, 0, 3)], START_US).unwrap();
            while node.step_commit() {}
            node.step_seal();
        }
        left = self::left(&node);
        node.close().unwrap();
    }
    let target = SimulatedDisk::new(7);
    let report = salvage_disk(&world.disk.after_kill(), Some(Arc::new(target.clone()))).unwrap();
    assert_eq!((json!([]), json!([])), (report["lost"].clone(), report["damage"].clone()));
    let node = world.moved_to(target).open(settings()).unwrap();
    assert_eq!(left, self::left(&node));
    for event in [0, 13, 23] {
        assert_eq!(Status::Duplicate, record(&node, &[(event, 0, 3)], START_US).unwrap().1[0].status);
    }
}

/// In real folders: one that a process owns is left to it, a target is made where it is asked for, and where none is
/// asked for nothing is.
#[test]
fn real_folders_are_salvaged_when_nobody_owns_them() {
    let place = std::env::temp_dir().join(format!("drawdown-node-salvage-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&place);
    let (source, target) = (place.join("damaged"), place.join("new"));
    let node = Node::open(&source, settings(), support::engine_settings()).unwrap();
    set_up(&node, 1);
    let held = salvage_folder(&source, Some(target.clone())).unwrap_err();
    assert!(matches!(held, NodeError::FolderLocked { .. }), "{held}");
    node.close().unwrap();
    drop(node);
    let told = salvage_folder(&source, None).unwrap();
    assert_eq!(Value::Null, told["new_store_id"]);
    assert_eq!(1, std::fs::read_dir(&place).unwrap().filter(|entry| entry.as_ref().unwrap().path() != target).count());
    let report = salvage_folder(&source, Some(target.clone())).unwrap();
    assert_eq!((&told["digest"], json!([])), (&report["digest"], report["lost"].clone()));
    let node = Node::open(&target, settings(), support::engine_settings()).unwrap();
    assert_eq!((report["digest"].clone(), GRANTED), (json!(digest(&node)), self::left(&node)));
    node.close().unwrap();
    drop(node);
    assert!(RealDisk::existing(&source).list("").unwrap().contains(&"META".to_owned()));
    std::fs::remove_dir_all(&place).unwrap();
}
