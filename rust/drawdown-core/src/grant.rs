//! A grant: an immutable allocation of credits, and the burn-down order (semantics §4).

use crate::command::{Category, Source};
use crate::grant_cursor::BurnKey;
use crate::id::SmallId;
use std::collections::BTreeMap;

/// `expires_at` of a grant that never expires.
pub const NEVER: i64 = i64::MAX;

/// Awaiting payment or approval: listed, never spendable.
pub const PENDING: u8 = 1;
/// Voided: never pays again.
pub const VOIDED: u8 = 2;
/// Category promotional; without it, paid.
pub const PROMOTIONAL: u8 = 4;
/// Valid as of the pool's last lived instant, so its free credits are in `available`. Derived.
pub const COUNTED: u8 = 8;
/// Its last credit went while it was active, and the ledger says so; cleared when some come back.
pub const EXHAUSTED: u8 = 16;
/// Paid debt that a correction may give back to it (`PoolExtra::settled`). Derived.
pub const SETTLES: u8 = 32;
/// What is found again from the rest.
pub const DERIVED: u8 = COUNTED | SETTLES;

/// The part that burning reads and writes: exactly one cache line, so that looking at a grant is
/// one miss.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Grant {
    pub remaining: i64,
    /// Set aside by reservations; `0 <= held <= remaining`.
    pub held: i64,
    pub burned: i64,
    /// Counts an account's grants from 0 in order of creation.
    pub number: u32,
    /// Interned scope; `Scopes::ALL` pays for everything.
    pub scope: u32,
    pub flags: u8,
    pub priority: u8,
    pub source: Source,
    pub effective_at: i64,
    /// End-exclusive; `NEVER` if it does not expire.
    pub expires_at: i64,
    pub detail: Box<GrantDetail>,
}

const _: () = assert!(size_of::<Grant>() == 64);

/// What only reports and ends of life touch.
#[derive(Clone, Debug)]
pub struct GrantDetail {
    pub id: SmallId,
    pub amount: i64,
    /// Fingerprint of the content as sent.
    pub fingerprint: u64,
    /// Of its end of life; absent while all of it is 0.
    pub ended: Option<Box<Ended>>,
    /// What differs from the defaults; absent for a plain grant.
    pub text: Option<Box<GrantText>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub expired: i64,
    pub voided: i64,
    /// Carried into a replacing grant (rollover, proration, part withdrawal).
    pub moved: i64,
    /// When it was voided, or last used up while it was active; 0: neither.
    pub at: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantText {
    pub name: String,
    pub source_reference: String,
    pub cost_minor: i64,
    pub cost_currency: String,
    pub reason: String,
    pub metadata: BTreeMap<String, String>,
}

/// First that fits (semantics §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    Voided,
    Pending,
    Expired,
    Scheduled,
    Exhausted,
    Active,
}

impl GrantState {
    pub const fn name(self) -> &'static str {
        match self {
            GrantState::Voided => "voided",
            GrantState::Pending => "pending",
            GrantState::Expired => "expired",
            GrantState::Scheduled => "scheduled",
            GrantState::Exhausted => "exhausted",
            GrantState::Active => "active",
        }
    }
}

impl Grant {
    #[inline]
    pub fn free(&self) -> i64 {
        self.remaining - self.held
    }

    /// May pay at `t` as far as time and state go.
    #[inline]
    pub fn is_valid_at(&self, t: i64) -> bool {
        self.flags & (VOIDED | PENDING) == 0 && self.effective_at <= t && t < self.expires_at
    }

    #[inline]
    pub fn is_counted(&self) -> bool {
        self.flags & COUNTED != 0
    }

    pub fn state(&self, now: i64) -> GrantState {
        if self.flags & VOIDED != 0 {
            GrantState::Voided
        } else if self.flags & PENDING != 0 {
            GrantState::Pending
        } else if now >= self.expires_at {
            GrantState::Expired
        } else if now < self.effective_at {
            GrantState::Scheduled
        } else if self.remaining == 0 {
            GrantState::Exhausted
        } else {
            GrantState::Active
        }
    }

    pub fn ended(&self) -> Ended {
        self.detail.ended.as_deref().copied().unwrap_or_default()
    }

    pub fn ended_mut(&mut self) -> &mut Ended {
        self.detail.ended.get_or_insert_default()
    }

    pub fn category(&self) -> Category {
        if self.flags & PROMOTIONAL != 0 { Category::Promotional } else { Category::Paid }
    }

    /// Sorts by the burn-down order: priority, expiry (never last), promotional before paid,
    /// narrower scope (`all` last), effective time, creation. Total: `number` is unique.
    pub fn burn_key(&self, scope_width: u32) -> BurnKey {
        (self.priority, self.expires_at, self.flags & PROMOTIONAL == 0, scope_width, self.effective_at, self.number)
    }

    /// amount = remaining + burned + expired + voided + moved, and 0 ≤ held ≤ remaining.
    pub fn is_conserved(&self) -> bool {
        let ended = self.ended();
        let parts = [self.remaining, self.burned, ended.expired, ended.voided, ended.moved];
        parts.iter().all(|part| *part >= 0)
            && parts.iter().map(|part| i128::from(*part)).sum::<i128>() == i128::from(self.detail.amount)
            && (0..=self.remaining).contains(&self.held)
    }
}
