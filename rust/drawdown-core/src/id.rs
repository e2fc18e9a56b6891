//! Ids kept in memory: short ones inline, so that a look-up compares without a second cache miss.

const INLINE_MAX: usize = 22;

/// An id of 1–128 bytes in 24 bytes of memory, inline up to 22.
#[derive(Clone)]
pub enum SmallId {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Heap(Box<str>),
}

impl SmallId {
    pub fn new(id: &str) -> SmallId {
        if id.len() > INLINE_MAX {
            return SmallId::Heap(id.into());
        }
        let mut bytes = [0u8; INLINE_MAX];
        bytes[..id.len()].copy_from_slice(id.as_bytes());
        SmallId::Inline { len: id.len() as u8, bytes }
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            SmallId::Inline { len, bytes } => &bytes[..usize::from(*len)],
            SmallId::Heap(text) => text.as_bytes(),
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("made from a str")
    }
}

impl PartialEq for SmallId {
    fn eq(&self, other: &SmallId) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for SmallId {}

impl std::fmt::Debug for SmallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Whether `id` is 1–128 bytes of printable UTF-8 (no control or line-separator characters).
pub fn is_valid_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && id.chars().all(is_printable)
}

/// Not a control character, nor a line or paragraph separator.
pub fn is_printable(c: char) -> bool {
    !c.is_control() && c != '\u{2028}' && c != '\u{2029}'
}

/// The 16 bytes of a canonical lower-case UUID text, which the journal stores instead of its 36.
#[inline]
pub fn uuid_bytes(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if text[8] != b'-' || text[13] != b'-' || text[18] != b'-' || text[23] != b'-' {
        return None;
    }
    let mut out = [0u8; 16];
    let mut bad = 0u8;
    for (slot, at) in out.iter_mut().zip(UUID_OFFSETS) {
        let (high, low) = (HEX[usize::from(text[at])], HEX[usize::from(text[at + 1])]);
        bad |= high | low;
        *slot = (high << 4) | (low & 15);
    }
    (bad & 0xf0 == 0).then_some(out)
}

/// The canonical text of `uuid_bytes`.
#[inline]
pub fn uuid_text(bytes: &[u8; 16]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [b'-'; 36];
    for (byte, at) in bytes.iter().zip(UUID_OFFSETS) {
        out[at] = DIGITS[usize::from(byte >> 4)];
        out[at + 1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

const UUID_OFFSETS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// Value of a lower-case hex digit; 0xff for anything else.
const HEX: [u8; 256] = {
    let mut table = [0xffu8; 256];
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i] = i as u8;
        i += 1;
    }
    let mut i = 0;
    while i < 6 {
        table[b'a' as usize + i] = 10 + i as u8;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_uuid_text_is_packed() {
        let text = b"0189d3f0-7c1b-7e4f-9a3c-5d2e1f0a9b8c";
        let packed = uuid_bytes(text).expect("canonical");
        assert_eq!(&uuid_text(&packed), text);
        for other in [
            "0189D3F0-7c1b-7e4f-9a3c-5d2e1f0a9b8c",
            "0189d3f0-7c1b-7e4f-9a3c-5d2e1f0a9b8g",
            "0189d3f0_7c1b-7e4f-9a3c-5d2e1f0a9b8c",
            "short",
        ] {
            assert_eq!(uuid_bytes(other.as_bytes()), None);
        }
    }

    #[test]
    fn ids_keep_their_bytes_at_every_length() {
        for n in 1..=128 {
            let id = "x".repeat(n);
            assert_eq!(SmallId::new(&id).as_str(), id);
        }
        assert_eq!(std::mem::size_of::<SmallId>(), 24);
    }
}
