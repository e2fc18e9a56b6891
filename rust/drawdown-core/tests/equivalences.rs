//! Different roads to one state: batches, replay, images; and what must never panic or charge twice.

#[path = "model/mod.rs"]
mod model;

use drawdown_core::usage::Outcome;
use drawdown_core::{Engine, Settings, Status, StoreKey};
use ledger::Use;
use model::*;
use ops::{HOUR, MINUTE, Op, SECOND};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use story::{START, Story};
use telling::{config, ops, told};
use told::{engine, record};

/// Replay from `from` on, each call's records as the frame they would be.
fn replay_from(other: &mut Engine, story: &Story, from: usize) -> u64 {
    let mut next = 0;
    for (i, chunk) in story.told.chunks.iter().enumerate().skip(from) {
        let to = story.told.chunks.get(i + 1).map_or(story.told.journal.len(), |next| next.from);
        next = other.apply_records(&story.told.journal[chunk.from..to], chunk.first_seq).expect("replays");
    }
    next
}

/// `replay_from` as recovery does it: the keys of each chunk beside its entries.
fn replay_beside_scan_from(other: &mut Engine, story: &Story, from: usize) {
    let mut scan = other.begin_tail_scan(story.uses.len() as u64);
    for (i, chunk) in story.told.chunks.iter().enumerate().skip(from) {
        let to = story.told.chunks.get(i + 1).map_or(story.told.journal.len(), |next| next.from);
        let body = &story.told.journal[chunk.from..to];
        scan.scan(body, chunk.first_seq).expect("scans");
        other.apply_records_without_keys(body, chunk.first_seq).expect("replays");
    }
    other.finish_tail_scan(scan);
}

fn replayed(story: &Story) -> Engine {
    let mut other = engine();
    let next = replay_from(&mut other, story, 0);
    assert_eq!(next, story.told.engine.next_seq());
    other.finish_recovery().expect("complete");
    other
}

/// A moment from `now` on at which nothing has fallen due for a second. Which of the sweeps within
/// that second books it is not part of the state.
fn quiet_from(story: &Story, now: i64) -> i64 {
    let accounts = || story.ledger.accounts.values();
    let grants = accounts().flat_map(|account| &account.grants);
    let of_grant = |g: &ledger::Grant| [g.effective_at, g.expires_at, g.expires_at.saturating_add(story.ledger.grace)];
    let holds = accounts().flat_map(|account| &account.holds).map(|hold| hold.expires_at);
    let edges: Vec<i64> = grants.flat_map(of_grant).chain(holds).collect();
    let is_loud = |now: i64| edges.iter().any(|at| *at <= now && now <= at.saturating_add(SECOND));
    (0..).map(|n| now + n * SECOND).find(|now| !is_loud(*now)).expect("edges are few")
}

/// Both engines live on alike: every earlier event again, then the time after, then more usage.
fn assert_same_future(story: &mut Story, other: &mut Engine) {
    assert_eq!(other.digest(), story.told.engine.digest(), "digest");
    assert_eq!(other.next_seq(), story.told.engine.next_seq(), "next seq");
    assert_eq!(other.floor_us(), story.told.engine.floor_us(), "floor");
    let mut uses: Vec<Use> = story.uses.iter().map(|(sent, _)| sent.clone()).collect();
    let fresh: Vec<Use> = uses.iter().map(|sent| Use { id: format!("after {}", sent.id), ..sent.clone() }).collect();
    uses.extend(fresh);
    for now in [quiet_from(story, story.now()), quiet_from(story, story.now() + HOUR)] {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let here = record(&mut story.told.engine, &uses, now, &mut one).expect("room");
        let there = record(other, &uses, now, &mut two).expect("room");
        for ((sent, here), there) in uses.iter().zip(&here).zip(&there) {
            assert_eq!(here, there, "{sent:?} at {now}");
        }
        for command in story.hold_commands() {
            let text = serde_json::to_vec(std::slice::from_ref(&command)).expect("writes");
            let commands = drawdown_core::command_json::group_from_json(&text).expect("readable");
            let here = story.told.engine.execute(&commands, now, &drawdown_core::Rights::ALL, &mut one);
            let there = other.execute(&commands, now, &drawdown_core::Rights::ALL, &mut two);
            assert_eq!(here, there, "{command} at {now}");
        }
        assert_eq!(one, two, "the journals written at {now}");
        let gauges = |engine: &Engine| {
            let stats = engine.stats_json();
            [stats["reservations_open"].clone(), stats["reservation_oldest_age_us"].clone()]
        };
        assert_eq!(gauges(other), gauges(&story.told.engine), "gauges at {now}");
        // Which account a sweep visits first is not part of the state.
        let swept = story.told.engine.expire_due(now, 1_000, &mut one);
        assert_eq!(swept, other.expire_due(now, 1_000, &mut two), "the sweeps at {now}");
        assert_eq!(other.next_seq(), story.told.engine.next_seq(), "next seq at {now}");
    }
    assert_eq!(other.digest(), story.told.engine.digest(), "digest afterwards");
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn one_batch_of_n_is_n_batches_of_one(before in ops(), more in prop::collection::vec(ops::op(), 1..40)) {
        let mut story = told(&before);
        let mut other = replayed(&story);
        // What the story went on to send, all of it at one stamp.
        let sent_before = story.uses.len();
        let (now, stood) = (story.now(), replayed(&story));
        let mut one_by_one = stood;
        more.iter().filter(|op| matches!(op, Op::Use(_) | Op::UseAgain(..))).for_each(|op| story.tell(op));
        let uses: Vec<Use> = story.uses[sent_before..].iter().map(|(sent, _)| sent.clone()).collect();
        if uses.is_empty() {
            // Not rejected: of long runs proptest takes only so many rejections.
            return Ok(());
        }
        let (mut journal, mut single) = (Vec::new(), Vec::<Outcome>::new());
        let batch = record(&mut other, &uses, now, &mut journal).expect("room");
        for sent in &uses {
            single.extend(record(&mut one_by_one, std::slice::from_ref(sent), now, &mut journal).expect("room"));
        }
        prop_assert_eq!(batch, single);
        prop_assert_eq!(other.digest(), one_by_one.digest());
        prop_assert_eq!(other.digest(), story.told.engine.digest());
        prop_assert_eq!(other.next_seq(), one_by_one.next_seq());
    }

    #[test]
    fn replay_of_the_journal_is_the_engine(ops in ops()) {
        let mut story = told(&ops);
        let mut other = replayed(&story);
        let mut beside = engine();
        replay_beside_scan_from(&mut beside, &story, 0);
        prop_assert_eq!(beside.key_usage().0, other.key_usage().0);
        prop_assert_eq!(&beside.stats_json()["events_applied"], &other.stats_json()["events_applied"]);
        beside.finish_recovery().expect("complete");
        assert_same_future(&mut story, &mut other);
        assert_same_future(&mut told(&ops), &mut beside);
    }

    #[test]
    fn images_taken_along_the_way_and_the_journal_after_are_the_engine(
        before in ops(),
        during in prop::collection::vec((ops::op(), 0..2u32), 0..20),
        after in prop::collection::vec(ops::op(), 0..20),
        global_last in any::<bool>(),
        run_at in any::<Index>(),
        by_scan in any::<bool>(),
        by_tail_scan in any::<bool>(),
    ) {
        let mut story = told(&before);
        let (first_chunk, passed) = (story.told.chunks.len(), story.told.journal.len());
        let mut global = story.told.engine.global_image();
        let mut images = Vec::new();
        story.told.engine.begin_pass(0, true);
        for (op, accounts) in &during {
            story.tell(op);
            story.told.engine.next_images(0, *accounts, &mut images);
        }
        while story.told.engine.next_images(0, 1, &mut images) {}
        story.told.engine.end_pass(0, true);
        if global_last {
            global = story.told.engine.global_image();
        }
        let (cut, cut_seq) = (story.told.journal.len(), story.told.engine.next_seq());
        // Key runs of the journal so far, in two parts, drawn off the lock at a call's edge.
        let extractor = story.told.engine.key_extractor();
        let part = &story.told.chunks[run_at.index(story.told.chunks.len())];
        let (mut older, mut newer) = (Vec::new(), Vec::new());
        extractor.extract(&story.told.journal[..part.from], 1, &mut older).expect("reads");
        extractor.extract(&story.told.journal[part.from..cut], part.first_seq, &mut newer).expect("reads");
        prop_assert!(part.first_seq <= cut_seq);
        after.iter().for_each(|op| story.tell(op));

        let mut other = engine();
        other.load_global(&global).expect("loads");
        if by_scan {
            scan_keys(&mut other, &story.told.journal[..passed]);
        }
        for (_, image) in images.iter().rev() {
            other.load_account(image).expect("loads");
        }
        if !by_scan {
            other.load_keys(&newer).expect("loads");
            other.load_keys(&older).expect("loads");
        }
        if by_tail_scan {
            replay_beside_scan_from(&mut other, &story, first_chunk);
        } else {
            replay_from(&mut other, &story, first_chunk);
        }
        other.finish_recovery().expect("complete");
        assert_same_future(&mut story, &mut other);
    }

    #[test]
    fn images_of_changed_accounts_over_older_ones_are_the_engine(
        first in ops(), second in ops(), third in ops(), by_scan in any::<bool>()
    ) {
        let mut story = told(&first);
        let mut images = BTreeMap::new();
        for (round, ops) in [&second, &third].into_iter().enumerate() {
            let mut taken = Vec::new();
            story.told.engine.begin_pass(1, round == 0);
            while story.told.engine.next_images(1, 2, &mut taken) {}
            story.told.engine.end_pass(1, true);
            images.extend(taken);
            ops.iter().for_each(|op| story.tell(op));
        }
        let mut taken = Vec::new();
        story.told.engine.begin_pass(1, false);
        while story.told.engine.next_images(1, 2, &mut taken) {}
        images.extend(taken);
        let mut keys = Vec::new();
        story.told.engine.key_extractor().extract(&story.told.journal, 1, &mut keys).expect("reads");
        let mut other = engine();
        other.load_global(&story.told.engine.global_image()).expect("loads");
        if by_scan {
            scan_keys(&mut other, &story.told.journal);
        }
        images.values().for_each(|image| other.load_account(image).expect("loads"));
        if !by_scan {
            other.load_keys(&keys).expect("loads");
        }
        other.finish_recovery().expect("complete");
        assert_same_future(&mut story, &mut other);
    }
}

/// The keys of a journal whose entries the images contain.
fn scan_keys(other: &mut Engine, journal: &[u8]) {
    let mut scan = other.begin_key_scan();
    scan.scan(journal).expect("reads");
    other.finish_key_scan(scan);
}

/// A key table of 4 MiB: events at one pace, then far more than it can remember at once.
#[test]
#[cfg_attr(miri, ignore = "fills a table of 4 MiB with ids: hours")]
fn an_exhausted_key_budget_lifts_the_floor_then_sheds_and_never_charges_twice() {
    let settings = Settings { dedupe_budget_bytes: 4 << 20, dedupe_bucket_us: SECOND * 60, ..Settings::default() };
    let mut engine = Engine::new(settings, StoreKey::new([5; 16]));
    let mut journal = Vec::new();
    let group = br#"[{"type":"create_credit_type","name":"credits","scale":0},{"type":"create_account","account":"acme"},
        {"type":"create_grant","account":"acme","grant":{"grant_id":"g","credit_type":"credits","amount":1000000000}}]"#;
    let group = drawdown_core::command_json::group_from_json(group).expect("readable");
    let done = engine.execute(&group, START, &drawdown_core::Rights::ALL, &mut journal);
    assert!(done.iter().all(|o| o.status == Some(Status::Ok)), "{done:?}");
    let batch = engine.batch_events_max().min(1_000) as i64;
    let events = |n: i64, time: i64| -> Vec<Use> {
        let sent = |i| Use {
            id: format!("k{n}-{i}"),
            account: "acme".into(),
            subject: "credits",
            is_direct: true,
            quantity: 1,
            time: Some(time),
            model: "",
            has_stray_dimension: false,
            force: false,
        };
        (0..batch).map(sent).collect()
    };
    // One batch a minute: the budget is used up, the floor rises, nothing is shed.
    let (mut applied, mut now) = (0i64, START);
    let rounds = 400;
    for n in 0..rounds {
        now = START + n * MINUTE;
        let outcomes = record(&mut engine, &events(n, now), now, &mut journal).expect("the floor makes room");
        applied += outcomes.iter().filter(|o| o.status == Status::Ok).count() as i64;
    }
    assert_eq!(applied, rounds * batch, "new events of the present are always taken");
    assert!(engine.floor_us() > START, "the budget lifted the floor");
    assert!(engine.floor_us() <= now - engine.settings().guaranteed_window_us);
    assert!(engine.key_usage().1 <= 4 << 20, "the table holds {} bytes", engine.key_usage().1);
    let mut by_status = BTreeMap::new();
    for n in 0..rounds {
        let time = START + n * MINUTE;
        let expected = if time < engine.floor_us() { Status::TooLate } else { Status::Duplicate };
        for outcome in record(&mut engine, &events(n, time), now, &mut journal).unwrap_or_default() {
            // The floor may rise while asking: making room comes first.
            assert!(outcome.status == expected || outcome.status == Status::TooLate, "round {n}: {outcome:?}");
            *by_status.entry(outcome.status.name()).or_insert(0) += 1;
        }
    }
    assert!(by_status["TOO_LATE"] > 0 && by_status.get("DUPLICATE").is_some_and(|n| *n > 0), "{by_status:?}");

    // All inside the guaranteed window: shed, whole and without a trace.
    let mut shed = 0;
    for n in rounds..rounds * 2 {
        let before = (engine.digest(), engine.next_seq());
        match record(&mut engine, &events(n, now), now, &mut journal) {
            Some(outcomes) => {
                assert!(outcomes.iter().all(|o| o.status == Status::Ok), "{:?}", outcomes[0]);
                applied += batch;
            }
            None => {
                shed += 1;
                assert_eq!(engine.counts().shed_batches, shed);
                // The floor may have risen as far as it may; no event left a trace.
                let floors = engine.next_seq() - before.1;
                assert!(floors <= 2 && (floors > 0 || engine.digest() == before.0));
            }
        }
    }
    assert!(shed > 0, "the window is shorter than what was sent into it");
    assert!(engine.floor_us() <= now - engine.settings().guaranteed_window_us);
    for n in rounds..rounds * 2 {
        for outcome in record(&mut engine, &events(n, now), now, &mut journal).unwrap_or_default() {
            assert!(matches!(outcome.status, Status::Duplicate | Status::Ok), "{outcome:?}");
            applied += i64::from(outcome.status == Status::Ok);
        }
    }
    // Time passes, there is room again: what was shed is taken once, what was taken is not.
    let read = engine.query(&serde_json::json!({"type": "balance", "account": "acme", "credit_type": "credits"}), now);
    assert_eq!(read.expect("answers")["charged"].as_i64(), Some(applied), "charged is what was answered OK");
    let mut other = Engine::new(engine.settings().clone(), StoreKey::new([5; 16]));
    assert_eq!(other.apply_records(&journal, 1).expect("replays"), engine.next_seq());
    other.finish_recovery().expect("complete");
    assert_eq!(other.digest(), engine.digest());
}
