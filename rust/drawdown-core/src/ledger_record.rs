//! One record of the journal as an owned, decoded value, for whoever reads the ledger back.
//!
//! The journal's entries are the ledger. `Records` walks a body (drawn in `entry.rs`) without
//! decoding what nobody asked for; `RawRecord::decode` makes a value that outlives the bytes.

use crate::apply;
use crate::entry::{Control, CorruptRecord, KIND_CONTROL, KIND_STAMP, KIND_USAGE, read_control};
use crate::usage_entry::{Beyond, Counted, Decoded, Draw, UsageEntry, UsageScratch, peek_usage, read_usage};
use crate::varint::Reader;

/// What one position of the journal says.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerRecord {
    pub seq: u64,
    /// `received_at` of the batch it came with, microseconds UTC. For an account on a test clock
    /// that clock tells the time instead.
    pub stamp: i64,
    pub what: Fact,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    Usage(AppliedUsage),
    Control(Control),
}

/// The decided facts of one applied event; see `UsageEntry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedUsage {
    pub account: u32,
    /// Meter id, or credit type id of a direct debit.
    pub subject: u16,
    pub is_direct: bool,
    pub is_forced: bool,
    pub event_id: String,
    pub quantity: i64,
    /// As sent.
    pub time_us: Option<i64>,
    pub rate: u32,
    pub draws: Vec<Draw>,
    pub beyond: Beyond,
    pub counted: Option<Counted>,
    /// As sent, sorted.
    pub dimensions: Vec<(String, String)>,
}

impl AppliedUsage {
    fn of(decoded: &Decoded<'_>) -> Option<AppliedUsage> {
        let entry = &decoded.entry;
        Some(AppliedUsage {
            account: entry.account,
            subject: entry.subject,
            is_direct: entry.is_direct,
            is_forced: entry.is_forced,
            event_id: String::from_utf8(entry.event_id.to_vec()).ok()?,
            quantity: entry.quantity,
            time_us: entry.time_us,
            rate: entry.rate,
            draws: entry.draws.to_vec(),
            beyond: entry.beyond,
            counted: entry.counted,
            dimensions: decoded.dimensions.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        })
    }

    /// The same facts, borrowed, as `apply` takes them.
    pub fn as_entry(&self) -> UsageEntry<'_> {
        UsageEntry {
            account: self.account,
            subject: self.subject,
            is_direct: self.is_direct,
            is_forced: self.is_forced,
            event_id: self.event_id.as_bytes(),
            quantity: self.quantity,
            time_us: self.time_us,
            rate: self.rate,
            draws: &self.draws,
            beyond: self.beyond,
            counted: self.counted,
        }
    }

    pub fn charged(&self) -> i64 {
        self.as_entry().charged()
    }

    /// The event's time: as sent, else the stamp it was received at.
    pub fn event_time(&self, stamp: i64) -> i64 {
        self.time_us.unwrap_or(stamp)
    }
}

impl LedgerRecord {
    /// The account it concerns; `None` for the catalog and the engine itself.
    pub fn account(&self) -> Option<u32> {
        match &self.what {
            Fact::Usage(usage) => Some(usage.account),
            Fact::Control(control) => apply::account_number(control),
        }
    }

    /// The event it applied or corrected.
    pub fn event_id(&self) -> Option<&str> {
        match &self.what {
            Fact::Usage(usage) => Some(&usage.event_id),
            Fact::Control(control) => corrected_event(control),
        }
    }

    /// What it sets the account's own clock to, if it does.
    pub fn clock_set(&self) -> Option<i64> {
        match &self.what {
            Fact::Control(Control::AccountCreated(e)) => e.test_clock,
            Fact::Control(Control::ClockAdvanced(e)) => Some(e.to),
            _ => None,
        }
    }

    /// The event, if this is the entry that applied it.
    pub fn usage(&self) -> Option<&AppliedUsage> {
        match &self.what {
            Fact::Usage(usage) => Some(usage),
            Fact::Control(_) => None,
        }
    }
}

/// The event id that a later entry changes.
pub fn corrected_event(control: &Control) -> Option<&str> {
    match control {
        Control::UsageCorrected(e) => Some(&e.event_id),
        _ => None,
    }
}

/// A record where it stands in a body. Stamps are no records: they take no seq.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    pub seq: u64,
    pub stamp: i64,
    /// Of the length in front of the payload, from the body's beginning.
    pub offset: usize,
    pub payload: &'a [u8],
}

impl RawRecord<'_> {
    fn corrupt(&self, what: impl Into<String>) -> CorruptRecord {
        CorruptRecord { offset: self.offset, what: what.into() }
    }

    pub fn is_usage(&self) -> bool {
        self.payload.first() == Some(&KIND_USAGE)
    }

    /// Whether it is a usage record of this account and event.
    pub fn applies_event(&self, account: u32, event_id: &[u8]) -> bool {
        peek_usage(self.payload).is_some_and(|(of, id)| of == account && id.with_text(|text| text == event_id))
    }

    /// The account it concerns, read as cheaply as can be.
    ///
    /// # Errors
    /// A record that can't be read.
    pub fn account(&self) -> Result<Option<u32>, CorruptRecord> {
        if let Some((account, _)) = peek_usage(self.payload) {
            return Ok(Some(account));
        }
        Ok(self.decode()?.account())
    }

    /// The record as a value of its own.
    ///
    /// # Errors
    /// A record that can't be read.
    pub fn decode(&self) -> Result<LedgerRecord, CorruptRecord> {
        let (kind, rest) = self.payload.split_first().ok_or_else(|| self.corrupt("an empty record"))?;
        let what = match *kind {
            KIND_USAGE => {
                let mut scratch = UsageScratch::default();
                let decoded = read_usage(rest, self.stamp, &mut scratch);
                let decoded = decoded.map_err(|_| self.corrupt("a usage record cut short"))?;
                let usage = AppliedUsage::of(&decoded);
                Fact::Usage(usage.ok_or_else(|| self.corrupt("an event id that is not UTF-8"))?)
            }
            KIND_CONTROL => Fact::Control(read_control(rest).map_err(|what| self.corrupt(what))?),
            kind => return Err(self.corrupt(format!("record kind {kind} is unknown"))),
        };
        Ok(LedgerRecord { seq: self.seq, stamp: self.stamp, what })
    }
}

/// The records of a body in order, each with its seq and the stamp that holds there.
pub struct Records<'a> {
    body: &'a [u8],
    rest: Reader<'a>,
    next_seq: u64,
    stamp: i64,
}

impl<'a> Records<'a> {
    /// `first_seq`: of the first record. A body begins with a stamp.
    pub fn of(body: &'a [u8], first_seq: u64) -> Records<'a> {
        Records { body, rest: Reader { rest: body }, next_seq: first_seq, stamp: 0 }
    }

    /// From a known place: `rest` begins with the record of `next_seq`, and `stamp` holds there.
    pub fn from(rest: &'a [u8], next_seq: u64, stamp: i64) -> Records<'a> {
        Records { body: rest, rest: Reader { rest }, next_seq, stamp }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// Names the offset of a record that can't be read; nothing behind it can be either.
    #[expect(clippy::should_implement_trait, reason = "it ends at an error")]
    pub fn next(&mut self) -> Result<Option<RawRecord<'a>>, CorruptRecord> {
        while !self.rest.rest.is_empty() {
            let offset = self.body.len() - self.rest.rest.len();
            let corrupt = |what: &str| CorruptRecord { offset, what: what.into() };
            let length = self.rest.unsigned().map_err(|_| corrupt("a record without a length"))?;
            let payload = usize::try_from(length).ok().and_then(|n| self.rest.bytes(n).ok());
            let payload = payload.ok_or_else(|| corrupt("a record runs past the body"))?;
            if let [KIND_STAMP, stamp @ ..] = payload {
                self.stamp = i64::from_le_bytes(stamp.try_into().map_err(|_| corrupt("a stamp that is not 8 bytes"))?);
                continue;
            }
            let record = RawRecord { seq: self.next_seq, stamp: self.stamp, offset, payload };
            self.next_seq += 1;
            return Ok(Some(record));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{GrantExpired, put_control, put_stamp};
    use crate::usage_entry::put_usage;

    fn body() -> Vec<u8> {
        let mut body = Vec::new();
        put_stamp(&mut body, 1_000);
        let draws = [Draw { position: 3, number: 7, amount: 40 }];
        let entry = UsageEntry {
            account: 5,
            subject: 2,
            is_direct: false,
            is_forced: true,
            event_id: b"req-1",
            quantity: 12,
            time_us: Some(900),
            rate: 4,
            draws: &draws,
            beyond: Beyond { uncovered: 0, overdraft: 2, overage: 0, period: 800 },
            counted: Some(Counted { match_id: 1, units: 12, before: 3, period: 800 }),
        };
        put_usage(&mut body, &entry, &[("model", "large")], 1_000);
        put_stamp(&mut body, 2_000);
        let expired = GrantExpired { account: 5, credit_type: 0, number: 7, amount: 9 };
        put_control(&mut body, &crate::entry::ControlEntry { control: Some(Control::GrantExpired(expired)) });
        body
    }

    #[test]
    fn records_carry_seq_and_stamp_and_decode_to_what_was_put() {
        let body = body();
        let mut records = Records::of(&body, 10);
        let usage = records.next().unwrap().unwrap();
        assert!(usage.applies_event(5, b"req-1") && !usage.applies_event(6, b"req-1"));
        let usage = usage.decode().unwrap();
        assert_eq!((10, 1_000, Some(5), Some("req-1")), (usage.seq, usage.stamp, usage.account(), usage.event_id()));
        let applied = usage.usage().unwrap();
        assert_eq!((42, 900, true), (applied.charged(), applied.event_time(usage.stamp), applied.is_forced));
        assert_eq!(vec![("model".to_owned(), "large".to_owned())], applied.dimensions);
        let expired = records.next().unwrap().unwrap().decode().unwrap();
        assert_eq!((11, 2_000, Some(5)), (expired.seq, expired.stamp, expired.account()));
        assert!(records.next().unwrap().is_none());
    }

    #[test]
    fn a_cut_body_is_found_wherever_it_is_cut() {
        let whole = body();
        for end in 0..whole.len() {
            let mut records = Records::of(&whole[..end], 1);
            let mut found = 0;
            let ended = loop {
                match records.next() {
                    Ok(Some(record)) => found += usize::from(record.decode().is_ok()),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            assert!(found < 2 && (found <= 1 || !ended), "{end}: {found}");
        }
    }
}
