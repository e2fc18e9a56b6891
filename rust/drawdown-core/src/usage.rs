//! One usage event as it reaches the engine, and what the engine answers.
//!
//! The wire crate fills `UsageEvent`s from bytes outside the engine's lock: shape is checked
//! there (`malformed`), and everything that can be hashed without engine state is hashed there.

use crate::hash::StoreKey;
use crate::status::Status;

/// What the event is about: a metered quantity, or a direct debit of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// Meter key; `quantity` is in 10^-quantity_scale of its unit.
    Meter(&'a str),
    /// Credit type name; `quantity` is the amount in the type's smallest unit.
    CreditType(&'a str),
}

/// One reported use. Borrowed from the batch's bytes.
#[derive(Clone, Copy, Debug)]
pub struct UsageEvent<'a> {
    /// 1–128 bytes of printable UTF-8, unique per account.
    pub event_id: &'a str,
    /// 1–128 bytes of printable UTF-8.
    pub account_id: &'a str,
    pub subject: Subject<'a>,
    /// 0 or more; a negative one is `INVALID`.
    pub quantity: i64,
    /// UTC microseconds; `None` takes the batch's `received_at`.
    pub time_us: Option<i64>,
    /// Sorted by key, keys unique.
    pub dimensions: &'a [(&'a str, &'a str)],
    pub force: bool,
    /// Set by the decoder when the event cannot be taken as it is: answers `INVALID`.
    pub malformed: bool,
    /// `StoreKey::account_hash(account_id)`.
    pub account_hash: u64,
    /// `StoreKey::event_hash(event_id)`; the engine adds the account.
    pub event_hash: u128,
    /// `UsageEvent::fingerprint_of`: content as the caller sent it.
    pub fingerprint: u64,
}

impl<'a> UsageEvent<'a> {
    /// Fill the three hashes from the other fields.
    #[inline]
    pub fn seal(mut self, key: &StoreKey) -> Self {
        self.account_hash = key.account_hash(self.account_id.as_bytes());
        self.event_hash = key.event_hash(self.event_id.as_bytes());
        self.fingerprint = self.fingerprint_of(key);
        self
    }

    /// Content fingerprint (§5.5): subject, quantity, time (absent is a value of its own),
    /// dimensions as a set. `force`, batch and stamp are not content.
    #[inline]
    pub fn fingerprint_of(&self, key: &StoreKey) -> u64 {
        let (kind, subject) = match self.subject {
            Subject::Meter(m) => (FINGERPRINT_METER, m),
            Subject::CreditType(c) => (FINGERPRINT_CREDIT_TYPE, c),
        };
        let mut f = key.fingerprint(kind, subject.as_bytes(), self.quantity, self.time_us);
        for (k, v) in self.dimensions {
            f = key.fold_pair(f, k.as_bytes(), v.as_bytes());
        }
        f
    }
}

/// What a fingerprint's subject names; part of the content.
pub const FINGERPRINT_METER: u64 = 1;
pub const FINGERPRINT_CREDIT_TYPE: u64 = 2;

/// What happened to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: Status,
    /// Credits charged, smallest units; 0 unless `Ok`.
    pub charged: i64,
    /// Under `partial`: the priced rest that nothing paid for; 0 otherwise.
    pub uncovered: i64,
    /// The pool's available right after this event; absent where no pool is known.
    pub available: Option<i64>,
    /// On `INSUFFICIENT` and `LIMIT_REACHED`: what was missing for this meter.
    pub shortfall: Option<i64>,
}

impl Outcome {
    pub const fn refused(status: Status) -> Outcome {
        Outcome { status, charged: 0, uncovered: 0, available: None, shortfall: None }
    }
}

/// Receives the outcome of each event of a batch, in order.
pub trait OutcomeSink {
    fn push(&mut self, index: u32, outcome: &Outcome);
}

impl OutcomeSink for Vec<Outcome> {
    fn push(&mut self, _index: u32, outcome: &Outcome) {
        Vec::push(self, *outcome);
    }
}

/// What the caller may do; comes from the credential, never from the request.
#[derive(Clone, Copy, Debug)]
pub struct Rights<'a> {
    /// Accounts whose id does not start with this answer `ACCOUNT_UNKNOWN`. Empty: all.
    pub account_prefix: &'a str,
    /// Without it an event with `force` is `INVALID`.
    pub may_force: bool,
}

impl Rights<'static> {
    pub const ALL: Rights<'static> = Rights { account_prefix: "", may_force: true };
}
