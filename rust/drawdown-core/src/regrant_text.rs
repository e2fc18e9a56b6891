//! What a grant says of itself that carries credits on which came back to one that is over.

use crate::amount::divide_half_even;
use crate::entry::{GrantTextEntry, Pair};
use crate::grant::Grant;

/// Name and metadata of the old grant, and its cost basis in proportion, rounded half-even.
pub fn text_of_regrant(grant: &Grant, amount: i64) -> GrantTextEntry {
    let old = grant.detail.text.as_deref().cloned().unwrap_or_default();
    let id = grant.detail.id.as_str();
    let exact = i128::from(old.cost_minor) * i128::from(amount);
    let cost = divide_half_even(exact, i128::from(grant.detail.amount.max(1)));
    GrantTextEntry {
        name: if old.name.is_empty() { id.into() } else { old.name },
        source_reference: id.into(),
        // A part of the old cost, so it fits.
        cost_minor: i64::try_from(cost).unwrap_or(old.cost_minor),
        cost_currency: old.cost_currency,
        reason: "came back by a correction".into(),
        metadata: old.metadata.into_iter().map(|(key, value)| Pair { key, value }).collect(),
    }
}
