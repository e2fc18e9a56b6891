//! The frame: one group of the journal, written by one write.
//!
//! ```text
//!  0  magic "DJF1"                 4
//!  4  kind                         1   1 records, 2 seal, 3 digest
//!  5  reserved, zero               3
//!  8  body length                  4   bytes after the header, without padding
//! 12  CRC32C of the body           4
//! 16  epoch                        8   of the process that wrote it
//! 24  first seq                    8   of the records; of the next record for seal and digest
//! 32  last seq                     8   first seq - 1 for seal and digest
//! 40  stamp                        8   microseconds UTC of the last record
//! 48  durable seq when written     8   everything up to here was durable before this frame
//! 56  chain                        4   CRC32C of the frame before: its chain, then its header
//! 60  CRC32C of bytes 0..60        4   seeded with the store id
//! 64  body                             records as the engine wrote them; digest: 16 bytes
//!     trailer "DJFE"                  4   not zero, so that a last sector of zeros means unwritten
//!     zeros up to a multiple of 4096, so that no durable byte is ever written again
//! ```
//! Little endian. A group is applied whole or not at all. A seal has no body: it only carries
//! the proof that what precedes it was durable. New kinds raise `JOURNAL_FORMAT`.

use crate::aligned::padded;
use crate::meta::{StoreId, array};

pub(crate) const FRAME_HEADER_BYTES: usize = 64;
pub(crate) const FRAME_TRAILER: [u8; 4] = *b"DJFE";
const MAGIC: [u8; 4] = *b"DJF1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Records = 1,
    Seal = 2,
    Digest = 3,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    pub(crate) body_bytes: u32,
    pub(crate) body_check: u32,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) stamp_us: i64,
    pub(crate) durable_seq: u64,
    pub(crate) chain: u32,
}

/// The chain value in front of the first frame of a store.
pub(crate) fn chain_start(store: StoreId) -> u32 {
    crc32c::crc32c(&store.0)
}

/// The chain value the next frame must carry.
pub(crate) fn chain_after(chain: u32, header: &[u8]) -> u32 {
    crc32c::crc32c_append(chain, &header[..FRAME_HEADER_BYTES])
}

impl FrameHeader {
    /// Header, body and trailer.
    pub(crate) fn data_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.body_bytes as usize + FRAME_TRAILER.len()
    }

    /// Bytes of the whole frame on disk.
    pub(crate) fn frame_bytes(&self) -> usize {
        padded(self.data_bytes())
    }

    pub(crate) fn encode(&self, store: StoreId) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.kind as u8;
        bytes[8..12].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.body_check.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.last_seq.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.stamp_us.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.durable_seq.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.chain.to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c(&store.0), &bytes[..60]);
        bytes[60..64].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, if every byte of it is as it was written by this
    /// store. Says nothing about the body.
    pub(crate) fn decode(bytes: &[u8], store: StoreId) -> Result<FrameHeader, &'static str> {
        if bytes.len() < FRAME_HEADER_BYTES {
            return Err("the file ends inside a frame header");
        }
        if bytes[..4] != MAGIC {
            return Err("no frame starts here");
        }
        let check = crc32c::crc32c_append(crc32c::crc32c(&store.0), &bytes[..60]);
        if check != u32::from_le_bytes(array(bytes, 60)) {
            return Err("the frame header's check sum is wrong");
        }
        let kind = match bytes[4] {
            1 => FrameKind::Records,
            2 => FrameKind::Seal,
            3 => FrameKind::Digest,
            _ => return Err("the frame has an unknown kind"),
        };
        let header = FrameHeader {
            kind,
            body_bytes: u32::from_le_bytes(array(bytes, 8)),
            body_check: u32::from_le_bytes(array(bytes, 12)),
            epoch: u64::from_le_bytes(array(bytes, 16)),
            first_seq: u64::from_le_bytes(array(bytes, 24)),
            last_seq: u64::from_le_bytes(array(bytes, 32)),
            stamp_us: i64::from_le_bytes(array(bytes, 40)),
            durable_seq: u64::from_le_bytes(array(bytes, 48)),
            chain: u32::from_le_bytes(array(bytes, 56)),
        };
        let counts = match kind {
            FrameKind::Records => header.last_seq >= header.first_seq && header.first_seq > 0,
            FrameKind::Seal | FrameKind::Digest => header.last_seq.checked_add(1) == Some(header.first_seq),
        };
        if counts { Ok(header) } else { Err("the frame's seqs contradict each other") }
    }

    /// Header and body at the start of `bytes`, both checked; the body is borrowed.
    pub(crate) fn decode_whole(bytes: &[u8], store: StoreId) -> Result<(FrameHeader, &[u8]), &'static str> {
        let header = FrameHeader::decode(bytes, store)?;
        let data = bytes.get(..header.data_bytes()).ok_or("the frame is longer than the rest of the file")?;
        let (body, trailer) = data[FRAME_HEADER_BYTES..].split_at(header.body_bytes as usize);
        if trailer != FRAME_TRAILER {
            return Err("the frame's trailer is missing");
        }
        if crc32c::crc32c(body) != header.body_check {
            return Err("the frame body's check sum is wrong");
        }
        Ok((header, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = StoreId([5; 16]);

    fn example() -> Vec<u8> {
        let body = b"some records";
        let header = FrameHeader {
            kind: FrameKind::Records,
            body_bytes: body.len() as u32,
            body_check: crc32c::crc32c(body),
            epoch: 2,
            first_seq: 10,
            last_seq: 12,
            stamp_us: 99,
            durable_seq: 9,
            chain: 0xabcd,
        };
        let mut bytes = header.encode(STORE).to_vec();
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(&FRAME_TRAILER);
        bytes
    }

    #[test]
    fn a_frame_reads_back_and_every_flip_and_cut_is_found() {
        let bytes = example();
        let (header, body) = FrameHeader::decode_whole(&bytes, STORE).unwrap();
        assert_eq!((10, 12, 9), (header.first_seq, header.last_seq, header.durable_seq));
        assert_eq!(b"some records", body);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(FrameHeader::decode_whole(&flipped, STORE).is_err(), "flip at {at} not found");
            assert!(FrameHeader::decode_whole(&bytes[..at], STORE).is_err(), "cut at {at} not found");
        }
    }

    #[test]
    fn a_frame_of_another_store_is_no_frame() {
        assert!(FrameHeader::decode_whole(&example(), StoreId([6; 16])).is_err());
    }
}
