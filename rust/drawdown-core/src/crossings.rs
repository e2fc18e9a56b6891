//! Crossings of the recent past, for the relay that turns them into notices.

use crate::engine::Engine;
use crate::entry::{Crossed, Crossing};

impl Engine {
    /// Crossings after journal position `cursor`, oldest first, at most `limit`; `None` where some of
    /// them may have left memory: then the journal has those up to `crossings_from`.
    pub fn crossings_after(&self, cursor: u64, limit: usize) -> Option<Vec<(u64, Crossed)>> {
        if cursor < self.crossings_from {
            return None;
        }
        let from = self.crossings.partition_point(|(seq, _)| *seq <= cursor);
        Some(self.crossings.iter().skip(from).take(limit).cloned().collect())
    }

    /// Every crossing after this position is in memory.
    pub fn crossings_from(&self) -> u64 {
        self.crossings_from
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
