//! Packed arrays of varints, and the same arrays sent one element per field.

use crate::error::WireError;
use crate::limits::BATCH_EVENTS_MAX;
use crate::reader::{BYTES, CONTINUATION, Reader, VARINT, unzigzag, wrong_wire};

/// An element type of a packed array.
pub trait PackedElement: Copy {
    fn from_varint(value: u64) -> Option<Self>;
}

impl PackedElement for u32 {
    #[inline(always)]
    fn from_varint(value: u64) -> Option<u32> {
        u32::try_from(value).ok()
    }
}

impl PackedElement for i64 {
    #[inline(always)]
    fn from_varint(value: u64) -> Option<i64> {
        Some(value as i64)
    }
}

/// A `sint64` element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Zigzag(pub i64);

impl PackedElement for Zigzag {
    #[inline(always)]
    fn from_varint(value: u64) -> Option<Zigzag> {
        Some(Zigzag(unzigzag(value)))
    }
}

/// Append the elements of one occurrence of a repeated field, packed or not.
pub fn read_packed<T: PackedElement>(
    reader: &mut Reader<'_>,
    message: &str,
    (field, wire): (u32, u8),
    out: &mut Vec<T>,
) -> Result<(), WireError> {
    let start = reader.offset();
    match wire {
        BYTES => {
            let mut elements = reader.message()?;
            out.reserve(elements.remaining().min(BATCH_EVENTS_MAX));
            while !elements.is_empty() {
                if !read_word(&mut elements, out) {
                    read_element(&mut elements, out)?;
                }
            }
        }
        VARINT => read_element(reader, out)?,
        _ => return Err(wrong_wire(start, message, field, wire)),
    }
    if out.len() > BATCH_EVENTS_MAX {
        return Err(too_many(start, out.len()));
    }
    Ok(())
}

/// Four varints of two bytes.
const PAIRS: u64 = 0x0080_0080_0080_0080;

/// Take 8 varints of one byte or 4 of two bytes at once, if that is what comes next: small numbers
/// of one size are what columns mostly hold.
#[inline(always)]
fn read_word<T: PackedElement>(reader: &mut Reader<'_>, out: &mut Vec<T>) -> bool {
    let Some(word) = reader.peek_word() else {
        return false;
    };
    match word & CONTINUATION {
        0 => {
            let elements = word.to_le_bytes().map(|byte| T::from_varint(u64::from(byte)));
            out.extend(elements.into_iter().flatten());
        }
        PAIRS => {
            let elements = [0, 16, 32, 48].map(|shift| {
                let pair = word >> shift;
                T::from_varint(pair & 0x7f | pair >> 1 & 0x3f80)
            });
            out.extend(elements.into_iter().flatten());
        }
        _ => return false,
    }
    reader.take_word();
    true
}

#[inline(always)]
fn read_element<T: PackedElement>(reader: &mut Reader<'_>, out: &mut Vec<T>) -> Result<(), WireError> {
    let start = reader.offset();
    let value = reader.varint()?;
    let Some(element) = T::from_varint(value) else {
        return Err(WireError::at(start, format!("{value} does not fit 32 bits")));
    };
    out.push(element);
    Ok(())
}

#[cold]
#[inline(never)]
pub fn too_many(offset: usize, count: usize) -> WireError {
    WireError::at(
        offset,
        format!("{count} events in one batch, at most {BATCH_EVENTS_MAX} are accepted: split the batch"),
    )
}
