//! A story told to the engine and to the reference ledger side by side. Every answer and, after
//! every step, everything that can be read of every account must be the same in both.

use crate::commands::{GrantSent, Sent};
use crate::corrections::CorrectSent;
use crate::holds::ReserveSent;
use crate::ledger::{Account, Answer, FOREVER, Ledger, Policy, Use};
use crate::ops::{Again, FormulaOp, GrantOp, Op, SECOND, Step, UseOp};
use crate::prices::{How, METERS, rates};
use drawdown_core::entry::{Control, GrantsLeft};
use drawdown_core::usage::Outcome;
use drawdown_core::{Engine, Fact, Records, Rights, Settings, StoreKey, Subject, UsageEvent, command_json};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 2027-02-28 20:00 UTC: the month ends in the story.
pub const START: i64 = 1_803_844_800_000_000;
pub const ACCOUNTS: [&str; 4] = ["acme", "bolt", "coil", "nobody"];

/// A stretch of journal that one call wrote.
pub struct Chunk {
    pub first_seq: u64,
    pub from: usize,
}

pub struct Story {
    pub engine: Engine,
    pub ledger: Ledger,
    pub journal: Vec<u8>,
    pub chunks: Vec<Chunk>,
    /// Every event sent, in order, with what was answered.
    pub uses: Vec<(Use, Answer)>,
    pub corrections: Vec<CorrectSent>,
    grants: usize,
    pub reserves: Vec<ReserveSent>,
    /// Settles that were taken: the account, and the command as sent.
    pub settles: Vec<Value>,
    /// By seq.
    left: BTreeMap<u64, GrantsLeft>,
}

pub fn engine() -> Engine {
    Engine::new(Settings::default(), StoreKey::new([9; 16]))
}

/// Give an engine events as one batch.
pub fn record(engine: &mut Engine, uses: &[Use], now: i64, journal: &mut Vec<u8>) -> Option<Vec<Outcome>> {
    let key = *engine.key();
    let dimensions: Vec<Vec<(&str, &str)>> = uses
        .iter()
        .map(|u| {
            let stray = u.has_stray_dimension.then_some(("aside", "x"));
            stray.into_iter().chain((!u.model.is_empty()).then_some(("model", u.model))).collect()
        })
        .collect();
    let events: Vec<UsageEvent<'_>> = uses
        .iter()
        .zip(&dimensions)
        .map(|(u, dimensions)| {
            UsageEvent {
                event_id: &u.id,
                account_id: &u.account,
                subject: if u.is_direct { Subject::CreditType(u.subject) } else { Subject::Meter(u.subject) },
                quantity: u.quantity,
                time_us: u.time,
                dimensions,
                force: u.force,
                malformed: false,
                account_hash: 0,
                event_hash: 0,
                fingerprint: 0,
            }
            .seal(&key)
        })
        .collect();
    let mut outcomes = Vec::new();
    engine.record_batch(&events, now, &Rights::ALL, journal, &mut outcomes).ok()?;
    Some(outcomes)
}

fn answer_of(outcome: &Outcome) -> Answer {
    Answer {
        status: outcome.status.name(),
        charged: outcome.charged.into(),
        uncovered: outcome.uncovered.into(),
        available: outcome.available.map(Into::into),
        shortfall: outcome.shortfall.map(Into::into),
    }
}

impl Story {
    pub fn new() -> Story {
        let ledger = Ledger::new(START, rates(START));
        let mut story = Story {
            engine: engine(),
            ledger,
            journal: Vec::new(),
            chunks: Vec::new(),
            uses: Vec::new(),
            corrections: Vec::new(),
            grants: 0,
            reserves: Vec::new(),
            settles: Vec::new(),
            left: BTreeMap::new(),
        };
        let mut group = vec![
            json!({"type": "create_credit_type", "name": "credits", "scale": 3}),
            json!({"type": "create_credit_type", "name": "usd", "scale": 3}),
        ];
        for meter in &METERS {
            let unique_of = (meter.how == How::Unique).then_some("model");
            let dimensions: &[&str] = if meter.key == "tokens" { &["model"] } else { &[] };
            group.push(json!({"type": "create_meter", "key": meter.key, "quantity_scale": meter.quantity_scale,
                              "aggregation": meter.how.name(), "dimensions": dimensions, "unique_of": unique_of}));
        }
        group.extend(story.ledger.rates.iter().map(crate::prices::Rate::command));
        let answers = story.execute(&group);
        assert!(answers.iter().all(|a| *a == "OK"), "{answers:?}");
        for account in 0..2 {
            story.tell(&Op::CreateAccount(account));
        }
        story
    }

    pub fn now(&self) -> i64 {
        self.ledger.now
    }

    pub fn mark(&mut self) {
        self.chunks.push(Chunk { first_seq: self.engine.next_seq(), from: self.journal.len() });
    }

    fn execute(&mut self, group: &[Value]) -> Vec<&'static str> {
        self.mark();
        let text = serde_json::to_vec(&group).expect("writes");
        let commands = command_json::group_from_json(&text).expect("readable");
        let outcomes = self.engine.execute(&commands, self.ledger.now, &Rights::ALL, &mut self.journal);
        outcomes.iter().map(|o| o.status.map_or("", |s| s.name())).collect()
    }

    pub fn command(&mut self, command: Value, expected: &str) {
        let answers = self.execute(std::slice::from_ref(&command));
        let agrees = match expected {
            "NO_CHANGE" => ["OK", "DUPLICATE", "CONFLICT"].contains(&answers[0]),
            expected => answers[0] == expected,
        };
        assert!(agrees, "{command}: the engine says {}, the reference {expected}", answers[0]);
    }

    pub fn grant_sent(&mut self, op: &GrantOp, amount: Sent) -> GrantSent {
        const SCOPES: [&[&str]; 8] =
            [&[], &[], &[], &[], &["tokens"], &["hours", "tokens"], &["crumbs", "files", "jobs"], &["cash"]];
        self.grants += 1;
        let now = self.now();
        GrantSent {
            id: format!("g{}", self.grants),
            credit_type: if op.in_usd { "usd" } else { "credits" },
            amount,
            promotional: op.promotional,
            priority: op.priority,
            effective_at: op.effective_in.map(|d| now + d),
            expires_at: op.expires_in.map(|d| now + d),
            scope: SCOPES[op.scope].to_vec(),
            pending: op.pending,
        }
    }

    /// A grant of the account, or an id nobody has.
    fn grant_id(&self, account: &str, n: usize) -> String {
        let grants = self.ledger.accounts.get(account).map_or(&[][..], |a: &Account| &a.grants);
        grants.get(grants.len().wrapping_sub(1 + n)).map_or("nothing".into(), |g| g.id.clone())
    }

    pub fn tell(&mut self, op: &Op) {
        match op {
            Op::CreateAccount(n) => {
                let is_new = !self.ledger.accounts.contains_key(ACCOUNTS[*n]);
                self.ledger.accounts.entry(ACCOUNTS[*n].into()).or_default();
                let expected = if is_new { "OK" } else { "DUPLICATE" };
                self.command(json!({"type": "create_account", "account": ACCOUNTS[*n]}), expected);
            }
            Op::Grant(op) => {
                let sent = self.grant_sent(op, Sent::Units(op.amount));
                self.create_grant(ACCOUNTS[op.account], &sent);
            }
            Op::GrantAgain(n, other) => self.grant_again(*n, *other),
            Op::Void(account, n) => {
                let id = self.grant_id(ACCOUNTS[*account], *n);
                let expected = self.ledger.void(ACCOUNTS[*account], &id);
                self.command(json!({"type": "void_grant", "account": ACCOUNTS[*account], "grant_id": id}), expected);
            }
            Op::Release(account, n) => {
                let id = self.grant_id(ACCOUNTS[*account], *n);
                let expected = self.ledger.release(ACCOUNTS[*account], &id);
                self.command(json!({"type": "release_grant", "account": ACCOUNTS[*account], "grant_id": id}), expected);
            }
            Op::Replace(account, void, create) => self.replace(ACCOUNTS[*account], void, create),
            Op::RefusedGroup(account, n) => {
                let account = ACCOUNTS[*account];
                let first = json!({"type": "void_grant", "account": account, "grant_id": self.grant_id(account, *n)});
                let second = json!({"type": "void_grant", "account": account, "grant_id": "nothing"});
                let answers = self.execute(&[first, second]);
                assert!(answers.iter().any(|a| !["", "OK"].contains(a)), "{answers:?}");
            }
            Op::Policy { account, in_usd, kind, limit } => self.set_policy(ACCOUNTS[*account], *in_usd, *kind, *limit),
            Op::Suspend(account, on) => {
                let known = self.ledger.accounts.get_mut(ACCOUNTS[*account]);
                let expected = if known.is_some() { "NO_CHANGE" } else { "ACCOUNT_UNKNOWN" };
                known.into_iter().for_each(|known| known.suspended = *on);
                let kind = if *on { "suspend_account" } else { "resume_account" };
                self.command(json!({"type": kind, "account": ACCOUNTS[*account]}), expected);
            }
            Op::Thresholds(account, list) => {
                let known = self.ledger.accounts.get_mut(ACCOUNTS[*account]);
                let expected = if known.is_some() { "NO_CHANGE" } else { "ACCOUNT_UNKNOWN" };
                known.into_iter().for_each(|known| known.open_pool("credits"));
                let command = json!({"type": "set_thresholds", "account": ACCOUNTS[*account], "credit_type": "credits",
                                     "thresholds": list});
                self.command(command, expected);
            }
            Op::Use(op) => {
                let sent = self.use_sent(op);
                self.record(&sent);
            }
            Op::UseAgain(n, again) => self.use_again(*n, *again),
            Op::Correct(op) => self.correct_use(op),
            Op::CorrectAgain(n, other) => self.correct_again(*n, *other),
            Op::Reserve(op) => self.reserve(op),
            Op::ReserveAgain(n, other) => self.reserve_again(*n, *other),
            Op::Settle(op) => self.settle_hold(op),
            Op::SettleAgain(n, other) => self.settle_again(*n, *other),
            Op::ReleaseHold(n) => self.release_hold(*n),
            Op::Work(op) => self.work(op),
            Op::RefusedReserve(op) => self.refused_reserve(op),
            Op::Pass(step) => self.pass(*step),
            Op::Sweep => self.sweep(),
            Op::Check { account, meter, quantity, model } => self.check(ACCOUNTS[*account], *meter, *quantity, model),
        }
    }

    pub fn create_grant(&mut self, account: &str, sent: &GrantSent) {
        let expected = self.ledger.create_grant(account, sent);
        self.command(json!({"type": "create_grant", "account": account, "grant": sent.json()}), expected);
    }

    fn grant_again(&mut self, n: usize, other: bool) {
        let plain: Vec<_> =
            self.ledger.sent.iter().filter(|(_, s)| matches!(s.amount, Sent::Units(_))).cloned().collect();
        if let Some((account, mut sent)) = plain.get(n % plain.len().max(1)).cloned() {
            if other {
                sent.promotional = !sent.promotional;
            }
            self.create_grant(&account, &sent);
        }
    }

    fn replace(&mut self, account: &str, void: &[usize], create: &[(FormulaOp, GrantOp)]) {
        let mut void: Vec<String> = void.iter().map(|n| self.grant_id(account, *n)).collect();
        void.dedup();
        if void.len() == 2 && void[0] == void[1] || create.is_empty() {
            return;
        }
        let known = self.ledger.accounts.get(account).map_or(Vec::new(), |a| a.grants.clone());
        let mut sent = Vec::new();
        for (i, (formula, op)) in create.iter().enumerate() {
            let old = void.get(i).and_then(|id| known.iter().find(|g| g.id == *id));
            let amount = match (formula, old) {
                (FormulaOp::Units(n), _) => Sent::Units(*n),
                (FormulaOp::Min(n) | FormulaOp::Fraction(n) | FormulaOp::Minus(n), None) => Sent::Units((*n).max(1)),
                (FormulaOp::Min(n), Some(old)) => Sent::Min(old.id.clone(), *n),
                (FormulaOp::Fraction(n), Some(old)) => Sent::Fraction(old.id.clone(), *n),
                (FormulaOp::Minus(n), Some(old)) => Sent::Minus(old.id.clone(), *n),
            };
            let mut grant = self.grant_sent(&GrantOp { expires_in: None, ..op.clone() }, amount);
            if let (Some(old), false) = (old, matches!(grant.amount, Sent::Units(_))) {
                grant.credit_type = old.credit_type;
            }
            sent.push(grant);
        }
        let json: Vec<Value> = sent.iter().map(GrantSent::json).collect();
        let command = json!({"type": "void_and_replace", "account": account, "void": void, "create": json});
        let expected = self.ledger.replace(account, &void, &sent);
        self.command(command.clone(), expected);
        if expected == "OK" {
            self.command(command, "DUPLICATE");
        }
    }

    pub fn set_policy(&mut self, account: &str, in_usd: bool, kind: usize, limit: i64) {
        let credit_type = if in_usd { "usd" } else { "credits" };
        let (policy, rest) = match kind {
            0 => (Policy::Hard, json!({"kind": "hard"})),
            1 => (Policy::Partial, json!({"kind": "partial"})),
            2 => (Policy::Overdraft(limit.into()), json!({"kind": "overdraft", "limit": limit})),
            3 => (Policy::Overage(None), json!({"kind": "overage", "price": "0.1"})),
            _ => (Policy::Overage(Some(limit.into())), json!({"kind": "overage", "price": "0.1", "cap": limit})),
        };
        let mut command = json!({"type": "set_policy", "account": account, "credit_type": credit_type});
        command.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        let expected = if self.ledger.accounts.contains_key(account) { "NO_CHANGE" } else { "ACCOUNT_UNKNOWN" };
        if let Some(known) = self.ledger.accounts.get_mut(account) {
            known.pool(credit_type).policy = policy;
        }
        self.command(command, expected);
    }

    fn use_sent(&self, op: &UseOp) -> Use {
        const DIRECT: [&str; 4] = ["credits", "credits", "usd", "gold"];
        let is_direct = op.subject >= 15;
        let metered =
            METERS.get(op.subject).map_or(["nothing", "level", "users"][op.subject.clamp(12, 14) - 12], |m| m.key);
        Use {
            id: format!("e{}", self.uses.len()),
            account: ACCOUNTS[op.account].into(),
            subject: if is_direct { DIRECT[op.subject - 15] } else { metered },
            is_direct,
            quantity: if is_direct { op.quantity.saturating_mul(500) } else { op.quantity },
            time: op.time_in.map(|d| self.now() + d),
            model: op.model,
            has_stray_dimension: op.has_stray_dimension,
            force: op.force,
        }
    }

    pub fn record(&mut self, sent: &Use) {
        self.mark();
        let expected = self.ledger.record(sent);
        let outcomes = record(&mut self.engine, std::slice::from_ref(sent), self.ledger.now, &mut self.journal);
        let answered = answer_of(&outcomes.expect("room for keys")[0]);
        assert_eq!(answered, expected, "engine (left) and reference differ on {sent:?} at {}", self.ledger.now);
        self.uses.push((sent.clone(), answered));
    }

    fn use_again(&mut self, n: usize, again: Again) {
        let Some((mut sent, _)) = self.uses.get(n % self.uses.len().max(1)).cloned() else { return };
        match again {
            Again::Same => {}
            Again::Forced => sent.force = !sent.force,
            Again::OtherQuantity => sent.quantity = sent.quantity.wrapping_add(1),
            Again::OtherTime => sent.time = sent.time.map_or(Some(self.now()), |t| Some(t + 1)),
        }
        self.record(&sent);
    }

    pub fn pass(&mut self, step: Step) {
        let now = self.now();
        let to = match step {
            Step::By(span) => now + span,
            Step::ToEdge(offset) => {
                let grants = self.ledger.accounts.values().flat_map(|a| &a.grants);
                let holds = self.ledger.accounts.values().flat_map(|a| &a.holds).map(|hold| hold.expires_at);
                let edges = grants.flat_map(|g| [g.effective_at, g.expires_at]).filter(|at| *at != FOREVER);
                let edges = edges.chain(holds);
                edges.map(|at| at + offset).filter(|at| *at > now).min().unwrap_or(now + SECOND)
            }
        };
        self.ledger.advance(to);
    }

    fn sweep(&mut self) {
        loop {
            self.mark();
            let (first_seq, from) = (self.engine.next_seq(), self.journal.len());
            let swept = self.engine.expire_due(self.ledger.now, 3, &mut self.journal);
            self.read_left(first_seq, from);
            if !swept.more_due {
                break;
            }
        }
        let engine = &self.engine;
        let now = self.ledger.now;
        self.ledger.sweep(|account, id| {
            let read = engine.query(&json!({"type": "grants", "account": account}), now).expect("answers");
            let grants = read["grants"].as_array().expect("a list");
            let is_booked = |g: &Value| g["grant_id"] == id && g["remaining"] == g["held"];
            grants.iter().any(is_booked) || engine.left_grant(account, id).is_some()
        });
    }

    fn read_left(&mut self, first_seq: u64, from: usize) {
        let mut records = Records::of(&self.journal[from..], first_seq);
        while let Some(record) = records.next().expect("whole") {
            if let Fact::Control(Control::GrantsLeft(entry)) = record.decode().expect("known").what {
                self.left.insert(record.seq, entry);
            }
        }
    }

    /// A grant that has left memory, as the journal has it.
    fn left_grant(&self, account: &str, id: &str) -> Option<Value> {
        let left = self.engine.left_grant(account, id)?;
        self.engine.left_grant_json(&left, &self.left[&left.seq], self.now())
    }

    fn check(&mut self, account: &str, meter: usize, quantity: i64, model: &'static str) {
        let meter = METERS.get(meter).map_or("nothing", |m| m.key);
        let dimensions: &[(&str, &str)] = if model.is_empty() { &[] } else { &[("model", model)] };
        let answer = self.engine.check(account, meter, quantity, dimensions, self.ledger.now);
        let (reason, available, units) = self.ledger.check(account, meter, quantity, model);
        assert_eq!(answer.reason.name(), reason, "check of {quantity} {meter} for {account}");
        if reason != "INVALID" && reason != "NOT_ENTITLED" && answer.available.is_some() {
            assert_eq!(answer.available.map(i128::from), available, "check of {meter} for {account}");
            if let Some(units) = units {
                assert_eq!(answer.units, units, "units of {meter} for {account}");
            }
        }
    }

    /// Everything readable is the same in both.
    pub fn compare(&self) {
        for (id, account) in &self.ledger.accounts {
            self.compare_account(id, account);
        }
        let report = self.engine.conservation_json(None);
        assert_eq!(report["holds"], true, "{report}");
    }

    fn compare_account(&self, id: &str, account: &Account) {
        let now = self.ledger.now;
        let read = self.engine.query(&json!({"type": "grants", "account": id}), now).expect("answers");
        let mut grants = read["grants"].as_array().expect("a list").clone();
        grants.extend(account.grants.iter().filter_map(|g| self.left_grant(id, &g.id)));
        assert_eq!(grants.len(), account.grants.len(), "grants of {id}");
        for g in &account.grants {
            let read = grants
                .iter()
                .find(|read| read["grant_id"] == *g.id)
                .unwrap_or_else(|| panic!("{id}: no grant {}", g.id));
            let figures = ["amount", "remaining", "held", "burned", "expired", "voided", "moved"]
                .map(|name| read[name].as_i64().map(i128::from));
            let expected = [g.amount, g.remaining, g.held, g.burned, g.expired, g.voided, g.moved].map(Some);
            assert_eq!(
                figures, expected,
                "{id} grant {} at {now}: amount, remaining, held, burned, expired, voided, moved; {g:?}",
                g.id
            );
            assert_eq!(read["state"], g.state(now), "{id} grant {} at {now}", g.id);
        }
        self.compare_holds(id, account);
        for credit_type in ["credits", "usd"] {
            let query = json!({"type": "balance", "account": id, "credit_type": credit_type});
            let read = self.engine.query(&query, now).expect("answers");
            let pool = account.pools.get(credit_type).cloned().unwrap_or_default();
            let figures = ["available", "overdraft", "overage_total"].map(|name| read[name].as_i64().map(i128::from));
            let expected = [account.available(credit_type, now), pool.overdraft(), pool.overage_total()].map(Some);
            assert_eq!(figures, expected, "{id} {credit_type} at {now}: available, overdraft, overage");
            assert_eq!(read["charged"].as_i64(), Some(pool.charged as i64), "{id} {credit_type}: charged");
        }
    }
}
