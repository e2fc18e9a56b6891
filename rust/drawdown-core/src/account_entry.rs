//! Ledger entries about an account itself, as control entries (entry.rs draws the record around them).

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct AccountCreated {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(string, tag = "3")]
    pub customer: String,
    #[prost(string, tag = "4")]
    pub rate_table: String,
    #[prost(sint64, optional, tag = "5")]
    pub test_clock: Option<i64>,
    #[prost(fixed64, tag = "6")]
    pub fingerprint: u64,
    /// On a test clock: its floor of event ids. Absent in older journals: by the settings.
    #[prost(sint64, optional, tag = "7")]
    pub floor: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct RateTableAssigned {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(string, tag = "2")]
    pub table: String,
    #[prost(sint64, tag = "3")]
    pub valid_from: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct PeriodEdgeSet {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(sint64, tag = "2")]
    pub at: i64,
    /// The edge is no more. Absent in older journals.
    #[prost(bool, tag = "3")]
    pub withdrawn: bool,
    /// Edges of periods that were over by then leave memory. Absent in older journals: none does.
    #[prost(sint64, optional, tag = "4")]
    pub closed_below: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ClockAdvanced {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(sint64, tag = "2")]
    pub to: i64,
    /// Its floor of event ids from now on. Absent in older journals: by the settings.
    #[prost(sint64, optional, tag = "3")]
    pub floor: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SuspensionSet {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(bool, tag = "2")]
    pub suspended: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct PolicySet {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    /// `PolicyKind` in order of declaration.
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    #[prost(int64, tag = "4")]
    pub limit: i64,
    #[prost(string, tag = "5")]
    pub price: String,
    /// Overage of events from this time on is counted apart from what was before.
    #[prost(int64, optional, tag = "6")]
    pub since: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ThresholdsSet {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    /// Absolute; descending.
    #[prost(sint64, repeated, tag = "3")]
    pub thresholds: Vec<i64>,
    /// Hundredths of a percent of what was granted; descending.
    #[prost(uint32, repeated, tag = "4")]
    pub percents: Vec<u32>,
    /// Bit i: threshold i, of these and then those, stood before and has been told: it is not told again.
    /// Entries of an earlier version have none.
    #[prost(uint32, tag = "5")]
    pub fired: u32,
}
