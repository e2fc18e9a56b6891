//! A whole life in four bytes per step: usage, commands, corrections, time, sweeps, checkpoints, restarts.
//!
//! ```text
//! step: kind 1 | account 1 | what 1 | amount 1
//! ```

use crate::Target;
use crate::base;
use drawdown_core::{Outcome, Rights, Status, StoreKey, Subject};
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Clock, Drive, Environment, Node, NodeSettings, SimulatedClock, verify_disk};
use drawdown_wire::EventInput;
use serde_json::{Value, json};
use std::sync::Arc;

pub const STORY: Target = Target { name: "story", run: story, seeds: story_seeds };

const STEPS_MAX: usize = 64;
const ACCOUNTS: [&str; 7] = ["rich", "dry", "owing", "over", "part", "stopped", "clocked"];
const SUBJECTS: [Subject<'static>; 9] = [
    Subject::Meter("tokens"),
    Subject::Meter("seats"),
    Subject::Meter("calls"),
    Subject::Meter("level"),
    Subject::Meter("users"),
    Subject::Meter("gpu"),
    Subject::Meter("unpriced"),
    Subject::CreditType("credits"),
    Subject::CreditType("minutes"),
];
const DIMENSIONS: [&[(&str, &str)]; 4] = [&[], &[("who", "ann")], &[("who", "bob")], &[("model", "large")]];
const SECOND_US: i64 = 1_000_000;

/// An event as it was sent, so that it can be sent again.
struct Sent {
    event_id: String,
    account: &'static str,
    subject: Subject<'static>,
    quantity: i64,
    time_us: Option<i64>,
    dimensions: &'static [(&'static str, &'static str)],
    force: bool,
    was_applied: bool,
}

struct Life {
    disk: SimulatedDisk,
    clock: Arc<SimulatedClock>,
    node: Node,
    key: StoreKey,
    sent: Vec<Sent>,
}

/// Every number that may matter, small ones most.
fn amount_of(byte: u8) -> i64 {
    match byte {
        0..=199 => i64::from(byte),
        200..=219 => i64::from(byte - 199) * 1_000,
        220..=249 => 1 << (2 * (byte - 220) + 2),
        250 => -1,
        251 => i64::MIN,
        _ => i64::MAX - i64::from(255 - byte),
    }
}

fn open(disk: &SimulatedDisk, clock: &Arc<SimulatedClock>) -> Node {
    let environment = Environment {
        disk: Arc::new(disk.clone()),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        on_fatal: Arc::new(|fatal| panic!("the node ended: {}", fatal.what)),
    };
    let settings = NodeSettings {
        segment_bytes: 64 << 10,
        group_bytes_max: 8 << 10,
        pending_bytes_max: 1 << 20,
        reserve_bytes: 0,
        ..NodeSettings::default()
    };
    Node::open_in(environment, settings, base::settings(), Drive::Steps).expect("a healthy disk")
}

impl Life {
    fn begin() -> Life {
        let (disk, clock) = (SimulatedDisk::new(3), Arc::new(SimulatedClock::new(base::START_US)));
        let node = open(&disk, &clock);
        let key = node.read(|engine, _| *engine.key()).expect("just opened");
        let life = Life { disk, clock, node, key, sent: Vec::new() };
        for group in [base::SET_UP, base::WIDER] {
            let (_, outcomes) = life.node.execute(&base::commands(group), &Rights::ALL).expect("room");
            assert!(outcomes.iter().all(|outcome| outcome.status == Some(Status::Ok)), "{outcomes:?}");
        }
        life.commit();
        life
    }

    fn commit(&self) {
        self.node.step_prepare();
        while self.node.step_commit() {}
    }

    fn digest(&self) -> u128 {
        self.node.read(|engine, _| engine.digest()).expect("open")
    }

    fn step(&mut self, kind: u8, account: u8, what: u8, amount: u8) {
        let name = ACCOUNTS[usize::from(account) % ACCOUNTS.len()];
        match kind % 12 {
            0..=3 => self.use_new(name, what, amount),
            4 => self.use_again(usize::from(what), amount),
            5 => self.execute(&command(name, what, amount_of(amount), self.now_us())),
            6 => self.correct(usize::from(what), amount),
            7 => self.execute(&hold_command(name, what, amount_of(amount))),
            8 => self.clock.advance(i64::from(amount) * [1, 1_000, SECOND_US, 60 * SECOND_US][usize::from(what % 4)]),
            9 => drop(self.node.expire_due(u32::from(amount)).expect("room")),
            10 => drop(self.node.checkpoint().expect("a healthy disk")),
            _ => self.open_again(what.is_multiple_of(2)),
        }
        self.commit();
    }

    fn now_us(&self) -> i64 {
        self.clock.read().wall_us
    }

    fn use_new(&mut self, account: &'static str, what: u8, amount: u8) {
        let now_us = self.now_us();
        let time_us = match what / 36 {
            0 | 1 => None,
            2 | 3 => Some(now_us),
            4 => Some(now_us - 90 * SECOND_US),
            5 => Some(now_us - 7_000 * SECOND_US),
            _ => Some(now_us + 200 * SECOND_US),
        };
        let sent = Sent {
            event_id: format!("event-{}", self.sent.len()),
            account,
            subject: SUBJECTS[usize::from(what) % SUBJECTS.len()],
            quantity: amount_of(amount).max(0),
            time_us,
            dimensions: DIMENSIONS[usize::from(amount) % DIMENSIONS.len()],
            force: what % 36 >= 27,
            was_applied: false,
        };
        let status = self.submit(&sent);
        self.sent.push(Sent { was_applied: status == Status::Ok, ..sent });
    }

    fn submit(&self, sent: &Sent) -> Status {
        let input = EventInput {
            event_id: &sent.event_id,
            account_id: sent.account,
            subject: sent.subject,
            quantity: sent.quantity,
            time_us: sent.time_us,
            dimensions: sent.dimensions,
            force: sent.force,
        };
        let mut outcomes: Vec<Outcome> = Vec::new();
        input.sealed_with(&self.key, |event| {
            self.node.submit(std::slice::from_ref(event), &Rights::ALL, &mut outcomes).expect("room")
        });
        outcomes[0].status
    }

    /// What was applied is known; the time that passes here is far from the window's.
    fn use_again(&mut self, at: usize, amount: u8) {
        let Some(index) = at.checked_rem(self.sent.len()) else { return };
        let status = self.submit(&self.sent[index]);
        if self.sent[index].was_applied {
            assert_eq!(Status::Duplicate, status, "{}", self.sent[index].event_id);
            // The first may have noticed what fell due meanwhile.
            let before = self.digest();
            assert_eq!(Status::Duplicate, self.submit(&self.sent[index]), "{}", self.sent[index].event_id);
            assert_eq!(before, self.digest(), "a repeat changed something");
        } else {
            self.sent[index].was_applied = status == Status::Ok;
        }
        if amount.is_multiple_of(2) && self.sent[index].was_applied {
            let other = Sent { event_id: self.sent[index].event_id.clone(), quantity: 77_777, ..self.sent[index] };
            let status = self.submit(&other);
            assert!(matches!(status, Status::Conflict | Status::Duplicate), "{status:?}");
        }
    }

    fn correct(&mut self, at: usize, amount: u8) {
        let Some(index) = at.checked_rem(self.sent.len()) else { return };
        let Sent { event_id, account, subject, .. } = &self.sent[index];
        let mut command = json!({"type": "correct", "account": account, "event_id": event_id});
        let field = if matches!(subject, Subject::Meter(_)) { "quantity" } else { "credits" };
        match amount {
            0 => command["cancel"] = true.into(),
            _ => command[field] = amount_of(amount).into(),
        }
        if amount.is_multiple_of(3) {
            command["correction_id"] = format!("c{}", amount % 8).into();
        }
        command["regrant"] = amount.is_multiple_of(5).into();
        self.execute(&json!([command]));
    }

    /// What the group answers is its business; what it leaves behind is held against the laws at the end.
    fn execute(&self, group: &Value) {
        let Ok(commands) = drawdown_core::command_json::group_from_json(group.to_string().as_bytes()) else { return };
        self.node.execute(&commands, &Rights::ALL).expect("room");
    }

    fn open_again(&mut self, is_clean: bool) {
        self.commit();
        let before = self.digest();
        if is_clean {
            self.node.close().expect("a healthy disk");
        } else {
            self.disk = self.disk.after_kill();
        }
        self.node = open(&self.disk, &self.clock);
        assert_eq!(before, self.digest(), "opened in another state");
    }

    fn end(mut self) {
        self.open_again(false);
        let conservation = self.node.read(|engine, _| engine.conservation_json(None)).expect("open");
        assert_eq!(Some(true), conservation["holds"].as_bool(), "{conservation}");
        // The last lives on a clock of its own: this moment is none of its.
        for account in &ACCOUNTS[..ACCOUNTS.len() - 1] {
            self.assert_past_is_present(account);
        }
        self.node.close().expect("a healthy disk");
        let report = verify_disk(&self.disk).expect("what was closed is whole");
        assert_eq!(Some(true), report["replayed_from_genesis"].as_bool(), "{report}");
    }

    /// The ledger replayed to now says of the account what the engine says.
    fn assert_past_is_present(&self, account: &str) {
        let at = self.node.read(|_, stamp| stamp).expect("open");
        let mut request = json!({"type": "balance", "account": account, "credit_type": "credits"});
        let (_, present) = self.node.query(&request).expect("readable");
        request["at"] = at.into();
        let (_, past) = self.node.query(&request).expect("readable");
        let available = |answer: &Result<Value, String>| answer.as_ref().map(|found| found["available"].clone()).ok();
        assert_eq!(available(&present), available(&past), "{account}: {present:?} now, {past:?} replayed");
    }
}

fn command(account: &str, what: u8, amount: i64, now_us: i64) -> Value {
    let id = format!("g{}", what / 12);
    let grant = |more: Value| {
        let mut grant = json!({"grant_id": id, "credit_type": "credits", "amount": amount});
        for (name, value) in more.as_object().into_iter().flatten() {
            grant[name] = value.clone();
        }
        json!([{"type": "create_grant", "account": account, "grant": grant}])
    };
    let policy = |more: Value| {
        let mut policy = json!({"type": "set_policy", "account": account, "credit_type": "credits"});
        for (name, value) in more.as_object().into_iter().flatten() {
            policy[name] = value.clone();
        }
        json!([policy])
    };
    match what % 12 {
        0 => grant(json!({})),
        1 => grant(json!({"expires_at": now_us + 5 * SECOND_US, "priority": 1})),
        2 => grant(json!({"effective_at": now_us + 2 * SECOND_US, "scope": ["calls", "users"]})),
        3 => grant(json!({"effective_at": now_us - 9_000 * SECOND_US, "expires_at": now_us - 60 * SECOND_US})),
        4 => json!([{"type": "void_grant", "account": account, "grant_id": id}]),
        5 => json!([{"type": "void_and_replace", "account": account, "void": ["g", id], "create": [
            {"grant_id": format!("n{}", amount & 7), "credit_type": "credits", "amount": {"of": "g", "fraction": "0.5"}},
            {"grant_id": format!("m{}", amount & 7), "credit_type": "credits", "amount": {"of": id, "minus": amount}}]}]),
        6 => policy(json!({"kind": "overdraft", "limit": amount})),
        7 => policy(json!({"kind": "overage", "price": "0.5", "cap": amount})),
        8 => policy(json!({"kind": if amount % 2 == 0 { "partial" } else { "hard" }})),
        9 => json!([{"type": "set_thresholds", "account": account, "credit_type": "credits",
                     "thresholds": [amount, "50%"]}]),
        10 => json!([{"type": if amount % 2 == 0 { "suspend_account" } else { "resume_account" }, "account": account}]),
        _ => {
            json!([{"type": "set_period_edge", "account": account, "at": now_us + 301 * SECOND_US + amount.min(SECOND_US)},
                    {"type": "advance_clock", "account": account, "to": now_us + amount.min(9_000) * SECOND_US},
                    {"type": "release_grant", "account": account, "grant_id": id}])
        }
    }
}

fn hold_command(account: &str, what: u8, amount: i64) -> Value {
    let id = format!("h{}", what / 64);
    json!([match what % 6 {
        0 =>
            json!({"type": "reserve", "account": account, "reservation_id": id, "meter": "tokens", "quantity": amount}),
        1 => json!({"type": "reserve", "account": account, "reservation_id": id, "credit_type": "credits",
                    "credits": amount, "ttl_us": 5 * SECOND_US}),
        2 => json!({"type": "settle", "account": account, "reservation_id": id, "quantity": amount}),
        3 => json!({"type": "settle", "account": account, "reservation_id": id, "credits": amount}),
        4 => json!({"type": "settle", "account": account, "reservation_id": "r", "credits": amount,
                    "refuse_extra": true}),
        _ => json!({"type": "release", "account": account, "reservation_id": if amount == 0 { "r" } else { &id }}),
    }])
}

/// Bytes behind the last whole step are not taken, so that a shorter story is never the same one.
fn story(bytes: &[u8]) -> bool {
    let (steps, rest) = bytes.as_chunks::<4>();
    if steps.is_empty() || steps.len() > STEPS_MAX || !rest.is_empty() {
        return false;
    }
    let mut life = Life::begin();
    for [kind, account, what, amount] in steps {
        life.step(*kind, *account, *what, *amount);
    }
    life.end();
    true
}

fn story_seeds() -> Vec<(String, Vec<u8>)> {
    let seed = |name: &str, steps: &[[u8; 4]]| (name.to_string(), steps.concat());
    vec![
        seed("usage-and-restart", &[[0, 0, 0, 9], [0, 3, 0, 40], [4, 0, 0, 2], [11, 0, 1, 0], [4, 0, 1, 1]]),
        seed("debt-and-grant", &[[0, 2, 0, 60], [5, 2, 0, 25], [5, 2, 6, 9], [0, 2, 7, 50], [6, 0, 0, 3]]),
        seed("holds", &[[7, 0, 0, 8], [7, 2, 4, 200], [8, 0, 2, 6], [9, 0, 0, 9], [7, 0, 2, 5], [10, 0, 0, 0]]),
        seed("expiry", &[[5, 0, 1, 50], [0, 0, 0, 30], [8, 0, 3, 90], [9, 0, 0, 9], [6, 0, 0, 0], [11, 0, 0, 0]]),
        seed("periods", &[[5, 3, 11, 1], [0, 3, 4, 1], [8, 0, 3, 6], [0, 3, 4, 2], [6, 0, 1, 0], [0, 3, 148, 2]]),
    ]
}
