//! A sub-table: groups and their slots, with double hashing from group to group.
//!
//! A key that finds its home group full goes on along a path of its own. In a full table that
//! forgets its oldest keys and takes new ones, linear probing was measured to read 4 groups
//! per new key where this reads 1.6 (7/8 full): full groups attract no neighbours.

use super::group::{GROUP_SLOTS, Group, is_live};
use crate::prefetch::prefetch;

/// Key (low, high) and fingerprint: 24 bytes.
type Slot = [u64; 3];

/// A group's metadata line with its slots behind it: mostly in one page, so that a key costs one
/// translation of its address and not two (measured: 40 ns of an event on a virtual machine).
#[derive(Clone)]
#[repr(C)]
struct Block {
    group: Group,
    slots: [Slot; GROUP_SLOTS],
}

/// Memory of one group: its metadata line and its slots.
pub(super) const GROUP_BYTES: u64 = size_of::<Block>() as u64;

/// Probes before a key's path goes round group by group; hardly any gets this far, even in a
/// table 15/16 full.
const SCATTERED_PROBES: usize = 16;

#[inline(always)]
fn scale(point: u32, groups: usize) -> usize {
    ((u64::from(point) * groups as u64) >> 32) as usize
}

/// Where a key belongs, drawn from disjoint bits of it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    low: u64,
    high: u64,
}

impl Place {
    #[inline(always)]
    pub(super) fn of(key: u128) -> Place {
        Place { low: key as u64, high: (key >> 64) as u64 }
    }

    /// Sub-table: the highest bits. `shift` is 64 − log2(sub-tables).
    #[inline(always)]
    pub(super) fn sub_table(self, shift: u32) -> usize {
        (self.high >> shift) as usize
    }

    /// The `probe`th group on the key's path; the home group is probe 0. The first
    /// `SCATTERED_PROBES` lie on a circle of 2^32 points, scaled onto any number of groups by
    /// multiply and shift; the rest go round once from the home, so that none is left out.
    #[inline(always)]
    fn group(self, probe: usize, groups: usize) -> usize {
        let point = (self.low >> 32) as u32;
        if probe < SCATTERED_PROBES {
            let point = point.wrapping_add((self.high as u32 | 1).wrapping_mul(probe as u32));
            return scale(point, groups);
        }
        (scale(point, groups) + probe - SCATTERED_PROBES) % groups
    }

    #[inline(always)]
    fn home(self, groups: usize) -> usize {
        self.group(0, groups)
    }

    /// 1–255.
    #[inline(always)]
    fn tag(self) -> u8 {
        (self.low as u8).max(1)
    }

    #[inline(always)]
    fn class(self) -> usize {
        ((self.low >> 8) & 7) as usize
    }
}

/// What a slot tells: fingerprint and the low 16 bits of the bucket.
#[derive(Clone, Copy)]
pub(super) struct Hit {
    pub(super) key: u128,
    pub(super) fingerprint: u64,
    pub(super) bucket: u16,
}

pub(super) struct SubTable {
    blocks: Box<[Block]>,
    /// Lanes with a tag: live keys and expired ones not yet swept.
    used: u32,
    /// `used` at which the owner thinks about growing.
    pub(super) grow_at: u32,
}

impl SubTable {
    pub(super) fn empty() -> SubTable {
        SubTable { blocks: Box::default(), used: 0, grow_at: 0 }
    }

    pub(super) fn groups(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn used(&self) -> u32 {
        self.used
    }

    #[inline(always)]
    pub(super) fn due_to_grow(&self) -> bool {
        self.used >= self.grow_at
    }

    #[inline(always)]
    pub(super) fn prefetch_home(&self, place: Place) {
        if let Some(block) = self.blocks.get(place.home(self.blocks.len())) {
            prefetch(&block.group);
        }
    }

    /// Read the home group and ask for the slot that `find` or `place` will most likely touch.
    #[inline(always)]
    pub(super) fn prefetch_slot(&self, place: Place, floor: u16) {
        let home = place.home(self.blocks.len());
        let Some(Block { group, slots }) = self.blocks.get(home) else { return };
        let tagged = group.lanes_tagged(place.tag());
        let free = group.lanes_free(floor);
        let lanes = if tagged != 0 { tagged } else { free };
        if let Some(slot) = slots.get(lanes.trailing_zeros() as usize) {
            prefetch(slot);
        }
        if free == 0 || group.reads_on(place.class(), floor) {
            prefetch(&self.blocks[place.group(1, self.blocks.len())].group);
        }
    }

    #[inline(always)]
    pub(super) fn find(&self, place: Place, floor: u16) -> Option<Hit> {
        let mut probe = 0;
        let mut at = place.home(self.blocks.len());
        loop {
            let Block { group, slots } = self.blocks.get(at)?;
            let mut lanes = group.lanes_tagged(place.tag());
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                let slot = &slots[lane];
                // An expired copy may lie before a live one: the bucket decides, not the key.
                if slot[0] == place.low && slot[1] == place.high && is_live(group.bucket(lane), floor) {
                    return Some(hit(slot, group.bucket(lane)));
                }
                lanes &= lanes - 1;
            }
            if !group.reads_on(place.class(), floor) {
                return None;
            }
            probe += 1;
            if probe == SCATTERED_PROBES + self.blocks.len() {
                return None;
            }
            at = place.group(probe, self.blocks.len());
        }
    }

    /// Store a key that is not there. Answers `false`, with nothing changed, if every slot
    /// holds a live key.
    #[inline(always)]
    pub(super) fn place(&mut self, place: Place, fingerprint: u64, bucket: u16, floor: u16) -> bool {
        let home = place.home(self.blocks.len());
        let Some(block) = self.blocks.get(home) else { return false };
        let free = block.group.lanes_free(floor);
        if free == 0 {
            return self.place_beyond(place, fingerprint, bucket, floor);
        }
        self.write(home, free.trailing_zeros() as usize, place, fingerprint, bucket);
        true
    }

    #[inline(never)]
    fn place_beyond(&mut self, place: Place, fingerprint: u64, bucket: u16, floor: u16) -> bool {
        let groups = self.blocks.len();
        for probe in 1..SCATTERED_PROBES + groups {
            let at = place.group(probe, groups);
            let free = self.blocks[at].group.lanes_free(floor);
            if free != 0 {
                for passed in 0..probe {
                    self.blocks[place.group(passed, groups)].group.pass(place.class(), bucket, floor);
                }
                self.write(at, free.trailing_zeros() as usize, place, fingerprint, bucket);
                return true;
            }
        }
        false
    }

    #[inline(always)]
    fn write(&mut self, at: usize, lane: usize, place: Place, fingerprint: u64, bucket: u16) {
        self.used += u32::from(self.blocks[at].group.take(lane, place.tag(), bucket));
        self.blocks[at].slots[lane] = [place.low, place.high, fingerprint];
    }

    /// Move the live keys into `groups` groups, forgetting the rest. They must fit.
    pub(super) fn rebuild(&mut self, groups: usize, floor: u16) {
        let mut rebuilt = SubTable {
            blocks: vec![Block { group: Group::empty(floor), slots: [[0; 3]; GROUP_SLOTS] }; groups].into_boxed_slice(),
            used: 0,
            grow_at: 0,
        };
        for kept in self.live(floor) {
            let placed = rebuilt.place(Place::of(kept.key), kept.fingerprint, kept.bucket, floor);
            assert!(placed, "a sub-table with a free slot takes a key");
        }
        *self = rebuilt;
    }

    /// `Group::clear_expired` for up to `count` groups from `from` on; answers how many groups
    /// were seen.
    pub(super) fn clear_expired(&mut self, from: usize, count: usize, base: u16, expired: u32, floor: u16) -> usize {
        let rest = self.blocks.get_mut(from..).unwrap_or_default();
        let seen = rest.len().min(count);
        let cleared: u32 = rest[..seen].iter_mut().map(|b| b.group.clear_expired(base, expired, floor)).sum();
        self.used -= cleared;
        seen
    }

    /// The live keys, in group order.
    pub(super) fn live(&self, floor: u16) -> impl Iterator<Item = Hit> + '_ {
        self.blocks.iter().flat_map(move |Block { group, slots }| {
            let mut lanes = group.lanes_live(floor);
            std::iter::from_fn(move || {
                let lane = (lanes != 0).then(|| lanes.trailing_zeros() as usize)?;
                lanes &= lanes - 1;
                Some(hit(&slots[lane], group.bucket(lane)))
            })
        })
    }
}

#[inline(always)]
fn hit(slot: &Slot, bucket: u16) -> Hit {
    Hit { key: u128::from(slot[1]) << 64 | u128::from(slot[0]), fingerprint: slot[2], bucket }
}
