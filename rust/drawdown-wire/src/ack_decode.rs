//! An encoded `UsageAck` back to totals and results, for clients. The bytes are drawn in `ack.rs`.

use crate::error::WireError;
use crate::packed::{Zigzag, read_packed};
use crate::reader::{BYTES, Reader, VARINT, wrong_wire};
use drawdown_core::{Outcome, Status};

/// What a batch came to. Amounts are in smallest units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    pub batch_id: u64,
    /// Journal position that makes the batch durable.
    pub seq: u64,
    pub applied: u32,
    pub duplicates: u32,
    /// Everything else, `Conflict` included.
    pub refused: u32,
    pub durable: bool,
    /// Events that are not plainly `Ok`; with detail `All` every event, in order.
    pub results: Vec<EventResult>,
}

/// The outcome of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventResult {
    /// Position in the batch, from 0.
    pub index: u32,
    pub outcome: Outcome,
}

/// Decode one ack.
///
/// # Errors
/// The bytes are no `UsageAck`, a status is unknown here, or its columns contradict each other.
pub fn decode_ack(bytes: &[u8]) -> Result<Ack, WireError> {
    let mut ack = Ack::default();
    let mut columns: Option<ResultColumns<'_>> = None;
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let start = reader.offset();
        match reader.tag()? {
            (1, VARINT) => ack.batch_id = reader.varint()?,
            (2, VARINT) => ack.seq = reader.varint()?,
            (3, VARINT) => ack.applied = reader.varint()? as u32,
            (4, VARINT) => ack.duplicates = reader.varint()? as u32,
            (5, VARINT) => ack.refused = reader.varint()? as u32,
            (6, BYTES) => ack.results.push(read_exception(reader.message()?)?),
            (7, BYTES) => columns.get_or_insert_default().read(reader.message()?)?,
            (8, VARINT) => ack.durable = reader.varint()? != 0,
            (field @ 1..=8, wire) => return Err(wrong_wire(start, "UsageAck", field, wire)),
            (_, wire) => reader.skip(wire)?,
        }
    }
    if let Some(columns) = columns {
        ack.results = columns.into_results()?;
    }
    Ok(ack)
}

fn status_of(offset: usize, number: u64) -> Result<Status, WireError> {
    usize::try_from(number)
        .ok()
        .and_then(|number| Status::ALL.get(number.wrapping_sub(1)).copied())
        .ok_or_else(|| WireError::at(offset, format!("status {number} is unknown here: the server is newer")))
}

fn read_exception(mut reader: Reader<'_>) -> Result<EventResult, WireError> {
    let at = reader.offset();
    let mut index = 0;
    let mut status = 0;
    let mut outcome = Outcome::refused(Status::Invalid);
    while !reader.is_empty() {
        let start = reader.offset();
        match reader.tag()? {
            (1, VARINT) => index = reader.varint()? as u32,
            (2, VARINT) => status = reader.varint()?,
            (3, VARINT) => outcome.charged = reader.varint()? as i64,
            (4, VARINT) => outcome.uncovered = reader.varint()? as i64,
            (5, VARINT) => outcome.available = Some(reader.varint()? as i64),
            (6, VARINT) => outcome.shortfall = Some(reader.varint()? as i64),
            (field @ 1..=6, wire) => return Err(wrong_wire(start, "EventException", field, wire)),
            (_, wire) => reader.skip(wire)?,
        }
    }
    outcome.status = status_of(at, status)?;
    Ok(EventResult { index, outcome })
}

#[derive(Default)]
struct ResultColumns<'a> {
    at: usize,
    status: &'a [u8],
    charged: Vec<i64>,
    available: Vec<Zigzag>,
    available_known: &'a [u8],
    uncovered: Vec<i64>,
    shortfall: Vec<i64>,
}

impl<'a> ResultColumns<'a> {
    fn read(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        const MESSAGE: &str = "ResultColumns";
        self.at = reader.offset();
        while !reader.is_empty() {
            let start = reader.offset();
            let tag = reader.tag()?;
            match tag {
                (1, BYTES) => self.status = reader.bytes()?,
                (2, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.charged)?,
                (3, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.available)?,
                (4, BYTES) => self.available_known = reader.bytes()?,
                (5, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.uncovered)?,
                (6, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.shortfall)?,
                (field @ 1..=6, wire) => return Err(wrong_wire(start, MESSAGE, field, wire)),
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    fn into_results(self) -> Result<Vec<EventResult>, WireError> {
        let count = self.status.len();
        let whole = [self.charged.len(), self.available.len(), self.available_known.len()];
        let sparse = [self.uncovered.len(), self.shortfall.len()];
        let agree =
            whole.iter().all(|&length| length == count) && sparse.iter().all(|&length| length == count || length == 0);
        if !agree {
            return Err(WireError::at(self.at, format!("result columns are not all of {count} elements")));
        }
        (0..count).map(|index| self.result(index)).collect()
    }

    fn result(&self, index: usize) -> Result<EventResult, WireError> {
        let status = status_of(self.at, u64::from(self.status[index]))?;
        let shortfall = self.shortfall.get(index).copied().unwrap_or(0);
        let outcome = Outcome {
            status,
            charged: self.charged[index],
            uncovered: self.uncovered.get(index).copied().unwrap_or(0),
            available: (self.available_known[index] != 0).then_some(self.available[index].0),
            // The column knows no absence: only these two statuses say what was missing.
            shortfall: matches!(status, Status::Insufficient | Status::LimitReached).then_some(shortfall),
        };
        Ok(EventResult { index: index as u32, outcome })
    }
}
