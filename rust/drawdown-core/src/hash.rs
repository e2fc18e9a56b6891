//! Keyed hashes of caller-chosen ids.
//!
//! The key is drawn once per store and kept in its META file and snapshots, so that hashes
//! survive restart and restore and cannot be crafted to collide by whoever chooses the ids.

/// The store's secret hash key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreKey {
    k0: u64,
    k1: u64,
    fold: u64,
}

#[inline]
fn fold_multiply(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

impl StoreKey {
    /// From the store's 16 random bytes.
    pub fn new(bytes: [u8; 16]) -> StoreKey {
        let value = u128::from_le_bytes(bytes);
        let (k0, k1) = (value as u64, (value >> 64) as u64);
        // Odd, so that multiplication by it never loses the low bit.
        let fold = fold_multiply(k0 ^ 0x9e37_79b9_7f4a_7c15, k1 ^ 0xd1b5_4a32_d192_ed03) | 1;
        StoreKey { k0, k1, fold }
    }

    /// 64-bit hash of an account id, for the account index.
    #[inline]
    pub fn account_hash(&self, id: &[u8]) -> u64 {
        let mut state = SipState::new(self.k0, self.k1);
        state.absorb(id);
        state.v2 ^= 0xff;
        state.finish_word()
    }

    /// 128-bit hash of an event id; the engine mixes in the account. Always inlined: for an id whose
    /// length is known, as UUID texts have, no loop is left.
    #[inline(always)]
    pub fn event_hash(&self, id: &[u8]) -> u128 {
        let mut state = SipState::new(self.k1, self.k0);
        state.v1 ^= 0xee;
        state.absorb(id);
        state.v2 ^= 0xee;
        let low = state.finish_word();
        state.v1 ^= 0xdd;
        let high = state.finish_word();
        u128::from(high) << 64 | u128::from(low)
    }

    /// Content fingerprint without dimensions. It tells a retry from a re-used id; it guards
    /// no secret, so a fast fold is enough.
    #[inline]
    pub fn fingerprint(&self, kind: u64, subject: &[u8], quantity: i64, time_us: Option<i64>) -> u64 {
        self.fingerprint_of_use(self.fingerprint_of_subject(kind, subject), quantity, time_us)
    }

    /// The part of `fingerprint` that depends on the subject alone, for decoders that meet one
    /// subject many times.
    #[inline]
    pub fn fingerprint_of_subject(&self, kind: u64, subject: &[u8]) -> u64 {
        self.fold_bytes(self.fold ^ kind, subject)
    }

    /// The rest of `fingerprint`, from `fingerprint_of_subject`.
    #[inline]
    pub fn fingerprint_of_use(&self, subject: u64, quantity: i64, time_us: Option<i64>) -> u64 {
        let f = fold_multiply(subject ^ quantity as u64, self.fold ^ 0xa076_1d64_78bd_642f);
        match time_us {
            Some(t) => fold_multiply(f ^ t as u64, self.fold ^ 0xe703_7ed1_a0b4_28db),
            None => fold_multiply(f ^ 0x8ebc_6af0_9c88_c6e3, self.fold ^ 0x5899_65cc_7537_4cc3),
        }
    }

    /// Fold one dimension into a fingerprint; callers fold in key order.
    #[inline]
    pub fn fold_pair(&self, f: u64, key: &[u8], value: &[u8]) -> u64 {
        let f = self.fold_bytes(f ^ 0x1d8e_4e27_c47d_124f, key);
        self.fold_bytes(f ^ 0xeb44_acca_b455_d165, value)
    }

    /// Fold bytes, length included, into `state`.
    #[inline]
    pub fn fold_bytes(&self, state: u64, bytes: &[u8]) -> u64 {
        let mut f = fold_multiply(state ^ bytes.len() as u64, self.fold);
        let factor = self.fold ^ 0x2d35_8dcc_aa6c_78a5;
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            f = fold_multiply(f ^ u64::from_le_bytes(*word), factor);
        }
        if !tail.is_empty() {
            f = fold_multiply(f ^ tail_word(tail), factor);
        }
        f
    }
}

/// Fewer than 8 bytes as a little-endian word, zeros above. Spelt out: a copy of a length known
/// only at run time would be a call.
#[inline(always)]
fn tail_word(tail: &[u8]) -> u64 {
    let (low, rest) = match tail.split_first_chunk::<4>() {
        Some((low, rest)) => (u64::from(u32::from_le_bytes(*low)), rest),
        None => (0, tail),
    };
    let shift = 8 * (tail.len() - rest.len());
    let high = match *rest {
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        _ => 0,
    };
    low | high << shift
}

/// SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) over bytes that lie
/// whole in memory, which takes a third less than the streaming hasher the tests compare it with.
struct SipState {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl SipState {
    #[inline(always)]
    fn new(k0: u64, k1: u64) -> SipState {
        SipState {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    #[inline(always)]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }

    #[inline(always)]
    fn absorb_word(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    #[inline(always)]
    fn absorb(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.absorb_word(u64::from_le_bytes(*word));
        }
        self.absorb_word(tail_word(tail) | (bytes.len() as u64) << 56);
    }

    #[inline(always)]
    fn finish_word(&mut self) -> u64 {
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphasher::sip::SipHasher13;
    use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};
    use std::hash::Hasher;

    #[test]
    fn id_hashes_are_siphash_of_every_length() {
        let key = StoreKey::new(*b"sixteen key byte");
        let bytes: Vec<u8> = (0..200u32).map(|n| (n * 37) as u8).collect();
        for length in 0..=bytes.len() {
            let id = &bytes[..length];
            let mut word = SipHasher13::new_with_keys(key.k0, key.k1);
            word.write(id);
            assert_eq!(key.account_hash(id), word.finish(), "{length} bytes");
            let mut wide = SipHasher128::new_with_keys(key.k1, key.k0);
            wide.write(id);
            assert_eq!(key.event_hash(id), wide.finish128().as_u128(), "{length} bytes");
        }
    }

    #[test]
    fn a_fingerprint_fold_pads_its_last_word_with_zeros_and_counts_the_length() {
        let key = StoreKey::new(*b"sixteen key byte");
        for length in 0..40usize {
            let bytes: Vec<u8> = (1..=length as u8).collect();
            let mut expected = fold_multiply(5 ^ length as u64, key.fold);
            for chunk in bytes.chunks(8) {
                let mut word = [0u8; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                expected = fold_multiply(expected ^ u64::from_le_bytes(word), key.fold ^ 0x2d35_8dcc_aa6c_78a5);
            }
            assert_eq!(key.fold_bytes(5, &bytes), expected, "{length} bytes");
        }
    }
}
