//! Dimensions of an event: a protobuf map read into sorted, unique pairs.
//!
//! ```text
//! entry   1: key (string)   2: value (string)     absent: empty
//! ```

use crate::error::WireError;
use crate::limits::{DIMENSION_ENTRIES_MAX, DIMENSIONS_MAX, ID_BYTES_MAX};
use crate::printable::printable;
use crate::reader::{BYTES, Reader, wrong_wire};

pub type Pair<'a> = (&'a str, &'a str);

/// Where an event's pairs lie in the arena.
#[derive(Clone, Copy, Default)]
pub struct PairSpan {
    pub start: u32,
    pub end: u32,
}

impl PairSpan {
    #[inline]
    pub fn of<'p, 'a>(self, pairs: &'p [Pair<'a>]) -> &'p [Pair<'a>] {
        &pairs[self.start as usize..self.end as usize]
    }
}

/// Collects the entries of one map at the end of an arena shared by a batch.
pub struct PairCollector {
    start: usize,
    acceptable: bool,
}

impl PairCollector {
    pub fn at_end_of(pairs: &[Pair<'_>]) -> PairCollector {
        PairCollector { start: pairs.len(), acceptable: true }
    }

    /// Read one map entry. Text that is not printable or too long makes the map unacceptable;
    /// broken framing is an error.
    pub fn read_entry<'a>(&mut self, mut entry: Reader<'a>, pairs: &mut Vec<Pair<'a>>) -> Result<(), WireError> {
        let (mut key, mut value) = (&[][..], &[][..]);
        while !entry.is_empty() {
            let start = entry.offset();
            match entry.tag()? {
                (1, BYTES) => key = entry.bytes()?,
                (2, BYTES) => value = entry.bytes()?,
                (field @ (1 | 2), wire) => {
                    return Err(wrong_wire(start, "a dimension", field, wire));
                }
                (_, wire) => entry.skip(wire)?,
            }
        }
        if !self.acceptable {
            return Ok(());
        }
        match (dimension_text(key), dimension_text(value)) {
            (Some(key), Some(value)) if pairs.len() - self.start < DIMENSION_ENTRIES_MAX => {
                pairs.push((key, value));
            }
            _ => self.acceptable = false,
        }
        Ok(())
    }

    /// Sort by key and keep the last value of each key. `None`, with the arena as before, when the
    /// event cannot be taken with these dimensions.
    pub fn finish(self, pairs: &mut Vec<Pair<'_>>) -> Option<PairSpan> {
        if self.acceptable {
            sort_last_wins(pairs, self.start);
            if pairs.len() - self.start <= DIMENSIONS_MAX {
                return Some(PairSpan { start: self.start as u32, end: pairs.len() as u32 });
            }
        }
        pairs.truncate(self.start);
        None
    }
}

#[inline]
fn dimension_text(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > ID_BYTES_MAX { None } else { printable(bytes) }
}

fn sort_last_wins(pairs: &mut Vec<Pair<'_>>, start: usize) {
    let fresh = &mut pairs[start..];
    if fresh.windows(2).all(|two| two[0].0 < two[1].0) {
        return;
    }
    // Stable: entries of one key stay in the order in which they came.
    fresh.sort_by(|a, b| a.0.cmp(b.0));
    let mut kept = 0;
    for index in 0..fresh.len() {
        if fresh.get(index + 1).is_none_or(|next| next.0 != fresh[index].0) {
            fresh[kept] = fresh[index];
            kept += 1;
        }
    }
    pairs.truncate(start + kept);
}
