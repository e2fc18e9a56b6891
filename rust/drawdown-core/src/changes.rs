//! Changes that somebody is told of, of the recent past: crossings of balances, and what became of grants.
//! The journal has them all; memory has the newest, for the relay that turns them into notices.

use crate::engine::{CHANGES_MAX, Engine};
use crate::entry::{Control, Crossed, Crossing};
use crate::grant::Grant;
use crate::threshold::percent_text;
use serde_json::{Value, json};

/// A change and the instant of its entry: whoever reads it late shall not take the time of now for it.
#[derive(Clone, Debug, PartialEq)]
pub struct JournaledChange {
    pub seq: u64,
    /// `received_at` of the batch it came with.
    pub stamp: i64,
    /// Of a grant that was made or released: where the account's own clock stood; `None`: it has none.
    pub clock: Option<i64>,
    pub change: Change,
}

/// One change, by the numbers that its entry has.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Crossed(Crossed),
    /// With the dates it was made with: a release may move them.
    Granted {
        account: u32,
        number: u32,
        pending: bool,
        effective_at: i64,
        expires_at: Option<i64>,
    },
    Released {
        account: u32,
        number: u32,
    },
    Exhausted {
        account: u32,
        number: u32,
    },
    Voided {
        account: u32,
        number: u32,
        voided: i64,
        moved: i64,
    },
    ClockAdvanced {
        account: u32,
        to: i64,
    },
    /// Suspension, policy or rate table: what the account may use.
    Entitling {
        account: u32,
    },
}

impl Change {
    /// What an entry changes that somebody is told of.
    pub fn of(control: &Control) -> Option<Change> {
        Some(match control {
            Control::Crossed(e) => Change::Crossed(e.clone()),
            Control::GrantCreated(e) => Change::Granted {
                account: e.account,
                number: e.number,
                pending: e.pending,
                effective_at: e.effective_at,
                expires_at: e.expires_at,
            },
            Control::GrantReleased(e) => Change::Released { account: e.account, number: e.number },
            Control::GrantExhausted(e) => Change::Exhausted { account: e.account, number: e.number },
            Control::GrantVoided(e) => {
                Change::Voided { account: e.account, number: e.number, voided: e.voided, moved: e.moved }
            }
            Control::ClockAdvanced(e) => Change::ClockAdvanced { account: e.account, to: e.to },
            Control::SuspensionSet(e) => Change::Entitling { account: e.account },
            Control::PolicySet(e) => Change::Entitling { account: e.account },
            Control::RateTableAssigned(e) => Change::Entitling { account: e.account },
            _ => return None,
        })
    }

    /// Account and grant by number, where it concerns a grant.
    pub fn grant(&self) -> Option<(u32, u32)> {
        match self {
            Change::Granted { account, number, .. }
            | Change::Released { account, number }
            | Change::Exhausted { account, number }
            | Change::Voided { account, number, .. } => Some((*account, *number)),
            _ => None,
        }
    }

    /// The account by number, where a grant's time begins to count: that needs the account's clock.
    pub fn begins(&self) -> Option<u32> {
        match self {
            Change::Granted { account, .. } | Change::Released { account, .. } => Some(*account),
            _ => None,
        }
    }

    pub fn is_crossing(&self) -> bool {
        matches!(self, Change::Crossed(_))
    }
}

impl Engine {
    /// Changes after journal position `cursor` and up to `last`, oldest first, at most `limit`; `None` where some
    /// may have left memory: then the journal has those up to `changes_from`.
    pub fn changes_after(
        &self,
        cursor: u64,
        last: u64,
        limit: usize,
        wanted: impl Fn(&Change) -> bool,
    ) -> Option<Vec<JournaledChange>> {
        if cursor < self.changes_from {
            return None;
        }
        let from = self.changes.partition_point(|each| each.seq <= cursor);
        let found = self.changes.iter().skip(from).take_while(|each| each.seq <= last);
        Some(found.filter(|each| wanted(&each.change)).take(limit).cloned().collect())
    }

    /// Every change after this position is in memory.
    pub fn changes_from(&self) -> u64 {
        self.changes_from
    }

    /// Where the account's own clock stands; `None`: it has none.
    pub fn own_clock(&self, account: u32) -> Option<i64> {
        Some(self.accounts.get(account as usize)?.test_clock()?.now)
    }

    /// Remember the newest change, and forget the oldest where there are too many.
    pub(crate) fn note_change(&mut self, change: Change) {
        if self.changes.len() == CHANGES_MAX
            && let Some(left) = self.changes.pop_front()
        {
            self.changes_from = left.seq;
        }
        let clock = change.begins().and_then(|account| self.own_clock(account));
        self.changes.push_back(JournaledChange { seq: self.next_seq, stamp: self.stamp, clock, change });
    }

    /// One change for relays; a grant as it is at `stamp`, or as `left` has it (by account and number) where it
    /// has left memory. `None`: it concerns a grant that is not there.
    pub fn change_json(
        &self,
        journaled: &JournaledChange,
        stamp: i64,
        left: impl Fn((u32, u32)) -> Option<Value>,
    ) -> Option<Value> {
        let mut told = self.told_change(journaled, stamp, left)?;
        told["at"] = journaled.stamp.into();
        if let Some(clock) = journaled.clock {
            told["clock"] = clock.into();
        }
        Some(told)
    }

    fn told_change(
        &self,
        journaled: &JournaledChange,
        stamp: i64,
        left: impl Fn((u32, u32)) -> Option<Value>,
    ) -> Option<Value> {
        let seq = journaled.seq;
        let of = |account: u32| self.accounts.get(account as usize).map(|account| account.id.as_str());
        let on_grant = |kind: &str, account: u32, number: u32| {
            let grant = self.numbered_grant_json(account, number, stamp).or_else(|| left((account, number)))?;
            Some(json!({"seq": seq, "account": of(account)?, "kind": kind, "grant": grant}))
        };
        match &journaled.change {
            Change::Crossed(crossed) => Some(self.crossing_json(seq, crossed)),
            Change::Granted { account, number, pending, effective_at, expires_at } => {
                let mut told = on_grant("grant.created", *account, *number)?;
                told["pending"] = (*pending).into();
                told["grant"]["effective_at"] = (*effective_at).into();
                told["grant"]["expires_at"] = (*expires_at).into();
                Some(told)
            }
            Change::Released { account, number } => on_grant("grant.released", *account, *number),
            Change::Exhausted { account, number } => on_grant("grant.exhausted", *account, *number),
            Change::Voided { account, number, voided, moved } => {
                let mut told = on_grant("grant.voided", *account, *number)?;
                told["forfeited"] = (*voided).into();
                told["moved"] = (*moved).into();
                Some(told)
            }
            Change::ClockAdvanced { account, to } => {
                Some(json!({"seq": seq, "account": of(*account)?, "kind": "clock.advanced", "to": to}))
            }
            Change::Entitling { account } => {
                Some(json!({"seq": seq, "account": of(*account)?, "kind": "account.entitling"}))
            }
        }
    }

    fn crossing_json(&self, seq: u64, crossed: &Crossed) -> Value {
        let credit_type = &self.catalog.credit_types[crossed.credit_type as usize];
        let mut told = json!({
            "seq": seq,
            "account": self.accounts[crossed.account as usize].id.as_str(),
            "credit_type": credit_type.name,
            "scale": credit_type.scale,
            "kind": Crossing::of(crossed.kind).map_or("unknown", Crossing::notice),
            "threshold": crossed.threshold,
            "available": crossed.available,
        });
        if crossed.percent != 0 {
            told["threshold_percent"] = percent_text(crossed.percent).into();
        }
        told
    }

    fn numbered_grant_json(&self, account: u32, number: u32, stamp: i64) -> Option<Value> {
        let account = self.accounts.get(account as usize)?;
        let is_it = |grant: &&Grant| grant.number == number;
        let found = account.pools().find_map(|pool| Some((pool.credit_type, pool.grants.iter().find(is_it)?)));
        found.map(|(credit_type, grant)| self.grant_json(account, credit_type, grant, account.now(stamp)))
    }
}
