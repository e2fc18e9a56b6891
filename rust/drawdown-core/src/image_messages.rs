//! The bytes of images, as protobuf messages. Tags are for ever; image.rs says when the format rises.

use crate::entry::{CreditTypeCreated, GrantTextEntry, MeterCreated, RateSet};
use crate::reservation_entry::Reserved;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct AccountImage {
    #[prost(uint32, tag = "1")]
    pub number: u32,
    /// The newest entry contained.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(uint32, tag = "4")]
    pub flags: u32,
    #[prost(uint32, tag = "5")]
    pub next_grant: u32,
    #[prost(uint32, tag = "6")]
    pub rate_table: u32,
    #[prost(sint64, tag = "7")]
    pub rate_table_from: i64,
    #[prost(message, repeated, tag = "8")]
    pub pools: Vec<PoolImage>,
    #[prost(message, optional, tag = "9")]
    pub extra: Option<ExtraImage>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ExtraImage {
    #[prost(string, tag = "1")]
    pub customer: String,
    #[prost(fixed64, tag = "2")]
    pub fingerprint: u64,
    #[prost(message, optional, tag = "3")]
    pub test_clock: Option<ClockImage>,
    #[prost(message, repeated, tag = "4")]
    pub older_tables: Vec<DatedTable>,
    #[prost(sint64, repeated, tag = "5")]
    pub period_edges: Vec<i64>,
    #[prost(message, repeated, tag = "6")]
    pub counters: Vec<CounterImage>,
    #[prost(message, repeated, tag = "7")]
    pub used_grant_ids: Vec<UsedId>,
    #[prost(message, repeated, tag = "20")]
    pub corrected: Vec<CorrectedImage>,
    #[prost(message, repeated, tag = "21")]
    pub left: Vec<LeftImage>,
}

/// Grants that have left memory; left_grants.rs draws the bytes.
#[derive(Clone, PartialEq, Message)]
pub struct LeftImage {
    #[prost(uint32, tag = "1")]
    pub credit_type: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub sums: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub grants: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ClockImage {
    #[prost(sint64, tag = "1")]
    pub now: i64,
    #[prost(sint64, tag = "2")]
    pub floor: i64,
    /// 32 bytes each: key, fingerprint, event time, little-endian, ascending by key.
    #[prost(bytes = "vec", tag = "3")]
    pub keys: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct DatedTable {
    #[prost(sint64, tag = "1")]
    pub from: i64,
    #[prost(uint32, tag = "2")]
    pub table: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct CounterImage {
    #[prost(uint32, tag = "1")]
    pub meter: u32,
    #[prost(uint32, tag = "2")]
    pub match_id: u32,
    #[prost(sint64, tag = "3")]
    pub period: i64,
    #[prost(int64, tag = "4")]
    pub units: i64,
    #[prost(message, optional, tag = "5")]
    pub aggregate: Option<AggregateImage>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AggregateImage {
    #[prost(int64, tag = "1")]
    pub burned: i64,
    #[prost(int64, tag = "2")]
    pub value: i64,
    #[prost(sint64, tag = "3")]
    pub at: i64,
    /// 16 bytes each, little-endian, ascending.
    #[prost(bytes = "vec", tag = "4")]
    pub values: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub changed: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct UsedId {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(fixed64, tag = "2")]
    pub fingerprint: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct PoolImage {
    #[prost(uint32, tag = "1")]
    pub credit_type: u32,
    #[prost(uint32, tag = "2")]
    pub flags: u32,
    #[prost(uint32, tag = "3")]
    pub policy_kind: u32,
    #[prost(int64, tag = "4")]
    pub policy_limit: i64,
    #[prost(string, tag = "5")]
    pub policy_price: String,
    /// The pool has been lived up to just before this instant.
    #[prost(sint64, tag = "6")]
    pub next_at: i64,
    #[prost(sfixed64, tag = "7")]
    pub charged: i64,
    #[prost(message, repeated, tag = "8")]
    pub debts: Vec<DebtImage>,
    #[prost(int64, tag = "9")]
    pub headroom_held: i64,
    #[prost(message, repeated, tag = "10")]
    pub overage: Vec<PeriodCredits>,
    /// Absolute; descending.
    #[prost(sint64, repeated, tag = "11")]
    pub thresholds: Vec<i64>,
    #[prost(uint32, tag = "12")]
    pub fired: u32,
    #[prost(message, repeated, tag = "13")]
    pub grants: Vec<GrantImage>,
    /// Open, the next to lapse first.
    #[prost(message, repeated, tag = "14")]
    pub reservations: Vec<Reserved>,
    #[prost(int64, tag = "15")]
    pub overage_headroom_held: i64,
    /// Payments of debt, oldest first.
    #[prost(message, repeated, tag = "20")]
    pub settled: Vec<SettledImage>,
    /// Thresholds in hundredths of a percent; descending. Their bits in `fired` follow the absolute ones'.
    #[prost(uint32, repeated, tag = "21")]
    pub percents: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SettledImage {
    #[prost(uint32, tag = "1")]
    pub meter_plus_one: u32,
    #[prost(uint32, tag = "2")]
    pub number: u32,
    #[prost(int64, tag = "3")]
    pub amount: i64,
}

/// A corrected event at or above the floor.
#[derive(Clone, PartialEq, Message)]
pub struct CorrectedImage {
    #[prost(sint64, tag = "1")]
    pub time: i64,
    /// Keyed hash of the event id, 16 bytes, little-endian.
    #[prost(bytes = "vec", tag = "2")]
    pub event: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub seq: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct DebtImage {
    #[prost(uint32, tag = "1")]
    pub meter_plus_one: u32,
    #[prost(int64, tag = "2")]
    pub amount: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct PeriodCredits {
    #[prost(sint64, tag = "1")]
    pub period: i64,
    #[prost(int64, tag = "2")]
    pub credits: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct GrantImage {
    #[prost(uint32, tag = "1")]
    pub number: u32,
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(int64, tag = "3")]
    pub amount: i64,
    #[prost(int64, tag = "4")]
    pub remaining: i64,
    #[prost(int64, tag = "5")]
    pub held: i64,
    #[prost(int64, tag = "6")]
    pub burned: i64,
    #[prost(int64, tag = "7")]
    pub expired: i64,
    #[prost(int64, tag = "8")]
    pub voided: i64,
    #[prost(int64, tag = "9")]
    pub moved: i64,
    #[prost(sint64, tag = "10")]
    pub effective_at: i64,
    #[prost(int64, tag = "11")]
    pub expires_at: i64,
    #[prost(uint32, repeated, tag = "12")]
    pub scope: Vec<u32>,
    #[prost(uint32, tag = "13")]
    pub flags: u32,
    #[prost(uint32, tag = "14")]
    pub priority: u32,
    #[prost(uint32, tag = "15")]
    pub source: u32,
    #[prost(fixed64, tag = "16")]
    pub fingerprint: u64,
    #[prost(message, optional, tag = "17")]
    pub text: Option<GrantTextEntry>,
    /// When it was voided or used up; 0 where an earlier version did not write it down.
    #[prost(sint64, tag = "18")]
    pub ended_at: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct GlobalImage {
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    #[prost(sint64, tag = "2")]
    pub stamp: i64,
    #[prost(sint64, tag = "3")]
    pub floor: i64,
    #[prost(message, repeated, tag = "4")]
    pub credit_types: Vec<CreditTypeCreated>,
    #[prost(message, repeated, tag = "5")]
    pub meters: Vec<MeterCreated>,
    /// Rate tables in the order of their ids.
    #[prost(string, repeated, tag = "6")]
    pub tables: Vec<String>,
    /// In the order of their ids, so that matches get theirs again.
    #[prost(message, repeated, tag = "7")]
    pub rates: Vec<RateSet>,
    #[prost(uint32, tag = "8")]
    pub accounts: u32,
    /// Live keys: how large a table they will need.
    #[prost(uint64, tag = "9")]
    pub live_keys: u64,
    /// Accounts on a clock of their own, ascending: whoever reads keys out of the journal passes
    /// theirs over.
    #[prost(uint32, repeated, tag = "10")]
    pub test_clocks: Vec<u32>,
    /// How far ahead of its stamp any event was ever dated.
    #[prost(int64, tag = "11")]
    pub ahead_us: i64,
}
