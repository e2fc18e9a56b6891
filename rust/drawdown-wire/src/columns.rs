//! `UsageColumns` to sealed events.
//!
//! ```text
//! 0a account*  12 meter*  1a credit type*                     dictionaries
//! 22 account index  2a subject index  32 quantity             packed, one per event
//! 38 time base  42 time delta (zigzag)
//! 4a ids, one after the other  52 id lengths  58 id width     or 7a ids of 16 bytes
//! 62 dimension set*  6a dimension index  72 indices of forced events
//! ```
//!
//! Columns that contradict each other (lengths, indices out of a dictionary) refuse the batch:
//! which event they would have been cannot be told.

use crate::dimensions::{Pair, PairCollector, PairSpan};
use crate::error::WireError;
use crate::limits::{BATCH_EVENTS_MAX, DIMENSION_BYTES_MAX};
use crate::packed::{Zigzag, read_packed, too_many};
use crate::printable::id_text;
use crate::reader::{BYTES, Reader, VARINT, wrong_wire};
use crate::rows::{CREDIT_TYPE_KIND, METER_KIND};
use crate::usage_batch::recycle;
use crate::uuid_text::{TEXT_BYTES, text_of};
use drawdown_core::{StoreKey, Subject, UsageEvent};

/// A dictionary entry; `text` is absent when it has not the shape of an id.
#[derive(Clone, Copy)]
struct Entry<'a> {
    text: Option<&'a str>,
    /// Account hash, or the subject's part of the fingerprint.
    hash: u64,
}

/// The columns of one batch, gathered before they are turned into events.
#[derive(Default)]
pub struct Columns<'a> {
    /// Where the last occurrence begins: the place named when columns contradict each other.
    at: usize,
    accounts: Vec<Entry<'a>>,
    meters: Vec<Entry<'a>>,
    credit_types: Vec<Entry<'a>>,
    account_index: Vec<u32>,
    subject_index: Vec<u32>,
    quantity: Vec<i64>,
    time_base_us: Option<i64>,
    time_delta_us: Vec<Zigzag>,
    event_ids: &'a [u8],
    event_id_length: Vec<u32>,
    event_id_width: u32,
    event_uuids: &'a [u8],
    /// `None`: events with this set are malformed.
    dimension_sets: Vec<Option<PairSpan>>,
    dimension_index: Vec<u32>,
    forced: Vec<u32>,
}

impl<'a> Columns<'a> {
    /// Gather one occurrence of the message; occurrences merge.
    pub fn read(&mut self, mut reader: Reader<'a>, pairs: &mut Vec<Pair<'a>>) -> Result<(), WireError> {
        const MESSAGE: &str = "UsageColumns";
        self.at = reader.offset();
        while !reader.is_empty() {
            let start = reader.offset();
            let tag = reader.tag()?;
            match tag {
                (1, BYTES) => push_entry(&mut self.accounts, &mut reader, start)?,
                (2, BYTES) => push_entry(&mut self.meters, &mut reader, start)?,
                (3, BYTES) => push_entry(&mut self.credit_types, &mut reader, start)?,
                (4, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.account_index)?,
                (5, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.subject_index)?,
                (6, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.quantity)?,
                (7, VARINT) => self.time_base_us = Some(reader.varint()? as i64),
                (8, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.time_delta_us)?,
                (9, BYTES) => self.event_ids = reader.bytes()?,
                (10, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.event_id_length)?,
                (11, VARINT) => {
                    let width = reader.varint()?;
                    self.event_id_width = u32::try_from(width)
                        .map_err(|_| WireError::at(start, format!("event_id_width {width} does not fit 32 bits")))?;
                }
                (12, BYTES) => self.read_dimension_set(reader.message()?, start, pairs)?,
                (13, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.dimension_index)?,
                (14, _) => read_packed(&mut reader, MESSAGE, tag, &mut self.forced)?,
                (15, BYTES) => self.event_uuids = reader.bytes()?,
                (field @ 1..=15, wire) => return Err(wrong_wire(start, MESSAGE, field, wire)),
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    fn read_dimension_set(
        &mut self,
        mut set: Reader<'a>,
        start: usize,
        pairs: &mut Vec<Pair<'a>>,
    ) -> Result<(), WireError> {
        if self.dimension_sets.len() == BATCH_EVENTS_MAX {
            return Err(too_many(start, BATCH_EVENTS_MAX + 1));
        }
        let mut collector = PairCollector::at_end_of(pairs);
        while !set.is_empty() {
            let start = set.offset();
            match set.tag()? {
                (1, BYTES) => collector.read_entry(set.message()?, pairs)?,
                (1, wire) => return Err(wrong_wire(start, "DimensionSet", 1, wire)),
                (_, wire) => set.skip(wire)?,
            }
        }
        self.dimension_sets.push(collector.finish(pairs));
        Ok(())
    }

    /// Hash each dictionary entry once.
    pub fn hash_dictionaries(&mut self, key: &StoreKey) {
        for entry in &mut self.accounts {
            entry.hash = key.account_hash(entry.text.unwrap_or_default().as_bytes());
        }
        for (kind, dictionary) in [(METER_KIND, &mut self.meters), (CREDIT_TYPE_KIND, &mut self.credit_types)] {
            for entry in dictionary {
                entry.hash = key.fingerprint_of_subject(kind, entry.text.unwrap_or_default().as_bytes());
            }
        }
    }

    /// The texts of the 16-byte ids, which events borrow from, and their hashes.
    pub fn expand_uuids(&self, key: &StoreKey, expanded: &mut ExpandedUuids) {
        expanded.texts.clear();
        expanded.hashes.clear();
        // More ids than events are refused later; do not expand them first.
        let uuids = self.event_uuids.as_chunks::<16>().0.iter().take(self.account_index.len());
        expanded.texts.extend(uuids.map(text_of));
        expanded.hashes.extend(expanded.texts.iter().map(|text| key.event_hash(text)));
    }

    /// Turn the columns into events.
    ///
    /// # Errors
    /// Columns contradict each other; `events` then holds a part of the batch.
    pub fn events_into<'b>(
        &self,
        events: &mut Vec<UsageEvent<'b>>,
        pairs: &'b [Pair<'b>],
        uuids: &'b ExpandedUuids,
        key: &StoreKey,
    ) -> Result<(), WireError>
    where
        'a: 'b,
    {
        self.check_lengths()?;
        self.check_forced()?;
        self.check_dimension_bytes(pairs)?;
        let uuid_texts = std::str::from_utf8(uuids.texts.as_flattened()).expect("hex digits and dashes are ASCII");
        let mut ids = EventIds { columns: self, uuid_texts, uuid_hashes: &uuids.hashes, at: 0 };
        let mut forced = self.forced.iter().copied().peekable();
        let count = self.account_index.len();
        events.reserve(count);
        for index in 0..count {
            let account = self.account(index)?;
            let (subject, subject_hash) = self.subject(index)?;
            let span = self.dimension_span(index)?;
            let (event_id, event_hash) = ids.next(index, key);
            let quantity = self.quantity[index];
            let (time_us, time_fits) = self.time_us(index);
            let malformed = event_id.is_none()
                || account.text.is_none()
                || subject.is_none()
                || span.is_none()
                || quantity < 0
                || !time_fits;
            let dimensions = span.unwrap_or_default().of(pairs);
            let mut fingerprint = key.fingerprint_of_use(subject_hash, quantity, time_us);
            for (name, value) in dimensions {
                fingerprint = key.fold_pair(fingerprint, name.as_bytes(), value.as_bytes());
            }
            events.push(UsageEvent {
                event_id: event_id.unwrap_or_default(),
                account_id: account.text.unwrap_or_default(),
                subject: subject.unwrap_or(Subject::Meter("")),
                quantity,
                time_us,
                dimensions,
                force: forced.next_if_eq(&(index as u32)).is_some(),
                malformed,
                account_hash: account.hash,
                event_hash,
                fingerprint,
            });
        }
        Ok(())
    }

    #[inline(always)]
    fn account(&self, index: usize) -> Result<Entry<'a>, WireError> {
        let wanted = self.account_index[index];
        match self.accounts.get(wanted as usize) {
            Some(entry) => Ok(*entry),
            None => Err(self.out_of_dictionary("account_index", index, wanted, self.accounts.len())),
        }
    }

    #[inline(always)]
    fn subject(&self, index: usize) -> Result<(Option<Subject<'a>>, u64), WireError> {
        let wanted = self.subject_index.get(index).copied().unwrap_or(0);
        if let Some(meter) = self.meters.get(wanted as usize) {
            return Ok((meter.text.map(Subject::Meter), meter.hash));
        }
        match self.credit_types.get(wanted as usize - self.meters.len()) {
            Some(credit_type) => Ok((credit_type.text.map(Subject::CreditType), credit_type.hash)),
            None => {
                let subjects = self.meters.len() + self.credit_types.len();
                Err(self.out_of_dictionary("subject_index", index, wanted, subjects))
            }
        }
    }

    #[inline(always)]
    fn dimension_span(&self, index: usize) -> Result<Option<PairSpan>, WireError> {
        match self.dimension_index.get(index).copied().unwrap_or(0) {
            0 => Ok(Some(PairSpan::default())),
            wanted => match self.dimension_sets.get(wanted as usize - 1) {
                Some(span) => Ok(*span),
                None => Err(self.out_of_dictionary("dimension_index", index, wanted, self.dimension_sets.len())),
            },
        }
    }

    /// The event's time, and whether it fits 64 bits.
    #[inline(always)]
    fn time_us(&self, index: usize) -> (Option<i64>, bool) {
        match (self.time_base_us, self.time_delta_us.get(index)) {
            (Some(base), Some(delta)) => {
                let time_us = base.checked_add(delta.0);
                (time_us, time_us.is_some())
            }
            (base, _) => (base, true),
        }
    }

    fn check_dimension_bytes(&self, pairs: &[Pair<'_>]) -> Result<(), WireError> {
        let bytes_of = |span: PairSpan| span.of(pairs).iter().map(|(name, value)| name.len() + value.len()).sum();
        let lengths: Vec<usize> = self.dimension_sets.iter().map(|set| set.map_or(0, bytes_of)).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        // Nearly every batch ends here, without a look at its events.
        if longest.saturating_mul(self.dimension_index.len()) <= DIMENSION_BYTES_MAX {
            return Ok(());
        }
        let places = self.dimension_index.iter().filter_map(|&wanted| (wanted as usize).checked_sub(1));
        let bytes: usize = places.filter_map(|place| lengths.get(place)).sum();
        if bytes <= DIMENSION_BYTES_MAX {
            return Ok(());
        }
        let reason = format!(
            "the dimensions of its events come to {bytes} bytes, at most {DIMENSION_BYTES_MAX} are accepted: split it"
        );
        Err(WireError::at(self.at, reason))
    }

    fn check_lengths(&self) -> Result<(), WireError> {
        let count = self.account_index.len();
        let ids_by_uuid = !self.event_uuids.is_empty();
        for (column, length, may_be_empty) in [
            ("quantity", self.quantity.len(), false),
            ("subject_index", self.subject_index.len(), true),
            ("time_delta_us", self.time_delta_us.len(), true),
            ("event_id_length", self.event_id_length.len(), true),
            ("dimension_index", self.dimension_index.len(), true),
        ] {
            if length != count && !(may_be_empty && length == 0) {
                let reason = format!("{column} has {length} elements for {count} events (account_index)");
                return Err(WireError::at(self.at, reason));
            }
        }
        if self.time_base_us.is_none() && !self.time_delta_us.is_empty() {
            return Err(WireError::at(self.at, "time_delta_us without time_base_us"));
        }
        if ids_by_uuid {
            let plain = self.event_ids.len() + self.event_id_length.len() + self.event_id_width as usize;
            if plain != 0 {
                return Err(WireError::at(self.at, "event ids come as event_ids or as event_uuids, not both"));
            }
            return self.check_id_bytes("event_uuids", self.event_uuids.len(), 16 * count as u64);
        }
        let claimed = if self.event_id_length.is_empty() {
            u64::from(self.event_id_width) * count as u64
        } else {
            self.event_id_length.iter().map(|&length| u64::from(length)).sum()
        };
        self.check_id_bytes("event_ids", self.event_ids.len(), claimed)
    }

    fn check_id_bytes(&self, column: &str, length: usize, claimed: u64) -> Result<(), WireError> {
        if length as u64 == claimed {
            return Ok(());
        }
        let count = self.account_index.len();
        let reason = format!("{column} has {length} bytes where {count} events need {claimed}");
        Err(WireError::at(self.at, reason))
    }

    fn check_forced(&self) -> Result<(), WireError> {
        let ascending = self.forced.windows(2).all(|two| two[0] < two[1]);
        let in_range = self.forced.last().is_none_or(|&last| (last as usize) < self.account_index.len());
        if ascending && in_range {
            return Ok(());
        }
        Err(WireError::at(self.at, "forced must be indices of events, ascending, each once"))
    }

    #[cold]
    #[inline(never)]
    fn out_of_dictionary(&self, column: &str, event: usize, wanted: u32, length: usize) -> WireError {
        WireError::at(self.at, format!("{column} of event {event} is {wanted}, but there are {length} to point to"))
    }

    /// The emptied columns, for borrows of another lifetime.
    pub fn recycle<'b>(self) -> Columns<'b> {
        Columns {
            at: 0,
            accounts: recycle(self.accounts),
            meters: recycle(self.meters),
            credit_types: recycle(self.credit_types),
            account_index: recycle(self.account_index),
            subject_index: recycle(self.subject_index),
            quantity: recycle(self.quantity),
            time_base_us: None,
            time_delta_us: recycle(self.time_delta_us),
            event_ids: &[],
            event_id_length: recycle(self.event_id_length),
            event_id_width: 0,
            event_uuids: &[],
            dimension_sets: recycle(self.dimension_sets),
            dimension_index: recycle(self.dimension_index),
            forced: recycle(self.forced),
        }
    }
}

fn push_entry<'a>(dictionary: &mut Vec<Entry<'a>>, reader: &mut Reader<'a>, start: usize) -> Result<(), WireError> {
    if dictionary.len() == BATCH_EVENTS_MAX {
        return Err(too_many(start, BATCH_EVENTS_MAX + 1));
    }
    dictionary.push(Entry { text: id_text(reader.bytes()?), hash: 0 });
    Ok(())
}

/// Ids that came as 16 bytes, as texts and hashed: all at once, because hashing texts of one known
/// length in a loop of its own takes half the time.
#[derive(Default)]
pub struct ExpandedUuids {
    texts: Vec<[u8; TEXT_BYTES]>,
    hashes: Vec<u128>,
}

/// Walks the event ids in order. Their bytes were checked to be neither too few nor too many.
struct EventIds<'c, 'a, 'b> {
    columns: &'c Columns<'a>,
    uuid_texts: &'b str,
    uuid_hashes: &'b [u128],
    at: usize,
}

impl<'a: 'b, 'b> EventIds<'_, 'a, 'b> {
    /// The next id, if it has the shape of one, and its hash.
    #[inline(always)]
    fn next(&mut self, index: usize, key: &StoreKey) -> (Option<&'b str>, u128) {
        let start = self.at;
        if let Some(&hash) = self.uuid_hashes.get(index) {
            self.at += TEXT_BYTES;
            return (self.uuid_texts.get(start..self.at), hash);
        }
        let lengths = &self.columns.event_id_length;
        let length = lengths.get(index).copied().unwrap_or(self.columns.event_id_width);
        self.at += length as usize;
        let text = self.columns.event_ids.get(start..self.at).and_then(id_text);
        (text, hash_text(key, text))
    }
}

#[inline(never)]
fn hash_text(key: &StoreKey, text: Option<&str>) -> u128 {
    key.event_hash(text.unwrap_or_default().as_bytes())
}
