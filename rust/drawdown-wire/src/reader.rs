//! A bounds-checked walk over protobuf bytes.
//!
//! ```text
//! field    tag value
//! tag      varint  field number << 3 | wire type
//! wire 0   varint  1-10 bytes, 7 bits each, low bits first; bit 7 set on all but the last
//! wire 1   8 bytes           wire 5   4 bytes
//! wire 2   varint length, then that many bytes
//! wire 3, 4 (groups), 6, 7   refused
//! ```

use crate::error::WireError;

pub const VARINT: u8 = 0;
pub const FIXED64: u8 = 1;
pub const BYTES: u8 = 2;
pub const FIXED32: u8 = 5;

/// Bit 7 of each byte: set on all but the last byte of a varint.
pub const CONTINUATION: u64 = 0x8080_8080_8080_8080;

/// Position in a message. Nested messages share the outer slice, cut at their end, so that every
/// offset counts from the start of the whole message.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    #[inline(always)]
    pub fn offset(&self) -> usize {
        self.at
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Take the next byte if it is `tag`: the quick way through fields written in order.
    #[inline(always)]
    pub fn take_tag(&mut self, tag: u8) -> bool {
        let matches = self.bytes.get(self.at) == Some(&tag);
        self.at += usize::from(matches);
        matches
    }

    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.varint_long(),
        }
    }

    /// The next 8 bytes as a little-endian word, not taken; `None` near the end.
    #[inline(always)]
    pub fn peek_word(&self) -> Option<u64> {
        self.bytes[self.at..].first_chunk::<8>().map(|word| u64::from_le_bytes(*word))
    }

    /// Take the 8 bytes that `peek_word` gave.
    #[inline(always)]
    pub fn take_word(&mut self) {
        debug_assert!(self.remaining() >= 8);
        self.at += 8;
    }

    /// Varints of 2 to 8 bytes out of one word; the rest byte by byte.
    #[inline]
    fn varint_long(&mut self) -> Result<u64, WireError> {
        if let Some(word) = self.peek_word() {
            let ends = !word & CONTINUATION;
            if ends != 0 {
                let end_bit = ends.trailing_zeros();
                self.at += (end_bit as usize + 1) / 8;
                return Ok(compact(word & (u64::MAX >> (63 - end_bit))));
            }
        }
        self.varint_bytewise()
    }

    #[cold]
    #[inline(never)]
    fn varint_bytewise(&mut self) -> Result<u64, WireError> {
        let start = self.at;
        let mut value = 0u64;
        for (index, &byte) in self.bytes[start..].iter().take(10).enumerate() {
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.at = start + index + 1;
                return Ok(value);
            }
        }
        if self.bytes.len() - start >= 10 {
            Err(WireError::at(start, "varint does not end within 10 bytes and 64 bits"))
        } else {
            Err(WireError::at(start, "message ends inside a varint"))
        }
    }

    /// The next field's number and wire type.
    pub fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let start = self.at;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > 0x1fff_ffff {
            return Err(WireError::at(start, format!("field number {number} is not allowed")));
        }
        Ok((number as u32, (tag & 7) as u8))
    }

    /// The bytes of a length-delimited field.
    #[inline(always)]
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let start = self.at;
        let length = self.varint()?;
        if length > (self.bytes.len() - self.at) as u64 {
            return Err(too_long(start, length, self.bytes.len() - self.at));
        }
        let end = self.at + length as usize;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    /// A reader over a length-delimited field; this one moves behind it.
    #[inline(always)]
    pub fn message(&mut self) -> Result<Reader<'a>, WireError> {
        let start = self.at;
        let length = self.varint()?;
        if length > (self.bytes.len() - self.at) as u64 {
            return Err(too_long(start, length, self.bytes.len() - self.at));
        }
        let end = self.at + length as usize;
        let inner = Reader { bytes: &self.bytes[..end], at: self.at };
        self.at = end;
        Ok(inner)
    }

    /// Move over the value of an unknown field.
    #[cold]
    pub fn skip(&mut self, wire: u8) -> Result<(), WireError> {
        let start = self.at;
        match wire {
            VARINT => self.varint().map(drop),
            FIXED64 => self.skip_fixed(8),
            BYTES => self.bytes().map(drop),
            FIXED32 => self.skip_fixed(4),
            3 | 4 => Err(WireError::at(start, "groups are not accepted")),
            _ => Err(WireError::at(start, format!("wire type {wire} does not exist"))),
        }
    }

    fn skip_fixed(&mut self, width: usize) -> Result<(), WireError> {
        if self.remaining() < width {
            return Err(WireError::at(self.at, format!("message ends inside a {width}-byte value")));
        }
        self.at += width;
        Ok(())
    }
}

#[cold]
#[inline(never)]
fn too_long(offset: usize, length: u64, left: usize) -> WireError {
    WireError::at(offset, format!("length {length} passes the end: {left} bytes are left"))
}

/// A known field came with another wire type: another schema, so its value must not be dropped.
#[cold]
#[inline(never)]
pub fn wrong_wire(offset: usize, message: &str, field: u32, wire: u8) -> WireError {
    if wire == 3 || wire == 4 {
        return WireError::at(offset, "groups are not accepted");
    }
    WireError::at(offset, format!("field {field} of {message} has wire type {wire}, which it cannot have"))
}

/// Squeeze the low 7 bits of each byte together; bits 7 are ignored.
#[inline(always)]
fn compact(word: u64) -> u64 {
    let pairs = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let quads = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    (quads & 0x0fff_ffff) | ((quads & 0x0fff_ffff_0000_0000) >> 4)
}

/// Undo the zigzag of `sint64`.
#[inline(always)]
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::{put_varint, zigzag};

    #[test]
    fn varints_of_every_length_read_back_at_the_end_and_inside() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, value);
                let length = bytes.len();
                assert_eq!(Reader::new(&bytes).varint().unwrap(), value);
                bytes.extend([0xff; 12]);
                let mut reader = Reader::new(&bytes);
                assert_eq!(reader.varint().unwrap(), value);
                assert_eq!(reader.offset(), length);
            }
        }
    }

    #[test]
    fn zigzag_reads_back_at_the_extremes() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
