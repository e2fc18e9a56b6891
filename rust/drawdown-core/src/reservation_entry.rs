//! Ledger entries of reservations, as control entries (entry.rs draws the record around them).
//!
//! They hold decided facts: what was taken from which grant at the reserve, and at the end which
//! part of it was burned, went back, or was forfeited because its grant had been voided.

use crate::entry::Pair;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct HeldPartEntry {
    /// Number of the grant.
    #[prost(uint32, tag = "1")]
    pub number: u32,
    #[prost(int64, tag = "2")]
    pub amount: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct EndedPartEntry {
    #[prost(uint32, tag = "1")]
    pub number: u32,
    #[prost(int64, tag = "2")]
    pub burned: i64,
    #[prost(int64, tag = "3")]
    pub returned: i64,
    #[prost(int64, tag = "4")]
    pub forfeited: i64,
}

/// Credits were set aside. Also how an open reservation stands in its account's image.
#[derive(Clone, PartialEq, Message)]
pub struct Reserved {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(fixed64, tag = "4")]
    pub fingerprint: u64,
    /// Meter id + 1; 0: none.
    #[prost(uint32, tag = "5")]
    pub meter_plus_one: u32,
    #[prost(uint32, tag = "6")]
    pub rate: u32,
    /// Whether `asked` is credits, in smallest units; else a quantity of the meter.
    #[prost(bool, tag = "7")]
    pub is_in_credits: bool,
    #[prost(int64, tag = "8")]
    pub asked: i64,
    #[prost(message, repeated, tag = "9")]
    pub dimensions: Vec<Pair>,
    /// In the order they burn.
    #[prost(message, repeated, tag = "10")]
    pub parts: Vec<HeldPartEntry>,
    #[prost(int64, tag = "11")]
    pub headroom: i64,
    /// Whether the headroom is of an overage policy; else of an overdraft.
    #[prost(bool, tag = "12")]
    pub is_overage: bool,
    #[prost(int64, tag = "13")]
    pub uncovered: i64,
    #[prost(sint64, tag = "14")]
    pub created_at: i64,
    #[prost(sint64, tag = "15")]
    pub expires_at: i64,
}

/// A reservation ended by its actual use.
#[derive(Clone, PartialEq, Message)]
pub struct ReservationSettled {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(string, tag = "3")]
    pub id: String,
    /// Of the settle's content as sent.
    #[prost(fixed64, tag = "4")]
    pub fingerprint: u64,
    #[prost(bool, tag = "5")]
    pub is_in_credits: bool,
    /// The actual use: credits in smallest units, or a quantity of the meter.
    #[prost(int64, tag = "6")]
    pub actual: i64,
    #[prost(message, repeated, tag = "7")]
    pub parts: Vec<EndedPartEntry>,
    /// Burned from grants beyond what was held.
    #[prost(message, repeated, tag = "8")]
    pub draws: Vec<HeldPartEntry>,
    /// Opened debt: out of the held headroom first.
    #[prost(int64, tag = "9")]
    pub overdraft: i64,
    #[prost(int64, tag = "10")]
    pub overage: i64,
    /// Under `partial`: never charged.
    #[prost(int64, tag = "11")]
    pub uncovered: i64,
    /// Where its overage is counted: the start of the usage period of `at`, or the instant since which that is
    /// counted apart.
    #[prost(sint64, tag = "12")]
    pub period: i64,
    /// A stateful price moved the counter of this match by so many units.
    #[prost(uint32, optional, tag = "13")]
    pub counted_match: Option<u32>,
    #[prost(int64, tag = "14")]
    pub counted_units: i64,
    /// `received_at` of the settle.
    #[prost(sint64, tag = "15")]
    pub at: i64,
    /// The usage period of that counter; absent: `period`, as it always was before 2026-11-21.
    #[prost(sint64, optional, tag = "16")]
    pub counted_period: Option<i64>,
}

/// A reservation ended without use: let go, or past its time.
#[derive(Clone, PartialEq, Message)]
pub struct ReservationReleased {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(bool, tag = "4")]
    pub lapsed: bool,
    #[prost(message, repeated, tag = "5")]
    pub parts: Vec<EndedPartEntry>,
    /// The instant it was lived at.
    #[prost(sint64, tag = "6")]
    pub at: i64,
}

impl ReservationSettled {
    /// The usage period whose counter it moved, if it moved one.
    pub fn counter_period(&self) -> i64 {
        self.counted_period.unwrap_or(self.period)
    }

    /// Everything the settle charged.
    pub fn charged(&self) -> i64 {
        let burned: i64 = self.parts.iter().map(|part| part.burned).sum();
        let drawn: i64 = self.draws.iter().map(|draw| draw.amount).sum();
        burned.wrapping_add(drawn).wrapping_add(self.overdraft).wrapping_add(self.overage)
    }
}
