//! The hot messages of `proto/drawdown/v1`, derived with prost: an encoder and decoder that
//! shares nothing with the crate under test.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::HashMap;

#[derive(Clone, PartialEq, prost::Message)]
pub struct UsageBatch {
    #[prost(uint64, tag = "1")]
    pub batch_id: u64,
    #[prost(int32, tag = "2")]
    pub detail: i32,
    #[prost(message, repeated, tag = "3")]
    pub events: Vec<UsageEvent>,
    #[prost(message, optional, tag = "4")]
    pub columns: Option<UsageColumns>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct UsageEvent {
    #[prost(string, tag = "1")]
    pub event_id: String,
    #[prost(string, tag = "2")]
    pub account_id: String,
    #[prost(oneof = "Subject", tags = "3, 4")]
    pub subject: Option<Subject>,
    #[prost(int64, tag = "5")]
    pub quantity: i64,
    #[prost(int64, tag = "6")]
    pub credits: i64,
    #[prost(int64, optional, tag = "7")]
    pub time_us: Option<i64>,
    #[prost(map = "string, string", tag = "8")]
    pub dimensions: HashMap<String, String>,
    #[prost(bool, tag = "9")]
    pub force: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Subject {
    #[prost(string, tag = "3")]
    Meter(String),
    #[prost(string, tag = "4")]
    CreditType(String),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct UsageColumns {
    #[prost(string, repeated, tag = "1")]
    pub accounts: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub meters: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub credit_types: Vec<String>,
    #[prost(uint32, repeated, tag = "4")]
    pub account_index: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    pub subject_index: Vec<u32>,
    #[prost(int64, repeated, tag = "6")]
    pub quantity: Vec<i64>,
    #[prost(int64, optional, tag = "7")]
    pub time_base_us: Option<i64>,
    #[prost(sint64, repeated, tag = "8")]
    pub time_delta_us: Vec<i64>,
    #[prost(bytes = "vec", tag = "9")]
    pub event_ids: Vec<u8>,
    #[prost(uint32, repeated, tag = "10")]
    pub event_id_length: Vec<u32>,
    #[prost(uint32, tag = "11")]
    pub event_id_width: u32,
    #[prost(message, repeated, tag = "12")]
    pub dimension_sets: Vec<DimensionSet>,
    #[prost(uint32, repeated, tag = "13")]
    pub dimension_index: Vec<u32>,
    #[prost(uint32, repeated, tag = "14")]
    pub forced: Vec<u32>,
    #[prost(bytes = "vec", tag = "15")]
    pub event_uuids: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DimensionSet {
    #[prost(map = "string, string", tag = "1")]
    pub dimensions: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct UsageAck {
    #[prost(uint64, tag = "1")]
    pub batch_id: u64,
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    #[prost(uint32, tag = "3")]
    pub applied: u32,
    #[prost(uint32, tag = "4")]
    pub duplicates: u32,
    #[prost(uint32, tag = "5")]
    pub refused: u32,
    #[prost(message, repeated, tag = "6")]
    pub exceptions: Vec<EventException>,
    #[prost(message, optional, tag = "7")]
    pub results: Option<ResultColumns>,
    #[prost(bool, tag = "8")]
    pub durable: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct EventException {
    #[prost(uint32, tag = "1")]
    pub index: u32,
    #[prost(int32, tag = "2")]
    pub status: i32,
    #[prost(int64, tag = "3")]
    pub charged: i64,
    #[prost(int64, tag = "4")]
    pub uncovered: i64,
    #[prost(int64, optional, tag = "5")]
    pub available: Option<i64>,
    #[prost(int64, optional, tag = "6")]
    pub shortfall: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ResultColumns {
    #[prost(bytes = "vec", tag = "1")]
    pub status: Vec<u8>,
    #[prost(int64, repeated, tag = "2")]
    pub charged: Vec<i64>,
    #[prost(sint64, repeated, tag = "3")]
    pub available: Vec<i64>,
    #[prost(bytes = "vec", tag = "4")]
    pub available_known: Vec<u8>,
    #[prost(int64, repeated, tag = "5")]
    pub uncovered: Vec<i64>,
    #[prost(int64, repeated, tag = "6")]
    pub shortfall: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckRequest {
    #[prost(string, tag = "1")]
    pub account_id: String,
    #[prost(string, tag = "2")]
    pub meter: String,
    #[prost(int64, optional, tag = "3")]
    pub quantity: Option<i64>,
    #[prost(map = "string, string", tag = "4")]
    pub dimensions: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckResponse {
    #[prost(bool, tag = "1")]
    pub allowed: bool,
    #[prost(int32, tag = "2")]
    pub reason: i32,
    #[prost(int64, optional, tag = "3")]
    pub available: Option<i64>,
    #[prost(int64, tag = "4")]
    pub units: i64,
    #[prost(uint64, tag = "5")]
    pub seq: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchCheckRequest {
    #[prost(message, repeated, tag = "1")]
    pub checks: Vec<CheckRequest>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct BatchCheckResponse {
    #[prost(message, repeated, tag = "1")]
    pub results: Vec<CheckResponse>,
    #[prost(uint64, tag = "2")]
    pub seq: u64,
}
