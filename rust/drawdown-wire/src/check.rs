//! `CheckRequest` and `BatchCheckRequest` bytes to questions, and answers to bytes.
//!
//! ```text
//! CheckRequest        0a account  12 meter  18 quantity (absent: 1)  22 dimension entry, repeated
//! BatchCheckRequest   0a CheckRequest, repeated
//! CheckResponse       08 allowed  10 reason  18 available  20 units  28 seq
//! BatchCheckResponse  0a CheckResponse, repeated  10 seq
//! ```

use crate::dimensions::{Pair, PairCollector, PairSpan};
use crate::error::WireError;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::printable::id_text;
use crate::reader::{BYTES, Reader, VARINT, wrong_wire};
use crate::usage_batch::recycle;
use crate::writer::{put_bytes, put_number, put_number_set};
use drawdown_core::{Status, StoreKey};

/// May a record of the same be `Ok` now?
#[derive(Clone, Copy, Debug)]
pub struct CheckRequest<'a> {
    pub account_id: &'a str,
    pub meter: &'a str,
    /// In 10^-quantity_scale of the meter's unit.
    pub quantity: i64,
    /// Sorted by key, keys unique.
    pub dimensions: &'a [(&'a str, &'a str)],
    /// Answers `INVALID`.
    pub malformed: bool,
    /// `StoreKey::account_hash(account_id)`.
    pub account_hash: u64,
}

/// The answer to one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckAnswer {
    pub allowed: bool,
    /// `Ok` when allowed, else the status a record of the same would get now.
    pub reason: Status,
    /// Smallest units; absent where no pool is known.
    pub available: Option<i64>,
    /// Largest quantity whose price fits `available`.
    pub units: i64,
    /// Journal position of the state that answered.
    pub seq: u64,
}

/// Decodes checks into an arena that is kept between calls. One per thread.
#[derive(Default)]
pub struct CheckDecoder {
    checks: Vec<CheckRequest<'static>>,
    pairs: Vec<Pair<'static>>,
    spans: Vec<PairSpan>,
}

impl CheckDecoder {
    pub fn new() -> CheckDecoder {
        CheckDecoder::default()
    }

    /// Decode one `CheckRequest` and hand it to `take`.
    ///
    /// # Errors
    /// The bytes are no `CheckRequest`; `take` was not called.
    pub fn decode_one_with<R>(
        &mut self,
        bytes: &[u8],
        key: &StoreKey,
        take: impl FnOnce(&CheckRequest<'_>) -> R,
    ) -> Result<R, WireError> {
        check_length(bytes)?;
        let mut pairs: Vec<Pair<'_>> = std::mem::take(&mut self.pairs);
        let (check, span) = read_check(Reader::new(bytes), key, &mut pairs)?;
        let answer = take(&CheckRequest { dimensions: span.of(&pairs), ..check });
        self.pairs = recycle(pairs);
        Ok(answer)
    }

    /// Decode one `BatchCheckRequest` and hand its checks, in order, to `take`. None is allowed.
    ///
    /// # Errors
    /// The bytes are no `BatchCheckRequest`, or hold too many checks; `take` was not called.
    pub fn decode_batch_with<R>(
        &mut self,
        bytes: &[u8],
        key: &StoreKey,
        take: impl FnOnce(&[CheckRequest<'_>]) -> R,
    ) -> Result<R, WireError> {
        check_length(bytes)?;
        let mut pairs: Vec<Pair<'_>> = std::mem::take(&mut self.pairs);
        let mut spans = std::mem::take(&mut self.spans);
        let mut checks: Vec<CheckRequest<'_>> = std::mem::take(&mut self.checks);
        spans.clear();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let start = reader.offset();
            match reader.tag()? {
                (1, BYTES) => {
                    if checks.len() == BATCH_EVENTS_MAX {
                        let reason = format!("more than {BATCH_EVENTS_MAX} checks in one call: split it");
                        return Err(WireError::at(start, reason));
                    }
                    let (check, span) = read_check(reader.message()?, key, &mut pairs)?;
                    checks.push(check);
                    spans.push(span);
                }
                (1, wire) => return Err(wrong_wire(start, "BatchCheckRequest", 1, wire)),
                (_, wire) => reader.skip(wire)?,
            }
        }
        for (check, span) in checks.iter_mut().zip(&spans) {
            check.dimensions = span.of(&pairs);
        }
        let answer = take(&checks);
        self.checks = recycle(checks);
        self.pairs = recycle(pairs);
        self.spans = spans;
        Ok(answer)
    }
}

fn check_length(bytes: &[u8]) -> Result<(), WireError> {
    if bytes.len() <= BATCH_BYTES_MAX {
        return Ok(());
    }
    let length = bytes.len();
    let reason = format!("{length} bytes in one call, at most {BATCH_BYTES_MAX} are accepted: split it");
    Err(WireError::at(BATCH_BYTES_MAX, reason))
}

fn read_check<'a>(
    mut reader: Reader<'a>,
    key: &StoreKey,
    pairs: &mut Vec<Pair<'a>>,
) -> Result<(CheckRequest<'a>, PairSpan), WireError> {
    let (mut account, mut meter, mut quantity) = (&[][..], &[][..], 1);
    let mut collector = PairCollector::at_end_of(pairs);
    while !reader.is_empty() {
        let start = reader.offset();
        match reader.tag()? {
            (1, BYTES) => account = reader.bytes()?,
            (2, BYTES) => meter = reader.bytes()?,
            (3, VARINT) => quantity = reader.varint()? as i64,
            (4, BYTES) => collector.read_entry(reader.message()?, pairs)?,
            (field @ 1..=4, wire) => return Err(wrong_wire(start, "CheckRequest", field, wire)),
            (_, wire) => reader.skip(wire)?,
        }
    }
    let span = collector.finish(pairs);
    let (account_id, meter) = (id_text(account), id_text(meter));
    let check = CheckRequest {
        account_id: account_id.unwrap_or_default(),
        meter: meter.unwrap_or_default(),
        quantity,
        dimensions: &[],
        malformed: account_id.is_none() || meter.is_none() || span.is_none() || quantity < 0,
        account_hash: key.account_hash(account_id.unwrap_or_default().as_bytes()),
    };
    Ok((check, span.unwrap_or_default()))
}

/// An encoded `CheckResponse`.
pub fn check_response(answer: &CheckAnswer) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    put_answer(&mut out, answer);
    out
}

/// An encoded `BatchCheckResponse`; `seq` is the position of the state that answered them all.
pub fn batch_check_response(answers: &[CheckAnswer], seq: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(answers.len() * 32 + 16);
    let mut body = Vec::with_capacity(48);
    for answer in answers {
        body.clear();
        put_answer(&mut body, answer);
        put_bytes(&mut out, 1, &body);
    }
    put_number_set(&mut out, 2, seq);
    out
}

fn put_answer(out: &mut Vec<u8>, answer: &CheckAnswer) {
    put_number_set(out, 1, u64::from(answer.allowed));
    put_number(out, 2, answer.reason as u64);
    if let Some(available) = answer.available {
        put_number(out, 3, available as u64);
    }
    put_number_set(out, 4, answer.units as u64);
    put_number_set(out, 5, answer.seq);
}
