//! The ledger entry of one applied usage event: the journal's common case, so its bytes are
//! hand-packed and small (about 40 for a UUID id and one grant).
//!
//! ```text
//! usage := 0x02 flags:u8 account:u32le subject:u16le event_id quantity:varint
//!          [time − stamp : zigzag]                       if TIMED
//!          [rate:varint]                                 unless DIRECT
//!          draw_count:varint (grant_number:varint amount:varint)*
//!          [uncovered:varint overdraft:varint overage:varint period−stamp:zigzag]   if BEYOND
//!          [match:varint units:varint before:varint period−stamp:zigzag]             if COUNTED
//!          [pair_count:varint (key_len key value_len value)*]                        if DIMENSIONS
//! event_id := 16 bytes                if UUID: canonical lower-case text
//!           | length:u8 bytes         else
//! ```
//! charged = Σ draws + overdraft + overage.

use crate::id::{uuid_bytes, uuid_text};
use crate::usage::{Subject, UsageEvent};
use crate::varint::{self, Reader, Truncated};

const TIMED: u8 = 1;
const UUID: u8 = 2;
const FORCED: u8 = 4;
const DIMENSIONS: u8 = 8;
const DIRECT: u8 = 16;
const BEYOND: u8 = 32;
const COUNTED: u8 = 64;

/// One grant paid `amount`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Where it stands in the pool now; a hint, not written.
    pub position: u32,
    pub number: u32,
    pub amount: i64,
}

/// What no grant paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Under `partial`: never charged.
    pub uncovered: i64,
    pub overdraft: i64,
    pub overage: i64,
    /// Start of the billing period that bears the overage.
    pub period: i64,
}

/// A stateful price or an aggregate moved its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub match_id: u32,
    /// What the event burned: its quantity, one unit where events are counted, what it added to
    /// the period's aggregate under `max`, `last` and `unique`.
    pub units: i64,
    /// The tier position it was priced from.
    pub before: i64,
    pub period: i64,
}

/// The decided facts of one applied event.
#[derive(Clone, Copy, Debug)]
pub struct UsageEntry<'a> {
    pub account: u32,
    /// Meter id, or credit type id of a direct debit.
    pub subject: u16,
    pub is_direct: bool,
    pub is_forced: bool,
    pub event_id: &'a [u8],
    pub quantity: i64,
    /// As sent.
    pub time_us: Option<i64>,
    /// Rate id; 0 for direct debits.
    pub rate: u32,
    pub draws: &'a [Draw],
    pub beyond: Beyond,
    pub counted: Option<Counted>,
}

impl UsageEntry<'_> {
    pub fn charged(&self) -> i64 {
        self.draws.iter().map(|d| d.amount).sum::<i64>() + self.beyond.overdraft + self.beyond.overage
    }
}

/// Append the record. `dimensions` are the event's, as sent and sorted.
#[inline]
pub fn put_usage(out: &mut Vec<u8>, entry: &UsageEntry<'_>, dimensions: &[(&str, &str)], stamp: i64) {
    let start = out.len();
    // One length byte does for nearly all; a longer record is moved up by one or two.
    out.push(0);
    out.push(crate::entry::KIND_USAGE);
    let uuid = uuid_bytes(entry.event_id);
    let is_beyond = entry.beyond.uncovered | entry.beyond.overdraft | entry.beyond.overage != 0;
    let mut flags = 0;
    for (set, bit) in [
        (entry.time_us.is_some(), TIMED),
        (uuid.is_some(), UUID),
        (entry.is_forced, FORCED),
        (!dimensions.is_empty(), DIMENSIONS),
        (entry.is_direct, DIRECT),
        (is_beyond, BEYOND),
        (entry.counted.is_some(), COUNTED),
    ] {
        flags |= if set { bit } else { 0 };
    }
    out.push(flags);
    out.extend_from_slice(&entry.account.to_le_bytes());
    out.extend_from_slice(&entry.subject.to_le_bytes());
    match uuid {
        Some(bytes) => out.extend_from_slice(&bytes),
        None => {
            out.push(entry.event_id.len() as u8);
            out.extend_from_slice(entry.event_id);
        }
    }
    varint::put(out, entry.quantity as u64);
    if let Some(time) = entry.time_us {
        varint::put_signed(out, time.wrapping_sub(stamp));
    }
    if !entry.is_direct {
        varint::put(out, u64::from(entry.rate));
    }
    varint::put(out, entry.draws.len() as u64);
    for draw in entry.draws {
        varint::put(out, u64::from(draw.number));
        varint::put(out, draw.amount as u64);
    }
    if is_beyond {
        varint::put(out, entry.beyond.uncovered as u64);
        varint::put(out, entry.beyond.overdraft as u64);
        varint::put(out, entry.beyond.overage as u64);
        varint::put_signed(out, entry.beyond.period.wrapping_sub(stamp));
    }
    if let Some(counted) = entry.counted {
        varint::put(out, u64::from(counted.match_id));
        varint::put(out, counted.units as u64);
        varint::put(out, counted.before as u64);
        varint::put_signed(out, counted.period.wrapping_sub(stamp));
    }
    if !dimensions.is_empty() {
        varint::put(out, dimensions.len() as u64);
        for text in dimensions.iter().flat_map(|(key, value)| [key, value]) {
            varint::put(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
    seal_length(out, start);
}

#[inline]
fn seal_length(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(3);
    varint::put(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
}

/// Scratch space a decoded entry borrows from.
#[derive(Default)]
pub struct UsageScratch {
    draws: Vec<Draw>,
    event_id: Vec<u8>,
}

/// A decoded record: the entry and its dimensions.
pub struct Decoded<'a> {
    pub entry: UsageEntry<'a>,
    pub dimensions: Vec<(&'a str, &'a str)>,
}

/// The part of a record in front of its draws: what an event's identity and content need, but
/// for the dimensions.
pub(crate) struct UsageHead<'a> {
    pub(crate) account: u32,
    pub(crate) subject: u16,
    pub(crate) is_direct: bool,
    pub(crate) has_dimensions: bool,
    pub(crate) event_id: PackedId<'a>,
    pub(crate) quantity: i64,
    pub(crate) time_us: Option<i64>,
}

/// Decode the front of a payload after its kind byte. What follows is not looked at.
#[inline]
pub(crate) fn read_usage_head(payload: &[u8], stamp: i64) -> Result<UsageHead<'_>, Truncated> {
    let mut reader = Reader { rest: payload };
    let flags = reader.byte()?;
    let account = u32::from_le_bytes(reader.bytes(4)?.try_into().map_err(|_| Truncated)?);
    let subject = u16::from_le_bytes(reader.bytes(2)?.try_into().map_err(|_| Truncated)?);
    let event_id = if flags & UUID != 0 {
        PackedId::Uuid(reader.bytes(16)?.try_into().map_err(|_| Truncated)?)
    } else {
        let length = usize::from(reader.byte()?);
        PackedId::Text(reader.bytes(length)?)
    };
    let quantity = reader.amount()?;
    let time_us = if flags & TIMED != 0 { Some(stamp.wrapping_add(reader.signed()?)) } else { None };
    Ok(UsageHead {
        account,
        subject,
        is_direct: flags & DIRECT != 0,
        has_dimensions: flags & DIMENSIONS != 0,
        event_id,
        quantity,
        time_us,
    })
}

/// Decode the payload after its kind byte.
pub fn read_usage<'a>(payload: &'a [u8], stamp: i64, scratch: &'a mut UsageScratch) -> Result<Decoded<'a>, Truncated> {
    let mut reader = Reader { rest: payload };
    let flags = reader.byte()?;
    let account = u32::from_le_bytes(reader.bytes(4)?.try_into().map_err(|_| Truncated)?);
    let subject = u16::from_le_bytes(reader.bytes(2)?.try_into().map_err(|_| Truncated)?);
    scratch.event_id.clear();
    if flags & UUID != 0 {
        let bytes: &[u8; 16] = reader.bytes(16)?.try_into().map_err(|_| Truncated)?;
        scratch.event_id.extend_from_slice(&uuid_text(bytes));
    } else {
        let length = usize::from(reader.byte()?);
        scratch.event_id.extend_from_slice(reader.bytes(length)?);
    }
    let quantity = reader.amount()?;
    let time_us = if flags & TIMED != 0 { Some(stamp.wrapping_add(reader.signed()?)) } else { None };
    let is_direct = flags & DIRECT != 0;
    let rate = if is_direct { 0 } else { u32::try_from(reader.unsigned()?).map_err(|_| Truncated)? };
    read_draws(&mut reader, &mut scratch.draws)?;
    let beyond = if flags & BEYOND != 0 { read_beyond(&mut reader, stamp)? } else { Beyond::default() };
    let counted = if flags & COUNTED != 0 {
        Some(Counted {
            match_id: u32::try_from(reader.unsigned()?).map_err(|_| Truncated)?,
            units: reader.amount()?,
            before: reader.amount()?,
            period: stamp.wrapping_add(reader.signed()?),
        })
    } else {
        None
    };
    let dimensions = if flags & DIMENSIONS != 0 { read_dimensions(&mut reader)? } else { Vec::new() };
    if !reader.rest.is_empty() {
        return Err(Truncated);
    }
    let entry = UsageEntry {
        account,
        subject,
        is_direct,
        is_forced: flags & FORCED != 0,
        event_id: &scratch.event_id,
        quantity,
        time_us,
        rate,
        draws: &scratch.draws,
        beyond,
        counted,
    };
    Ok(Decoded { entry, dimensions })
}

/// An event id as it stands in a record.
pub enum PackedId<'a> {
    Uuid(&'a [u8; 16]),
    Text(&'a [u8]),
}

impl PackedId<'_> {
    /// Hand the id's text to `take`.
    #[inline]
    pub fn with_text<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            PackedId::Uuid(bytes) => take(&uuid_text(bytes)),
            PackedId::Text(text) => take(text),
        }
    }
}

/// Account and event id of a payload with its kind byte, if it is a usage record.
#[inline]
pub fn peek_usage(payload: &[u8]) -> Option<(u32, PackedId<'_>)> {
    let (&[kind, flags], rest) = payload.split_first_chunk::<2>()?;
    if kind != crate::entry::KIND_USAGE {
        return None;
    }
    let (account, rest) = rest.split_first_chunk::<4>()?;
    let rest = rest.get(2..)?;
    let id = if flags & UUID != 0 {
        PackedId::Uuid(rest.first_chunk::<16>()?)
    } else {
        let (length, rest) = rest.split_first()?;
        PackedId::Text(rest.get(..usize::from(*length))?)
    };
    Some((u32::from_le_bytes(*account), id))
}

fn read_draws(reader: &mut Reader<'_>, draws: &mut Vec<Draw>) -> Result<(), Truncated> {
    draws.clear();
    let count = reader.unsigned()?;
    if count > reader.rest.len() as u64 {
        return Err(Truncated);
    }
    for _ in 0..count {
        let number = u32::try_from(reader.unsigned()?).map_err(|_| Truncated)?;
        draws.push(Draw { position: 0, number, amount: reader.amount()? });
    }
    Ok(())
}

fn read_beyond(reader: &mut Reader<'_>, stamp: i64) -> Result<Beyond, Truncated> {
    Ok(Beyond {
        uncovered: reader.amount()?,
        overdraft: reader.amount()?,
        overage: reader.amount()?,
        period: stamp.wrapping_add(reader.signed()?),
    })
}

fn read_dimensions<'a>(reader: &mut Reader<'a>) -> Result<Vec<(&'a str, &'a str)>, Truncated> {
    let count = reader.unsigned()?;
    if count > reader.rest.len() as u64 {
        return Err(Truncated);
    }
    (0..count).map(|_| Ok((reader.text()?, reader.text()?))).collect()
}

/// The event this entry came from, as far as identity and content go.
pub fn as_event<'a>(decoded: &'a Decoded<'a>, subject_name: &'a str) -> Option<UsageEvent<'a>> {
    let entry = &decoded.entry;
    Some(UsageEvent {
        event_id: std::str::from_utf8(entry.event_id).ok()?,
        account_id: "",
        subject: if entry.is_direct { Subject::CreditType(subject_name) } else { Subject::Meter(subject_name) },
        quantity: entry.quantity,
        time_us: entry.time_us,
        dimensions: &decoded.dimensions,
        force: entry.is_forced,
        malformed: false,
        account_hash: 0,
        event_hash: 0,
        fingerprint: 0,
    })
}
