//! The closed list of outcomes by rule (semantics §5.3), declared in order of precedence.
//!
//! A refusal is an answer, not an error: it changes nothing, uses up no id and never fails
//! its neighbours in the batch. The numbers are on the wire and in golden files: never reuse one.

/// Outcome of one usage event or one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// Applied.
    Ok = 1,
    /// Malformed, or a right is missing (`force`): fix the request.
    Invalid = 2,
    /// The event's time is further ahead than the margin.
    TooEarly = 3,
    /// The event's time is below the acceptance floor: never applied.
    TooLate = 4,
    AccountUnknown = 5,
    /// Same id, same content: was applied before, nothing changed now.
    Duplicate = 6,
    /// Same id, other content: nothing changed.
    Conflict = 7,
    AccountSuspended = 8,
    MeterUnknown = 9,
    /// The meter exists, but the account's rate table has no rate for it at the event's time.
    NotEntitled = 10,
    /// A charge or a total would leave `i64`.
    Overflow = 11,
    /// Overdraft limit or overage cap would be passed.
    LimitReached = 12,
    Insufficient = 13,
    GrantUnknown = 14,
    EventUnknown = 15,
    ReservationUnknown = 16,
}

impl Status {
    /// Every status, in order of its number.
    pub const ALL: [Status; 16] = [
        Status::Ok,
        Status::Invalid,
        Status::TooEarly,
        Status::TooLate,
        Status::AccountUnknown,
        Status::Duplicate,
        Status::Conflict,
        Status::AccountSuspended,
        Status::MeterUnknown,
        Status::NotEntitled,
        Status::Overflow,
        Status::LimitReached,
        Status::Insufficient,
        Status::GrantUnknown,
        Status::EventUnknown,
        Status::ReservationUnknown,
    ];

    /// The stable name, as in the contract and in `google.rpc.ErrorInfo.reason`.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Invalid => "INVALID",
            Status::TooEarly => "TOO_EARLY",
            Status::TooLate => "TOO_LATE",
            Status::AccountUnknown => "ACCOUNT_UNKNOWN",
            Status::Duplicate => "DUPLICATE",
            Status::Conflict => "CONFLICT",
            Status::AccountSuspended => "ACCOUNT_SUSPENDED",
            Status::MeterUnknown => "METER_UNKNOWN",
            Status::NotEntitled => "NOT_ENTITLED",
            Status::Overflow => "OVERFLOW",
            Status::LimitReached => "LIMIT_REACHED",
            Status::Insufficient => "INSUFFICIENT",
            Status::GrantUnknown => "GRANT_UNKNOWN",
            Status::EventUnknown => "EVENT_UNKNOWN",
            Status::ReservationUnknown => "RESERVATION_UNKNOWN",
        }
    }

    /// Counted as refused in a batch answer: everything but `Ok` and `Duplicate`.
    pub const fn is_refusal(self) -> bool {
        !matches!(self, Status::Ok | Status::Duplicate)
    }
}
