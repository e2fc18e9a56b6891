//! Canonical UUID text and its 16 bytes.
//!
//! ```text
//! text   8 hex - 4 hex - 4 hex - 4 hex - 12 hex, lower case, 36 bytes
//! bytes  the 32 digits in order, two per byte
//! ```
//!
//! An id sent as 16 bytes is the same id as its text: it is expanded before it is hashed.

pub const TEXT_BYTES: usize = 36;

/// Four bytes as eight hex digits, all in one word.
#[inline(always)]
fn digits_of_four(bytes: [u8; 4]) -> [u8; 8] {
    let wide = u64::from(u32::from_le_bytes(bytes));
    let wide = (wide | wide << 16) & 0x0000_ffff_0000_ffff;
    let wide = (wide | wide << 8) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (wide >> 4 & 0x000f_000f_000f_000f) | (wide & 0x000f_000f_000f_000f) << 8;
    // 10 and up lie 39 further: the gap between '9' and 'a'.
    let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (nibbles + 0x3030_3030_3030_3030 + letters * 39).to_le_bytes()
}

/// Sixteen bytes as 32 lower-case hex digits.
#[inline(always)]
fn digits(uuid: &[u8; 16]) -> [u8; 32] {
    let mut digits = [0u8; 32];
    for (eight, four) in digits.as_chunks_mut::<8>().0.iter_mut().zip(uuid.as_chunks::<4>().0) {
        *eight = digits_of_four(*four);
    }
    digits
}

/// The canonical text of `uuid`.
#[inline(always)]
pub fn text_of(uuid: &[u8; 16]) -> [u8; TEXT_BYTES] {
    let digits = digits(uuid);
    let mut text = [b'-'; TEXT_BYTES];
    text[..8].copy_from_slice(&digits[..8]);
    text[9..13].copy_from_slice(&digits[8..12]);
    text[14..18].copy_from_slice(&digits[12..16]);
    text[19..23].copy_from_slice(&digits[16..20]);
    text[24..].copy_from_slice(&digits[20..]);
    text
}

/// The 16 bytes of `text` if it is a canonical lower-case UUID: `text_of` gives back its bytes.
pub fn parse(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; TEXT_BYTES] = text.try_into().ok()?;
    let mut nibbles = [0u8; 32];
    let mut filled = 0;
    for (place, &byte) in text.iter().enumerate() {
        if matches!(place, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        nibbles[filled] = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        filled += 1;
    }
    let mut uuid = [0u8; 16];
    for (byte, pair) in uuid.iter_mut().zip(nibbles.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_one_to_one() {
        let text = b"00112233-4455-6677-8899-aabbccddeeff";
        let uuid = parse(text).unwrap();
        assert_eq!(uuid[15], 0xff);
        assert_eq!(&text_of(&uuid), text);
        for byte in 0..=255u8 {
            let text = text_of(&[byte; 16]);
            assert_eq!(text[34..], *format!("{byte:02x}").as_bytes());
            assert_eq!(parse(&text), Some([byte; 16]));
        }
    }

    #[test]
    fn other_spellings_are_not_canonical() {
        for text in [
            "00112233-4455-6677-8899-AABBCCDDEEFF",
            "00112233445566778899aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeefg",
            "00112233-4455-6677-8899aaabbccddeeff",
            "{0112233-4455-6677-8899-aabbccddeeff",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
