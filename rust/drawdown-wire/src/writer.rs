//! Writing protobuf fields. Fields at their default are left out by the callers.

use crate::reader::{BYTES, VARINT};

#[inline(always)]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    if value < 0x80 {
        out.push(value as u8);
        return;
    }
    let mut bytes = [0u8; 10];
    let mut length = 0;
    while value >= 0x80 {
        bytes[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    out.extend_from_slice(&bytes[..=length]);
}

#[inline(always)]
pub fn put_tag(out: &mut Vec<u8>, field: u32, wire: u8) {
    put_varint(out, u64::from(field << 3 | u32::from(wire)));
}

/// A varint field, zero included.
#[inline]
pub fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    put_tag(out, field, VARINT);
    put_varint(out, value);
}

/// A varint field unless it is zero.
#[inline]
pub fn put_number_set(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put_number(out, field, value);
    }
}

#[inline]
pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_tag(out, field, BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A bytes or packed field unless it is empty.
#[inline]
pub fn put_bytes_set(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_bytes(out, field, bytes);
    }
}

/// Bytes that `put_varint` writes.
#[inline(always)]
pub fn varint_length(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Bytes that `put_bytes` writes for a one-byte tag.
#[inline]
pub fn bytes_field_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

/// The `sint64` form: small magnitudes become small numbers.
#[inline(always)]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_length_is_what_is_written() {
        for shift in 0..64 {
            for value in [0, 1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(varint_length(value), out.len(), "{value}");
            }
        }
    }
}
