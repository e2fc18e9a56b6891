//! Questions of the ledger where the journal kept does not begin with seq 1, and while older journal goes.

mod support;

use drawdown_core::{Command, Outcome, Rights, Settings, Status};
use drawdown_node::{Clock, Disk, Drive, Node, NodeError, NodeSettings};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use support::hooked::{Answer, Call, HookedDisk};
use support::{GRANTED, START_US, World, account_id, engine_settings, record, set_up, small_settings};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Where the account's own clock stands at first.
const OWN_US: i64 = START_US + 1_000 * DAY;

fn settings() -> NodeSettings {
    NodeSettings { retention_s: 1, ..small_settings() }
}

/// Event ids are forgotten after ten seconds, so that journal older than that may go.
fn world(seed: u64) -> World {
    let engine = Settings {
        dedupe_window_us: 10 * SECOND,
        dedupe_bucket_us: SECOND,
        guaranteed_window_us: SECOND,
        early_margin_us: 0,
        late_grace_us: 0,
        ..engine_settings()
    };
    World::new(seed).with(engine)
}

fn ask(node: &Node, request: &Value) -> Value {
    node.query(request).unwrap().1.unwrap()
}

fn execute(node: &Node, commands: &Value) {
    let commands: Vec<Command> = serde_json::from_value(commands.clone()).unwrap();
    for outcome in node.execute(&commands, &Rights::ALL).unwrap().1 {
        assert_eq!(Some(Status::Ok), outcome.status, "{:?}", outcome.facts);
    }
}

fn flush(node: &Node) {
    while node.step_commit() {}
    node.step_prepare();
}

/// `seconds` of usage of the first account.
fn pass(world: &World, node: &Node, seconds: u64) {
    for _ in 0..seconds {
        world.clock.advance(SECOND);
        let now = world.clock.read().wall_us;
        let events: Vec<_> = (0..20_u64).map(|id| (now as u64 % 1_000_000_000_000 + id, 0, 1)).collect();
        record(node, &events, now).unwrap();
        flush(node);
    }
}

fn first_kept(node: &Node) -> u64 {
    ask(node, &json!({"type": "ledger", "account": account_id(0), "limit": 1}))["first_kept_seq"].as_u64().unwrap()
}

/// Let everything go that may; the instant at which all of it was past.
fn let_go(world: &World, node: &Node) -> i64 {
    let begins = world.clock.read().wall_us;
    for _ in 0..10 {
        pass(world, node, 20);
        node.checkpoint().unwrap();
    }
    assert!(first_kept(node) > 1, "nothing was let go");
    begins
}

fn balance_at(node: &Node, account: &str, at: i64) -> Value {
    ask(node, &json!({"type": "balance", "account": account, "credit_type": "credits", "at": at}))
}

#[test]
fn an_account_idle_since_the_journal_kept_began_stood_then_as_it_stands_now() {
    let world = world(81);
    let node = world.open(settings()).unwrap();
    set_up(&node, 2);
    record(&node, &[(1, 1, 7)], START_US).unwrap();
    let before = let_go(&world, &node);
    let now = world.clock.read().wall_us;
    let idle = account_id(1);
    for at in [now, now - SECOND, now + DAY] {
        let answer = balance_at(&node, &idle, at);
        assert_eq!(json!(GRANTED - 7), answer["available"], "{answer}");
        assert!(answer["entry_seq"].as_u64().unwrap() < first_kept(&node));
        let grants = ask(&node, &json!({"type": "grants", "account": idle, "at": at}));
        assert_eq!(1, grants["grants"].as_array().unwrap().len(), "{grants}");
    }
    assert_eq!("BEYOND_RETENTION", balance_at(&node, &idle, before)["status"]);
    execute(&node, &json!([{"type": "create_account", "account": "made-later"}]));
    flush(&node);
    assert_eq!("ACCOUNT_UNKNOWN", balance_at(&node, "made-later", now - SECOND)["status"]);
}

#[test]
fn an_account_whose_creation_was_let_go_is_known_since_its_last_entry() {
    let world = world(82);
    let node = world.open(settings()).unwrap();
    set_up(&node, 2);
    let_go(&world, &node);
    record(&node, &[(1, 1, 7)], world.clock.read().wall_us).unwrap();
    let entry_at = node.read(|engine, _| engine.stamp()).unwrap();
    pass(&world, &node, 2);
    let (account, now) = (account_id(1), world.clock.read().wall_us);
    for at in [entry_at, now] {
        assert_eq!(json!(GRANTED - 7), balance_at(&node, &account, at)["available"]);
    }
    assert_eq!("BEYOND_RETENTION", balance_at(&node, &account, entry_at - 1)["status"]);
}

#[test]
fn a_grant_that_ended_before_the_journal_kept_is_left_out_of_the_grants_as_of_then() {
    let world = world(83);
    let node = world.open(settings()).unwrap();
    set_up(&node, 2);
    let account = account_id(1);
    execute(
        &node,
        &json!([{"type": "create_grant", "account": account, "grant": {
            "grant_id": "short", "credit_type": "credits", "amount": "5", "expires_at": START_US + SECOND}}]),
    );
    pass(&world, &node, 30);
    node.expire_due(100).unwrap();
    let_go(&world, &node);
    let now = world.clock.read().wall_us;
    let grants = ask(&node, &json!({"type": "grants", "account": account, "at": now}));
    let ids: Vec<&Value> = grants["grants"].as_array().unwrap().iter().map(|grant| &grant["grant_id"]).collect();
    assert_eq!(["first"], ids[..]);
    let listed = ask(&node, &json!({"type": "grants", "account": account}));
    assert_eq!(1, listed["grants"].as_array().unwrap().len(), "a list of now has what this one has: {listed}");
}

/// An account on a clock of its own, used once in journal that is let go and once behind that.
fn on_its_own_clock(world: &World, node: &Node) {
    execute(
        node,
        &json!([{"type": "create_account", "account": "own", "test_clock": OWN_US},
            {"type": "create_grant", "account": "own", "grant": {
                "grant_id": "g", "credit_type": "credits", "amount": "100"}}]),
    );
    let_go(world, node);
    let key = node.read(|engine, _| *engine.key()).unwrap();
    let mut event = support::event(&key, "e", "own", 3, OWN_US);
    event.time_us = None;
    let mut outcomes: Vec<Outcome> = Vec::new();
    node.submit(&[event.seal(&key)], &Rights::ALL, &mut outcomes).unwrap();
    assert_eq!(Status::Ok, outcomes[0].status);
    flush(node);
}

#[test]
fn an_account_keeps_its_own_clock_where_the_journal_kept_does_not_say_how_it_was_set() {
    let world = world(84);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    on_its_own_clock(&world, &node);
    let listed = ask(&node, &json!({"type": "ledger", "account": "own"}));
    let entries = listed["entries"].as_array().unwrap();
    assert_eq!(1, entries.len(), "{listed}");
    assert_eq!(json!(OWN_US), entries[0]["received_at"]);
    let used = json!({"type": "usage", "prefix": "own", "since": OWN_US, "until": OWN_US + DAY});
    let rows = ask(&node, &used)["rows"].clone();
    assert_eq!(1, rows.as_array().unwrap().len(), "used on the account's own day: {rows}");
    assert_eq!(json!("3"), rows[0][8]);
    assert_eq!(json!(97), balance_at(&node, "own", OWN_US + DAY)["available"]);
}

/// A folder in which `meet` lets journal go as soon as the file that `is_met` names is about to be used.
fn meeting(seed: u64, is_met: fn(Call<'_>) -> bool) -> (World, Arc<Node>, Arc<AtomicBool>) {
    let world = world(seed);
    let armed = Arc::new(AtomicBool::new(false));
    let (is_armed, place) = (Arc::clone(&armed), Arc::new(Mutex::new(None::<Arc<Node>>)));
    let known = Arc::clone(&place);
    let disk: Arc<dyn Disk> = HookedDisk::over(&world.disk, move |call| {
        if is_met(call) && is_armed.swap(false, SeqCst) {
            let node = known.lock().take().expect("opened");
            node.checkpoint().expect("written");
        }
        Answer::AsUsual
    });
    let node = Arc::new(world.open_on(disk, settings(), Drive::Steps).unwrap());
    *place.lock() = Some(Arc::clone(&node));
    set_up(&node, 1);
    (world, node, armed)
}

/// Old journal, some of which the next checkpoint lets go.
fn make_old(world: &World, node: &Node) {
    for _ in 0..6 {
        pass(world, node, 20);
        node.checkpoint().unwrap();
    }
    pass(world, node, 60);
}

#[test]
fn a_question_whose_journal_goes_meanwhile_is_answered_from_what_is_left() {
    for request in [
        json!({"type": "ledger", "account": account_id(0), "oldest_first": true}),
        json!({"type": "usage", "since": START_US, "until": START_US + DAY}),
    ] {
        let is_met = |call: Call<'_>| matches!(call, Call::OpenToRead(name) if name.contains("seg-"));
        let (world, node, armed) = meeting(85, is_met);
        make_old(&world, &node);
        let before = first_kept(&node);
        armed.store(true, SeqCst);
        let answer = ask(&node, &request);
        assert!(!armed.load(SeqCst) && first_kept(&node) > before, "nothing went meanwhile");
        assert_eq!(answer, ask(&node, &request));
    }
}

#[test]
fn an_index_of_journal_that_goes_meanwhile_is_not_left_behind() {
    let is_met = |call: Call<'_>| matches!(call, Call::Create(name) if name.ends_with(".di.tmp"));
    let (world, node, armed) = meeting(86, is_met);
    make_old(&world, &node);
    armed.store(true, SeqCst);
    node.index_step().unwrap();
    assert!(!armed.load(SeqCst), "no index was made");
    let kept = first_kept(&node);
    let oldest = format!("idx-{kept:020}.di");
    let indexes = world.disk.list("index").unwrap();
    assert!(kept > 1 && indexes.iter().all(|name| *name >= oldest), "{kept}: {indexes:?}");
}

#[test]
fn a_question_in_front_of_what_the_disk_has_may_be_asked_again() {
    let world = World::new(87);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    flush(&node);
    world.disk.set_capacity(Some(0));
    for id in 0.. {
        if record(&node, &[(id, 0, 1)], START_US).is_err() {
            break;
        }
        while node.step_commit() {}
    }
    for request in [
        json!({"type": "ledger", "account": account_id(0)}),
        json!({"type": "usage", "since": START_US, "until": START_US + DAY}),
    ] {
        let refused = node.query(&request).map(drop).unwrap_err();
        assert!(matches!(refused, NodeError::Unavailable(_)), "{refused}");
        assert!(refused.to_string().contains("retry later"), "{refused}");
    }
}
