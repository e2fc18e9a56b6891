//! One `UsageEvent` message to one sealed event.
//!
//! ```text
//! 0a id  12 account  1a meter | 22 credit type  28 quantity  30 credits  38 time
//! 42 dimension entry, repeated  48 force
//! ```

use crate::dimensions::{Pair, PairCollector, PairSpan};
use crate::error::WireError;
use crate::printable::id_text;
use crate::reader::{BYTES, Reader, VARINT, wrong_wire};
use crate::uuid_text::TEXT_BYTES;
use drawdown_core::{StoreKey, Subject, UsageEvent};

/// The fields of one event as they lie in the message.
#[derive(Default)]
struct EventFields<'a> {
    event_id: &'a [u8],
    account_id: &'a [u8],
    meter: Option<&'a [u8]>,
    credit_type: Option<&'a [u8]>,
    quantity: i64,
    credits: i64,
    time_us: Option<i64>,
    dimensions: Option<PairCollector>,
    force: bool,
}

/// What the event before had, so that a repeated account or meter is judged and hashed once.
#[derive(Default)]
pub struct Neighbour<'a> {
    account_bytes: &'a [u8],
    account_id: Option<&'a str>,
    account_hash: u64,
    subject_kind: u64,
    subject_bytes: &'a [u8],
    subject_text: Option<&'a str>,
    subject_fold: u64,
}

/// Kinds of subject in the content fingerprint, as in `UsageEvent::fingerprint_of`.
pub const METER_KIND: u64 = 1;
pub const CREDIT_TYPE_KIND: u64 = 2;

/// Read one event. Its `dimensions` are empty and its fingerprint leaves them out: the caller
/// adds both from the span once the arena no longer grows.
pub fn read_event<'a>(
    mut reader: Reader<'a>,
    key: &StoreKey,
    neighbour: &mut Neighbour<'a>,
    pairs: &mut Vec<Pair<'a>>,
) -> Result<(UsageEvent<'a>, PairSpan), WireError> {
    let mut fields = EventFields::default();
    // Encoders write fields in order of number: try that order before looking at each tag.
    if reader.take_tag(0x0a) {
        fields.event_id = reader.bytes()?;
    }
    if reader.take_tag(0x12) {
        fields.account_id = reader.bytes()?;
    }
    if reader.take_tag(0x1a) {
        fields.meter = Some(reader.bytes()?);
    }
    if reader.take_tag(0x28) {
        fields.quantity = reader.varint()? as i64;
    }
    if reader.take_tag(0x38) {
        fields.time_us = Some(reader.varint()? as i64);
    }
    if !reader.is_empty() {
        fields.read_any_order(reader, pairs)?;
    }
    Ok(fields.into_event(key, neighbour, pairs))
}

impl<'a> EventFields<'a> {
    #[inline(never)]
    fn read_any_order(&mut self, mut reader: Reader<'a>, pairs: &mut Vec<Pair<'a>>) -> Result<(), WireError> {
        while !reader.is_empty() {
            let start = reader.offset();
            match reader.tag()? {
                (1, BYTES) => self.event_id = reader.bytes()?,
                (2, BYTES) => self.account_id = reader.bytes()?,
                (3, BYTES) => self.meter = Some(reader.bytes()?),
                (4, BYTES) => self.credit_type = Some(reader.bytes()?),
                (5, VARINT) => self.quantity = reader.varint()? as i64,
                (6, VARINT) => self.credits = reader.varint()? as i64,
                (7, VARINT) => self.time_us = Some(reader.varint()? as i64),
                (8, BYTES) => {
                    let entry = reader.message()?;
                    self.dimensions.get_or_insert_with(|| PairCollector::at_end_of(pairs)).read_entry(entry, pairs)?;
                }
                (9, VARINT) => self.force = reader.varint()? != 0,
                (field @ 1..=9, wire) => return Err(wrong_wire(start, "UsageEvent", field, wire)),
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn into_event(
        self,
        key: &StoreKey,
        neighbour: &mut Neighbour<'a>,
        pairs: &mut Vec<Pair<'a>>,
    ) -> (UsageEvent<'a>, PairSpan) {
        let (kind, subject_bytes, quantity, stray) = match (self.meter, self.credit_type) {
            (Some(meter), None) => (METER_KIND, meter, self.quantity, self.credits != 0),
            (None, Some(credit_type)) => (CREDIT_TYPE_KIND, credit_type, self.credits, self.quantity != 0),
            // No subject or two: which amount is meant cannot be told.
            _ => (METER_KIND, &[][..], self.quantity, true),
        };
        neighbour.turn_to_account(self.account_id, key);
        neighbour.turn_to_subject(kind, subject_bytes, key);
        let span = match self.dimensions {
            None => Some(PairSpan::default()),
            Some(collector) => collector.finish(pairs),
        };
        let event_id = id_text(self.event_id);
        let complete = event_id.is_some() & neighbour.account_id.is_some() & neighbour.subject_text.is_some();
        let event_id = event_id.unwrap_or_default();
        let subject_text = neighbour.subject_text.unwrap_or_default();
        let event = UsageEvent {
            event_id,
            account_id: neighbour.account_id.unwrap_or_default(),
            subject: match kind {
                CREDIT_TYPE_KIND => Subject::CreditType(subject_text),
                _ => Subject::Meter(subject_text),
            },
            quantity,
            time_us: self.time_us,
            dimensions: &[],
            force: self.force,
            malformed: stray || quantity < 0 || !complete || span.is_none(),
            account_hash: neighbour.account_hash,
            event_hash: hash_id(key, event_id.as_bytes()),
            fingerprint: key.fingerprint_of_use(neighbour.subject_fold, quantity, self.time_us),
        };
        (event, span.unwrap_or_default())
    }
}

/// Most ids are UUID texts: their length, once known, unrolls the hash.
#[inline(always)]
fn hash_id(key: &StoreKey, id: &[u8]) -> u128 {
    match <&[u8; TEXT_BYTES]>::try_from(id) {
        Ok(uuid_text) => key.event_hash(uuid_text),
        Err(_) => hash_other_id(key, id),
    }
}

#[inline(never)]
fn hash_other_id(key: &StoreKey, id: &[u8]) -> u128 {
    key.event_hash(id)
}

impl<'a> Neighbour<'a> {
    #[inline(always)]
    fn turn_to_account(&mut self, bytes: &'a [u8], key: &StoreKey) {
        if bytes != self.account_bytes {
            self.account_bytes = bytes;
            self.account_id = id_text(bytes);
            self.account_hash = key.account_hash(self.account_id.unwrap_or_default().as_bytes());
        }
    }

    #[inline(always)]
    fn turn_to_subject(&mut self, kind: u64, bytes: &'a [u8], key: &StoreKey) {
        if kind != self.subject_kind || bytes != self.subject_bytes {
            self.subject_kind = kind;
            self.subject_bytes = bytes;
            self.subject_text = id_text(bytes);
            let text = self.subject_text.unwrap_or_default();
            self.subject_fold = key.fingerprint_of_subject(kind, text.as_bytes());
        }
    }
}
