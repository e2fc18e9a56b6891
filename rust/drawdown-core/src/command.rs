//! What may be asked of the engine besides usage events.
//!
//! Commands arrive as JSON (`execute`): an array is one atomic group. Amounts are decimal
//! strings (`"12.5"`) or integers of smallest units; instants are UTC microseconds of the years
//! 1 to 9999. Unknown fields are refused by name. Every command is idempotent by the id it carries.

use serde::{Deserialize, Serialize};

/// Credits as sent: `"12.5"` (decimal, checked against the scale) or `12500000000` (smallest units).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Amount {
    Units(i64),
    Decimal(String),
}

/// The amount of a created grant: a number, or a formula over a voided grant's
/// `free` = remaining − held, before its void (semantics §4.10). Formulas round half-even.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum GrantAmount {
    Fixed(Amount),
    Formula(Formula),
}

/// `{"of": "old-grant", "min": "100"}`, `{"of": …, "fraction": "0.5"}` or `{"of": …, "minus": "3"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// The voided grant, named in the same command.
    pub of: String,
    /// min(n, free).
    #[serde(default)]
    pub min: Option<Amount>,
    /// free × fraction, 0 ≤ fraction ≤ 1.
    #[serde(default)]
    pub fraction: Option<String>,
    /// max(0, free − n); a negative n adds to what is free.
    #[serde(default)]
    pub minus: Option<Amount>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateCreditType {
    pub name: String,
    /// 0–12; default 9.
    #[serde(default = "default_scale")]
    pub scale: u8,
}

fn default_scale() -> u8 {
    9
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    #[default]
    Sum,
    Count,
    Max,
    Last,
    Unique,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateMeter {
    pub key: String,
    #[serde(default)]
    pub unit: String,
    /// 0–12; quantities are in 10^-quantity_scale of the unit. Default 0.
    #[serde(default)]
    pub quantity_scale: u8,
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Dimension keys that may matter for price; for `unique`, the counted one is `unique_of`.
    #[serde(default)]
    pub dimensions: Vec<String>,
    #[serde(default)]
    pub unique_of: Option<String>,
}

/// One tier: units up to and including `up_to` (absent: no end) at `credits` per `per` units.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierInput {
    /// In whole units of the meter, as a decimal.
    #[serde(default)]
    pub up_to: Option<String>,
    pub credits: String,
}

/// The price of one meter (for one match) in one rate table from one instant on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRate {
    pub table: String,
    pub meter: String,
    pub credit_type: String,
    /// Flat price, decimal credits per `per` units. Exactly one of `credits` and `tiers`.
    #[serde(default)]
    pub credits: Option<String>,
    /// Graduated tiers, ascending, the last without `up_to`.
    #[serde(default)]
    pub tiers: Vec<TierInput>,
    /// Units the price is for, a positive decimal; default "1".
    #[serde(default = "default_per")]
    pub per: String,
    /// `credits` is charged for every started `per` units of the period.
    #[serde(default)]
    pub package: bool,
    /// Dimension values this rate is for; empty: the meter's default rate.
    #[serde(default, rename = "match")]
    pub matches: std::collections::BTreeMap<String, String>,
    /// From this instant of event time on; absent: from the beginning.
    #[serde(default)]
    pub valid_from: Option<i64>,
}

fn default_per() -> String {
    "1".into()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    pub account: String,
    #[serde(default)]
    pub customer: Option<String>,
    /// Default "default".
    #[serde(default)]
    pub rate_table: Option<String>,
    /// The account lives on its own clock, starting here.
    #[serde(default)]
    pub test_clock: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignRateTable {
    pub account: String,
    pub table: String,
    /// Default: the stamp.
    #[serde(default)]
    pub valid_from: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPeriodEdge {
    pub account: String,
    pub at: i64,
    /// The edge is not to come after all.
    #[serde(default)]
    pub withdrawn: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvanceClock {
    pub account: String,
    pub to: i64,
}

/// `SuspendAccount` and `ResumeAccount`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountOnly {
    pub account: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    #[default]
    Hard,
    Partial,
    Overdraft,
    Overage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPolicy {
    pub account: String,
    pub credit_type: String,
    pub kind: PolicyKind,
    /// `overdraft`: how far below zero.
    #[serde(default)]
    pub limit: Option<Amount>,
    /// `overage`: money per credit as sent, kept for the invoice and never computed with here.
    #[serde(default)]
    pub price: Option<String>,
    /// `overage`: credits per billing period; absent: no cap.
    #[serde(default)]
    pub cap: Option<Amount>,
    /// `overage`: from this event time on credits past zero are counted apart, as their price is another.
    #[serde(default)]
    pub since: Option<i64>,
}

/// Replaces the pool's low-balance thresholds: credits, or text like `20%` of what was granted. One that stays and
/// was told is not told again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetThresholds {
    pub account: String,
    pub credit_type: String,
    pub thresholds: Vec<Amount>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    #[default]
    Paid,
    Promotional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Purchase,
    Subscription,
    Recharge,
    Promotion,
    Signup,
    Trial,
    Rollover,
    #[default]
    Adjustment,
}

/// A grant's content, as sent (semantics §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantInput {
    pub grant_id: String,
    pub credit_type: String,
    pub amount: GrantAmount,
    /// Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub category: Category,
    /// 1–100, 1 burns first; default 50.
    #[serde(default = "default_priority")]
    pub priority: i64,
    /// Default: the stamp.
    #[serde(default)]
    pub effective_at: Option<i64>,
    /// After `effective_at`; absent: never.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// Known meters; absent: `all`. An empty list is refused.
    #[serde(default)]
    pub scope: Option<Vec<String>>,
    /// Awaiting payment or approval: listed, never spendable until released.
    #[serde(default)]
    pub pending: bool,
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub source_reference: String,
    /// Money paid for the whole grant, minor units.
    #[serde(default)]
    pub cost_minor: i64,
    /// ISO 4217, empty when `cost_minor` is 0.
    #[serde(default)]
    pub cost_currency: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
}

fn default_priority() -> i64 {
    50
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateGrant {
    pub account: String,
    pub grant: GrantInput,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseGrant {
    pub account: String,
    pub grant_id: String,
    #[serde(default)]
    pub effective_at: Option<i64>,
    #[serde(default)]
    pub expires_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoidGrant {
    pub account: String,
    pub grant_id: String,
    #[serde(default)]
    pub reason: String,
}

/// All or nothing; idempotent by the ids of `create`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoidAndReplace {
    pub account: String,
    pub void: Vec<String>,
    pub create: Vec<GrantInput>,
    /// Credits that leave for another account, which the same group gives there. Needs a `create`,
    /// by whose ids the command is known again: what is left of a grant, even where that is 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub move_out: Vec<MoveOut>,
}

/// So much of what the voided grant `of` has free, booked `moved`; all of it or `INSUFFICIENT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveOut {
    pub of: String,
    pub amount: Amount,
}

/// Set credits aside for work in progress (semantics §6). Exactly one of `meter` + `quantity`,
/// `meter` + `credits`, `credit_type` + `credits`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    pub account: String,
    pub reservation_id: String,
    #[serde(default)]
    pub meter: Option<String>,
    /// Decimal in the meter's unit, or an integer of 10^-quantity_scale.
    #[serde(default)]
    pub quantity: Option<Amount>,
    #[serde(default)]
    pub credit_type: Option<String>,
    #[serde(default)]
    pub credits: Option<Amount>,
    #[serde(default)]
    pub dimensions: std::collections::BTreeMap<String, String>,
    /// How long it holds, at most 24 h; default 60 s.
    #[serde(default = "default_ttl_us")]
    pub ttl_us: i64,
}

fn default_ttl_us() -> i64 {
    60_000_000
}

/// End a reservation by its actual use. Exactly one of `quantity` and `credits`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    pub account: String,
    pub reservation_id: String,
    #[serde(default)]
    pub quantity: Option<Amount>,
    #[serde(default)]
    pub credits: Option<Amount>,
    /// Refuse a use that costs more than is held instead of charging the extra; not content.
    #[serde(default)]
    pub refuse_extra: bool,
}

/// End a reservation without use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub account: String,
    pub reservation_id: String,
}

/// An applied event gets another quantity (or, a direct debit, other credits), or is cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correct {
    pub account: String,
    pub event_id: String,
    #[serde(default)]
    pub quantity: Option<Amount>,
    #[serde(default)]
    pub credits: Option<Amount>,
    #[serde(default)]
    pub cancel: bool,
    /// Makes a repeat of a change safe; without it, correcting to the present quantity is `DUPLICATE`.
    #[serde(default)]
    pub correction_id: Option<String>,
    /// What would come back to a voided or expired grant becomes a new grant.
    #[serde(default)]
    pub regrant: bool,
}

/// One command. In JSON: `{"type": "create_grant", "account": "acme", "grant": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    CreateCreditType(CreateCreditType),
    CreateMeter(CreateMeter),
    SetRate(SetRate),
    CreateAccount(CreateAccount),
    AssignRateTable(AssignRateTable),
    SetPeriodEdge(SetPeriodEdge),
    AdvanceClock(AdvanceClock),
    SuspendAccount(AccountOnly),
    ResumeAccount(AccountOnly),
    SetPolicy(SetPolicy),
    SetThresholds(SetThresholds),
    CreateGrant(CreateGrant),
    ReleaseGrant(ReleaseGrant),
    VoidGrant(VoidGrant),
    VoidAndReplace(VoidAndReplace),
    Reserve(Reserve),
    Settle(Settle),
    Release(Release),
    Correct(Correct),
}
