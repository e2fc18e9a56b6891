//! Who is told a story beside the reference ledger: an engine alone with the journal it writes, or, in the
//! simulation of the node, a whole node.

use crate::ledger::{Ledger, Use, WINDOW};
use drawdown_core::entry::{Control, GrantsLeft};
use drawdown_core::usage::Outcome;
use drawdown_core::{
    CheckOutcome, Command, CommandOutcome, Engine, EventHistories, EventHistory, Fact, LedgerRecord, Records, Rights,
    Settings, StoreKey, Subject, UsageEvent, command_json,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whatever takes events and commands and can be read. Every call says at which stamp it is made.
pub trait Told {
    /// One batch; `None`: no room for its ids.
    fn record(&mut self, uses: &[Use], now: i64) -> Option<Vec<Outcome>>;

    /// One atomic group.
    fn execute(&mut self, group: &[Command], now: i64) -> Vec<CommandOutcome>;

    /// Book the breakage of some grants; whether more of it is due.
    fn expire_due(&mut self, now: i64) -> bool;

    /// Answer a query of the present state.
    fn ask(&self, request: &Value, now: i64) -> Value;

    fn check(&self, account: &str, meter: &str, quantity: i64, dimensions: &[(&str, &str)], now: i64) -> CheckOutcome;

    /// A grant that has left memory, as the journal has it; null where nobody looked there.
    fn left_grant(&self, account: &str, id: &str, now: i64) -> Option<Value>;

    fn conservation(&self) -> Value;

    /// The call just made left the reference ledger so.
    fn note(&mut self, _ledger: &Ledger) {}
}

pub fn group_of(group: &[Value]) -> Vec<Command> {
    let text = serde_json::to_vec(group).expect("writes");
    command_json::group_from_json(&text).expect("readable")
}

/// Show `take` these uses as the events of one batch.
pub fn with_events<R>(uses: &[Use], key: &StoreKey, take: impl FnOnce(&[UsageEvent<'_>]) -> R) -> R {
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
            .seal(key)
        })
        .collect();
    take(&events)
}

/// Give an engine events as one batch.
pub fn record(engine: &mut Engine, uses: &[Use], now: i64, journal: &mut Vec<u8>) -> Option<Vec<Outcome>> {
    let (key, mut outcomes) = (*engine.key(), Vec::new());
    let recorded =
        with_events(uses, &key, |events| engine.record_batch(events, now, &Rights::ALL, journal, &mut outcomes));
    recorded.ok()?;
    Some(outcomes)
}

pub fn engine() -> Engine {
    let mut settings = Settings { dedupe_window_us: WINDOW, ..Settings::default() };
    if cfg!(miri) {
        settings.dedupe_budget_bytes = 1 << 20;
    }
    Engine::new(settings, StoreKey::new([9; 16]))
}

/// A stretch of journal that one call wrote.
pub struct Chunk {
    pub first_seq: u64,
    pub from: usize,
}

/// An engine and everything it ever wrote.
pub struct Journaled {
    pub engine: Engine,
    pub journal: Vec<u8>,
    pub chunks: Vec<Chunk>,
    /// By seq.
    left: BTreeMap<u64, GrantsLeft>,
}

impl Journaled {
    pub fn new() -> Journaled {
        Journaled { engine: engine(), journal: Vec::new(), chunks: Vec::new(), left: BTreeMap::new() }
    }

    fn mark(&mut self) {
        self.chunks.push(Chunk { first_seq: self.engine.next_seq(), from: self.journal.len() });
    }

    fn read_left(&mut self, first_seq: u64, from: usize) {
        let mut records = Records::of(&self.journal[from..], first_seq);
        while let Some(record) = records.next().expect("whole") {
            if let Fact::Control(Control::GrantsLeft(entry)) = record.decode().expect("known").what {
                self.left.insert(record.seq, entry);
            }
        }
    }

    fn records(&self, account: u32) -> Vec<LedgerRecord> {
        let mut found = Vec::new();
        for (i, chunk) in self.chunks.iter().enumerate() {
            let to = self.chunks.get(i + 1).map_or(self.journal.len(), |next| next.from);
            let mut records = Records::of(&self.journal[chunk.from..to], chunk.first_seq);
            while let Some(record) = records.next().expect("its own journal") {
                let record = record.decode().expect("its own journal");
                if record.account() == Some(account) {
                    found.push(record);
                }
            }
        }
        found
    }

    fn history(&self, account: &str, event: &str) -> Option<EventHistory> {
        let records = self.records(self.engine.find_account(account)?);
        let original = records.iter().rfind(|r| r.usage().is_some_and(|usage| usage.event_id == event))?.clone();
        let usage = original.usage()?;
        let counter_of = |r: &LedgerRecord| {
            let usage = r.usage()?;
            usage.counted.map(|c| (usage.subject, c.match_id, c.period))
        };
        let counter = usage.counted.map(|c| (usage.subject, c.match_id, c.period));
        let corrects = |r: &LedgerRecord| match &r.what {
            Fact::Control(Control::UsageCorrected(e)) => Some(e.event_seq),
            _ => None,
        };
        let of_counter = |seq: u64| records.iter().any(|r| r.seq == seq && counter_of(r) == counter);
        let corrections = records.iter().filter(|r| corrects(r) == Some(original.seq)).cloned().collect();
        let all = records
            .iter()
            .filter(|r| counter.is_some() && (counter_of(r) == counter || corrects(r).is_some_and(of_counter)));
        let counter = all.cloned().collect();
        let clock = records.iter().filter_map(|r| r.clock_set().map(|at| (r.seq, at))).collect();
        Some(EventHistory { original, corrections, counter, clock, through_seq: self.engine.next_seq() - 1 })
    }

    fn histories(&self, group: &[Command]) -> EventHistories {
        let mut histories = EventHistories::new();
        for command in group {
            if let Command::Correct(correct) = command
                && let Some(history) = self.history(&correct.account, &correct.event_id)
            {
                histories.insert((correct.account.clone(), correct.event_id.clone()), history);
            }
        }
        histories
    }
}

impl Told for Journaled {
    fn record(&mut self, uses: &[Use], now: i64) -> Option<Vec<Outcome>> {
        self.mark();
        record(&mut self.engine, uses, now, &mut self.journal)
    }

    fn execute(&mut self, group: &[Command], now: i64) -> Vec<CommandOutcome> {
        let mut histories = self.histories(group);
        self.mark();
        if histories.is_empty() && !group.iter().any(|command| matches!(command, Command::Correct(_))) {
            return self.engine.execute(group, now, &Rights::ALL, &mut self.journal);
        }
        let outcomes = self.engine.execute_on(group, &mut histories, now, &Rights::ALL, &mut self.journal);
        outcomes.expect("the whole story")
    }

    fn expire_due(&mut self, now: i64) -> bool {
        self.mark();
        let (first_seq, from) = (self.engine.next_seq(), self.journal.len());
        let swept = self.engine.expire_due(now, 3, &mut self.journal);
        self.read_left(first_seq, from);
        swept.more_due
    }

    fn ask(&self, request: &Value, now: i64) -> Value {
        self.engine.query(request, now).expect("answers")
    }

    fn check(&self, account: &str, meter: &str, quantity: i64, dimensions: &[(&str, &str)], now: i64) -> CheckOutcome {
        self.engine.check(account, meter, quantity, dimensions, now)
    }

    fn left_grant(&self, account: &str, id: &str, now: i64) -> Option<Value> {
        let left = self.engine.left_grant(account, id)?;
        self.engine.left_grant_json(&left, &self.left[&left.seq], now)
    }

    fn conservation(&self) -> Value {
        self.engine.conservation_json(None)
    }
}

/// Grants of an account that are in memory.
pub fn grants_in_memory(told: &impl Told, account: &str, now: i64) -> Vec<Value> {
    let read = told.ask(&json!({"type": "grants", "account": account, "ended": false}), now);
    read["grants"].as_array().expect("a list").clone()
}
