//! Accounts told to the engine and to the reference ledger side by side: clocks of their own, rate tables,
//! usage periods, credits that move between two of them.

use crate::commands::{GrantSent, Sent};
use crate::ops::{DAY, GrantOp, HOUR, MINUTE, SECOND, Step};
use crate::prices::TABLES;
use crate::story::{ACCOUNTS, Story, next_edge};
use crate::told::Told;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// This one lives on a clock of its own.
const ON_A_CLOCK: usize = 2;

#[derive(Clone, Debug)]
pub enum AccountOp {
    /// Its clock starts so far from the present; accounts without one ignore that.
    Create(usize, i64),
    Advance(usize, Step),
    Table(usize, usize, Option<i64>),
    /// A usage period begins so far from the present.
    Edge(usize, i64, bool),
    /// From the grant counted back from the newest, so many hundredths of what it has free.
    Transfer {
        from: usize,
        to: usize,
        grant: usize,
        hundredths: i64,
    },
}

/// With those of it that are refused: to the past, of accounts without a clock, of more than there is.
pub fn account_op() -> impl Strategy<Value = AccountOp> {
    let step = prop_oneof![
        3 => (1..7_200i64).prop_map(|n| Step::By(n * SECOND)),
        1 => (0..20 * DAY).prop_map(Step::By),
        1 => select(vec![0, -1, 40 * DAY]).prop_map(Step::By),
        3 => (-1..=1i64).prop_map(Step::ToEdge),
        2 => (-1..=1i64).prop_map(|n| Step::ToEdge(HOUR + n)),
    ];
    let from = prop_oneof![2 => Just(None), 3 => (-2_000..2_000i64).prop_map(|n| Some(n * MINUTE)), 1 => Just(Some(0))];
    let edge = prop_oneof![
        3 => (6..3_000i64).prop_map(|n| n * MINUTE),
        1 => (1..40i64).prop_map(|n| n * DAY),
        1 => select(vec![5 * MINUTE, 5 * MINUTE + 1, -HOUR]),
    ];
    let account = || prop_oneof![1 => 0..4usize, 6 => Just(ON_A_CLOCK)];
    prop_oneof![
        2 => (0..3usize, -20 * DAY..40 * DAY).prop_map(|(account, ahead)| AccountOp::Create(account, ahead)),
        6 => (account(), step).prop_map(|(account, step)| AccountOp::Advance(account, step)),
        1 => (0..4usize, 0..TABLES.len(), from).prop_map(|(account, table, from)| AccountOp::Table(account, table, from)),
        3 => (0..4usize, edge, proptest::bool::weighted(0.3))
            .prop_map(|(account, ahead, withdrawn)| AccountOp::Edge(account, ahead, withdrawn)),
        4 => (0..4usize, 0..4usize, 0..12usize, 1..110i64).prop_map(|(from, to, grant, hundredths)| {
            AccountOp::Transfer { from, to, grant: grant / 2, hundredths }
        }),
    ]
}

impl<T: Told> Story<T> {
    pub fn tell_account(&mut self, op: &AccountOp) {
        match *op {
            AccountOp::Create(account, ahead) => self.create_account(account, ahead),
            AccountOp::Advance(account, step) => {
                let account = ACCOUNTS[account];
                let now = self.ledger.now_of(account);
                let to = match step {
                    Step::By(span) => now + span,
                    Step::ToEdge(offset) => next_edge(self.ledger.accounts.get(account).into_iter(), now, offset),
                };
                self.advance_clock(account, to);
            }
            AccountOp::Table(account, table, from) => {
                let (account, table) = (ACCOUNTS[account], TABLES[table]);
                let from = from.map(|ahead| self.ledger.now_of(account) + ahead);
                let expected = self.ledger.assign_table(account, table, from);
                let command =
                    json!({"type": "assign_rate_table", "account": account, "table": table, "valid_from": from});
                self.command(command, expected);
            }
            AccountOp::Edge(account, ahead, withdrawn) => {
                let account = ACCOUNTS[account];
                let mut at = self.ledger.now_of(account) + ahead;
                if withdrawn {
                    // Mostly one that there is.
                    let told = self.ledger.accounts.get(account).and_then(|known| known.edges.last().copied());
                    at = told.filter(|_| ahead % 2 == 0).unwrap_or(at);
                }
                let expected = self.ledger.set_edge(account, at, withdrawn);
                let command = json!({"type": "set_period_edge", "account": account, "at": at, "withdrawn": withdrawn});
                self.command(command, expected);
            }
            AccountOp::Transfer { from, to, grant, hundredths } => {
                self.transfer(ACCOUNTS[from], ACCOUNTS[to], grant, hundredths);
            }
        }
    }

    fn create_account(&mut self, account: usize, ahead: i64) {
        let clock = (account == ON_A_CLOCK).then(|| self.now() + ahead);
        let expected = self.ledger.create_account(ACCOUNTS[account], clock);
        self.command(json!({"type": "create_account", "account": ACCOUNTS[account], "test_clock": clock}), expected);
    }

    pub fn advance_clock(&mut self, account: &str, to: i64) {
        let expected = self.ledger.advance_clock(account, to);
        self.command(json!({"type": "advance_clock", "account": account, "to": to}), expected);
    }

    fn transfer(&mut self, from: &str, to: &str, which: usize, hundredths: i64) {
        let of = self.grant_id(from, which);
        let old = self.ledger.accounts.get(from).and_then(|a| a.grants.iter().find(|g| g.id == of)).cloned();
        let free = old.as_ref().map_or(0, |old| old.free());
        let amount = i64::try_from(free * i128::from(hundredths) / 100).unwrap_or(i64::MAX);
        let op = GrantOp {
            account: 0,
            amount,
            in_usd: old.as_ref().is_some_and(|old| old.credit_type == "usd"),
            promotional: old.as_ref().is_some_and(|old| old.promotional),
            priority: old.as_ref().map_or(50, |old| old.priority),
            effective_in: None,
            expires_in: None,
            scope: 0,
            pending: false,
        };
        let rest = self.grant_sent(&op, Sent::Minus(of.clone(), amount));
        let given = self.grant_sent(&op, Sent::Units(amount.max(1)));
        let group = transfer_group(from, (&of, amount), &rest, to, &given);
        let expected = self.ledger.transfer(from, (&of, amount), &rest, to, &given);
        let answers = self.execute(&group);
        assert_eq!(answers, expected, "{group:?} at {}: engine (left) and reference differ", self.now());
        if expected == ["OK", "OK"] {
            assert_eq!(self.execute(&group), ["DUPLICATE", "DUPLICATE"], "{group:?} again");
        }
    }
}

fn transfer_group(from: &str, (of, amount): (&str, i64), rest: &GrantSent, to: &str, given: &GrantSent) -> [Value; 2] {
    [
        json!({"type": "void_and_replace", "account": from, "void": [of], "create": [rest.json()],
               "move_out": [{"of": of, "amount": amount}]}),
        json!({"type": "create_grant", "account": to, "grant": given.json()}),
    ]
}
