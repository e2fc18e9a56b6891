//! The shape of ids: 1-128 bytes of printable UTF-8.
//!
//! Refused are control characters (category Cc) and U+2028/U+2029, which break lines in logs and
//! terminals. Everything else passes and is compared as bytes.
//!
//! The one file of this crate with unsafe code: checking ASCII a second time, as UTF-8, took 8 ns
//! of each 36-byte id, more than a tenth of decoding a row.

#![allow(unsafe_code, reason = "ASCII is UTF-8; the second check is a tenth of decoding")]

use crate::limits::ID_BYTES_MAX;

const EACH: u64 = 0x0101_0101_0101_0101;
const TOP: u64 = 0x80 * EACH;

/// The bits at the top of each byte that is not printable ASCII (0x20..=0x7e). A borrow or carry
/// may also mark the byte above a marked one, never one in a clean word.
#[inline(always)]
fn marks(word: u64) -> u64 {
    (word.wrapping_sub(0x20 * EACH) | word.wrapping_add(EACH) | word) & TOP
}

#[inline(always)]
fn is_printable_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().all(|&byte| (0x20..0x7f).contains(&byte));
    };
    // The last 8 bytes overlap the chunks before them, which does not matter here.
    let mut marked = marks(u64::from_le_bytes(*last));
    for chunk in bytes.as_chunks::<8>().0 {
        marked |= marks(u64::from_le_bytes(*chunk));
    }
    marked == 0
}

#[cold]
#[inline(never)]
fn printable_unicode(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let printable = text.chars().all(|c| !c.is_control() && c != '\u{2028}' && c != '\u{2029}');
    printable.then_some(text)
}

/// `bytes` as text if it is printable UTF-8 of any length, 0 included.
#[inline(always)]
pub fn printable(bytes: &[u8]) -> Option<&str> {
    if is_printable_ascii(bytes) {
        // SAFETY: every byte was just found to lie in 0x20..=0x7e, and ASCII is UTF-8.
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    } else {
        printable_unicode(bytes)
    }
}

/// `bytes` as text if it has the shape of an id: 1-128 bytes of printable UTF-8.
#[inline(always)]
pub fn id_text(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() || bytes.len() > ID_BYTES_MAX { None } else { printable(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_judged_as_by_the_plain_rule() {
        for length in 1..20usize {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let plain = (0x20..0x7f).contains(&byte);
                    assert_eq!(id_text(&bytes).is_some(), plain, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn unicode_letters_pass_and_control_and_line_separators_do_not() {
        assert_eq!(id_text("Größe-日本-🙂".as_bytes()), Some("Größe-日本-🙂"));
        for bad in ["a\u{80}", "\u{9f}aaaaaaaa", "x\u{2028}", "\u{2029}", "tab\t", "\u{7f}"] {
            assert_eq!(id_text(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(id_text(&[0xc3, 0x28]), None);
        assert_eq!(id_text(&[0xed, 0xa0, 0x80]), None, "surrogate");
        assert_eq!(id_text(b""), None);
        assert!(id_text(&[b'a'; 128]).is_some());
        assert_eq!(id_text(&[b'a'; 129]), None);
    }
}
