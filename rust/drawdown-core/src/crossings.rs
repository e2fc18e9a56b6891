//! Crossings of the recent past, for the relay that turns them into notices.

use crate::engine::{CROSSINGS_MAX, Engine};
use crate::entry::{Crossed, Crossing};

impl Engine {
    /// Crossings after journal position `cursor`, oldest first, at most `limit`; and whether any
    /// between the cursor and the first of them may have left memory (then read the journal).
    pub fn crossings_after(&self, cursor: u64, limit: usize) -> (Vec<(u64, Crossed)>, bool) {
        let from = self.crossings.partition_point(|(seq, _)| *seq <= cursor);
        let found = self.crossings.iter().skip(from).take(limit).cloned().collect();
        (found, from == 0 && self.crossings.len() == CROSSINGS_MAX)
    }

    /// One crossing as its notice, for people and relays.
    pub fn crossing_json(&self, seq: u64, crossed: &Crossed) -> serde_json::Value {
        let credit_type = &self.catalog.credit_types[crossed.credit_type as usize];
        serde_json::json!({
            "seq": seq,
            "account": self.accounts[crossed.account as usize].id.as_str(),
            "credit_type": credit_type.name,
            "scale": credit_type.scale,
            "kind": Crossing::of(crossed.kind).map_or("unknown", Crossing::notice),
            "threshold": crossed.threshold,
            "available": crossed.available,
        })
    }
}
