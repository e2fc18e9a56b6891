//! Crossings for the relay: from memory, or from the journal where they have left it.

use crate::error::{NodeError, SubmitError};
use crate::history::scan;
use crate::node::Node;
use drawdown_core::entry::{Control, Crossed};
use drawdown_core::ledger_record::Fact;
use serde_json::Value;
use std::ops::ControlFlow;

impl Node {
    /// Durable crossings after journal position `cursor`, oldest first, at most `limit`, as JSON
    /// objects; and the position to go on from, which moves on where there was none.
    ///
    /// # Errors
    /// `Halted`; `Corrupt` and `Io` where the journal can't be read.
    pub fn crossings(&self, cursor: u64, limit: usize) -> Result<(u64, Vec<Value>), NodeError> {
        let halted = |error: SubmitError| NodeError::Halted(error.to_string());
        let durable = self.acknowledged_seq();
        let from_memory = self
            .read(|engine, _| {
                engine.crossings_after(cursor, limit).map(|found| {
                    let shown = found.iter().filter(|(seq, _)| *seq <= durable);
                    shown.map(|(seq, crossed)| (*seq, engine.crossing_json(*seq, crossed))).collect::<Vec<_>>()
                })
            })
            .map_err(halted)?;
        let Some(found) = from_memory else { return self.journaled_crossings(cursor, limit, durable) };
        let next = found.last().map_or(cursor, |(seq, _)| *seq);
        Ok((next, found.into_iter().map(|(_, object)| object).collect()))
    }

    fn journaled_crossings(&self, cursor: u64, limit: usize, durable: u64) -> Result<(u64, Vec<Value>), NodeError> {
        let halted = |error: SubmitError| NodeError::Halted(error.to_string());
        let up_to = self.read(|engine, _| engine.crossings_from()).map_err(halted)?.min(durable);
        let mut found: Vec<(u64, Crossed)> = Vec::new();
        scan(&self.shared, cursor + 1..=up_to, |record| {
            if record.is_usage() {
                return Ok(ControlFlow::Continue(()));
            }
            let record = record.decode()?;
            if let Fact::Control(Control::Crossed(crossed)) = record.what {
                found.push((record.seq, crossed));
            }
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let next = if found.len() < limit { up_to } else { found.last().map_or(up_to, |(seq, _)| *seq) };
        let shown = self.read(|engine, _| {
            found.iter().map(|(seq, crossed)| engine.crossing_json(*seq, crossed)).collect::<Vec<_>>()
        });
        Ok((next.max(cursor), shown.map_err(halted)?))
    }
}
