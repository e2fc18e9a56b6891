//! Byte buffers whose content starts at a 4 KiB border of memory, as direct disk access wants.
//!
//! Built on `Vec<u8>` with a spare page instead of a custom allocation, so it needs no `unsafe`
//! and the engine can append records to it directly.

/// Block of the journal: frames start at and fill multiples of it, on disk and in memory.
pub const BLOCK_BYTES: usize = 4096;

/// Bytes rounded up to whole blocks.
pub const fn padded(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK_BYTES) * BLOCK_BYTES
}

/// A growing buffer; `content()` starts on a block border of memory.
pub(crate) struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    pub(crate) fn with_capacity(capacity: usize) -> AlignedBuffer {
        let mut buffer = AlignedBuffer { bytes: Vec::with_capacity(capacity + BLOCK_BYTES), start: 0 };
        buffer.clear();
        buffer
    }

    /// `length` zero bytes.
    pub(crate) fn zeroed(length: usize) -> AlignedBuffer {
        let mut buffer = AlignedBuffer::with_capacity(length);
        let end = buffer.start + length;
        buffer.bytes.resize(end, 0);
        buffer
    }

    /// Have `length` bytes: those there are, or zeros. What was longer keeps its memory.
    pub(crate) fn set_length(&mut self, length: usize) {
        if self.start + length > self.bytes.capacity() {
            *self = AlignedBuffer::zeroed(length);
        } else {
            self.bytes.resize(self.start + length, 0);
        }
    }

    fn border(&self) -> usize {
        // A misaligned tail of at most one block is skipped; the capacity has room for it.
        let address = self.bytes.as_ptr() as usize;
        address.next_multiple_of(BLOCK_BYTES) - address
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.border();
        self.bytes.clear();
        self.bytes.resize(self.start, 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The vector to append to. Bytes before its present end must stay as they are.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn content_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Fill up to whole blocks with zeros and make sure of the alignment, which growing may have
    /// moved.
    pub(crate) fn finish(&mut self) {
        let length = padded(self.len());
        self.bytes.reserve(length - self.len() + BLOCK_BYTES);
        self.bytes.resize(self.start + length, 0);
        let border = self.border();
        if border != self.start {
            let content = self.start..self.start + length;
            self.bytes.resize(self.bytes.len().max(border + length), 0);
            self.bytes.copy_within(content, border);
            self.bytes.truncate(border + length);
            self.start = border;
        }
    }
}

/// Whether `bytes` can be handed to direct access at `offset`.
pub(crate) fn is_aligned(bytes: &[u8], offset: u64) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(BLOCK_BYTES)
        && bytes.len().is_multiple_of(BLOCK_BYTES)
        && offset.is_multiple_of(BLOCK_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_aligned_and_kept_however_it_grows() {
        let mut buffer = AlignedBuffer::with_capacity(10);
        let mut expected = Vec::new();
        for round in 0..2000_u32 {
            let bytes = round.to_le_bytes().repeat(7);
            buffer.tail().extend_from_slice(&bytes);
            expected.extend_from_slice(&bytes);
        }
        buffer.finish();
        assert_eq!(expected[..], buffer.content()[..expected.len()]);
        assert!(buffer.content()[expected.len()..].iter().all(|&b| b == 0));
        assert!(is_aligned(buffer.content(), 0));
        buffer.clear();
        assert_eq!(0, buffer.len());
    }
}
