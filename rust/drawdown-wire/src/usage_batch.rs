//! `UsageBatch` bytes to sealed usage events.
//!
//! ```text
//! 08 batch id   10 detail   1a event, repeated   22 columns        rows or columns, not both
//! ```
//!
//! Memory: ~150 bytes per event in an arena kept between batches, at most 10 MiB, plus 32 bytes
//! per dimension. Nothing is allocated in proportion to a length that the bytes merely claim.

use crate::columns::{Columns, ExpandedUuids};
use crate::dimensions::{Pair, PairSpan};
use crate::error::WireError;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::packed::too_many;
use crate::reader::{BYTES, Reader, VARINT, wrong_wire};
use crate::rows::{Neighbour, read_event};
use drawdown_core::{StoreKey, UsageEvent};

/// Which per-event results an ack carries. The default is `Exceptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultDetail {
    /// Totals, and one exception for each event that is not plainly `Ok`.
    #[default]
    Exceptions,
    /// Totals and columns for every event.
    All,
    /// Totals only.
    None,
}

impl ResultDetail {
    fn from_number(number: u64) -> Option<ResultDetail> {
        match number {
            0 | 1 => Some(ResultDetail::Exceptions),
            2 => Some(ResultDetail::All),
            3 => Some(ResultDetail::None),
            _ => None,
        }
    }

    /// The enum's number on the wire; the default is left out.
    pub(crate) fn number(self) -> u64 {
        match self {
            ResultDetail::Exceptions => 0,
            ResultDetail::All => 2,
            ResultDetail::None => 3,
        }
    }

    /// From `exceptions`, `all` or `none`.
    pub fn from_name(name: &str) -> Option<ResultDetail> {
        match name {
            "exceptions" => Some(ResultDetail::Exceptions),
            "all" => Some(ResultDetail::All),
            "none" => Some(ResultDetail::None),
            _ => None,
        }
    }
}

/// A decoded batch: 1 to `BATCH_EVENTS_MAX` sealed events in the caller's order.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub batch_id: u64,
    pub detail: ResultDetail,
    pub events: &'a [UsageEvent<'a>],
}

/// Decodes one batch at a time into an arena that is kept between batches. One per thread.
#[derive(Default)]
pub struct UsageBatchDecoder {
    events: Vec<UsageEvent<'static>>,
    pairs: Vec<Pair<'static>>,
    spans: Vec<EventSpan>,
    columns: Columns<'static>,
    uuids: ExpandedUuids,
}

/// Pairs kept for the next batch, 8 MiB: one batch made of nothing but dimensions must not hold
/// on to 64 MiB for ever.
const PAIRS_KEPT_MAX: usize = 256 * 1024;

/// An event of a row-encoded batch that has dimensions.
#[derive(Clone, Copy)]
struct EventSpan {
    event: u32,
    span: PairSpan,
}

impl UsageBatchDecoder {
    pub fn new() -> UsageBatchDecoder {
        UsageBatchDecoder::default()
    }

    /// Decode `bytes` and hand the batch to `take`; gives back what `take` gives back.
    ///
    /// Events that are framed well but cannot be taken (ids that are not 1-128 bytes of printable
    /// UTF-8, a negative quantity, no or two subjects, too many or unprintable dimensions) come
    /// with `malformed` set. Every event carries the hashes of `UsageEvent::seal`.
    ///
    /// # Errors
    /// The bytes are no `UsageBatch`, hold no or too many events, or their columns contradict each
    /// other; `take` was not called. The same bytes fail again.
    pub fn decode_with<R>(
        &mut self,
        bytes: &[u8],
        key: &StoreKey,
        take: impl FnOnce(Batch<'_>) -> R,
    ) -> Result<R, WireError> {
        // The arenas are empty here: moving them into locals lets them hold what borrows `bytes`.
        let mut pairs: Vec<Pair<'_>> = std::mem::take(&mut self.pairs);
        let mut columns: Columns<'_> = std::mem::take(&mut self.columns);
        let mut uuids = std::mem::take(&mut self.uuids);
        let mut spans = std::mem::take(&mut self.spans);
        let mut events: Vec<UsageEvent<'_>> = std::mem::take(&mut self.events);

        let header = read_batch(bytes, key, &mut events, &mut spans, &mut pairs, &mut columns)?;
        // From here on events also borrow from the arenas, which no longer grow.
        let mut events: Vec<UsageEvent<'_>> = events;
        if header.columns_at.is_some() {
            columns.hash_dictionaries(key);
            columns.expand_uuids(key, &mut uuids);
            columns.events_into(&mut events, &pairs, &uuids, key)?;
        } else {
            for &EventSpan { event, span } in &spans {
                let event = &mut events[event as usize];
                event.dimensions = span.of(&pairs);
                for (name, value) in event.dimensions {
                    event.fingerprint = key.fold_pair(event.fingerprint, name.as_bytes(), value.as_bytes());
                }
            }
        }
        if events.is_empty() {
            return Err(WireError::at(bytes.len(), "a batch holds at least one event"));
        }
        let answer = take(Batch { batch_id: header.batch_id, detail: header.detail, events: &events });

        self.events = recycle(events);
        self.columns = columns.recycle();
        if pairs.capacity() <= PAIRS_KEPT_MAX {
            self.pairs = recycle(pairs);
        }
        self.uuids = uuids;
        spans.clear();
        self.spans = spans;
        Ok(answer)
    }
}

#[derive(Default)]
struct BatchHeader {
    batch_id: u64,
    detail: ResultDetail,
    columns_at: Option<usize>,
}

fn read_batch<'a>(
    bytes: &'a [u8],
    key: &StoreKey,
    events: &mut Vec<UsageEvent<'a>>,
    spans: &mut Vec<EventSpan>,
    pairs: &mut Vec<Pair<'a>>,
    columns: &mut Columns<'a>,
) -> Result<BatchHeader, WireError> {
    if bytes.len() > BATCH_BYTES_MAX {
        let length = bytes.len();
        let reason = format!("{length} bytes in one batch, at most {BATCH_BYTES_MAX} are accepted: split the batch");
        return Err(WireError::at(BATCH_BYTES_MAX, reason));
    }
    let mut header = BatchHeader::default();
    let mut neighbour = Neighbour::default();
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let start = reader.offset();
        if reader.take_tag(0x1a) {
            if events.len() == BATCH_EVENTS_MAX {
                return Err(too_many(start, events.len() + 1));
            }
            let (event, span) = read_event(reader.message()?, key, &mut neighbour, pairs)?;
            if span.start != span.end {
                spans.push(EventSpan { event: events.len() as u32, span });
            }
            events.push(event);
            continue;
        }
        match reader.tag()? {
            (1, VARINT) => header.batch_id = reader.varint()?,
            (2, VARINT) => {
                let number = reader.varint()?;
                header.detail = ResultDetail::from_number(number)
                    .ok_or_else(|| WireError::at(start, format!("result detail {number} does not exist")))?;
            }
            (4, BYTES) => {
                // A message field sent twice is merged, as protobuf prescribes.
                header.columns_at.get_or_insert(start);
                columns.read(reader.message()?, pairs)?;
            }
            (3, BYTES) => {
                return Err(WireError::at(start, "tag of an event is spelt in more than one byte"));
            }
            (field @ 1..=4, wire) => return Err(wrong_wire(start, "UsageBatch", field, wire)),
            (_, wire) => reader.skip(wire)?,
        }
        if let (Some(offset), false) = (header.columns_at, events.is_empty()) {
            return Err(rows_and_columns(offset));
        }
    }
    match header.columns_at {
        Some(offset) if !events.is_empty() => Err(rows_and_columns(offset)),
        _ => Ok(header),
    }
}

#[cold]
fn rows_and_columns(offset: usize) -> WireError {
    WireError::at(offset, "a batch has rows or columns, not both")
}

/// The emptied arena for borrows of another lifetime. Same layout, so the allocation stays.
pub fn recycle<A, B>(mut arena: Vec<A>) -> Vec<B> {
    arena.clear();
    arena.into_iter().map(|_| unreachable!("the arena was cleared")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_generator::{Encoding, LoadGenerator, LoadSettings};
    use crate::skew::Skew;

    #[test]
    fn the_arena_is_kept_between_batches() {
        for encoding in [Encoding::Rows, Encoding::Columns] {
            let settings = LoadSettings {
                accounts: 10,
                batch: 100,
                skew: Skew::Uniform,
                encoding,
                seed: 1,
                meter: "m",
                quantity: 1,
                send_time: true,
            };
            let mut generator = LoadGenerator::new(&settings).unwrap();
            let mut decoder = UsageBatchDecoder::new();
            let key = StoreKey::new([1; 16]);
            let mut decode = |bytes: &[u8]| decoder.decode_with(bytes, &key, |batch| batch.events.as_ptr() as usize);
            let first = decode(&generator.next(1, 1_000_000)).unwrap();
            for batch_id in 2..5 {
                assert_eq!(decode(&generator.next(batch_id, 1_000_000)).unwrap(), first);
            }
        }
    }
}
