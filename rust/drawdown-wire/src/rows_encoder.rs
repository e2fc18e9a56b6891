//! Builds `UsageBatch` messages row by row. The bytes are drawn in `rows.rs`.

use crate::error::FieldError;
use crate::event_input::EventInput;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::reader::BYTES;
use crate::usage_batch::ResultDetail;
use crate::writer::{bytes_field_length, put_bytes, put_number, put_number_set, put_tag, put_varint, varint_length};
use drawdown_core::Subject;

/// Bytes kept free for `batch_id` and `detail`.
pub const BATCH_HEADER_BYTES_MAX: usize = 16;

/// Collects events for one batch at a time.
#[derive(Default)]
pub struct RowsEncoder {
    /// Encoded `events` fields, tags included.
    rows: Vec<u8>,
    row: Vec<u8>,
    count: usize,
}

impl RowsEncoder {
    pub fn new() -> RowsEncoder {
        RowsEncoder::default()
    }

    /// Append one event; gives back how many wait.
    ///
    /// # Errors
    /// A field cannot be sent, or (field `batch`) the batch is full: take it and add again.
    /// Nothing was added.
    pub fn add(&mut self, event: &EventInput<'_>) -> Result<usize, FieldError> {
        event.check()?;
        encode_row(&mut self.row, event);
        let length = bytes_field_length(self.row.len());
        refuse_full(self.count, self.size_bytes() + length)?;
        put_bytes(&mut self.rows, 3, &self.row);
        self.count += 1;
        Ok(self.count)
    }

    /// Events that wait.
    pub fn count(&self) -> usize {
        self.count
    }

    /// No less than `take` would give, by at most 16 bytes more.
    pub fn size_bytes(&self) -> usize {
        self.rows.len() + BATCH_HEADER_BYTES_MAX
    }

    /// The encoded batch; the encoder is empty afterwards. A server refuses a batch of no events.
    pub fn take(&mut self, batch_id: u64, detail: ResultDetail) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size_bytes());
        put_number_set(&mut out, 1, batch_id);
        put_number_set(&mut out, 2, detail.number());
        out.extend_from_slice(&self.rows);
        self.rows.clear();
        self.count = 0;
        out
    }
}

/// Refuse an event that would not fit the batch beside the `count` that wait.
pub fn refuse_full(count: usize, size_bytes: usize) -> Result<(), FieldError> {
    if count >= BATCH_EVENTS_MAX {
        let message = format!("holds {count} events, the most that are accepted: take it first");
        return Err(FieldError::new("batch", message));
    }
    if size_bytes > BATCH_BYTES_MAX {
        let message = format!("would pass {BATCH_BYTES_MAX} bytes, the most that are accepted: take it first");
        return Err(FieldError::new("batch", message));
    }
    Ok(())
}

fn encode_row(row: &mut Vec<u8>, event: &EventInput<'_>) {
    row.clear();
    put_bytes(row, 1, event.event_id.as_bytes());
    put_bytes(row, 2, event.account_id.as_bytes());
    match event.subject {
        Subject::Meter(meter) => {
            put_bytes(row, 3, meter.as_bytes());
            put_number_set(row, 5, event.quantity as u64);
        }
        Subject::CreditType(credit_type) => {
            put_bytes(row, 4, credit_type.as_bytes());
            put_number_set(row, 6, event.quantity as u64);
        }
    }
    if let Some(time_us) = event.time_us {
        put_number(row, 7, time_us as u64);
    }
    for (name, value) in event.dimensions {
        put_dimension(row, 8, name, value);
    }
    put_number_set(row, 9, u64::from(event.force));
}

/// One entry of a dimensions map.
pub fn put_dimension(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    put_tag(out, field, BYTES);
    put_varint(out, dimension_length(name, value) as u64);
    put_bytes(out, 1, name.as_bytes());
    put_bytes(out, 2, value.as_bytes());
}

fn dimension_length(name: &str, value: &str) -> usize {
    bytes_field_length(name.len()) + bytes_field_length(value.len())
}

/// Bytes of `put_dimension` with a one-byte tag.
pub fn dimension_field_length(name: &str, value: &str) -> usize {
    let length = dimension_length(name, value);
    1 + varint_length(length as u64) + length
}
