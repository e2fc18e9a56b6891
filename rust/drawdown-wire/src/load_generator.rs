//! Synthetic batches for load tests, made so cheaply that the client does not eat the server's
//! share of the machine: rows are copies of one template with an id, a number and a time put in.
//!
//! Ids are fresh UUID texts (version 4 in form), drawn from two 64-bit sequences of the seed.

use crate::error::FieldError;
use crate::event_input::EventInput;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::reader::BYTES;
use crate::rows_encoder::BATCH_HEADER_BYTES_MAX;
use crate::skew::{AccountPicker, Skew};
use crate::uuid_text::{TEXT_BYTES, text_of};
use crate::writer::{put_bytes, put_number, put_number_set, put_tag, put_varint, zigzag};
use drawdown_core::Subject;

/// Form of a batch on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Rows,
    Columns,
}

impl Encoding {
    /// From `rows` or `columns`.
    pub fn from_name(name: &str) -> Option<Encoding> {
        match name {
            "rows" => Some(Encoding::Rows),
            "columns" => Some(Encoding::Columns),
            _ => None,
        }
    }
}

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct LoadSettings<'a> {
    /// Accounts `acct-00000000` and up; 1 to 100,000,000.
    pub accounts: u32,
    /// Events per batch, 1 to `BATCH_EVENTS_MAX`.
    pub batch: usize,
    pub skew: Skew,
    pub encoding: Encoding,
    pub seed: u64,
    pub meter: &'a str,
    /// Quantity of each event.
    pub quantity: i64,
    /// Send event times: the last event of a batch has `now_us`, each before it a microsecond less.
    pub send_time: bool,
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
pub struct SplitMix(u64);

impl SplitMix {
    pub fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }

    #[inline(always)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

const ACCOUNT_BYTES: usize = 13;
const ACCOUNTS_MAX: u32 = 100_000_000;
/// Between a row's id and its account's digits: tag, length, `acct-`.
const DIGITS_AFTER_ID: usize = 7;

/// A row's tags, lengths, quantity (10) and time (10).
const ROW_NUMBERS_BYTES_MAX: usize = 36;

/// An encoded row whose id, digits and time are put in again and again.
struct RowTemplate {
    row: Vec<u8>,
    id_at: usize,
    time_at: usize,
}

/// Makes batches. The same settings make the same batches.
pub struct LoadGenerator {
    picker: AccountPicker,
    ids_high: SplitMix,
    ids_low: SplitMix,
    picks: SplitMix,
    batch: usize,
    encoding: Encoding,
    meter: String,
    quantity: i64,
    send_time: bool,
    places: PlaceTable,
    account_index: Vec<u8>,
    time_delta_us: Vec<u8>,
    quantities: Vec<u8>,
    accounts: Vec<u8>,
    uuids: Vec<[u8; 16]>,
    length_before: usize,
}

impl LoadGenerator {
    /// # Errors
    /// A setting is out of its range, by name.
    pub fn new(settings: &LoadSettings<'_>) -> Result<LoadGenerator, FieldError> {
        if settings.accounts == 0 || settings.accounts > ACCOUNTS_MAX {
            return Err(FieldError::new("accounts", format!("{} is not 1 to {ACCOUNTS_MAX}", settings.accounts)));
        }
        let row_max = TEXT_BYTES + ACCOUNT_BYTES + settings.meter.len() + ROW_NUMBERS_BYTES_MAX;
        let batch_max = BATCH_EVENTS_MAX.min((BATCH_BYTES_MAX - BATCH_HEADER_BYTES_MAX) / row_max);
        if settings.batch == 0 || settings.batch > batch_max {
            return Err(FieldError::new("batch", format!("{} is not 1 to {batch_max}", settings.batch)));
        }
        // The shape rules hold for what every event will carry.
        EventInput {
            event_id: "-",
            account_id: "-",
            subject: Subject::Meter(settings.meter),
            quantity: settings.quantity,
            time_us: None,
            dimensions: &[],
            force: false,
        }
        .check()?;
        let mut seeds = SplitMix::new(settings.seed);
        let mut quantities = Vec::new();
        for _ in 0..settings.batch {
            put_varint(&mut quantities, settings.quantity as u64);
        }
        Ok(LoadGenerator {
            picker: AccountPicker::new(settings.skew, settings.accounts),
            ids_high: SplitMix::new(seeds.next()),
            ids_low: SplitMix::new(seeds.next()),
            picks: SplitMix::new(seeds.next()),
            batch: settings.batch,
            encoding: settings.encoding,
            meter: settings.meter.to_owned(),
            quantity: settings.quantity,
            send_time: settings.send_time,
            places: PlaceTable::for_batch(settings.batch),
            account_index: Vec::new(),
            time_delta_us: Vec::new(),
            quantities,
            accounts: Vec::new(),
            uuids: Vec::new(),
            length_before: 0,
        })
    }

    /// The next batch, encoded. `now_us` is the time of its last event.
    pub fn next(&mut self, batch_id: u64, now_us: i64) -> Vec<u8> {
        let first_us = now_us.saturating_sub(self.batch as i64 - 1);
        let mut out = Vec::with_capacity(self.length_before + 64);
        put_number_set(&mut out, 1, batch_id);
        match self.encoding {
            Encoding::Rows => self.put_rows(&mut out, first_us),
            Encoding::Columns => self.put_columns(&mut out, first_us),
        }
        self.length_before = out.len();
        out
    }

    #[inline(always)]
    fn uuid(&mut self) -> [u8; 16] {
        let value = u128::from(self.ids_high.next()) << 64 | u128::from(self.ids_low.next());
        const FORM: u128 = 0x4000_8000_0000_0000_0000;
        const FORM_BITS: u128 = 0xf000_c000_0000_0000_0000;
        (value & !FORM_BITS | FORM).to_be_bytes()
    }

    fn put_rows(&mut self, out: &mut Vec<u8>, first_us: i64) {
        let mut time_us = first_us;
        let mut template = self.row_template(time_us);
        for _ in 0..self.batch {
            if self.send_time && !put_varint_in_place(&mut template.row[template.time_at..], time_us as u64) {
                // The time's varint changed its length: rows from here on have another.
                template = self.row_template(time_us);
            }
            let account = self.picker.pick(self.picks.next(), self.picks.next());
            let id = text_of(&self.uuid());
            template.row[template.id_at..template.id_at + TEXT_BYTES].copy_from_slice(&id);
            let digits_at = template.id_at + TEXT_BYTES + DIGITS_AFTER_ID;
            template.row[digits_at..digits_at + 8].copy_from_slice(&decimal_digits(account));
            out.extend_from_slice(&template.row);
            time_us = time_us.saturating_add(1);
        }
    }

    /// A row with blank id and account.
    fn row_template(&self, time_us: i64) -> RowTemplate {
        let mut body = Vec::new();
        put_bytes(&mut body, 1, &[b'-'; TEXT_BYTES]);
        let id_end = body.len();
        put_bytes(&mut body, 2, b"acct-00000000");
        put_bytes(&mut body, 3, self.meter.as_bytes());
        put_number_set(&mut body, 5, self.quantity as u64);
        let mut time_at = 0;
        if self.send_time {
            put_tag(&mut body, 7, 0);
            time_at = body.len();
            put_varint(&mut body, time_us as u64);
        }
        let mut row = Vec::new();
        put_bytes(&mut row, 3, &body);
        let head = row.len() - body.len();
        RowTemplate { id_at: head + id_end - TEXT_BYTES, time_at: head + time_at, row }
    }

    fn put_columns(&mut self, out: &mut Vec<u8>, first_us: i64) {
        self.places.begin_batch();
        self.account_index.clear();
        self.accounts.clear();
        self.uuids.clear();
        let mut account_text = *b"\x0a\x0dacct-00000000";
        for _ in 0..self.batch {
            let account = self.picker.pick(self.picks.next(), self.picks.next());
            let (place, fresh) = self.places.place(account);
            if fresh {
                account_text[7..].copy_from_slice(&decimal_digits(account));
                self.accounts.extend_from_slice(&account_text);
            }
            put_varint(&mut self.account_index, u64::from(place));
            let uuid = self.uuid();
            self.uuids.push(uuid);
        }
        let mut body = Vec::with_capacity(self.length_before + 64);
        body.extend_from_slice(&self.accounts);
        put_bytes(&mut body, 2, self.meter.as_bytes());
        put_bytes(&mut body, 4, &self.account_index);
        put_bytes(&mut body, 6, &self.quantities);
        if self.send_time {
            put_number(&mut body, 7, first_us as u64);
            put_bytes(&mut body, 8, self.time_deltas());
        }
        put_bytes(&mut body, 15, self.uuids.as_flattened());
        put_tag(out, 4, BYTES);
        put_varint(out, body.len() as u64);
        out.extend_from_slice(&body);
    }

    /// Deltas 0, 1, 2, …, which are the same in every batch: written once.
    fn time_deltas(&mut self) -> &[u8] {
        if self.time_delta_us.is_empty() {
            for delta in 0..self.batch as i64 {
                put_varint(&mut self.time_delta_us, zigzag(delta));
            }
        }
        &self.time_delta_us
    }
}

/// Overwrite the varint at the start of `place` if `value` takes as many bytes.
#[inline(always)]
fn put_varint_in_place(place: &mut [u8], mut value: u64) -> bool {
    for byte in place.iter_mut() {
        let last = *byte < 0x80;
        if last != (value < 0x80) {
            return false;
        }
        *byte = value as u8 | if last { 0 } else { 0x80 };
        value >>= 7;
        if last {
            return true;
        }
    }
    false
}

/// Eight decimal digits of a number below 10^8.
#[inline(always)]
fn decimal_digits(number: u32) -> [u8; 8] {
    // Halves, quarters and eighths side by side in one word; each step is a division by
    // multiplication: x / 100 = x * 10486 >> 20 for x < 10^4, x / 10 = x * 103 >> 10 for x < 100.
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (halves - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | (pairs - 10 * tens) << 8;
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

/// Places of accounts in one batch's dictionary: an open-addressed table emptied by raising its
/// generation.
struct PlaceTable {
    slots: Vec<PlaceSlot>,
    generation: u32,
    next: u32,
}

#[derive(Clone, Copy, Default)]
struct PlaceSlot {
    generation: u32,
    account: u32,
    place: u32,
}

impl PlaceTable {
    fn for_batch(batch: usize) -> PlaceTable {
        PlaceTable { slots: vec![PlaceSlot::default(); (batch * 2).next_power_of_two()], generation: 0, next: 0 }
    }

    fn begin_batch(&mut self) {
        self.next = 0;
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.slots.fill(PlaceSlot::default());
            self.generation = 1;
        }
    }

    /// The account's place, and whether it is new in this batch.
    #[inline(always)]
    fn place(&mut self, account: u32) -> (u32, bool) {
        let mask = self.slots.len() - 1;
        let mut at = (u64::from(account).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.generation != self.generation {
                *slot = PlaceSlot { generation: self.generation, account, place: self.next };
                self.next += 1;
                return (slot.place, true);
            }
            if slot.account == account {
                return (slot.place, false);
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        let mut random = SplitMix::new(1);
        let drawn = (0..100_000).map(|_| (random.next() % 100_000_000) as u32);
        for number in (0..20_000).chain([99_999_999, 10_000_000, 9_999_999]).chain(drawn) {
            assert_eq!(decimal_digits(number), *format!("{number:08}").as_bytes(), "{number}");
        }
    }
}
