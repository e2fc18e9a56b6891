//! Ended grants leave memory, and nothing anybody can ask for changes by it (semantics §15).

use drawdown_core::entry::{Control, Crossing, GrantsLeft};
use drawdown_core::usage::Outcome;
use drawdown_core::*;
use serde_json::{Value, json};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2027-02-15 08:00 UTC.
const START: i64 = 1_802_678_400 * SECOND;
/// The dedupe window, and what an event may be dated ahead.
const WINDOW: i64 = 35 * DAY + 5 * 60 * SECOND;

struct World {
    engine: Engine,
    journal: Vec<u8>,
    now: i64,
    events: u32,
}

fn engine() -> Engine {
    Engine::new(Settings::default(), StoreKey::new([7; 16]))
}

impl World {
    fn new() -> World {
        let mut world = World { engine: engine(), journal: Vec::new(), now: START, events: 0 };
        let commands = json!([
            {"type": "create_credit_type", "name": "credits"},
            {"type": "create_meter", "key": "tokens"},
            {"type": "set_rate", "table": "default", "meter": "tokens", "credit_type": "credits", "credits": "1"},
            {"type": "create_account", "account": "acme"},
        ]);
        for command in commands.as_array().unwrap() {
            world.run(command.clone());
        }
        world
    }

    /// Status and facts of one command that is taken, or repeats one.
    fn answer(&mut self, command: Value) -> (&'static str, Value) {
        let group = command_json::group_from_json(json!([command]).to_string().as_bytes()).expect("readable");
        let outcome = self.engine.execute(&group, self.now, &Rights::ALL, &mut self.journal).remove(0);
        (outcome.status.expect("one command").name(), Value::Object(outcome.facts))
    }

    fn run(&mut self, command: Value) {
        let (status, facts) = self.answer(command);
        assert_eq!("OK", status, "{facts}");
    }

    fn grant_command(&self, id: &str, amount: i64, expires_in: Option<i64>) -> Value {
        json!({"type": "create_grant", "account": "acme", "grant": {
            "grant_id": id, "credit_type": "credits", "amount": amount.to_string(), "name": "Monthly credits",
            "expires_at": expires_in.map(|span| self.now + span), "effective_at": self.now,
            "source_reference": "subscription-of-a-customer", "cost_minor": 1_000, "cost_currency": "EUR",
            "metadata": {"invoice": format!("2027-{id}")},
        }})
    }

    fn grant(&mut self, id: &str, amount: i64, expires_in: Option<i64>) -> Value {
        let command = self.grant_command(id, amount, expires_in);
        self.run(command.clone());
        command
    }

    fn void(&mut self, id: &str) -> (&'static str, Value) {
        self.answer(json!({"type": "void_grant", "account": "acme", "grant_id": id}))
    }

    fn burn(&mut self, quantity: i64) -> String {
        let id = format!("e{}", self.events);
        self.events += 1;
        let key = *self.engine.key();
        let event = UsageEvent {
            event_id: &id,
            account_id: "acme",
            subject: Subject::Meter("tokens"),
            quantity,
            time_us: Some(self.now),
            dimensions: &[],
            force: false,
            malformed: false,
            account_hash: 0,
            event_hash: 0,
            fingerprint: 0,
        }
        .seal(&key);
        let mut outcomes: Vec<Outcome> = Vec::new();
        self.engine.record_batch(&[event], self.now, &Rights::ALL, &mut self.journal, &mut outcomes).expect("room");
        assert_eq!(Status::Ok, outcomes[0].status);
        id
    }

    fn sweep(&mut self) {
        while self.engine.expire_due(self.now, 16, &mut self.journal).more_due {}
    }

    fn pass(&mut self, span: i64) {
        self.now += span;
        self.sweep();
    }

    /// Ids of the grants in memory.
    fn present(&self) -> Vec<String> {
        let read = self.engine.query(&json!({"type": "grants", "account": "acme"}), self.now).unwrap();
        read["grants"].as_array().unwrap().iter().map(|g| g["grant_id"].as_str().unwrap().into()).collect()
    }

    fn entries(&self) -> Vec<(u64, GrantsLeft)> {
        let mut found = Vec::new();
        let mut records = Records::of(&self.journal, 1);
        while let Some(record) = records.next().unwrap() {
            if let Fact::Control(Control::GrantsLeft(entry)) = record.decode().unwrap().what {
                found.push((record.seq, entry));
            }
        }
        found
    }

    /// Passages of thresholds: kind, what the threshold came to, and what was available.
    fn crossings(&self) -> Vec<(&'static str, i64, i64)> {
        let mut found = Vec::new();
        let mut records = Records::of(&self.journal, 1);
        while let Some(record) = records.next().unwrap() {
            if let Fact::Control(Control::Crossed(entry)) = record.decode().unwrap().what {
                found.push((Crossing::of(entry.kind).unwrap().notice(), entry.threshold, entry.available));
            }
        }
        found
    }

    /// A grant out of the journal.
    fn left(&self, id: &str) -> Option<Value> {
        let left = self.engine.left_grant("acme", id)?;
        let (_, entry) = self.entries().into_iter().find(|(seq, _)| *seq == left.seq)?;
        self.engine.left_grant_json(&left, &entry, self.now)
    }

    fn totals(&self) -> Value {
        let report = self.engine.conservation_json(None);
        assert_eq!(report["holds"], true, "{report}");
        json!({"totals": report["totals"], "grants": report["grants"]})
    }

    /// The journal alone and images alone make the same state.
    fn assert_same_again(&self) {
        let mut replayed = engine();
        replayed.apply_records(&self.journal, 1).expect("replays");
        replayed.finish_recovery().expect("complete");
        assert_eq!(self.engine.digest(), replayed.digest());
        let mut loaded = engine();
        loaded.load_global(&self.engine.global_image()).expect("loads");
        for number in 0..self.engine.account_count() {
            loaded.load_account(&self.engine.account_image(number)).expect("loads");
        }
        loaded.finish_recovery().expect("complete");
        assert_eq!(self.engine.digest(), loaded.digest());
        assert_eq!(self.engine.conservation_json(None), loaded.conservation_json(None));
    }
}

/// One used up, one expired with breakage, one voided: all leave once no event they paid for can be corrected.
#[test]
fn ended_grants_leave_when_nothing_can_reach_them() {
    let mut world = World::new();
    world.grant("used", 5, None);
    world.burn(5);
    world.grant("expiring", 7, Some(DAY));
    world.burn(3);
    world.grant("voided", 9, None);
    world.void("voided");
    world.grant("pays", 100, None);
    world.pass(DAY + HOUR + SECOND);
    let before = world.totals();
    assert_eq!("4", before["totals"]["credits"]["expired"]);
    world.now = START + WINDOW;
    world.sweep();
    assert_eq!(4, world.present().len(), "their events may still be corrected");
    world.pass(61 * SECOND);
    assert_eq!(vec!["expiring", "pays"], world.present(), "it could be drawn on until its end and an hour");
    world.now = START + DAY + HOUR + WINDOW + 61 * SECOND;
    world.sweep();
    assert_eq!(vec!["pays"], world.present());
    assert_eq!(before, world.totals());
    world.assert_same_again();
    for (id, state, parts) in
        [("used", "exhausted", [5, 0, 0]), ("expiring", "expired", [3, 4, 0]), ("voided", "voided", [0, 0, 9])]
    {
        let left = world.left(id).unwrap();
        assert_eq!(state, left["state"], "{id}");
        let unit = 1_000_000_000;
        let read = ["burned", "expired", "voided"].map(|part| left[part].as_i64().unwrap() / unit);
        assert_eq!(parts, read, "{id}");
        assert_eq!((0, "Monthly credits"), (left["remaining"].as_i64().unwrap(), left["name"].as_str().unwrap()));
        assert_eq!(json!({"invoice": format!("2027-{id}")}), left["metadata"]);
    }
}

/// 20 % of 150 granted is 30, and low at 25; of the 50 that stay it is 10. The transition is told, once.
#[test]
fn a_percentage_of_what_was_granted_is_of_less_once_a_grant_left() {
    let mut world = World::new();
    world.grant("used", 100, None);
    world.burn(60);
    world.grant("stays", 50, None);
    world.run(json!({"type": "set_thresholds", "account": "acme", "credit_type": "credits", "thresholds": ["20%"]}));
    world.burn(65);
    let unit = 1_000_000_000;
    assert_eq!(vec![("balance.low", 30 * unit, 25 * unit)], world.crossings());
    world.pass(WINDOW + 2 * 60 * SECOND);
    assert_eq!(vec!["stays"], world.present());
    let passed = vec![("balance.low", 30 * unit, 25 * unit), ("balance.low_cleared", 10 * unit, 25 * unit)];
    assert_eq!(passed, world.crossings());
    world.assert_same_again();
    world.pass(DAY);
    assert_eq!(passed, world.crossings());
}

/// An id is unique for ever, and what may be done with an ended grant may be done with one that left.
#[test]
fn a_left_grant_is_known_by_its_id() {
    let mut world = World::new();
    let same = world.grant("g", 5, Some(DAY));
    let other = world.grant_command("g", 6, Some(DAY));
    world.grant("pays", 100, None);
    world.pass(40 * DAY);
    assert_eq!(vec!["pays"], world.present());
    assert_eq!("DUPLICATE", world.answer(same).0);
    assert_eq!("CONFLICT", world.answer(other).0);
    assert_eq!("DUPLICATE", world.answer(json!({"type": "release_grant", "account": "acme", "grant_id": "g"})).0);
    let replaced = |id: &str| {
        json!({"type": "void_and_replace", "account": "acme", "void": ["g"], "create": [
            {"grant_id": id, "credit_type": "credits", "amount": {"of": "g", "minus": "-2"}}]})
    };
    world.run(replaced("next"));
    assert_eq!("DUPLICATE", world.answer(replaced("next")).0);
    let next = world.engine.query(&json!({"type": "grant", "account": "acme", "grant_id": "next"}), world.now).unwrap();
    assert_eq!(2_000_000_000, next["grant"]["amount"], "nothing of the old one is free");
    assert_eq!("voided", world.left("g").unwrap()["state"]);
    let (status, facts) = world.void("g");
    assert_eq!(("DUPLICATE", 0), (status, facts["forfeited"].as_i64().unwrap()));
    assert_eq!("CONFLICT", world.answer(json!({"type": "release_grant", "account": "acme", "grant_id": "g"})).0);
    world.totals();
    world.assert_same_again();
}

#[test]
fn voiding_a_left_grant_forfeits_nothing_and_is_undone_with_its_group() {
    let mut world = World::new();
    world.grant("g", 5, Some(DAY));
    world.pass(40 * DAY);
    let digest = world.engine.digest();
    let group = json!([{"type": "void_grant", "account": "acme", "grant_id": "g"},
                       {"type": "void_grant", "account": "acme", "grant_id": "none"}]);
    let group = command_json::group_from_json(group.to_string().as_bytes()).unwrap();
    let refused = world.engine.execute(&group, world.now, &Rights::ALL, &mut world.journal);
    assert_eq!(Some(Status::GrantUnknown), refused[1].status);
    assert_eq!(digest, world.engine.digest());
    let (status, facts) = world.void("g");
    assert_eq!(("OK", 0), (status, facts["forfeited"].as_i64().unwrap()));
    assert_eq!("voided", world.left("g").unwrap()["state"]);
    world.assert_same_again();
}

/// What is held, waits, or has something left stays, however long.
#[test]
fn a_grant_that_something_can_reach_stays() {
    let mut world = World::new();
    world.grant("open", 5, None);
    let mut pending = world.grant_command("pending", 5, Some(DAY));
    pending["grant"]["pending"] = true.into();
    world.run(pending);
    world.pass(400 * DAY);
    assert_eq!(2, world.present().len());
    // Used up at last: the window begins there, whatever was burned before.
    world.burn(4);
    world.now += 34 * DAY;
    world.burn(1);
    world.pass(34 * DAY);
    assert_eq!(2, world.present().len());
    world.pass(2 * DAY);
    assert_eq!(vec!["pending"], world.present());
    world.assert_same_again();
}

/// Never paid for and given up: it waits for nothing more.
#[test]
fn a_grant_voided_while_it_was_pending_leaves_like_any_other() {
    let mut world = World::new();
    let mut unpaid = world.grant_command("unpaid", 5, None);
    unpaid["grant"]["pending"] = true.into();
    world.run(unpaid.clone());
    world.grant("pays", 100, None);
    assert_eq!("OK", world.void("unpaid").0);
    let before = world.totals();
    world.pass(WINDOW);
    assert_eq!(2, world.present().len());
    world.pass(61 * SECOND);
    assert_eq!(vec!["pays"], world.present());
    let left = world.left("unpaid").unwrap();
    assert_eq!((&json!("voided"), &json!(5_000_000_000_i64)), (&left["state"], &left["voided"]));
    assert_eq!(before, world.totals());
    assert_eq!("DUPLICATE", world.answer(unpaid).0);
    assert_eq!("CONFLICT", world.answer(json!({"type": "release_grant", "account": "acme", "grant_id": "unpaid"})).0);
    world.assert_same_again();
}

/// A hold outlives the end of its grant; the grant leaves when nothing is held on it and its time is over.
#[test]
fn a_held_grant_stays_until_the_hold_ends() {
    let settings = Settings { dedupe_window_us: HOUR, late_grace_us: 60 * SECOND, ..Settings::default() };
    let mut world = World::new();
    world.engine = Engine::new(settings, StoreKey::new([7; 16]));
    world.journal.clear();
    for command in [
        json!({"type": "create_credit_type", "name": "credits"}),
        json!({"type": "create_meter", "key": "tokens"}),
        json!({"type": "create_account", "account": "acme"}),
    ] {
        world.run(command);
    }
    world.grant("g", 5, Some(60 * SECOND));
    world.run(json!({"type": "reserve", "account": "acme", "reservation_id": "r", "credit_type": "credits",
                     "credits": "2", "ttl_us": 20 * HOUR}));
    world.pass(19 * HOUR);
    assert_eq!(vec!["g"], world.present());
    world.pass(HOUR + SECOND);
    world.pass(60 * SECOND);
    assert!(world.present().is_empty());
    let left = world.left("g").unwrap();
    assert_eq!((5_000_000_000, 0), (left["expired"].as_i64().unwrap(), left["burned"].as_i64().unwrap()));
    world.totals();
}

/// Ten years of a grant a month cost little more than the three that are in use.
#[test]
fn ten_years_of_monthly_grants_stay_small() {
    let after = |months: u32| {
        let mut world = World::new();
        for month in 0..months {
            world.grant(&format!("subscription-0001:{month}"), 1_000, Some(30 * DAY));
            world.burn(600);
            world.pass(30 * DAY);
        }
        assert!(world.present().len() <= 3, "{:?}", world.present());
        world.totals();
        world.assert_same_again();
        world.engine.account_image(0).len()
    };
    let (three, all) = (after(3), after(120));
    assert!(all < three + 118 * 25 + 200, "{three} bytes after three months, {all} after ten years");
}

/// However many ended at once: a sweep has a bound, and goes on where it stopped.
#[test]
fn a_sweep_lets_no_more_go_than_it_may() {
    let mut world = World::new();
    for n in 0..100 {
        world.grant(&format!("g{n}"), 1, Some(HOUR));
    }
    world.now += 50 * DAY;
    let mut steps = 0;
    loop {
        let before = world.present().len();
        let swept = world.engine.expire_due(world.now, 8, &mut world.journal);
        assert!(before - world.present().len() + swept.booked as usize <= 8);
        steps += 1;
        if !swept.more_due {
            break;
        }
    }
    assert!(world.present().is_empty());
    assert!((25..40).contains(&steps), "{steps}: a hundred are booked and a hundred leave, eight at a time");
    world.assert_same_again();
}

/// A grant that paid debt may get it back by a correction, and stays for it.
#[test]
fn a_grant_that_settled_debt_stays_while_a_correction_may_give_it_back() {
    let mut world = World::new();
    world.run(json!({"type": "set_policy", "account": "acme", "credit_type": "credits", "kind": "overdraft",
                     "limit": "10"}));
    world.burn(5);
    world.grant("settles", 5, None);
    world.pass(100 * DAY);
    assert_eq!(vec!["settles"], world.present());
    world.assert_same_again();
}

/// An account's own clock decides for it, and nobody else's.
#[test]
fn grants_on_a_test_clock_leave_by_that_clock() {
    let mut world = World::new();
    world.run(json!({"type": "create_account", "account": "lab", "test_clock": START}));
    let lab = |at: i64| json!({"type": "advance_clock", "account": "lab", "to": at});
    world.run(json!({"type": "create_grant", "account": "lab", "grant": {
        "grant_id": "g", "credit_type": "credits", "amount": "1", "expires_at": START + DAY}}));
    world.pass(400 * DAY);
    let count = |world: &World| world.engine.query(&json!({"type": "grants", "account": "lab"}), 0).unwrap();
    assert_eq!(1, count(&world)["grants"].as_array().unwrap().len());
    world.run(lab(START + 37 * DAY));
    world.sweep();
    assert_eq!(0, count(&world)["grants"].as_array().unwrap().len());
    assert!(world.engine.left_grant("lab", "g").is_some());
    world.totals();
    world.assert_same_again();
}
