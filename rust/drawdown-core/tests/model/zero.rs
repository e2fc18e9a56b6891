//! What the reference ledger does at zero (§5.4).

use crate::ledger::{Policy, Pool};

pub type Taken = (i128, i128, i128);

/// §5.4: (owed, overage, uncovered) of the rest that no grant covers, or the refusal and what was missing.
pub fn at_zero(pool: &Pool, covered: i128, rest: i128, period: i64) -> Result<Taken, (&'static str, i128)> {
    if rest == 0 {
        return Ok((0, 0, 0));
    }
    match pool.policy {
        Policy::Partial if covered > 0 => Ok((0, 0, rest)),
        Policy::Hard | Policy::Partial => Err(("INSUFFICIENT", rest)),
        Policy::Overdraft(limit) => match (limit - pool.overdraft() - pool.held_overdraft).max(0) {
            room if rest <= room => Ok((rest, 0, 0)),
            room => Err(("LIMIT_REACHED", rest - room)),
        },
        Policy::Overage(None) => Ok((0, rest, 0)),
        Policy::Overage(Some(cap)) => match (cap - pool.overage_in(period) - pool.held_overage).max(0) {
            room if rest <= room => Ok((0, rest, 0)),
            room => Err(("LIMIT_REACHED", rest - room)),
        },
    }
}
