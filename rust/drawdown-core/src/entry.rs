//! Ledger entries: what happened, and its bytes in the journal.
//!
//! ```text
//! body    := record*
//! record  := length:varint payload
//! payload := 0x01 stamp:i64le                     received_at of what follows; takes no seq
//!          | 0x02 usage                           usage_entry.rs
//!          | 0x03 protobuf(ControlEntry)          everything rare, evolvable by tag
//! ```
//!
//! Every payload but the stamp takes the next seq. Entries hold decided facts (which grant paid
//! how much), so that replay never decides again and later code can't reinterpret history.
//! Format 1. Raise `JOURNAL_FORMAT` for a change old readers can't skip, and keep a golden file.

pub use crate::account_entry::{
    AccountCreated, ClockAdvanced, PeriodEdgeSet, PolicySet, RateTableAssigned, SuspensionSet, ThresholdsSet,
};
use crate::correction_entry::UsageCorrected;
pub use crate::ended_entry::{GrantExhausted, GrantExpired, GrantsLeft};
use crate::reservation_entry::{ReservationReleased, ReservationSettled, Reserved};
use crate::varint;
use prost::Message;

pub const JOURNAL_FORMAT: u32 = 1;

pub const KIND_STAMP: u8 = 1;
pub const KIND_USAGE: u8 = 2;
pub const KIND_CONTROL: u8 = 3;

/// A record that can't be applied: damaged bytes, or bytes of another engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorruptRecord {
    /// Byte offset in the journal body.
    pub offset: usize,
    pub what: String,
}

pub fn put_stamp(out: &mut Vec<u8>, stamp: i64) {
    out.push(9);
    out.push(KIND_STAMP);
    out.extend_from_slice(&stamp.to_le_bytes());
}

pub fn put_control(out: &mut Vec<u8>, entry: &ControlEntry) {
    varint::put(out, entry.encoded_len() as u64 + 1);
    out.push(KIND_CONTROL);
    entry.encode(out).expect("a Vec grows");
}

/// Decode the payload after its kind byte.
pub fn read_control(bytes: &[u8]) -> Result<Control, String> {
    let entry = ControlEntry::decode(bytes).map_err(|error| error.to_string())?;
    entry.control.ok_or_else(|| "an entry this version does not know".into())
}

/// Whether a payload after its kind byte may be of an entry that uses up an id of the dedupe window: a
/// quick look, for a journal mostly of other entries. Those of tags up to 18 never do.
pub(crate) fn may_use_up_ids(bytes: &[u8]) -> bool {
    const LAST_WITHOUT_IDS: u64 = 18;
    let key = varint::Reader { rest: bytes }.unsigned();
    key.is_ok_and(|key| key >> 3 > LAST_WITHOUT_IDS)
}

#[derive(Clone, PartialEq, Message)]
pub struct ControlEntry {
    #[prost(
        oneof = "Control",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 24, 25, 26, 27"
    )]
    pub control: Option<Control>,
}

/// The rare entries. Tags are for ever.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Control {
    #[prost(message, tag = "1")]
    CreditTypeCreated(CreditTypeCreated),
    #[prost(message, tag = "2")]
    MeterCreated(MeterCreated),
    #[prost(message, tag = "3")]
    RateSet(RateSet),
    #[prost(message, tag = "4")]
    AccountCreated(AccountCreated),
    #[prost(message, tag = "5")]
    RateTableAssigned(RateTableAssigned),
    #[prost(message, tag = "6")]
    PeriodEdgeSet(PeriodEdgeSet),
    #[prost(message, tag = "7")]
    ClockAdvanced(ClockAdvanced),
    #[prost(message, tag = "8")]
    SuspensionSet(SuspensionSet),
    #[prost(message, tag = "9")]
    PolicySet(PolicySet),
    #[prost(message, tag = "10")]
    ThresholdsSet(ThresholdsSet),
    #[prost(message, tag = "11")]
    GrantCreated(GrantCreated),
    #[prost(message, tag = "12")]
    GrantReleased(GrantReleased),
    #[prost(message, tag = "13")]
    GrantVoided(GrantVoided),
    #[prost(message, tag = "14")]
    GrantIdUsed(GrantIdUsed),
    #[prost(message, tag = "15")]
    GrantExpired(GrantExpired),
    #[prost(message, tag = "16")]
    OverdraftSettled(OverdraftSettled),
    #[prost(message, tag = "17")]
    Crossed(Crossed),
    #[prost(message, tag = "18")]
    FloorRaised(FloorRaised),
    #[prost(message, tag = "19")]
    Reserved(Reserved),
    #[prost(message, tag = "20")]
    ReservationSettled(ReservationSettled),
    #[prost(message, tag = "21")]
    ReservationReleased(ReservationReleased),
    #[prost(message, tag = "24")]
    UsageCorrected(UsageCorrected),
    #[prost(message, tag = "25")]
    GrantExhausted(GrantExhausted),
    #[prost(message, tag = "26")]
    GrantsLeft(GrantsLeft),
    #[prost(message, tag = "27")]
    InstantsLived(InstantsLived),
}

#[derive(Clone, PartialEq, Message)]
pub struct CreditTypeCreated {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint32, tag = "2")]
    pub scale: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct MeterCreated {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub unit: String,
    #[prost(uint32, tag = "3")]
    pub quantity_scale: u32,
    /// `Aggregation` in order of declaration.
    #[prost(uint32, tag = "4")]
    pub aggregation: u32,
    #[prost(string, repeated, tag = "5")]
    pub dimensions: Vec<String>,
    #[prost(string, optional, tag = "6")]
    pub unique_of: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct RateSet {
    #[prost(string, tag = "1")]
    pub table: String,
    #[prost(uint32, tag = "2")]
    pub meter: u32,
    #[prost(uint32, tag = "3")]
    pub credit_type: u32,
    #[prost(message, repeated, tag = "4")]
    pub matches: Vec<Pair>,
    #[prost(sint64, tag = "5")]
    pub valid_from: i64,
    /// 0 flat, 1 tiered, 2 package.
    #[prost(uint32, tag = "6")]
    pub form: u32,
    #[prost(int64, tag = "7")]
    pub num: i64,
    #[prost(int64, tag = "8")]
    pub den: i64,
    #[prost(int64, tag = "9")]
    pub size: i64,
    #[prost(message, repeated, tag = "10")]
    pub tiers: Vec<TierEntry>,
    #[prost(string, tag = "11")]
    pub sent: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct TierEntry {
    #[prost(int64, tag = "1")]
    pub up_to: i64,
    #[prost(int64, tag = "2")]
    pub num: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Pair {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct GrantCreated {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(uint32, tag = "3")]
    pub number: u32,
    #[prost(string, tag = "4")]
    pub id: String,
    #[prost(int64, tag = "5")]
    pub amount: i64,
    #[prost(uint32, tag = "6")]
    pub priority: u32,
    #[prost(sint64, tag = "7")]
    pub effective_at: i64,
    /// Absent: never.
    #[prost(sint64, optional, tag = "8")]
    pub expires_at: Option<i64>,
    /// Sorted meter ids; empty: `all`.
    #[prost(uint32, repeated, tag = "9")]
    pub scope: Vec<u32>,
    #[prost(bool, tag = "10")]
    pub promotional: bool,
    #[prost(bool, tag = "11")]
    pub pending: bool,
    /// `Source` in order of declaration.
    #[prost(uint32, tag = "12")]
    pub source: u32,
    #[prost(fixed64, tag = "13")]
    pub fingerprint: u64,
    #[prost(message, optional, tag = "14")]
    pub text: Option<GrantTextEntry>,
}

#[derive(Clone, PartialEq, Message)]
pub struct GrantTextEntry {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub source_reference: String,
    #[prost(int64, tag = "3")]
    pub cost_minor: i64,
    #[prost(string, tag = "4")]
    pub cost_currency: String,
    #[prost(string, tag = "5")]
    pub reason: String,
    #[prost(message, repeated, tag = "6")]
    pub metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
pub struct GrantReleased {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(uint32, tag = "3")]
    pub number: u32,
    #[prost(sint64, tag = "4")]
    pub effective_at: i64,
    #[prost(sint64, optional, tag = "5")]
    pub expires_at: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct GrantVoided {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(uint32, tag = "3")]
    pub number: u32,
    /// Forfeited now.
    #[prost(int64, tag = "4")]
    pub voided: i64,
    /// Carried into replacing grants.
    #[prost(int64, tag = "5")]
    pub moved: i64,
    #[prost(string, tag = "6")]
    pub reason: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct GrantIdUsed {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(fixed64, tag = "3")]
    pub fingerprint: u64,
}

/// A grant paid open debt at an activation.
#[derive(Clone, PartialEq, Message)]
pub struct OverdraftSettled {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(uint32, tag = "3")]
    pub number: u32,
    #[prost(int64, tag = "4")]
    pub amount: i64,
    /// Meter id + 1 of the debt; 0: direct debits.
    #[prost(uint32, tag = "5")]
    pub meter_plus_one: u32,
    /// The instant it was lived at.
    #[prost(sint64, tag = "6")]
    pub at: i64,
}

/// A pool's `available` passed a level.
#[derive(Clone, PartialEq, Message)]
pub struct Crossed {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    /// `Crossing` in order of declaration.
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    /// The threshold, for `Low` and `LowCleared`; of a percentage, what it came to.
    #[prost(sint64, tag = "4")]
    pub threshold: i64,
    #[prost(sint64, tag = "5")]
    pub available: i64,
    /// Of a threshold given as a percentage, in hundredths of a percent; 0: it is absolute.
    #[prost(uint32, tag = "6")]
    pub percent: u32,
}

/// What `Crossed::kind` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Crossing {
    Low = 0,
    LowCleared = 1,
    Depleted = 2,
    Recovered = 3,
}

impl Crossing {
    pub fn of(kind: u32) -> Option<Crossing> {
        [Crossing::Low, Crossing::LowCleared, Crossing::Depleted, Crossing::Recovered].get(kind as usize).copied()
    }

    /// The notice of semantics §12 it becomes.
    pub fn notice(self) -> &'static str {
        match self {
            Crossing::Low => "balance.low",
            Crossing::LowCleared => "balance.low_cleared",
            Crossing::Depleted => "balance.depleted",
            Crossing::Recovered => "balance.recovered",
        }
    }
}

/// What time alone brought up to the stamp in front of this has been lived or shown, and nothing else was written:
/// no restart goes back behind it.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct InstantsLived {}

/// Event times below this are `TOO_LATE` from here on.
#[derive(Clone, PartialEq, Message)]
pub struct FloorRaised {
    #[prost(sint64, tag = "1")]
    pub floor: i64,
}
