//! Outcomes to an encoded `UsageAck`.
//!
//! ```text
//! 08 batch id  10 seq  18 applied  20 duplicates  28 refused  40 durable
//! 32 exception, repeated:  08 index  10 status  18 charged  20 uncovered  28 available  30 shortfall
//! 3a results:  0a status bytes  12 charged  1a available (zigzag)  22 known bytes  2a uncovered  32 shortfall
//! ```

use crate::reader::BYTES;
use crate::usage_batch::ResultDetail;
use crate::writer::{bytes_field_length, put_bytes};
use crate::writer::{put_bytes_set, put_number, put_number_set, put_tag, put_varint, zigzag};
use drawdown_core::{Outcome, OutcomeSink, Status};

/// Receives the outcomes of one batch and encodes the ack. Reusable: `finish` empties it.
#[derive(Default)]
pub struct AckBuilder {
    detail: ResultDetail,
    applied: u32,
    duplicates: u32,
    refused: u32,
    /// Encoded `exceptions` fields, tags included.
    exceptions: Vec<u8>,
    exception: Vec<u8>,
    results: Results,
}

/// The columns of detail `All`; the number columns are packed as they come.
#[derive(Default)]
struct Results {
    status: Vec<u8>,
    charged: Vec<u8>,
    available: Vec<u8>,
    available_known: Vec<u8>,
    uncovered: Vec<u8>,
    uncovered_any: bool,
    shortfall: Vec<u8>,
    shortfall_any: bool,
}

impl AckBuilder {
    pub fn new(detail: ResultDetail) -> AckBuilder {
        AckBuilder { detail, ..AckBuilder::default() }
    }

    /// Forget what was pushed and begin an ack of this detail.
    pub fn begin(&mut self, detail: ResultDetail) {
        self.clear();
        self.detail = detail;
    }

    /// Events pushed so far: `(applied, duplicates, refused)`.
    pub fn totals(&self) -> (u32, u32, u32) {
        (self.applied, self.duplicates, self.refused)
    }

    /// The encoded ack. The builder is empty afterwards, of the same detail.
    pub fn finish(&mut self, batch_id: u64, seq: u64, durable: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + self.exceptions.len() + self.results.length_max());
        put_number_set(&mut out, 1, batch_id);
        put_number_set(&mut out, 2, seq);
        put_number_set(&mut out, 3, u64::from(self.applied));
        put_number_set(&mut out, 4, u64::from(self.duplicates));
        put_number_set(&mut out, 5, u64::from(self.refused));
        out.extend_from_slice(&self.exceptions);
        if self.detail == ResultDetail::All {
            self.results.put(&mut out);
        }
        put_number_set(&mut out, 8, u64::from(durable));
        self.clear();
        out
    }

    fn clear(&mut self) {
        (self.applied, self.duplicates, self.refused) = (0, 0, 0);
        self.exceptions.clear();
        self.results.clear();
    }

    #[inline(never)]
    fn push_exception(&mut self, index: u32, outcome: &Outcome) {
        let body = &mut self.exception;
        body.clear();
        put_number_set(body, 1, u64::from(index));
        put_number(body, 2, outcome.status as u64);
        put_number_set(body, 3, outcome.charged as u64);
        put_number_set(body, 4, outcome.uncovered as u64);
        if let Some(available) = outcome.available {
            put_number(body, 5, available as u64);
        }
        if let Some(shortfall) = outcome.shortfall {
            put_number(body, 6, shortfall as u64);
        }
        put_bytes(&mut self.exceptions, 6, body);
    }
}

impl OutcomeSink for AckBuilder {
    #[inline]
    fn push(&mut self, index: u32, outcome: &Outcome) {
        match outcome.status {
            Status::Ok => self.applied += 1,
            Status::Duplicate => self.duplicates += 1,
            _ => self.refused += 1,
        }
        match self.detail {
            ResultDetail::Exceptions => {
                if outcome.status != Status::Ok || outcome.uncovered != 0 {
                    self.push_exception(index, outcome);
                }
            }
            ResultDetail::All => self.results.push(outcome),
            ResultDetail::None => {}
        }
    }
}

impl Results {
    fn push(&mut self, outcome: &Outcome) {
        self.status.push(outcome.status as u8);
        put_varint(&mut self.charged, outcome.charged as u64);
        put_varint(&mut self.available, zigzag(outcome.available.unwrap_or(0)));
        self.available_known.push(u8::from(outcome.available.is_some()));
        put_varint(&mut self.uncovered, outcome.uncovered as u64);
        self.uncovered_any |= outcome.uncovered != 0;
        let shortfall = outcome.shortfall.unwrap_or(0);
        put_varint(&mut self.shortfall, shortfall as u64);
        self.shortfall_any |= shortfall != 0;
    }

    fn fields(&self) -> [(u32, &[u8]); 6] {
        [
            (1, &self.status),
            (2, &self.charged),
            (3, &self.available),
            (4, &self.available_known),
            (5, if self.uncovered_any { &self.uncovered } else { &[] }),
            (6, if self.shortfall_any { &self.shortfall } else { &[] }),
        ]
    }

    fn put(&self, out: &mut Vec<u8>) {
        let lengths = self.fields().into_iter().filter(|(_, bytes)| !bytes.is_empty());
        let length: usize = lengths.map(|(_, bytes)| bytes_field_length(bytes.len())).sum();
        put_tag(out, 7, BYTES);
        put_varint(out, length as u64);
        for (field, bytes) in self.fields() {
            put_bytes_set(out, field, bytes);
        }
    }

    /// No less than `put` writes.
    fn length_max(&self) -> usize {
        self.fields().into_iter().map(|(_, bytes)| bytes.len() + 6).sum::<usize>() + 6
    }

    fn clear(&mut self) {
        self.status.clear();
        self.charged.clear();
        self.available.clear();
        self.available_known.clear();
        self.uncovered.clear();
        self.shortfall.clear();
        (self.uncovered_any, self.shortfall_any) = (false, false);
    }
}
