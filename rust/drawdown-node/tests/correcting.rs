//! Corrections under `max` and `last`, which compare with the other events of the period: read from the journal
//! kept, each with its time.

mod support;

use drawdown_core::{Command, CommandOutcome, Rights, Status, Subject};
use drawdown_node::Node;
use serde_json::{Value, json};
use support::remote::restored;
use support::{START_US, World, account_id, event, set_up, small_settings};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

fn flush(node: &Node) {
    while node.step_commit() {}
}

fn run(node: &Node, commands: &[Value]) -> Vec<CommandOutcome> {
    let commands: Vec<Command> = serde_json::from_value(json!(commands)).unwrap();
    node.execute(&commands, &Rights::ALL).unwrap().1
}

fn take(node: &Node, commands: &[Value]) {
    let outcomes = run(node, commands);
    assert!(outcomes.iter().all(|outcome| outcome.status == Some(Status::Ok)), "{outcomes:?}");
}

fn meter(key: &str, aggregation: &str) -> [Value; 2] {
    [
        json!({"type": "create_meter", "key": key, "aggregation": aggregation}),
        json!({"type": "set_rate", "table": "default", "meter": key, "credit_type": "credits", "credits": "1"}),
    ]
}

/// What an event without a time is charged.
fn charge(node: &Node, account: &str, key: &str, id: &str, quantity: i64) -> i64 {
    charge_dated(node, account, key, id, quantity, None)
}

fn charge_dated(node: &Node, account: &str, key: &str, id: &str, quantity: i64, time_us: Option<i64>) -> i64 {
    let store_key = node.read(|engine, _| *engine.key()).unwrap();
    let mut event = event(&store_key, id, account, quantity, START_US);
    (event.subject, event.time_us) = (Subject::Meter(key), time_us);
    let mut outcomes: Vec<drawdown_core::Outcome> = Vec::new();
    node.submit(&[event.seal(&store_key)], &Rights::ALL, &mut outcomes).unwrap();
    assert_eq!(Status::Ok, outcomes[0].status, "{id}");
    outcomes[0].charged
}

fn correct(node: &Node, account: &str, id: &str, quantity: i64) -> CommandOutcome {
    let command = json!({"type": "correct", "account": account, "event_id": id, "quantity": quantity});
    run(node, &[command]).remove(0)
}

/// A folder restored from a snapshot, whose journal begins behind the first event of the period.
#[test]
fn a_correction_that_must_be_compared_with_events_of_no_journal_kept_is_refused_and_changes_nothing() {
    let world = World::new(41);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    take(&node, &meter("peak", "max"));
    let acme = account_id(0);
    assert_eq!(100, charge(&node, &acme, "peak", "first", 100));
    flush(&node);
    let begun = node.snapshot_begin(true).unwrap();
    let (mut images, mut runs) = (Vec::new(), Vec::new());
    while let Some((_, chunk)) = node.snapshot_chunk(10).unwrap() {
        images.extend(chunk);
    }
    while let Some(run) = node.snapshot_keys().unwrap() {
        runs.push(run);
    }
    let global = node.snapshot_global().unwrap().1;
    node.snapshot_end(true).unwrap();

    let node = world.moved_to(restored(&begun, &images, &runs, &global)).open(small_settings()).unwrap();
    assert_eq!(50, charge(&node, &acme, "peak", "second", 150));
    let before = node.read(|engine, _| engine.digest()).unwrap();
    let refused = correct(&node, &acme, "second", 120);
    assert_eq!(Some(Status::EventUnknown), refused.status, "{refused:?}");
    assert!(refused.facts["reason"].as_str().is_some_and(|reason| reason.contains("retention_s")), "{refused:?}");
    assert_eq!(before, node.read(|engine, _| engine.digest()).unwrap());
    // What is counted goes on from what was counted.
    assert_eq!(10, charge(&node, &acme, "peak", "third", 160));
    // A meter of which the journal has everything is corrected as ever.
    take(&node, &meter("seats", "max"));
    assert_eq!(100, charge(&node, &acme, "seats", "a", 100));
    assert_eq!(50, charge(&node, &acme, "seats", "b", 150));
    let corrected = correct(&node, &acme, "b", 120);
    assert_eq!((Some(Status::Ok), &json!(-30)), (corrected.status, &corrected.facts["difference"]));
}

fn advance(node: &Node, to: i64) {
    take(node, &[json!({"type": "advance_clock", "account": "tested", "to": to})]);
}

/// Accounts, and one on a clock of its own whose first usage period ends within the hour.
fn with_a_test_clock(node: &Node) {
    set_up(node, 1);
    take(node, &meter("seats", "last"));
    take(
        node,
        &[
            json!({"type": "create_account", "account": "tested", "test_clock": START_US}),
            json!({"type": "set_period_edge", "account": "tested", "at": START_US + HOUR}),
            json!({"type": "create_grant", "account": "tested",
                "grant": {"grant_id": "g", "credit_type": "credits", "amount": 1_000}}),
        ],
    );
}

/// 100 at first, 30 forty days later, then 50, which becomes 120: 20 more than the 100 burned, whether or not the
/// events say their times. The id of the first one is forgotten by then.
#[test]
fn on_a_test_clock_an_event_has_the_time_of_its_clock_though_its_id_is_forgotten() {
    for is_timed in [true, false] {
        let world = World::new(42);
        let node = world.open(small_settings()).unwrap();
        with_a_test_clock(&node);
        let use_at = |id: &str, quantity: i64, at: i64| {
            advance(&node, at);
            charge_dated(&node, "tested", "seats", id, quantity, is_timed.then_some(at))
        };
        assert_eq!(100, use_at("first", 100, START_US + 2 * HOUR));
        assert_eq!(0, use_at("second", 30, START_US + 40 * DAY));
        assert_eq!(0, use_at("third", 50, START_US + 41 * DAY));
        advance(&node, START_US + 42 * DAY);
        assert_eq!(Some(Status::EventUnknown), correct(&node, "tested", "first", 90).status);
        let corrected = correct(&node, "tested", "third", 120);
        let facts = (&corrected.facts["charged"], &corrected.facts["difference"]);
        assert_eq!((Some(Status::Ok), (&json!(20), &json!(20))), (corrected.status, facts), "timed: {is_timed}");
    }
}
