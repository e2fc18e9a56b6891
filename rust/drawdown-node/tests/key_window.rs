//! Event ids after a restart: read back from the journal the window reaches into, and from no more.

mod support;

use drawdown_core::{Rights, Settings, Status};
use drawdown_node::{Clock, Drive, Node, NodeError, NodeSettings, verify_disk};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use support::hooked::{Answer, Call, HookedDisk};
use support::{START_US, World, engine_settings, event, record, set_up, small_settings};

const SECOND: i64 = 1_000_000;

fn flush(node: &Node) {
    while node.step_commit() {}
}

/// The newest few events are remembered: a window of a minute.
fn short_window() -> Settings {
    Settings {
        dedupe_window_us: 60 * SECOND,
        guaranteed_window_us: SECOND,
        dedupe_bucket_us: SECOND,
        ..engine_settings()
    }
}

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: true, ..small_settings() }
}

/// Ten events a second for five minutes, dated as they come, with checkpoints on the way.
fn five_minutes(world: &World) -> Vec<i64> {
    let node = world.open(settings()).unwrap();
    set_up(&node, 4);
    let mut times = Vec::new();
    for second in 0..300_u64 {
        world.clock.advance(SECOND);
        let now = world.clock.read().wall_us;
        let events: Vec<_> = (0..10).map(|i| (second * 10 + i, i % 4, 1)).collect();
        record(&node, &events, now).unwrap();
        times.extend([now; 10]);
        flush(&node);
        if second % 40 == 39 {
            node.checkpoint().unwrap();
        }
    }
    node.close().unwrap();
    times
}

fn archived(world: &World) -> Vec<String> {
    world.disk.names().into_iter().filter(|name| name.starts_with("archive/seg-")).collect()
}

fn statuses(node: &Node, times: &[i64]) -> Vec<Status> {
    let retry = |(id, time): (usize, &i64)| record(node, &[(id as u64, id as u64 % 10 % 4, 1)], *time).unwrap().1;
    times.iter().enumerate().map(|event| retry(event)[0].status).collect()
}

#[test]
fn only_the_segments_the_window_reaches_into_are_read_and_every_id_in_it_is_known() {
    let world = World::new(31).with(short_window());
    let times = five_minutes(&world);
    let all = world.disk.names().iter().filter(|name| name.contains("seg-")).count();
    let node = world.moved_to(world.disk.after_kill()).open(settings()).unwrap();
    let read = node.report().key_segments as usize;
    assert!(read >= 1 && read * 3 < all, "{read} of {all} segments read");
    let found = statuses(&node, &times);
    let first_known = found.iter().position(|status| *status == Status::Duplicate).unwrap();
    assert!((2_300..=2_410).contains(&first_known), "{first_known}");
    assert!(found[..first_known].iter().all(|status| *status == Status::TooLate));
    assert!(found[first_known..].iter().all(|status| *status == Status::Duplicate));
}

#[test]
fn segments_in_front_of_the_window_may_be_gone_and_those_in_it_may_not() {
    let world = World::new(32).with(short_window());
    five_minutes(&world);
    let archived = archived(&world);
    let mut opened = 0;
    for gone in 1..=archived.len() {
        let disk = world.disk.after_kill();
        archived[..gone].iter().for_each(|name| drawdown_node::Disk::remove(&disk, name).unwrap());
        match world.moved_to(disk).open(settings()) {
            Ok(_) => {
                assert_eq!(gone - 1, opened, "with {gone} gone it opens, with fewer it did not");
                opened = gone;
            }
            Err(NodeError::Corrupt(corruption)) => {
                assert!(corruption.what.contains("segment is missing"), "{corruption}");
                assert!(corruption.file.starts_with("archive/seg-"), "{corruption}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(opened > 3 && opened < archived.len(), "{opened} of {}", archived.len());
    // One out of the middle of the window, and one damaged.
    let wanted = &archived[archived.len() - 1];
    let disk = world.disk.after_kill();
    drawdown_node::Disk::remove(&disk, wanted).unwrap();
    let refused = world.moved_to(disk).open(settings()).err().expect("a hole").to_string();
    assert!(refused.contains(wanted.as_str()) && refused.contains("missing"), "{refused}");
    let disk = world.disk.after_kill();
    let mut bytes = disk.bytes_of(wanted).unwrap();
    bytes[4096 + 100] ^= 1;
    disk.plant(wanted, bytes);
    let refused = world.moved_to(disk).open(settings()).err().expect("damage").to_string();
    assert!(refused.contains(wanted.as_str()) && refused.contains("event ids"), "{refused}");
}

#[test]
fn after_the_budget_lifted_the_floor_a_restart_remembers_the_same_ids() {
    let engine = Settings { dedupe_window_us: 3_600 * SECOND, ..short_window() };
    let world = World::new(33).with(engine);
    let big = NodeSettings { segment_bytes: 1 << 20, group_bytes_max: 256 << 10, ..settings() };
    let node = world.open(big.clone()).unwrap();
    set_up(&node, 4);
    let start = world.clock.read().wall_us;
    let by_time = node.read(|engine, stamp| engine.settings().floor_at(stamp)).unwrap();
    for second in 0..80_u64 {
        world.clock.advance(SECOND);
        let events: Vec<_> = (0..1_500).map(|i| (second * 1_500 + i, i % 4, 1)).collect();
        // Now and then an event that comes late.
        record(&node, &events, world.clock.read().wall_us - (second as i64 % 7) * SECOND).unwrap();
        flush(&node);
        if second == 30 || second == 60 {
            node.checkpoint().unwrap();
        }
    }
    let known = |node: &Node| node.read(|engine, _| (engine.floor_us(), engine.key_usage().0)).unwrap();
    let before = known(&node);
    assert!(before.0 > by_time + SECOND && before.0 > start - SECOND, "the budget lifted the floor");
    drop(node);
    for disk in [world.disk.after_kill(), world.disk.after_crash(&mut drawdown_node::simulation::Random(5))] {
        let node = world.moved_to(disk).open(big.clone()).unwrap();
        assert!(node.report().key_segments > 0);
        assert_eq!(before, known(&node));
    }
    // With a smaller window the floor is higher, and the rest is known.
    let smaller = Settings { dedupe_window_us: 10 * SECOND, ..short_window() };
    let node = world.moved_to(world.disk.after_kill()).with(smaller).open(big).unwrap();
    let (floor, ids) = known(&node);
    assert!(floor > before.0 && ids < before.1 && ids > 0, "{floor} {ids}");
}

#[test]
fn an_event_dated_ahead_is_known_after_its_stamp_has_left_the_window() {
    let world = World::new(34).with(short_window());
    let node = world.open(settings()).unwrap();
    set_up(&node, 4);
    let ahead = world.clock.read().wall_us + 240 * SECOND;
    record(&node, &[(9_999, 1, 1)], ahead).unwrap();
    for second in 0..180_u64 {
        world.clock.advance(SECOND);
        let events: Vec<_> = (0..40).map(|i| (second * 40 + i, i % 4, 1)).collect();
        record(&node, &events, world.clock.read().wall_us).unwrap();
        flush(&node);
    }
    node.checkpoint().unwrap();
    drop(node);
    let node = world.moved_to(world.disk.after_kill()).open(settings()).unwrap();
    assert!(node.report().key_segments > 0 && node.read(|engine, _| engine.floor_us()).unwrap() > ahead - 130 * SECOND);
    assert_eq!(Status::Duplicate, record(&node, &[(9_999, 1, 1)], ahead).unwrap().1[0].status);
}

/// Twenty events a second for a minute, a clean stop with its digest at the end.
fn a_minute_and_a_clean_stop(world: &World) -> Vec<i64> {
    let node = world.open(settings()).unwrap();
    set_up(&node, 4);
    let mut times = Vec::new();
    for second in 0..60_u64 {
        world.clock.advance(SECOND);
        let now = world.clock.read().wall_us;
        let events: Vec<_> = (0..20).map(|i| (second * 20 + i, i % 4, 1)).collect();
        record(&node, &events, now).unwrap();
        times.extend([now; 20]);
        flush(&node);
    }
    node.close().unwrap();
    times
}

/// Whether each id is known or refused as too late, and not one taken again.
fn assert_known_from_the_floor_on(node: &Node, times: &[i64]) {
    let floor = node.read(|engine, _| engine.floor_us()).unwrap();
    for (id, time) in times.iter().enumerate().step_by(7) {
        let status = record(node, &[(id as u64, id as u64 % 20 % 4, 1)], *time).unwrap().1[0].status;
        assert_eq!(if *time < floor { Status::TooLate } else { Status::Duplicate }, status, "{id} of {time}, {floor}");
    }
}

#[test]
fn after_a_clean_stop_a_smaller_window_opens_the_folder_again_and_again() {
    let world = World::new(35).with(Settings { dedupe_window_us: 3_600 * SECOND, ..short_window() });
    let times = a_minute_and_a_clean_stop(&world);
    let smaller = world.moved_to(world.disk.clone()).with(Settings { dedupe_window_us: 30 * SECOND, ..short_window() });
    let mut floors = Vec::new();
    for _ in 0..3 {
        let node = smaller.open(settings()).unwrap();
        assert_eq!(1, node.report().digests_compared);
        floors.push(node.read(|engine, _| engine.floor_us()).unwrap());
        node.close().unwrap();
        verify_disk(&world.disk.after_kill()).unwrap();
    }
    assert!(floors[0] > times[0] && floors.iter().all(|floor| *floor == floors[0]), "{floors:?}");
    let node = smaller.open(settings()).unwrap();
    assert_known_from_the_floor_on(&node, &times);
    node.close().unwrap();
    // From the beginning as well, where no checkpoint says how high the floor was.
    let disk = world.disk.after_kill();
    let checkpoints: Vec<_> = disk.names().into_iter().filter(|name| name.starts_with("ckpt-")).collect();
    assert!(!checkpoints.is_empty());
    checkpoints.iter().for_each(|name| drawdown_node::Disk::remove(&disk, name).unwrap());
    let node = smaller.moved_to(disk).open(settings()).unwrap();
    assert!(node.report().digests_compared >= 2);
    assert_known_from_the_floor_on(&node, &times);
}

#[test]
fn a_kill_right_behind_a_start_with_a_smaller_window_loses_nothing_of_the_larger_one() {
    let world = World::new(36).with(Settings { dedupe_window_us: 3_600 * SECOND, ..short_window() });
    let times = a_minute_and_a_clean_stop(&world);
    let smaller = world.moved_to(world.disk.clone()).with(Settings { dedupe_window_us: 30 * SECOND, ..short_window() });
    drop(smaller.open(settings()).unwrap());
    verify_disk(&world.disk.after_kill()).unwrap();
    let node = world.moved_to(world.disk.after_kill()).open(settings()).unwrap();
    assert!(statuses_in_fours(&node, &times).iter().all(|status| *status == Status::Duplicate));
}

fn statuses_in_fours(node: &Node, times: &[i64]) -> Vec<Status> {
    let retry = |(id, time): (usize, &i64)| record(node, &[(id as u64, id as u64 % 20 % 4, 1)], *time).unwrap().1;
    times.iter().enumerate().map(|event| retry(event)[0].status).collect()
}

#[test]
fn after_a_clean_stop_less_memory_for_ids_opens_the_folder_again_and_again() {
    let engine = Settings { dedupe_window_us: 3_600 * SECOND, dedupe_budget_bytes: 16 << 20, ..short_window() };
    let world = World::new(37).with(engine.clone());
    let big = NodeSettings { segment_bytes: 1 << 20, group_bytes_max: 256 << 10, ..settings() };
    let node = world.open(big.clone()).unwrap();
    set_up(&node, 4);
    for second in 0..80_u64 {
        world.clock.advance(SECOND);
        let events: Vec<_> = (0..1_750).map(|i| (second * 1_750 + i, i % 4, 1)).collect();
        record(&node, &events, world.clock.read().wall_us).unwrap();
        flush(&node);
    }
    let (floor, ids) = node.read(|engine, _| (engine.floor_us(), engine.key_usage().0)).unwrap();
    assert_eq!(140_000, ids);
    node.close().unwrap();
    drop(node);
    let smaller = world.moved_to(world.disk.clone()).with(Settings { dedupe_budget_bytes: 4 << 20, ..engine });
    let mut raised = Vec::new();
    for _ in 0..3 {
        let node = smaller.open(big.clone()).unwrap();
        assert_eq!(1, node.report().digests_compared);
        raised.push(node.read(|engine, _| (engine.floor_us(), engine.key_usage().0)).unwrap());
        node.close().unwrap();
        drop(node);
        verify_disk(&world.disk.after_kill()).unwrap();
    }
    assert!(raised[0].0 > floor && raised[0].1 < ids && raised.iter().all(|each| *each == raised[0]), "{raised:?}");
}

fn use_and_advance(node: &Node, event_id: &str, to: i64) {
    let key = node.read(|engine, _| *engine.key()).unwrap();
    let event = drawdown_core::UsageEvent { time_us: None, ..event(&key, event_id, "tested", 1, 0) }.seal(&key);
    let mut outcomes: Vec<drawdown_core::Outcome> = Vec::new();
    node.submit(&[event], &Rights::ALL, &mut outcomes).unwrap();
    assert_eq!(Status::Ok, outcomes[0].status);
    let advance = format!(r#"[{{"type": "advance_clock", "account": "tested", "to": {to}}}]"#);
    let (_, advanced) = node.execute(&serde_json::from_str::<Vec<_>>(&advance).unwrap(), &Rights::ALL).unwrap();
    assert_eq!(Some(Status::Ok), advanced[0].status);
    flush(node);
}

/// The floor of a test clock is what it was when the clock was set, not what the settings of a later start make of it.
#[test]
fn a_folder_with_a_test_clock_replays_to_the_same_state_under_another_window() {
    const DAY: i64 = 86_400 * SECOND;
    let days = |days: i64| Settings { dedupe_window_us: days * DAY, ..engine_settings() };
    let world = World::new(38).with(days(10));
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    let created = format!(
        r#"[{{"type": "create_account", "account": "tested", "test_clock": {START_US}}},
            {{"type": "create_grant", "account": "tested",
              "grant": {{"grant_id": "g", "credit_type": "credits", "amount": 100}}}}]"#
    );
    node.execute(&serde_json::from_str::<Vec<_>>(&created).unwrap(), &Rights::ALL).unwrap();
    use_and_advance(&node, "first", START_US + 20 * DAY);
    node.close().unwrap();
    drop(node);
    for (step, window) in (0_i64..).zip([35, 3, 35, 10]) {
        let node = world.moved_to(world.disk.clone()).with(days(window)).open(settings()).unwrap();
        let verify = || assert_eq!(true, verify_disk(&world.disk.after_kill()).unwrap()["replayed_from_genesis"]);
        verify();
        use_and_advance(&node, &format!("event {step}"), START_US + (21 + step) * DAY);
        node.close().unwrap();
        drop(node);
        verify();
    }
}

/// Journal that is kept for seconds only: whichever checkpoint a start goes back to, the ids of its window are there.
#[test]
fn no_journal_is_let_go_that_a_checkpoint_still_needs() {
    let world = World::new(35).with(short_window());
    let settings = NodeSettings { retention_s: 1, ..settings() };
    let node = world.open(settings.clone()).unwrap();
    set_up(&node, 4);
    let mut went_back = 0;
    for second in 0..400_u64 {
        world.clock.advance(SECOND);
        let now = world.clock.read().wall_us;
        let events: Vec<_> = (0..10).map(|i| (second * 10 + i, i % 4, 1)).collect();
        record(&node, &events, now).unwrap();
        flush(&node);
        if second % 20 != 19 {
            continue;
        }
        node.checkpoint().unwrap();
        let names = world.disk.names().into_iter().filter(|name| name.starts_with("ckpt-"));
        let checkpoints: Vec<String> = names.rev().collect();
        for damaged in 1..checkpoints.len() {
            let disk = world.disk.after_kill();
            for name in &checkpoints[..damaged] {
                let mut bytes = disk.bytes_of(name).unwrap();
                bytes[100] ^= 1;
                disk.plant(name, bytes);
            }
            let older = world.moved_to(disk).open(settings.clone());
            let older = older.unwrap_or_else(|error| panic!("second {second}, {damaged} damaged: {error}"));
            let (_, again) = record(&older, &[(second * 10, 0, 1)], now).unwrap();
            assert_eq!(Status::Duplicate, again[0].status);
            went_back += 1;
        }
    }
    assert!(went_back > 30, "{went_back}");
    assert!(!archived(&world)[0].ends_with("00001.dj"), "nothing was let go");
}

/// META says first where the journal begins: what could not be removed is too much, and missed by nobody.
#[test]
fn journal_that_cannot_be_removed_is_told_and_removed_later() {
    let world = World::new(36).with(short_window());
    let is_armed = Arc::new(AtomicBool::new(true));
    let armed = Arc::clone(&is_armed);
    let disk = HookedDisk::over(&world.disk, move |call| match call {
        Call::Remove(name) if name.starts_with("index/") && armed.load(SeqCst) => {
            Answer::Fails(std::io::ErrorKind::PermissionDenied.into())
        }
        _ => Answer::AsUsual,
    });
    let settings = NodeSettings { retention_s: 1, ..settings() };
    let node = world.open_on(disk, settings.clone(), Drive::Steps).unwrap();
    set_up(&node, 4);
    let mut failures = Vec::new();
    for second in 0..300_u64 {
        world.clock.advance(SECOND);
        let now = world.clock.read().wall_us;
        let events: Vec<_> = (0..10).map(|i| (second * 10 + i, i % 4, 1)).collect();
        record(&node, &events, now).unwrap();
        flush(&node);
        if second % 20 == 19
            && let Err(failed) = node.checkpoint()
        {
            failures.push(failed.to_string());
        }
    }
    assert!(!failures.is_empty() && failures.iter().all(|what| what.contains("kept no longer")), "{failures:?}");
    assert_eq!(Some(failures.last().unwrap()), node.stats().checkpoint_error.as_ref());
    let digest = node.read(|engine, _| engine.digest()).unwrap();
    let again = world.moved_to(world.disk.after_kill()).open(settings).unwrap();
    assert_eq!(digest, again.read(|engine, _| engine.digest()).unwrap());
    is_armed.store(false, SeqCst);
    record(&node, &[(90_000, 0, 1)], world.clock.read().wall_us).unwrap();
    node.checkpoint().unwrap();
    assert!(!archived(&world)[0].ends_with("00001.dj"), "{:?}", archived(&world));
}
