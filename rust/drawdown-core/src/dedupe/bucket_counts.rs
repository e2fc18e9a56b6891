//! Live keys per time bucket, from the floor upwards: what lifting the floor would forget.

use std::collections::VecDeque;

use super::group::LIVE_BUCKETS_MAX;

#[derive(Default)]
pub(super) struct BucketCounts {
    /// `counts[i]` is for bucket floor + i.
    counts: VecDeque<u32>,
    live: u64,
}

impl BucketCounts {
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u32>()
    }

    /// One more key, `offset` buckets above the floor; `offset` is below `LIVE_BUCKETS_MAX`.
    #[inline(always)]
    pub(super) fn add(&mut self, offset: u32) {
        let offset = offset as usize;
        if offset >= self.counts.len() {
            self.extend_to(offset + 1);
        }
        self.counts[offset] += 1;
        self.live += 1;
    }

    #[cold]
    fn extend_to(&mut self, len: usize) {
        if len > self.counts.capacity() {
            // By half, never past what the longest span needs: the budget counts on it.
            let wanted = (len + len / 2).clamp(64, LIVE_BUCKETS_MAX as usize).max(len);
            self.counts.reserve_exact(wanted - self.counts.len());
        }
        self.counts.resize(len, 0);
    }

    /// The floor rises by `buckets`; answers how many live keys that forgets.
    pub(super) fn lift(&mut self, buckets: u32) -> u64 {
        let gone = self.counts.len().min(buckets as usize);
        let forgotten: u64 = self.counts.drain(..gone).map(u64::from).sum();
        self.live -= forgotten;
        forgotten
    }

    /// The least number of buckets whose lifting forgets `keys` keys, or all if there are fewer.
    pub(super) fn lift_to_free(&self, keys: u64) -> u32 {
        let mut freed = 0;
        let mut lift = 0;
        for (offset, count) in (1u32..).zip(&self.counts) {
            if freed >= keys {
                break;
            }
            if *count != 0 {
                freed += u64::from(*count);
                lift = offset;
            }
        }
        lift
    }
}
