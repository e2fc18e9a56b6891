//! The ledger entry of a correction, as a control entry (entry.rs draws the record around it).
//!
//! It holds decided facts: what the event is from now on, and each part of the difference. Changes
//! are signed, above zero where the event took more. `period` tells the control plane whose
//! invoice a change of overage belongs to: of a closed period it becomes an adjustment.

use crate::reservation_entry::HeldPartEntry;
use prost::Message;

/// Where credits that came back from an event went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum WentTo {
    /// Back into the grant.
    Remaining = 0,
    /// The grant is voided: forfeited.
    Voided = 1,
    /// The grant is over, its breakage booked: breakage.
    Expired = 2,
    /// The grant is over, and a new one carries them on.
    Moved = 3,
}

impl WentTo {
    pub fn of(number: u32) -> Option<WentTo> {
        [WentTo::Remaining, WentTo::Voided, WentTo::Expired, WentTo::Moved].get(number as usize).copied()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ReturnedPart {
    /// Number of the grant.
    #[prost(uint32, tag = "1")]
    pub number: u32,
    #[prost(int64, tag = "2")]
    pub amount: i64,
    /// `WentTo` in order of declaration.
    #[prost(uint32, tag = "3")]
    pub into: u32,
    /// Out of what the grant had paid of the meter's debt; else out of the event's own draws.
    #[prost(bool, tag = "4")]
    pub is_settlement: bool,
}

/// The counter of the event's price was moved.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CounterMoved {
    #[prost(uint32, tag = "1")]
    pub match_id: u32,
    #[prost(sint64, tag = "2")]
    pub period: i64,
    /// Change of the tier position; 0 at a price without one.
    #[prost(sint64, tag = "3")]
    pub units: i64,
    /// Under `max`, `last` and `unique`.
    #[prost(message, optional, tag = "4")]
    pub aggregate: Option<AggregateMoved>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct AggregateMoved {
    /// Change of the units burned.
    #[prost(sint64, tag = "1")]
    pub burned: i64,
    /// What the events come to now (`max`, `last`), and since when (`last`).
    #[prost(int64, tag = "2")]
    pub value: i64,
    #[prost(sint64, tag = "3")]
    pub at: i64,
    /// `unique`: no event has this value any more.
    #[prost(string, optional, tag = "4")]
    pub gone: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct UsageCorrected {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(string, tag = "3")]
    pub event_id: String,
    /// Position of the entry that applied the event.
    #[prost(uint64, tag = "4")]
    pub event_seq: u64,
    #[prost(sint64, tag = "5")]
    pub event_time: i64,
    #[prost(string, optional, tag = "6")]
    pub correction_id: Option<String>,
    /// Of the content as sent; 0 without an id.
    #[prost(fixed64, tag = "7")]
    pub fingerprint: u64,
    /// The event's from now on: a quantity of the meter, or credits of a direct debit.
    #[prost(int64, tag = "8")]
    pub quantity: i64,
    #[prost(bool, tag = "9")]
    pub cancelled: bool,
    /// Everything the event has been charged, from now on.
    #[prost(int64, tag = "10")]
    pub charged: i64,
    /// Everything the event burned in units of its meter, from now on.
    #[prost(int64, tag = "11")]
    pub units: i64,
    /// Grants that paid more, in order.
    #[prost(message, repeated, tag = "12")]
    pub draws: Vec<HeldPartEntry>,
    /// Grants that got back, in order.
    #[prost(message, repeated, tag = "13")]
    pub returns: Vec<ReturnedPart>,
    #[prost(sint64, tag = "14")]
    pub uncovered: i64,
    /// Change of the meter's open debt.
    #[prost(sint64, tag = "15")]
    pub overdraft: i64,
    #[prost(sint64, tag = "16")]
    pub overage: i64,
    /// Start of the billing period of the event's time.
    #[prost(sint64, tag = "17")]
    pub period: i64,
    /// Meter id + 1; 0: a direct debit.
    #[prost(uint32, tag = "18")]
    pub meter_plus_one: u32,
    #[prost(message, optional, tag = "19")]
    pub counter: Option<CounterMoved>,
    /// `received_at` of the correction.
    #[prost(sint64, tag = "20")]
    pub at: i64,
}

impl UsageCorrected {
    /// The change of what the event is charged.
    pub fn difference(&self) -> i64 {
        let drawn = self.draws.iter().fold(0i64, |sum, draw| sum.wrapping_add(draw.amount));
        let returned = self.returns.iter().fold(0i64, |sum, part| sum.wrapping_add(part.amount));
        drawn.wrapping_sub(returned).wrapping_add(self.overdraft).wrapping_add(self.overage)
    }

    pub fn meter(&self) -> Option<u16> {
        self.meter_plus_one.checked_sub(1).map(|meter| meter as u16)
    }
}
