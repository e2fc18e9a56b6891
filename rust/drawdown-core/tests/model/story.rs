//! A story told to the engine and to the reference ledger side by side. Every answer and, after
//! every step, everything that can be read of every account must be the same in both.

use crate::account_story::AccountOp;
use crate::commands::{GrantSent, Sent};
use crate::corrections::CorrectSent;
use crate::holds::ReserveSent;
use crate::ledger::{Account, Answer, FOREVER, Ledger, Policy, Use};
use crate::ops::{Again, FormulaOp, GrantOp, Op, SECOND, Step, UseOp};
use crate::prices::{How, METERS, rates};
use crate::told::{Journaled, Told, grants_in_memory, group_of};
use drawdown_core::usage::Outcome;
use serde_json::{Value, json};

/// 2027-02-28 20:00 UTC: the month ends in the story.
pub const START: i64 = 1_803_844_800_000_000;
pub const ACCOUNTS: [&str; 4] = ["acme", "bolt", "coil", "nobody"];

pub struct Story<T = Journaled> {
    pub told: T,
    pub ledger: Ledger,
    /// Every event sent, in order, with what was answered.
    pub uses: Vec<(Use, Answer)>,
    pub corrections: Vec<CorrectSent>,
    grants: usize,
    pub reserves: Vec<ReserveSent>,
    /// Settles that were taken: the account, and the command as sent.
    pub settles: Vec<Value>,
}

/// So far from the next instant behind `now` at which something of these accounts begins or ends.
pub fn next_edge<'a>(accounts: impl Iterator<Item = &'a Account> + Clone, now: i64, offset: i64) -> i64 {
    let grants = accounts.clone().flat_map(|account| &account.grants).flat_map(|g| [g.effective_at, g.expires_at]);
    let holds = accounts.flat_map(|account| &account.holds).map(|hold| hold.expires_at);
    let edges = grants.filter(|at| *at != FOREVER).chain(holds);
    edges.map(|at| at + offset).filter(|at| *at > now).min().unwrap_or(now + SECOND)
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
        Story::begun(Journaled::new(), START)
    }
}

impl<T: Told> Story<T> {
    /// The catalog and two accounts, told at `now`.
    pub fn begun(told: T, now: i64) -> Story<T> {
        let ledger = Ledger::new(now, rates(now));
        let (uses, corrections, reserves, settles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut story = Story { told, ledger, uses, corrections, grants: 0, reserves, settles };
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
            story.tell(&Op::Account(AccountOp::Create(account, 0)));
        }
        story
    }

    pub fn now(&self) -> i64 {
        self.ledger.now
    }

    pub fn execute(&mut self, group: &[Value]) -> Vec<&'static str> {
        let outcomes = self.told.execute(&group_of(group), self.ledger.now);
        self.told.note(&self.ledger);
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
        let now = self.ledger.now_of(ACCOUNTS[op.account]);
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
    pub fn grant_id(&self, account: &str, n: usize) -> String {
        let grants = self.ledger.accounts.get(account).map_or(&[][..], |a: &Account| &a.grants);
        grants.get(grants.len().wrapping_sub(1 + n)).map_or("nothing".into(), |g| g.id.clone())
    }

    pub fn tell(&mut self, op: &Op) {
        match op {
            Op::Account(op) => self.tell_account(op),
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
            Op::Release(account, n, dates) => self.release_grant(ACCOUNTS[*account], *n, *dates),
            Op::Replace(account, void, create) => self.replace(ACCOUNTS[*account], void, create),
            Op::RefusedGroup(account, n) => {
                let account = ACCOUNTS[*account];
                let first = json!({"type": "void_grant", "account": account, "grant_id": self.grant_id(account, *n)});
                let second = json!({"type": "void_grant", "account": account, "grant_id": "nothing"});
                let answers = self.execute(&[first, second]);
                assert!(answers.iter().any(|a| !["", "OK"].contains(a)), "{answers:?}");
            }
            Op::Policy { account, in_usd, kind, limit, since_in } => {
                self.set_policy(ACCOUNTS[*account], *in_usd, *kind, *limit, *since_in);
            }
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

    /// Mostly of one that waits, counted back from the newest.
    fn release_grant(&mut self, account: &str, n: usize, (from, to): (Option<i64>, Option<i64>)) {
        let now = self.ledger.now_of(account);
        let grants = self.ledger.accounts.get(account).map_or(&[][..], |a: &Account| &a.grants);
        let waiting = grants.iter().rev().filter(|g| g.pending && !g.is_voided).nth(n / 4);
        let id = waiting.map_or_else(|| self.grant_id(account, n), |g| g.id.clone());
        let dates = (from.map(|ahead| now + ahead), to.map(|ahead| now + ahead));
        let expected = self.ledger.release(account, &id, dates);
        let command = json!({"type": "release_grant", "account": account, "grant_id": id,
                             "effective_at": dates.0, "expires_at": dates.1});
        self.command(command, expected);
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
        let expected = self.ledger.replace(account, &void, &sent, &[]);
        self.command(command.clone(), expected);
        if expected == "OK" {
            self.command(command, "DUPLICATE");
        }
    }

    pub fn set_policy(&mut self, account: &str, in_usd: bool, kind: usize, limit: i64, since_in: Option<i64>) {
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
        // A cap is for the whole usage period, however its parts are counted.
        if let (Some(ahead), 3..) = (since_in, kind) {
            command["since"] = (self.ledger.now_of(account) + ahead).into();
        }
        let expected = if self.ledger.accounts.contains_key(account) { "NO_CHANGE" } else { "ACCOUNT_UNKNOWN" };
        if let Some(known) = self.ledger.accounts.get_mut(account) {
            known.pool(credit_type).policy = policy;
        }
        self.command(command, expected);
    }

    pub fn use_sent(&self, op: &UseOp) -> Use {
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
            time: op.time_in.map(|d| self.ledger.now_of(ACCOUNTS[op.account]) + d),
            model: op.model,
            has_stray_dimension: op.has_stray_dimension,
            force: op.force,
        }
    }

    pub fn record(&mut self, sent: &Use) {
        self.record_batch(std::slice::from_ref(sent));
    }

    /// Events at one stamp, decided one after the other.
    pub fn record_batch(&mut self, batch: &[Use]) {
        let now = self.ledger.now;
        let expected: Vec<Answer> = batch.iter().map(|sent| self.ledger.record(sent)).collect();
        let outcomes = self.told.record(batch, now).expect("room for keys");
        for ((sent, outcome), expected) in batch.iter().zip(&outcomes).zip(expected) {
            let answered = answer_of(outcome);
            assert_eq!(answered, expected, "engine (left) and reference differ on {sent:?} at {now} of {batch:?}");
            self.uses.push((sent.clone(), answered));
        }
        self.told.note(&self.ledger);
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
                let on_this_clock = self.ledger.accounts.values().filter(|account| account.clock.is_none());
                next_edge(on_this_clock, now, offset)
            }
        };
        self.ledger.advance(to);
    }

    fn sweep(&mut self) {
        let now = self.ledger.now;
        while self.told.expire_due(now) {}
        let told = &self.told;
        self.ledger.sweep(|account, id| {
            let is_booked = |g: &Value| g["grant_id"] == id && g["remaining"] == g["held"];
            grants_in_memory(told, account, now).iter().any(is_booked) || told.left_grant(account, id, now).is_some()
        });
        self.told.note(&self.ledger);
    }

    fn check(&mut self, account: &str, meter: usize, quantity: i64, model: &'static str) {
        let meter = METERS.get(meter).map_or("nothing", |m| m.key);
        let dimensions: &[(&str, &str)] = if model.is_empty() { &[] } else { &[("model", model)] };
        let answer = self.told.check(account, meter, quantity, dimensions, self.ledger.now);
        let (reason, available, units) = self.ledger.check(account, meter, quantity, model);
        assert_eq!(answer.reason.name(), reason, "check of {quantity} {meter} for {account}");
        if reason != "INVALID" && reason != "NOT_ENTITLED" && answer.available.is_some() {
            assert_eq!(answer.available.map(i128::from), available, "check of {meter} for {account}");
            if let Some(units) = units {
                assert_eq!(answer.units, units, "units of {meter} for {account}");
            }
        }
    }

    /// What is not listed anywhere and shows in prices alone: positions in tiers, what periods have come to.
    pub fn compare_positions(&mut self) {
        for account in ACCOUNTS {
            for meter in 0..METERS.len() {
                self.check(account, meter, 1, "");
            }
        }
    }

    /// Everything readable is the same in both.
    pub fn compare(&self) {
        for (id, account) in &self.ledger.accounts {
            self.compare_account(id, account);
        }
        let report = self.told.conservation();
        assert_eq!(report["holds"], true, "{report}");
    }

    /// What is readable of one account, if there is one.
    pub fn compare_only(&self, id: &str) {
        if let Some(account) = self.ledger.accounts.get(id) {
            self.compare_account(id, account);
        }
    }

    /// The same ledger or another beside somebody else, who was told nothing yet.
    pub fn retold<U: Told>(&self, told: U, ledger: Ledger) -> Story<U> {
        let (uses, corrections, reserves, settles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Story { told, ledger, uses, corrections, grants: self.grants, reserves, settles }
    }

    fn compare_account(&self, id: &str, account: &Account) {
        let (asked_at, now) = (self.ledger.now, self.ledger.now_of(id));
        let grants = grants_in_memory(&self.told, id, asked_at);
        let mut found = 0;
        for g in &account.grants {
            let read = grants.iter().find(|read| read["grant_id"] == *g.id).cloned();
            found += usize::from(read.is_some());
            let read = read.or_else(|| self.told.left_grant(id, &g.id, asked_at));
            let read = read.unwrap_or_else(|| panic!("{id}: no grant {}", g.id));
            if read.is_null() {
                assert_eq!(g.remaining, 0, "{id} grant {} has left memory at {now}", g.id);
                continue;
            }
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
        assert_eq!(found, grants.len(), "grants of {id}");
        self.compare_holds(id, account);
        for credit_type in ["credits", "usd"] {
            let query = json!({"type": "balance", "account": id, "credit_type": credit_type});
            let read = self.told.ask(&query, asked_at);
            let pool = account.pools.get(credit_type).cloned().unwrap_or_default();
            let figures = ["available", "overdraft", "overage_total"].map(|name| read[name].as_i64().map(i128::from));
            let expected = [account.available(credit_type, now), pool.overdraft(), pool.overage_total()].map(Some);
            assert_eq!(figures, expected, "{id} {credit_type} at {now}: available, overdraft, overage");
            assert_eq!(read["charged"].as_i64(), Some(pool.charged as i64), "{id} {credit_type}: charged");
        }
    }
}
