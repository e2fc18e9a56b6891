//! Runs of event keys: what the dedupe window needs of a stretch of journal, written once.
//!
//! ```text
//! run    := record*
//! record := account:u32le seq:u64le key:u128le fingerprint:u64le event_time:i64le     44 bytes
//! ```
//! Test-clock accounts keep their keys in their own images; theirs are passed over on load.

use crate::engine::{Engine, account_key};
use crate::entry::{self, CorruptRecord, KIND_CONTROL, KIND_STAMP, KIND_USAGE};
use crate::hash::StoreKey;
use crate::image::CorruptImage;
use crate::remembered_ids::{UsedId, used_id};
use crate::usage::{FINGERPRINT_CREDIT_TYPE, FINGERPRINT_METER};
use crate::usage_entry::{PackedId, UsageScratch, read_usage, read_usage_head};
use crate::varint::Reader;

pub const KEY_RECORD_BYTES: usize = 44;

/// What drawing keys out of a journal needs of an engine, so that it can be done off its lock.
#[derive(Clone, Debug)]
pub struct KeyExtractor {
    key: StoreKey,
    /// `StoreKey::fingerprint_of_subject` by meter id, and by credit type id.
    meters: Vec<u64>,
    credit_types: Vec<u64>,
    floor: i64,
}

/// The dedupe key of one record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UsageKey {
    pub(crate) account: u32,
    pub(crate) key: u128,
    pub(crate) fingerprint: u64,
    /// Event time; that of the stamp, if the event had none.
    pub(crate) time: i64,
}

impl KeyExtractor {
    /// The same for keys of any age.
    #[must_use]
    pub fn of_any_age(self) -> KeyExtractor {
        KeyExtractor { floor: i64::MIN, ..self }
    }

    /// Append the keys of a journal body, whose first entry has seq `first_seq`, to `run`; those
    /// below the floor are left out. The body must have been applied by the engine before the
    /// extractor was taken from it.
    ///
    /// # Errors
    /// Names the offset of a record that can't be read.
    pub fn extract(&self, body: &[u8], first_seq: u64, run: &mut Vec<u8>) -> Result<(), CorruptRecord> {
        self.each_key(body, first_seq, |seq, usage| {
            if usage.time < self.floor {
                return;
            }
            run.extend_from_slice(&usage.account.to_le_bytes());
            run.extend_from_slice(&seq.to_le_bytes());
            run.extend_from_slice(&usage.key.to_le_bytes());
            run.extend_from_slice(&usage.fingerprint.to_le_bytes());
            run.extend_from_slice(&usage.time.to_le_bytes());
        })
    }

    /// Give `visit` the seq and key of every record of a journal body that has one, in order.
    #[inline]
    pub(crate) fn each_key(
        &self,
        body: &[u8],
        first_seq: u64,
        mut visit: impl FnMut(u64, UsageKey),
    ) -> Result<(), CorruptRecord> {
        let mut scratch = UsageScratch::default();
        let mut reader = Reader { rest: body };
        let (mut seq, mut stamp) = (first_seq, 0i64);
        while !reader.rest.is_empty() {
            let offset = body.len() - reader.rest.len();
            let corrupt = |what: &str| CorruptRecord { offset, what: what.into() };
            let length = reader.unsigned().map_err(|_| corrupt("a record without a length"))?;
            let payload = usize::try_from(length).ok().and_then(|n| reader.bytes(n).ok());
            let (kind, rest) =
                payload.and_then(<[u8]>::split_first).ok_or_else(|| corrupt("a record runs past the body"))?;
            if *kind == KIND_STAMP {
                stamp = i64::from_le_bytes(rest.try_into().map_err(|_| corrupt("a stamp that is not 8 bytes"))?);
                continue;
            }
            if *kind == KIND_USAGE {
                let usage = self.key_of(rest, stamp, &mut scratch);
                visit(seq, usage.ok_or_else(|| corrupt("a usage record that can't be read"))?);
            }
            if *kind == KIND_CONTROL && entry::may_use_up_ids(rest) {
                let control = entry::read_control(rest).map_err(|what| CorruptRecord { offset, what })?;
                if let Some(UsedId { account, key, fingerprint, time }) = used_id(&control, &self.key) {
                    visit(seq, UsageKey { account, key, fingerprint, time });
                }
            }
            seq += 1;
        }
        Ok(())
    }

    pub(crate) fn store_key(&self) -> &StoreKey {
        &self.key
    }

    /// A meter or credit type that the journal brings, in the order of their numbers.
    pub(crate) fn add_subject(&mut self, kind: u64, name: &str) {
        let names = if kind == FINGERPRINT_METER { &mut self.meters } else { &mut self.credit_types };
        names.push(self.key.fingerprint_of_subject(kind, name.as_bytes()));
    }

    /// `rest`: a usage record's payload after its kind byte.
    #[inline]
    pub(crate) fn key_of(&self, rest: &[u8], stamp: i64, scratch: &mut UsageScratch) -> Option<UsageKey> {
        let head = read_usage_head(rest, stamp).ok()?;
        if let PackedId::Text(text) = head.event_id {
            std::str::from_utf8(text).ok()?;
        }
        let names = if head.is_direct { &self.credit_types } else { &self.meters };
        let subject = *names.get(usize::from(head.subject))?;
        let mut fingerprint = self.key.fingerprint_of_use(subject, head.quantity, head.time_us);
        if head.has_dimensions {
            // They stand at the record's end, behind everything else.
            for (name, value) in read_usage(rest, stamp, scratch).ok()?.dimensions {
                fingerprint = self.key.fold_pair(fingerprint, name.as_bytes(), value.as_bytes());
            }
        }
        let event_hash = head.event_id.with_text(|text| self.key.event_hash(text));
        Some(UsageKey {
            account: head.account,
            key: account_key(event_hash, head.account),
            fingerprint,
            time: head.time_us.unwrap_or(stamp),
        })
    }
}

/// Seq, key and event time of one record of a run, of `KEY_RECORD_BYTES`.
pub fn id_of_record(record: &[u8]) -> (u64, u128, i64) {
    let record = KeyRecord::of(record);
    (record.seq, record.key, record.time)
}

/// Newest event time of a run: behind the floor, the whole run may be dropped. `None` if empty.
pub fn newest_time(run: &[u8]) -> Option<i64> {
    run.chunks_exact(KEY_RECORD_BYTES).map(|r| i64::from_le_bytes(r[36..44].try_into().expect("8 bytes"))).max()
}

/// The records of a run whose events the account images contain, which reach up to `image_seq` of an account's
/// number. The others are of events that a restore gives up, and so are their ids: left in the run they would
/// be passed over once and come to life under the next images, whose seqs are higher.
///
/// # Errors
/// The bytes are no run.
pub fn contained_keys(run: &[u8], image_seq: impl Fn(u32) -> Option<u64>) -> Result<Vec<u8>, CorruptImage> {
    check_length(run)?;
    let mut contained = Vec::with_capacity(run.len());
    for bytes in run.chunks_exact(KEY_RECORD_BYTES) {
        let record = KeyRecord::of(bytes);
        if image_seq(record.account).is_some_and(|image| record.seq <= image) {
            contained.extend_from_slice(bytes);
        }
    }
    Ok(contained)
}

fn check_length(run: &[u8]) -> Result<(), CorruptImage> {
    if run.len().is_multiple_of(KEY_RECORD_BYTES) {
        return Ok(());
    }
    Err(CorruptImage(format!("a key run of {} bytes is cut short", run.len())))
}

impl Engine {
    /// For drawing keys out of journal that this engine has applied.
    pub fn key_extractor(&self) -> KeyExtractor {
        let (meters, credit_types) = (&self.catalog.meters, &self.catalog.credit_types);
        let of_subject = |kind, name: &str| self.key.fingerprint_of_subject(kind, name.as_bytes());
        KeyExtractor {
            key: self.key,
            meters: meters.iter().map(|m| of_subject(FINGERPRINT_METER, &m.key)).collect(),
            credit_types: credit_types.iter().map(|c| of_subject(FINGERPRINT_CREDIT_TYPE, &c.name)).collect(),
            floor: self.floor,
        }
    }

    /// Remember the keys of a run. Loaded after the account images: a key above its account's
    /// image is of an event that image does not contain, and is passed over.
    ///
    /// # Errors
    /// The bytes are no run, or the keys don't fit the budget.
    pub fn load_keys(&mut self, run: &[u8]) -> Result<(), CorruptImage> {
        if cfg!(feature = "planted-keys-out-of-snapshots") {
            return Ok(());
        }
        check_length(run)?;
        const LOOKAHEAD: usize = 32;
        for block in run.chunks(LOOKAHEAD * KEY_RECORD_BYTES) {
            for record in block.chunks_exact(KEY_RECORD_BYTES).map(KeyRecord::of) {
                self.keys.prefetch(record.key);
                if let Some(account) = self.accounts.get(record.account as usize) {
                    crate::prefetch::prefetch(&account.extra);
                }
            }
            for record in block.chunks_exact(KEY_RECORD_BYTES).map(KeyRecord::of) {
                self.keys.prefetch_slot(record.key);
            }
            for record in block.chunks_exact(KEY_RECORD_BYTES).map(KeyRecord::of) {
                self.load_key(&record)?;
            }
        }
        Ok(())
    }

    fn load_key(&mut self, record: &KeyRecord) -> Result<(), String> {
        let account = record.account as usize;
        let on_test_clock = self.accounts.get(account).is_some_and(|a| a.test_clock().is_some());
        let is_contained = !on_test_clock && self.image_seqs.get(account).is_some_and(|image| record.seq <= *image);
        if is_contained {
            // An event this young was taken at a stamp that had raised the floor so far.
            let stamp = record.time.saturating_sub(self.settings.early_margin_us);
            self.forget_below(self.settings.floor_at(stamp));
        }
        if is_contained && record.time >= self.floor_us() && self.keys.find(record.key).is_none() {
            self.remember(record.key, record.fingerprint, record.time)?;
        }
        Ok(())
    }
}

/// One record of a run.
struct KeyRecord {
    account: u32,
    seq: u64,
    key: u128,
    fingerprint: u64,
    time: i64,
}

impl KeyRecord {
    fn of(bytes: &[u8]) -> KeyRecord {
        let word = |from: usize| u64::from_le_bytes(bytes[from..from + 8].try_into().expect("8 bytes"));
        KeyRecord {
            account: u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes")),
            seq: word(4),
            key: u128::from(word(12)) | u128::from(word(20)) << 64,
            fingerprint: word(28),
            time: word(36) as i64,
        }
    }
}
