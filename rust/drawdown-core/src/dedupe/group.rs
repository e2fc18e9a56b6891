//! A group: 16 slots whose metadata is one cache line.
//!
//! ```text
//! byte 0          16                     48                       64
//!      | tag × 16 | bucket u16 × 16      | overflow_until u16 × 8 |
//! ```
//!
//! * `tag`: 0 = empty, else 8 bits of the key.
//! * `bucket`: low 16 bits of the key's time bucket. It is live while its wrapping distance
//!   from the floor is below `LIVE_BUCKETS_MAX`; what has expired lies just behind the floor.
//! * `overflow_until[c]`: the latest bucket of any key of overflow class `c` that passed this
//!   group because it was full. While it is live a look-up of that class must read on in the
//!   next group of its path; it expires by itself with the keys it speaks of. Eight classes instead of
//!   one keep a miss from reading on for seven strangers in eight.

/// Slots of one group.
pub(super) const GROUP_SLOTS: usize = 16;
/// Values of the overflow class.
pub(super) const OVERFLOW_CLASSES: usize = 8;
/// Live buckets span fewer than this: [floor, floor + 60,000).
pub const LIVE_BUCKETS_MAX: u32 = 60_000;
/// 65,536 − 60,000 = 5,536 buckets behind the floor read as expired; what expired must be
/// swept before the floor is this far past it, or wrap-around would revive it.
pub(super) const SWEEP_BUCKETS_MAX: u32 = 5_000;

const LIVE_DISTANCE: u16 = LIVE_BUCKETS_MAX as u16;
const LANES: u32 = (1 << GROUP_SLOTS) - 1;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Group {
    tags: [u8; GROUP_SLOTS],
    buckets: [u16; GROUP_SLOTS],
    overflow_until: [u16; OVERFLOW_CLASSES],
}

const _: () = assert!(size_of::<Group>() == 64);

#[inline(always)]
pub(super) fn is_live(bucket: u16, floor: u16) -> bool {
    bucket.wrapping_sub(floor) < LIVE_DISTANCE
}

impl Group {
    /// No key, and no key ever passed it.
    pub(super) fn empty(floor: u16) -> Group {
        Group {
            tags: [0; GROUP_SLOTS],
            buckets: [0; GROUP_SLOTS],
            overflow_until: [floor.wrapping_sub(1); OVERFLOW_CLASSES],
        }
    }

    /// Lanes whose tag is `tag`, one bit each, live or not.
    #[inline(always)]
    pub(super) fn lanes_tagged(&self, tag: u8) -> u32 {
        tags_equal(&self.tags, tag)
    }

    /// Lanes that hold a live key, one bit each.
    #[inline(always)]
    pub(super) fn lanes_live(&self, floor: u16) -> u32 {
        buckets_live(&self.buckets, floor) & !tags_equal(&self.tags, 0)
    }

    /// Lanes a new key may take: empty or expired.
    #[inline(always)]
    pub(super) fn lanes_free(&self, floor: u16) -> u32 {
        !self.lanes_live(floor) & LANES
    }

    #[inline(always)]
    pub(super) fn bucket(&self, lane: usize) -> u16 {
        self.buckets[lane]
    }

    /// Whether a live key of this class may lie in a later group.
    #[inline(always)]
    pub(super) fn reads_on(&self, class: usize, floor: u16) -> bool {
        is_live(self.overflow_until[class], floor)
    }

    /// A key of this class passed the group: look-ups read on until its bucket expires.
    #[inline]
    pub(super) fn pass(&mut self, class: usize, bucket: u16, floor: u16) {
        let until = &mut self.overflow_until[class];
        if !is_live(*until, floor) || until.wrapping_sub(floor) < bucket.wrapping_sub(floor) {
            *until = bucket;
        }
    }

    /// The lane now belongs to a key; answers whether it was empty (rather than expired).
    #[inline(always)]
    pub(super) fn take(&mut self, lane: usize, tag: u8, bucket: u16) -> bool {
        let was_empty = self.tags[lane] == 0;
        self.tags[lane] = tag;
        self.buckets[lane] = bucket;
        was_empty
    }

    /// Empty the lanes whose bucket lies in the `expired` buckets from `base` on, and renew
    /// expired overflow marks to just below `floor`. Answers how many lanes were emptied.
    pub(super) fn clear_expired(&mut self, base: u16, expired: u32, floor: u16) -> u32 {
        let mut cleared = 0;
        // Without branches: the compiler makes vectors of it.
        for (tag, bucket) in self.tags.iter_mut().zip(&self.buckets) {
            let gone = *tag != 0 && u32::from(bucket.wrapping_sub(base)) < expired;
            cleared += u32::from(gone);
            *tag = if gone { 0 } else { *tag };
        }
        for until in &mut self.overflow_until {
            if u32::from(until.wrapping_sub(base)) < expired {
                *until = floor.wrapping_sub(1);
            }
        }
        cleared
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn tags_equal(tags: &[u8; GROUP_SLOTS], tag: u8) -> u32 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    // SAFETY: SSE2 is part of every x86_64; the load reads the 16 bytes of `tags`.
    unsafe {
        let tags = _mm_loadu_si128(tags.as_ptr().cast());
        _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8(tag as i8))) as u32
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn buckets_live(buckets: &[u16; GROUP_SLOTS], floor: u16) -> u32 {
    use core::arch::x86_64::{
        __m128i, _mm_cmpeq_epi16, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16, _mm_set1_epi16,
        _mm_setzero_si128, _mm_sub_epi16, _mm_subs_epu16,
    };
    // SAFETY: SSE2 is part of every x86_64; the two loads read the 32 bytes of `buckets`.
    unsafe {
        let first = buckets.as_ptr().cast::<__m128i>();
        let floors = _mm_set1_epi16(floor as i16);
        let limits = _mm_set1_epi16((LIVE_DISTANCE - 1) as i16);
        // Saturating distance − limit is zero exactly where the distance is within the limit.
        let low = _mm_subs_epu16(_mm_sub_epi16(_mm_loadu_si128(first), floors), limits);
        let high = _mm_subs_epu16(_mm_sub_epi16(_mm_loadu_si128(first.add(1)), floors), limits);
        let zero = _mm_setzero_si128();
        let live = _mm_packs_epi16(_mm_cmpeq_epi16(low, zero), _mm_cmpeq_epi16(high, zero));
        _mm_movemask_epi8(live) as u32
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn tags_equal_portable(tags: &[u8; GROUP_SLOTS], tag: u8) -> u32 {
    tags.iter().enumerate().fold(0, |lanes, (lane, have)| lanes | u32::from(*have == tag) << lane)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn buckets_live_portable(buckets: &[u16; GROUP_SLOTS], floor: u16) -> u32 {
    buckets.iter().enumerate().fold(0, |lanes, (lane, have)| lanes | u32::from(is_live(*have, floor)) << lane)
}

#[cfg(not(target_arch = "x86_64"))]
use {buckets_live_portable as buckets_live, tags_equal_portable as tags_equal};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_and_portable_lanes_agree() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as u16
        };
        for _ in 0..if cfg!(miri) { 50 } else { 20_000 } {
            let floor = next();
            let edge = [0, 1, 59_998, 59_999, 60_000, 60_001, 65_535];
            let buckets: [u16; GROUP_SLOTS] =
                std::array::from_fn(|lane| if lane < edge.len() { floor.wrapping_add(edge[lane]) } else { next() });
            let tags: [u8; GROUP_SLOTS] = std::array::from_fn(|_| (next() & 3) as u8);
            assert_eq!(buckets_live_portable(&buckets, floor), buckets_live(&buckets, floor));
            for tag in 0..4 {
                assert_eq!(tags_equal_portable(&tags, tag), tags_equal(&tags, tag));
            }
        }
    }

    #[test]
    fn overflow_mark_keeps_the_latest_bucket_and_expires() {
        let mut group = Group::empty(65_000);
        assert!(!group.reads_on(3, 65_000));
        group.pass(3, 65_010, 65_000);
        group.pass(3, 20, 65_000); // 556 buckets after the floor, across the wrap
        group.pass(3, 65_100, 65_000); // earlier than that: must not shorten the mark
        assert!(group.reads_on(3, 20));
        assert!(!group.reads_on(3, 21));
        assert!(!group.reads_on(2, 65_000));
    }
}
