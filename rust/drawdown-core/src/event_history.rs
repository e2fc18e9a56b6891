//! What a correction needs of the past: the event as it was applied, its corrections, and under
//! `max`, `last` and `unique` the other events of its counter. Read from the journal by whoever
//! has it; the engine only says whether it is still the whole story.

use crate::correction_entry::UsageCorrected;
use crate::entry::Control;
use crate::ledger_record::{AppliedUsage, Fact, LedgerRecord};
use std::collections::BTreeMap;

/// The journal's word on one event, up to `through_seq`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventHistory {
    /// The entry that applied it.
    pub original: LedgerRecord,
    /// Its corrections, in order.
    pub corrections: Vec<LedgerRecord>,
    /// Entries of its counter, itself among them, where the meter is an aggregate; else empty.
    pub counter: Vec<LedgerRecord>,
    /// Of an account on a clock of its own: seqs at which it was set, ascending, and to what, as far as the
    /// journal kept has them. An event without a time was applied at the clock's.
    pub clock: Vec<(u64, i64)>,
    pub through_seq: u64,
}

/// By account id and event id.
pub type EventHistories = BTreeMap<(String, String), EventHistory>;

/// Entries have come since a history was read: read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryOutdated;

/// An event as all its entries leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventState {
    pub quantity: i64,
    pub is_cancelled: bool,
    pub units: i64,
    /// Grant and amount, in the order they were drawn.
    pub draws: Vec<(u32, i64)>,
    pub uncovered: i64,
    /// Debt it opened and did not get back, paid since or not.
    pub overdraft: i64,
    pub overage: i64,
    /// Where its overage is counted; `None` while it never had any.
    pub overage_period: Option<i64>,
}

impl EventState {
    fn of(usage: &AppliedUsage) -> EventState {
        EventState {
            quantity: usage.quantity,
            is_cancelled: false,
            units: usage.counted.map_or(usage.quantity, |counted| counted.units),
            draws: usage.draws.iter().map(|draw| (draw.number, draw.amount)).collect(),
            uncovered: usage.beyond.uncovered,
            overdraft: usage.beyond.overdraft,
            overage: usage.beyond.overage,
            overage_period: (usage.beyond.overage != 0).then_some(usage.beyond.period),
        }
    }

    fn correct(&mut self, e: &UsageCorrected) {
        (self.quantity, self.is_cancelled, self.units) = (e.quantity, e.cancelled, e.units);
        self.draws.extend(e.draws.iter().map(|draw| (draw.number, draw.amount)));
        for part in &e.returns {
            if part.is_settlement {
                self.overdraft -= part.amount;
            } else {
                self.undraw(part.amount);
            }
        }
        self.uncovered += e.uncovered;
        self.overdraft += e.overdraft;
        self.overage += e.overage;
        if e.overage != 0 {
            self.overage_period.get_or_insert(e.period);
        }
    }

    fn undraw(&mut self, mut amount: i64) {
        while let Some(last) = self.draws.last_mut().filter(|_| amount > 0) {
            let part = last.1.min(amount);
            last.1 -= part;
            amount -= part;
            if last.1 == 0 {
                self.draws.pop();
            }
        }
    }

    pub fn charged(&self) -> i64 {
        self.draws.iter().map(|(_, amount)| amount).sum::<i64>() + self.overdraft + self.overage
    }

    /// Its price: charged or not.
    pub fn price(&self) -> i64 {
        self.charged() + self.uncovered
    }
}

fn correction(record: &LedgerRecord) -> Option<&UsageCorrected> {
    match &record.what {
        Fact::Control(Control::UsageCorrected(e)) => Some(e),
        _ => None,
    }
}

impl EventHistory {
    /// What the account's own clock stood at when the entry of this seq was applied.
    pub(crate) fn clock_at(&self, seq: u64) -> Option<i64> {
        let at = self.clock.partition_point(|(set_at, _)| *set_at < seq);
        at.checked_sub(1).map(|at| self.clock[at].1)
    }

    pub(crate) fn usage(&self) -> Option<&AppliedUsage> {
        self.original.usage()
    }

    /// The event as it is now; `None` if the original is no usage.
    pub(crate) fn state(&self) -> Option<EventState> {
        let mut state = EventState::of(self.usage()?);
        self.corrections.iter().filter_map(correction).for_each(|e| state.correct(e));
        Some(state)
    }

    /// The counter's events as they are now, with the entries that applied them, in order.
    pub(crate) fn counted(&self) -> Vec<(&LedgerRecord, &AppliedUsage, EventState)> {
        let mut events: BTreeMap<u64, (&LedgerRecord, &AppliedUsage, EventState)> = BTreeMap::new();
        for record in &self.counter {
            match (record.usage(), correction(record)) {
                (Some(usage), _) => {
                    events.insert(record.seq, (record, usage, EventState::of(usage)));
                }
                (None, Some(e)) => {
                    if let Some((.., state)) = events.get_mut(&e.event_seq) {
                        state.correct(e);
                    }
                }
                (None, None) => {}
            }
        }
        events.into_values().collect()
    }

    /// Take in a correction that the engine has just made.
    pub(crate) fn learn(&mut self, record: &LedgerRecord) {
        let Some(e) = correction(record) else { return };
        if e.event_seq == self.original.seq {
            self.corrections.push(record.clone());
        }
        if self.counter.iter().any(|other| other.seq == e.event_seq) {
            self.counter.push(record.clone());
        }
    }
}
