//! Builds `UsageBatch` messages column by column. The bytes are drawn in `columns.rs`.
//!
//! Accounts, subjects and dimension sets repeat within a batch: each is sent once and pointed
//! to. Ids that are all canonical UUID texts are sent as their 16 bytes.

use crate::error::FieldError;
use crate::event_input::EventInput;
use crate::limits::{BATCH_BYTES_MAX, DIMENSION_BYTES_MAX};
use crate::reader::BYTES;
use crate::rows_encoder::{BATCH_HEADER_BYTES_MAX, dimension_field_length, put_dimension, refuse_full};
use crate::usage_batch::ResultDetail;
use crate::uuid_text::{self, TEXT_BYTES};
use crate::writer::{put_bytes, put_bytes_set, put_number, put_number_set};
use crate::writer::{put_tag, put_varint, varint_length, zigzag};
use drawdown_core::Subject;
use std::collections::HashMap;

/// A dictionary: texts in order of first use, as encoded `repeated string` fields.
#[derive(Default)]
struct Dictionary {
    places: HashMap<Box<str>, u32>,
    encoded: Vec<u8>,
}

impl Dictionary {
    fn place(&mut self, field: u32, text: &str) -> u32 {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = self.places.len() as u32;
        self.places.insert(text.into(), place);
        put_bytes(&mut self.encoded, field, text.as_bytes());
        place
    }

    fn clear(&mut self) {
        self.places.clear();
        self.encoded.clear();
    }
}

type DimensionKey = Vec<(Box<str>, Box<str>)>;

/// An event's subject: a place in the dictionary of meters or of credit types.
#[derive(Clone, Copy)]
enum SubjectPlace {
    Meter(u32),
    CreditType(u32),
}

/// Ids in both forms until one is no canonical UUID text.
#[derive(Default)]
struct EventIds {
    uuids: Vec<[u8; 16]>,
    texts: Vec<u8>,
    lengths: Vec<u32>,
}

/// Collects events for one batch at a time.
#[derive(Default)]
pub struct ColumnsEncoder {
    accounts: Dictionary,
    meters: Dictionary,
    credit_types: Dictionary,
    /// Packed bytes of `account_index`, `quantity` and `time_delta_us`.
    account_index: Vec<u8>,
    quantity: Vec<u8>,
    time_delta_us: Vec<u8>,
    time_base_us: Option<i64>,
    subjects: Vec<SubjectPlace>,
    ids: EventIds,
    dimension_sets: HashMap<DimensionKey, u32>,
    dimension_sets_encoded: Vec<u8>,
    dimension_index: Vec<u32>,
    /// What the sets come to, each event counted with its own.
    dimension_bytes: usize,
    forced: Vec<u8>,
    count: usize,
}

impl ColumnsEncoder {
    pub fn new() -> ColumnsEncoder {
        ColumnsEncoder::default()
    }

    /// Append one event; gives back how many wait.
    ///
    /// # Errors
    /// A field cannot be sent, the event has a time where the batch's first has none (or the other
    /// way round: columns have times for all or for none), or (field `batch`) the batch is full:
    /// take it and add again. Nothing was added.
    pub fn add(&mut self, event: &EventInput<'_>) -> Result<usize, FieldError> {
        event.check()?;
        let time_delta = self.time_delta(event.time_us)?;
        refuse_full(self.count, self.size_bytes() + length_max(event))?;
        let account = self.accounts.place(1, event.account_id);
        put_varint(&mut self.account_index, u64::from(account));
        self.subjects.push(match event.subject {
            Subject::Meter(meter) => SubjectPlace::Meter(self.meters.place(2, meter)),
            Subject::CreditType(credit_type) => SubjectPlace::CreditType(self.credit_types.place(3, credit_type)),
        });
        put_varint(&mut self.quantity, event.quantity as u64);
        if self.count == 0 {
            self.time_base_us = event.time_us;
        }
        put_varint(&mut self.time_delta_us, zigzag(time_delta));
        self.ids.push(event.event_id);
        let dimensions = self.dimension_place(event.dimensions);
        self.dimension_index.push(dimensions);
        self.dimension_bytes += event.dimensions.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if event.force {
            put_varint(&mut self.forced, self.count as u64);
        }
        self.count += 1;
        Ok(self.count)
    }

    /// Events that wait.
    pub fn count(&self) -> usize {
        self.count
    }

    /// No less than `take` would give, and near it; more where the events' dimensions are nearer to their bound, and
    /// then in proportion to it: a batch is full at `BATCH_BYTES_MAX`, whichever bound it meets.
    pub fn size_bytes(&self) -> usize {
        const DIMENSIONS_PER_BYTE: usize = DIMENSION_BYTES_MAX / BATCH_BYTES_MAX;
        self.encoded_bytes_max().max(self.dimension_bytes / DIMENSIONS_PER_BYTE)
    }

    fn encoded_bytes_max(&self) -> usize {
        const FIELDS: usize = 15;
        let dictionaries = self.accounts.encoded.len() + self.meters.encoded.len() + self.credit_types.encoded.len();
        let columns = self.account_index.len() + self.quantity.len() + self.time_delta_us.len() + self.forced.len();
        let subjects = self.meters.places.len() + self.credit_types.places.len();
        let index_bytes = varint_length(subjects as u64) + varint_length(self.dimension_sets.len() as u64 + 1);
        let indices = self.count * index_bytes;
        BATCH_HEADER_BYTES_MAX
            + FIELDS * 6
            + dictionaries
            + columns
            + indices
            + self.ids.length()
            + self.dimension_sets_encoded.len()
    }

    /// The encoded batch; the encoder is empty afterwards. A server refuses a batch of no events.
    pub fn take(&mut self, batch_id: u64, detail: ResultDetail) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.encoded_bytes_max());
        body.extend_from_slice(&self.accounts.encoded);
        body.extend_from_slice(&self.meters.encoded);
        body.extend_from_slice(&self.credit_types.encoded);
        put_bytes_set(&mut body, 4, &self.account_index);
        put_bytes_set(&mut body, 5, &self.subject_index());
        put_bytes_set(&mut body, 6, &self.quantity);
        if let Some(base) = self.time_base_us {
            put_number(&mut body, 7, base as u64);
            if self.time_delta_us.iter().any(|&byte| byte != 0) {
                put_bytes_set(&mut body, 8, &self.time_delta_us);
            }
        }
        self.ids.put(&mut body);
        body.extend_from_slice(&self.dimension_sets_encoded);
        if !self.dimension_sets.is_empty() {
            put_bytes_set(&mut body, 13, &packed(self.dimension_index.iter().copied()));
        }
        put_bytes_set(&mut body, 14, &self.forced);

        let mut out = Vec::with_capacity(body.len() + BATCH_HEADER_BYTES_MAX + 6);
        put_number_set(&mut out, 1, batch_id);
        put_number_set(&mut out, 2, detail.number());
        put_bytes(&mut out, 4, &body);
        self.clear();
        out
    }

    fn time_delta(&self, time_us: Option<i64>) -> Result<i64, FieldError> {
        if self.count == 0 {
            return Ok(0);
        }
        match (self.time_base_us, time_us) {
            (None, None) => Ok(0),
            (Some(base), Some(time_us)) => time_us.checked_sub(base).ok_or_else(|| {
                FieldError::new("time_us", format!("{time_us} is too far from the batch's first, {base}"))
            }),
            (Some(_), None) => {
                Err(FieldError::new("time_us", "is missing; the other events of this batch have a time"))
            }
            (None, Some(_)) => Err(FieldError::new("time_us", "is set; the other events of this batch have no time")),
        }
    }

    /// 0 for no dimensions, else one more than the set's place.
    fn dimension_place(&mut self, dimensions: &[(&str, &str)]) -> u32 {
        if dimensions.is_empty() {
            return 0;
        }
        let mut key: DimensionKey = dimensions.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        key.sort();
        let next = self.dimension_sets.len() as u32 + 1;
        if let Some(&place) = self.dimension_sets.get(&key) {
            return place;
        }
        let length: usize = key.iter().map(|(name, value)| dimension_field_length(name, value)).sum();
        put_tag(&mut self.dimension_sets_encoded, 12, BYTES);
        put_varint(&mut self.dimension_sets_encoded, length as u64);
        for (name, value) in &key {
            put_dimension(&mut self.dimension_sets_encoded, 1, name, value);
        }
        self.dimension_sets.insert(key, next);
        next
    }

    /// Packed `subject_index`; empty where all are 0.
    fn subject_index(&self) -> Vec<u8> {
        let meters = self.meters.places.len() as u32;
        let places = self.subjects.iter().map(|place| match *place {
            SubjectPlace::Meter(place) => place,
            SubjectPlace::CreditType(place) => meters + place,
        });
        if places.clone().all(|place| place == 0) { Vec::new() } else { packed(places) }
    }

    fn clear(&mut self) {
        self.accounts.clear();
        self.meters.clear();
        self.credit_types.clear();
        self.account_index.clear();
        self.quantity.clear();
        self.time_delta_us.clear();
        self.time_base_us = None;
        self.subjects.clear();
        self.ids.clear();
        self.dimension_sets.clear();
        self.dimension_sets_encoded.clear();
        self.dimension_index.clear();
        self.dimension_bytes = 0;
        self.forced.clear();
        self.count = 0;
    }
}

/// No less than one event adds to `size_bytes`.
fn length_max(event: &EventInput<'_>) -> usize {
    const NUMBERS: usize = 64;
    let texts = event.event_id.len() + event.account_id.len() + event.subject_field().1.len();
    let dimensions = event.dimensions.iter().map(|(name, value)| dimension_field_length(name, value));
    NUMBERS + texts + dimensions.sum::<usize>()
}

fn packed(elements: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut out = Vec::with_capacity(elements.size_hint().0);
    for element in elements {
        put_varint(&mut out, u64::from(element));
    }
    out
}

impl EventIds {
    fn push(&mut self, event_id: &str) {
        if self.lengths.is_empty() {
            if let Some(uuid) = uuid_text::parse(event_id.as_bytes()) {
                self.uuids.push(uuid);
                return;
            }
            for uuid in self.uuids.drain(..) {
                self.texts.extend_from_slice(&uuid_text::text_of(&uuid));
                self.lengths.push(TEXT_BYTES as u32);
            }
        }
        self.texts.extend_from_slice(event_id.as_bytes());
        self.lengths.push(event_id.len() as u32);
    }

    /// No less than `put` writes, but for the fields' heads.
    fn length(&self) -> usize {
        // Should the next id be no UUID, all are written as text: count them so from the start.
        self.uuids.len() * (TEXT_BYTES + 1) + self.texts.len() + 2 * self.lengths.len()
    }

    fn put(&self, out: &mut Vec<u8>) {
        if self.lengths.is_empty() {
            return put_bytes_set(out, 15, self.uuids.as_flattened());
        }
        put_bytes(out, 9, &self.texts);
        let first = self.lengths[0];
        if self.lengths.iter().all(|&length| length == first) {
            put_number(out, 11, u64::from(first));
        } else {
            put_bytes(out, 10, &packed(self.lengths.iter().copied()));
        }
    }

    fn clear(&mut self) {
        self.uuids.clear();
        self.texts.clear();
        self.lengths.clear();
    }
}
