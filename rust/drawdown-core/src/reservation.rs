//! A reservation in memory: what it holds of which grants, and what giving it back does (semantics §6).
//!
//! A hold does not change from its reserve to its end, so commands that keep an account for undo
//! copy only a pointer to it.

use crate::account::Pool;
use crate::grant::VOIDED;
use crate::id::SmallId;

/// A reservation lives at most this long.
pub const TTL_MAX_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Part of one grant, set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPart {
    /// Number of the grant.
    pub number: u32,
    pub amount: i64,
}

/// Which of the pool's headroom a reservation holds beside grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headroom {
    None,
    /// Becomes open debt when it is used.
    Overdraft(i64),
    /// Becomes overage of the period that is charged.
    Overage(i64),
}

impl Headroom {
    pub fn amount(self) -> i64 {
        match self {
            Headroom::None => 0,
            Headroom::Overdraft(amount) | Headroom::Overage(amount) => amount,
        }
    }

    pub const fn name(self) -> Option<&'static str> {
        match self {
            Headroom::None => None,
            Headroom::Overdraft(_) => Some("overdraft"),
            Headroom::Overage(_) => Some("overage"),
        }
    }
}

/// What the reservation was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Of its meter, in 10^-quantity_scale of its unit.
    Quantity(i64),
    Credits(i64),
}

/// An open reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub id: SmallId,
    /// Fingerprint of the content as sent.
    pub fingerprint: u64,
    /// `None`: credits without a meter, which only grants of scope `all` pay for.
    pub meter: Option<u16>,
    /// The price of the reserve; 0 without a meter.
    pub rate: u32,
    pub asked: Asked,
    /// As sent, sorted by key.
    pub dimensions: Vec<(String, String)>,
    /// In burn-down order of the reserve; burned in this order, returned from its end.
    pub parts: Vec<HeldPart>,
    pub headroom: Headroom,
    /// Under `partial`: the priced rest that nothing is set aside for.
    pub uncovered: i64,
    pub created_at: i64,
    pub expires_at: i64,
}

impl Reservation {
    /// Credits set aside from grants.
    pub fn held(&self) -> i64 {
        self.parts.iter().map(|part| part.amount).sum()
    }
}

/// What becomes of one held part when its reservation ends. The three add up to the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedPart {
    pub number: u32,
    pub burned: i64,
    pub returned: i64,
    /// Would have returned to a grant that was voided meanwhile.
    pub forfeited: i64,
}

/// How the parts of `reservation` end when `burned` credits of them are burned, first to last.
pub fn ended_parts(pool: &Pool, reservation: &Reservation, burned: i64) -> Vec<EndedPart> {
    let mut open = burned;
    let ended = reservation.parts.iter().map(|part| {
        let burned = part.amount.min(open);
        open -= burned;
        let rest = part.amount - burned;
        let grant = pool.position(part.number, 0).map(|at| &pool.grants[at]);
        let is_voided = grant.is_some_and(|grant| grant.flags & VOIDED != 0);
        let (returned, forfeited) = if is_voided { (0, rest) } else { (rest, 0) };
        EndedPart { number: part.number, burned, returned, forfeited }
    });
    ended.collect()
}
