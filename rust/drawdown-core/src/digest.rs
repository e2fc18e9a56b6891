//! One number for the whole state: equal states have equal digests, whatever path led to them.

use crate::engine::Engine;
use crate::image::image_of;
use crate::image_messages::GlobalImage;
use crate::left_grants::forget_seqs;
use crate::period::period_end;
use prost::Message;

impl Engine {
    /// 128-bit order-independent digest of accounts, catalog and floor. Equal states have equal
    /// digests, whatever path led to them. Cost grows with the number of accounts.
    pub fn digest(&self) -> u128 {
        let accounts = self.accounts.iter().enumerate().map(|(number, account)| {
            let mut image = image_of(account, &self.catalog, number as u32, 0);
            for pool in &mut image.pools {
                pool.next_at = 0;
            }
            if let Some(extra) = &mut image.extra {
                // When a dead counter is dropped depends on when its account is next touched.
                let floor = account.test_clock().map_or(self.floor, |clock| clock.floor);
                let edges = account.period_edges();
                // Which account a sweep let go first.
                extra.left.iter_mut().for_each(forget_seqs);
                extra.corrected.retain(|c| c.time >= floor);
                extra.counters.retain(|c| period_end(edges, c.period).is_none_or(|end| end > floor));
            }
            self.key.event_hash(&image.encode_to_vec())
        });
        let mut shared = GlobalImage::decode(&self.global_image()[..]).expect("own image");
        // Where the image was taken, and hints to recovery.
        (shared.seq, shared.stamp, shared.live_keys, shared.ahead_us) = (0, 0, 0, 0);
        shared.test_clocks.clear();
        accounts.fold(self.key.event_hash(&shared.encode_to_vec()), u128::wrapping_add)
    }
}
