//! LEB128 integers of the journal's records.

/// Bytes ended before the value did, or the value is over-long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, zigzag(value));
}

#[inline]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Reads a record front to back.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Truncated> {
        let (first, rest) = self.rest.split_first().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Truncated> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, Truncated> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Truncated);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Truncated)
    }

    #[inline]
    pub fn signed(&mut self) -> Result<i64, Truncated> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A value stored as its two's complement, for amounts that are never negative.
    #[inline]
    pub fn amount(&mut self) -> Result<i64, Truncated> {
        i64::try_from(self.unsigned()?).map_err(|_| Truncated)
    }

    pub fn text(&mut self) -> Result<&'a str, Truncated> {
        let n = usize::try_from(self.unsigned()?).map_err(|_| Truncated)?;
        std::str::from_utf8(self.bytes(n)?).map_err(|_| Truncated)
    }
}
