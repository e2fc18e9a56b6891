//! A journal read back with less memory for event ids than it was written with: balances are the same, the oldest ids
//! go, and the floor says so. Forgotten implies refused.

mod bench;

use bench::Bench;
use drawdown_core::{Engine, Settings, Status, StoreKey, Subject, UsageEvent};

const MINUTE: i64 = 60_000_000;
const MINUTES: i64 = 40;
const EVENTS_A_MINUTE: usize = 3_500;

fn engine(budget: usize) -> Engine {
    let settings = Settings { dedupe_budget_bytes: budget, ..Settings::default() };
    settings.validate().expect("sensible");
    Engine::new(settings, StoreKey::new([7; 16]))
}

/// 140,000 events: more than a table of 4 MiB holds, fewer than one of 16. `dated` says of which minute the events are
/// that are sent in one.
fn written(dated: fn(i64) -> i64) -> Bench {
    let mut b = Bench::with(engine(16 << 20));
    b.grant("g", "1000000", "");
    for minute in 0..MINUTES {
        let ids: Vec<String> = (0..EVENTS_A_MINUTE).map(|n| format!("{minute}-{n}")).collect();
        let key = *b.engine.key();
        let time_us = Some(b.now + (dated(minute) - minute) * MINUTE);
        let batch: Vec<UsageEvent<'_>> =
            ids.iter().map(|id| UsageEvent { time_us, ..b.event(id) }.seal(&key)).collect();
        let mut outcomes: Vec<drawdown_core::usage::Outcome> = Vec::new();
        let Bench { engine, journal, now } = &mut b;
        engine.record_batch(&batch, *now, &drawdown_core::Rights::ALL, journal, &mut outcomes).expect("room");
        assert!(outcomes.iter().all(|outcome| outcome.status == Status::Ok));
        b.now += MINUTE;
    }
    b
}

/// The balance is that of the whole journal; an id above the floor is known, one below is refused as too late.
fn assert_forgets_only_below_its_floor(written: &Bench, dated: fn(i64) -> i64, mut engine: Engine, how: &str) {
    engine.finish_recovery().expect("complete");
    let request = serde_json::json!({"type": "balance", "account": "acme", "credit_type": "credits"});
    let balance = |engine: &Engine| engine.query(&request, written.now).expect("answers")["available"].clone();
    assert_eq!(balance(&written.engine), balance(&engine), "{how}");
    let floor = engine.floor_us();
    assert!(floor > written.engine.floor_us(), "{how}: the floor has risen");
    let mut other = Bench { engine, journal: Vec::new(), now: written.now };
    let (mut known, mut late) = (0, 0);
    for minute in 0..MINUTES {
        let time = written.now - (MINUTES - dated(minute)) * MINUTE;
        for n in (0..EVENTS_A_MINUTE).step_by(301) {
            let id = format!("{minute}-{n}");
            let again = UsageEvent { time_us: Some(time), subject: Subject::Meter("tokens"), ..other.event(&id) };
            let status = other.send(again).status;
            // A batch makes room for itself, so the floor may rise once more.
            let is_late = time < other.engine.floor_us();
            assert_eq!(if is_late { Status::TooLate } else { Status::Duplicate }, status, "{how}: {id}");
            if is_late { late += 1 } else { known += 1 }
        }
    }
    assert!(known > 200 && late > 50, "{how}: {known} known, {late} too late");
    assert_eq!(balance(&written.engine), balance(&other.engine), "{how}");
}

/// Replay with the ids, the ids alone beside loaded images, and the ids beside a replay without them.
fn assert_forgets_the_oldest(dated: fn(i64) -> i64) {
    let written = written(dated);
    let next_seq = written.engine.next_seq();

    let mut small = engine(4 << 20);
    assert_eq!(Ok(next_seq), small.apply_records(&written.journal, 1));
    assert_forgets_only_below_its_floor(&written, dated, small, "replay");

    let mut small = engine(4 << 20);
    small.load_global(&written.engine.global_image()).expect("loads");
    let mut scan = small.begin_key_scan();
    scan.scan(&written.journal).expect("reads");
    small.finish_key_scan(scan);
    for number in 0..written.engine.account_count() {
        small.load_account(&written.engine.account_image(number)).expect("loads");
    }
    assert_forgets_only_below_its_floor(&written, dated, small, "scan");

    let mut small = engine(4 << 20);
    let mut scan = small.begin_tail_scan(0);
    scan.scan(&written.journal, 1).expect("reads");
    assert_eq!(Ok(next_seq), small.apply_records_without_keys(&written.journal, 1));
    small.finish_tail_scan(scan);
    assert_forgets_only_below_its_floor(&written, dated, small, "tail");
}

#[test]
fn less_memory_than_the_journal_was_written_with_forgets_the_oldest_ids_and_says_so() {
    assert_forgets_the_oldest(|minute| minute);
}

/// The last quarter of what was sent is of the sixth minute: the floor rises over ids that have just come, and over
/// those that are still to come.
#[test]
fn ids_of_late_events_are_among_the_oldest_and_go_with_them() {
    assert_forgets_the_oldest(|minute| if minute < MINUTES * 3 / 4 { minute } else { 5 });
}
