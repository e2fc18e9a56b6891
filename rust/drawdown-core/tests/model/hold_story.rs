//! Reservations told to the engine and to the reference ledger side by side.

use crate::commands::Sent;
use crate::holds::{Form, Hold, HoldAnswer, ReserveSent, SettleSent};
use crate::ledger::{Account, Use};
use crate::ops::{Actual, End, GrantOp, Meanwhile, Op, ReserveOp, SettleOp, Step, WorkOp};
use crate::prices::METERS;
use crate::story::{ACCOUNTS, Story};
use crate::told::{Told, group_of};
use drawdown_core::CommandOutcome;
use serde_json::{Value, json};

fn answer_of(outcome: &CommandOutcome) -> HoldAnswer {
    let figure = |name: &str| outcome.facts.get(name).and_then(Value::as_i64).map(i128::from);
    let status = outcome.status.expect("one command").name();
    let plain = |name| figure(name).unwrap_or(0);
    HoldAnswer {
        status,
        held: plain("held"),
        headroom: plain("headroom"),
        uncovered: plain("uncovered"),
        charged: plain("charged"),
        returned: plain("returned"),
        extra: plain("extra"),
        // What a refusal or a repeat shows of the pool is compared by what is read after each step.
        available: figure("available").filter(|_| status == "OK"),
        shortfall: figure("shortfall"),
    }
}

fn amount_of(actual: Actual, first: &ReserveSent) -> i64 {
    match actual {
        Actual::Nothing => 0,
        Actual::Part(hundredths) => (i128::from(first.amount) * i128::from(hundredths) / 100) as i64,
        Actual::Exactly(amount) => amount,
    }
}

impl ReserveSent {
    fn command(&self) -> Value {
        let mut command = json!({"type": "reserve", "account": self.account, "reservation_id": self.id,
                                 "ttl_us": self.ttl});
        let (subject, amount) = match self.form {
            Form::Quantity => ("meter", "quantity"),
            Form::MeterCredits => ("meter", "credits"),
            Form::Credits => ("credit_type", "credits"),
        };
        command[subject] = self.subject.into();
        command[amount] = self.amount.into();
        if !self.model.is_empty() {
            command["dimensions"] = json!({"model": self.model});
        }
        command
    }
}

impl<T: Told> Story<T> {
    fn answer(&mut self, command: &Value) -> HoldAnswer {
        let outcomes = self.told.execute(&group_of(std::slice::from_ref(command)), self.ledger.now);
        self.told.note(&self.ledger);
        answer_of(&outcomes[0])
    }

    fn reserve_sent(&mut self, op: &ReserveOp) -> ReserveSent {
        const DIRECT: [&str; 4] = ["credits", "credits", "usd", "gold"];
        let is_direct = op.subject >= 12;
        let metered = METERS.get(op.subject).map_or(if op.subject == 9 { "nothing" } else { "tokens" }, |m| m.key);
        let form = match (is_direct, op.in_credits) {
            (true, _) => Form::Credits,
            (false, true) => Form::MeterCredits,
            (false, false) => Form::Quantity,
        };
        ReserveSent {
            id: format!("r{}", self.reserves.len()),
            account: ACCOUNTS[op.account].into(),
            subject: if is_direct { DIRECT[op.subject - 12] } else { metered },
            form,
            amount: if form == Form::Quantity { op.amount } else { op.amount.saturating_mul(500) },
            model: op.model,
            ttl: op.ttl,
        }
    }

    pub fn reserve(&mut self, op: &ReserveOp) {
        let sent = self.reserve_sent(op);
        self.tell_reserve(&sent);
        self.reserves.push(sent);
    }

    fn tell_reserve(&mut self, sent: &ReserveSent) {
        let expected = self.ledger.reserve(sent);
        let answered = self.answer(&sent.command());
        assert_eq!(answered, expected, "engine (left) and reference differ on {sent:?} at {}", self.now());
    }

    pub fn reserve_again(&mut self, n: usize, other: bool) {
        let Some(mut sent) = self.reserves.get(n % self.reserves.len().max(1)).cloned() else { return };
        if other {
            sent.ttl = if sent.ttl == 1 { 2 } else { sent.ttl - 1 };
        }
        self.tell_reserve(&sent);
    }

    pub fn refused_reserve(&mut self, op: &ReserveOp) {
        let sent = self.reserve_sent(op);
        let release = json!({"type": "release", "account": sent.account, "reservation_id": sent.id});
        let nothing = json!({"type": "void_grant", "account": sent.account, "grant_id": "nothing"});
        let group = [sent.command(), release, sent.command(), nothing];
        let answers = self.execute(&group);
        assert!(answers.iter().any(|a| !["", "OK"].contains(a)), "{answers:?}");
    }

    fn reserved(&self, which: usize) -> ReserveSent {
        let unknown = || ReserveSent {
            id: "nothing".into(),
            account: "acme".into(),
            subject: "tokens",
            form: Form::Quantity,
            amount: 1,
            model: "",
            ttl: 1,
        };
        let is_open = |sent: &&ReserveSent| {
            self.ledger.accounts.get(&sent.account).is_some_and(|a| a.holds.iter().any(|hold| hold.id == sent.id))
        };
        // Mostly one that is open; the last two of eight are any, or one that nobody made.
        let found = match which {
            0..6 => self.reserves.iter().rev().filter(is_open).nth(which / 2),
            n => self.reserves.iter().rev().nth(n),
        };
        found.cloned().unwrap_or_else(unknown)
    }

    /// Work is granted for, reserved, disturbed, and ended, each step compared.
    pub fn work(&mut self, op: &WorkOp) {
        let account = ACCOUNTS[op.grant.account];
        let sent = self.grant_sent(&op.grant, Sent::Units(op.grant.amount));
        self.create_grant(account, &sent);
        let now = self.ledger.now_of(account);
        let available = self.ledger.accounts.get(account).map_or(0, |a| a.available("credits", now).max(0));
        let reserve = ReserveOp {
            account: op.grant.account,
            subject: op.subject,
            in_credits: op.in_credits,
            amount: op.hundredths,
            model: "",
            ttl: op.ttl,
        };
        let mut first = self.reserve_sent(&reserve);
        if first.form == Form::Quantity {
            first.amount = 1 + op.hundredths / 20;
        } else {
            let part = available * i128::from(op.hundredths) / 100;
            first.amount = part.clamp(1, i64::MAX.into()) as i64;
        }
        self.tell_reserve(&first);
        self.reserves.push(first.clone());
        for meanwhile in &op.meanwhile {
            self.compare();
            self.disturb(account, &sent.id, *meanwhile, &reserve);
        }
        self.compare();
        match op.end {
            End::Settle(actual, refuse_extra) => {
                let by_quantity = first.form == Form::Quantity;
                self.tell_settle(&first, SettleSent { by_quantity, amount: amount_of(actual, &first) }, refuse_extra);
            }
            End::Release => self.tell_release(&first),
            End::Lapse(offset) => {
                let lapse = self.ledger.accounts.get(account).and_then(|a| a.holds.iter().find(|h| h.id == first.id));
                let at = lapse.map_or(self.now(), |hold| hold.expires_at + offset);
                self.ledger.advance(at);
            }
            End::StaysOpen => {}
        }
        if op.meanwhile.iter().any(|m| matches!(m, Meanwhile::Suspend)) {
            self.tell(&Op::Suspend(op.grant.account, false));
        }
    }

    fn disturb(&mut self, account: &str, grant_id: &str, meanwhile: Meanwhile, reserve: &ReserveOp) {
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Void => {
                let expected = self.ledger.void(account, grant_id);
                let command = json!({"type": "void_grant", "account": account, "grant_id": grant_id});
                self.command(command, expected);
            }
            Meanwhile::Owe(amount) => {
                let available = self.ledger.accounts.get(account).map_or(0, |a| a.available("credits", self.now()));
                let sent = Use {
                    id: format!("e{}", self.uses.len()),
                    account: account.into(),
                    subject: "credits",
                    is_direct: true,
                    quantity: i64::try_from(available.max(0) + i128::from(amount)).unwrap_or(amount),
                    time: None,
                    model: "",
                    has_stray_dimension: false,
                    force: true,
                };
                self.record(&sent);
            }
            Meanwhile::Policy { kind, limit } => self.set_policy(account, false, kind, limit, None),
            Meanwhile::Grant(amount) => {
                let op = GrantOp {
                    account: reserve.account,
                    amount,
                    in_usd: false,
                    promotional: true,
                    priority: 50,
                    effective_in: None,
                    expires_in: None,
                    scope: 0,
                    pending: false,
                };
                let sent = self.grant_sent(&op, Sent::Units(amount));
                self.create_grant(account, &sent);
            }
            Meanwhile::Suspend => self.tell(&Op::Suspend(reserve.account, true)),
            Meanwhile::Another => self.reserve(reserve),
            Meanwhile::ToEdge(offset) => self.pass(Step::ToEdge(offset)),
        }
    }

    pub fn settle_hold(&mut self, op: &SettleOp) {
        let first = self.reserved(op.which);
        let by_quantity = (first.form == Form::Quantity) != op.other_form;
        let sent = SettleSent { by_quantity, amount: amount_of(op.actual, &first) };
        self.tell_settle(&first, sent, op.refuse_extra);
    }

    fn tell_settle(&mut self, first: &ReserveSent, sent: SettleSent, refuse_extra: bool) {
        let open = self.ledger.accounts.get(&first.account).and_then(|a| a.holds.iter().find(|h| h.id == first.id));
        let most = open.map_or(0, |hold: &Hold| hold.held() + hold.headroom);
        let expected = self.ledger.settle_hold(&first.account, &first.id, sent, refuse_extra);
        let amount = if sent.by_quantity { "quantity" } else { "credits" };
        let command = json!({"type": "settle", "account": first.account, "reservation_id": first.id,
                             amount: sent.amount, "refuse_extra": refuse_extra});
        let answered = self.answer(&command);
        assert_eq!(answered, expected, "engine (left) and reference differ on {command} at {}", self.now());
        assert!(answered.returned <= most, "a settle never returns more than it held");
        if answered.status == "OK" {
            self.settles.push(command);
        }
    }

    pub fn settle_again(&mut self, n: usize, other: bool) {
        let Some(mut command) = self.settles.get(n % self.settles.len().max(1)).cloned() else { return };
        let by_quantity = command.get("quantity").is_some();
        let field = if by_quantity { "quantity" } else { "credits" };
        let amount = command[field].as_i64().expect("was sent") + i64::from(other);
        command[field] = amount.into();
        let account = command["account"].as_str().expect("was sent").to_string();
        let id = command["reservation_id"].as_str().expect("was sent").to_string();
        let expected = self.ledger.settle_hold(&account, &id, SettleSent { by_quantity, amount }, false);
        command["refuse_extra"] = false.into();
        assert_eq!(self.answer(&command), expected, "{command} at {}", self.now());
    }

    pub fn release_hold(&mut self, which: usize) {
        let first = self.reserved(which);
        self.tell_release(&first);
    }

    fn tell_release(&mut self, first: &ReserveSent) {
        let expected = self.ledger.release_hold(&first.account, &first.id);
        let command = json!({"type": "release", "account": first.account, "reservation_id": first.id});
        assert_eq!(self.answer(&command), expected, "{command} at {}", self.now());
    }

    pub fn compare_holds(&self, id: &str, account: &Account) {
        let now = self.now();
        let read = self.told.ask(&json!({"type": "reservations", "account": id}), now);
        let open = read["reservations"].as_array().expect("a list");
        assert_eq!(open.len(), account.holds.len(), "open reservations of {id} at {now}");
        for hold in &account.holds {
            let read = open.iter().find(|read| read["reservation_id"] == *hold.id);
            let read = read.unwrap_or_else(|| panic!("{id}: no reservation {}", hold.id));
            let figures =
                ["held", "headroom", "uncovered", "expires_at"].map(|name| read[name].as_i64().map(i128::from));
            let expected = [hold.held(), hold.headroom, hold.uncovered, hold.expires_at.into()].map(Some);
            assert_eq!(figures, expected, "{id} reservation {}: held, headroom, uncovered, expires_at", hold.id);
        }
    }

    /// Every reservation left to itself: nothing of it stays set aside.
    pub fn let_all_lapse(&mut self) {
        const LONGEST: i64 = 86_400_000_001;
        self.ledger.advance(self.now() + LONGEST);
        let clocks = self.ledger.accounts.iter().filter_map(|(id, account)| Some((id.clone(), account.clock?)));
        for (id, clock) in clocks.collect::<Vec<_>>() {
            self.advance_clock(&id, clock + LONGEST);
        }
        self.compare();
        for account in self.ledger.accounts.values() {
            assert!(account.holds.is_empty());
            assert!(account.grants.iter().all(|g| g.held == 0), "a credit leaked: {:?}", account.grants);
        }
    }

    /// Every command about reservations again, as after a crash whose answers were lost.
    pub fn hold_commands(&self) -> Vec<Value> {
        let reserves = self.reserves.iter().flat_map(|sent| {
            let release = json!({"type": "release", "account": sent.account, "reservation_id": sent.id});
            let fresh = ReserveSent { id: format!("after {}", sent.id), ..sent.clone() };
            [sent.command(), fresh.command(), release]
        });
        self.settles.iter().cloned().chain(reserves).collect()
    }
}
