//! Grants that have left memory: what an account still knows of them (semantics §15).
//!
//! ```text
//! LeftImage.grants := ( id:u64le seq:u64le fingerprint:u32le number:u32le )*    ascending by id
//!                     id           keyed hash of the grant's id
//!                     seq          position of its `GrantsLeft` entry, which has all of it
//!                     fingerprint  low half of that of its content
//!                     number       the grant's; the top bit is set if it is voided
//! LeftImage.sums   := ( amount burned expired voided moved ):i128le
//! ```
//!
//! An id is unique for ever and conservation holds to the unit, so these 24 bytes and the sums stay.

use crate::account::{Account, Pool};
use crate::grant::Grant;
use crate::hash::StoreKey;
use crate::image::CorruptImage;
use crate::image_messages::LeftImage;
use std::sync::Arc;

const GRANT_BYTES: usize = 24;
const SUM_BYTES: usize = 16;
const VOIDED_BIT: u32 = 1 << 31;
/// Above what all numbers of grants of 64 bits can add up to.
const SUM_END: i128 = 1 << 96;

/// Of one account: one for each of its pools that any grant has left. Shared by the copies that reads
/// and command groups make of an account.
pub type LeftGrants = Arc<Vec<LeftPool>>;

/// The grants that have left one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftPool {
    pub credit_type: u16,
    pub sums: LeftSums,
    /// Ascending by id.
    grants: Vec<LeftGrant>,
}

/// Over all grants that left; nothing of them remains. Wide: they may pass 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftSums {
    pub amount: i128,
    pub burned: i128,
    pub expired: i128,
    pub voided: i128,
    pub moved: i128,
}

/// A grant that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftGrant {
    id: u64,
    /// Position of the entry that has all of it.
    pub seq: u64,
    fingerprint: u32,
    number: u32,
}

/// What a left grant's id is found by.
pub fn left_id_hash(key: &StoreKey, id: &[u8]) -> u64 {
    key.event_hash(id) as u64
}

impl LeftGrant {
    pub fn number(&self) -> u32 {
        self.number & !VOIDED_BIT
    }

    pub fn is_voided(&self) -> bool {
        self.number & VOIDED_BIT != 0
    }

    /// Whether its content was the one with this fingerprint.
    pub fn is_same(&self, fingerprint: u64) -> bool {
        self.fingerprint == fingerprint as u32
    }
}

impl LeftSums {
    pub fn add(&mut self, grant: &Grant) {
        let ended = grant.ended();
        self.amount += i128::from(grant.detail.amount);
        self.burned += i128::from(grant.burned);
        self.expired += i128::from(ended.expired);
        self.voided += i128::from(ended.voided);
        self.moved += i128::from(ended.moved);
    }

    /// amount = burned + expired + voided + moved, none below 0.
    pub fn is_conserved(&self) -> bool {
        let parts = [self.burned, self.expired, self.voided, self.moved];
        parts.iter().all(|part| (0..SUM_END).contains(part)) && parts.iter().sum::<i128>() == self.amount
    }
}

impl LeftPool {
    fn add(&mut self, gone: &[Grant], seq: u64, id_hash: impl Fn(&Grant) -> u64) {
        self.grants.reserve_exact(gone.len());
        for grant in gone {
            self.sums.add(grant);
            let voided = if grant.flags & crate::grant::VOIDED != 0 { VOIDED_BIT } else { 0 };
            self.grants.push(LeftGrant {
                id: id_hash(grant),
                seq,
                fingerprint: grant.detail.fingerprint as u32,
                number: grant.number | voided,
            });
        }
        // Two runs, the old one in order: merged in one pass.
        self.grants.sort_by_key(|grant| grant.id);
    }

    /// How many grants left.
    pub fn count(&self) -> usize {
        self.grants.len()
    }

    pub fn grants(&self) -> &[LeftGrant] {
        &self.grants
    }

    fn find(&self, id_hash: u64) -> Option<&LeftGrant> {
        let at = self.grants.binary_search_by_key(&id_hash, |grant| grant.id).ok()?;
        Some(&self.grants[at])
    }
}

impl Account {
    /// Pools with grants that have left memory.
    pub fn left(&self) -> &[LeftPool] {
        self.extra.as_ref().and_then(|extra| extra.left.as_deref()).map_or(&[], Vec::as_slice)
    }

    pub fn left_of(&self, credit_type: u16) -> Option<&LeftPool> {
        self.left().iter().find(|pool| pool.credit_type == credit_type)
    }

    /// What grants of the pool burned, those that left included, modulo 2^64 as `Pool::charged`.
    pub fn burned(&self, pool: &Pool) -> i64 {
        let left = self.left_of(pool.credit_type).map_or(0, |left| left.sums.burned as i64);
        pool.grants.iter().fold(left, |sum, grant| sum.wrapping_add(grant.burned))
    }

    /// The left grant of the id with this hash (`left_id_hash`), and its credit type.
    pub fn left_grant(&self, id_hash: u64) -> Option<(u16, LeftGrant)> {
        self.left().iter().find_map(|pool| Some((pool.credit_type, *pool.find(id_hash)?)))
    }

    /// The left grant of this number, and its credit type.
    pub fn left_number(&self, number: u32) -> Option<(u16, LeftGrant)> {
        let is_it = |grant: &&LeftGrant| grant.number() == number;
        self.left().iter().find_map(|pool| Some((pool.credit_type, *pool.grants.iter().find(is_it)?)))
    }

    /// These grants have left a pool with the entry at `seq`; `id_hash` is that of a grant's id.
    pub(crate) fn note_left(&mut self, credit_type: u16, gone: &[Grant], seq: u64, id_hash: impl Fn(&Grant) -> u64) {
        let pools = Arc::make_mut(self.extra_mut().left.get_or_insert_default());
        let at = pools.iter().position(|pool| pool.credit_type == credit_type).unwrap_or_else(|| {
            pools.push(LeftPool { credit_type, sums: LeftSums::default(), grants: Vec::new() });
            pools.len() - 1
        });
        pools[at].add(gone, seq, id_hash);
    }

    /// A grant that has left was voided: nothing of it was left to forfeit. False: there is none.
    pub(crate) fn void_left(&mut self, credit_type: u16, number: u32) -> bool {
        let Some(left) = self.extra.as_mut().and_then(|extra| extra.left.as_mut()) else { return false };
        let pools = Arc::make_mut(left).iter_mut().filter(|pool| pool.credit_type == credit_type);
        let found = pools.flat_map(|pool| &mut pool.grants).find(|grant| grant.number() == number);
        found.is_some_and(|grant| {
            grant.number |= VOIDED_BIT;
            true
        })
    }
}

pub(crate) fn left_image(pool: &LeftPool) -> LeftImage {
    let sums = &pool.sums;
    let grant = |grant: &LeftGrant| {
        let mut bytes = [0; GRANT_BYTES];
        bytes[..8].copy_from_slice(&grant.id.to_le_bytes());
        bytes[8..16].copy_from_slice(&grant.seq.to_le_bytes());
        bytes[16..20].copy_from_slice(&grant.fingerprint.to_le_bytes());
        bytes[20..].copy_from_slice(&grant.number.to_le_bytes());
        bytes
    };
    LeftImage {
        credit_type: u32::from(pool.credit_type),
        sums: [sums.amount, sums.burned, sums.expired, sums.voided, sums.moved].map(i128::to_le_bytes).concat(),
        grants: pool.grants.iter().flat_map(grant).collect(),
    }
}

fn left_from(image: &LeftImage) -> Result<LeftPool, CorruptImage> {
    let corrupt = |what: &str| CorruptImage(format!("the left grants of pool {} {what}", image.credit_type));
    let (sums, cut_sums) = image.sums.as_chunks::<SUM_BYTES>();
    let (grants, cut_grants) = image.grants.as_chunks::<GRANT_BYTES>();
    let [amount, burned, expired, voided, moved] = *sums else { return Err(corrupt("have other sums than five")) };
    if !cut_sums.is_empty() || !cut_grants.is_empty() {
        return Err(corrupt("are cut short"));
    }
    let [amount, burned, expired, voided, moved] = [amount, burned, expired, voided, moved].map(i128::from_le_bytes);
    let sums = LeftSums { amount, burned, expired, voided, moved };
    let credit_type = u16::try_from(image.credit_type).map_err(|_| corrupt("have no credit type"))?;
    let grants: Vec<LeftGrant> = grants.iter().map(left_grant_from).collect();
    if !sums.is_conserved() || !grants.is_sorted_by_key(|grant| grant.id) {
        return Err(corrupt("are not conserved or out of order"));
    }
    Ok(LeftPool { credit_type, sums, grants })
}

/// Leave out where the entries stand.
pub(crate) fn forget_seqs(image: &mut LeftImage) {
    image.grants.as_chunks_mut::<GRANT_BYTES>().0.iter_mut().for_each(|grant| grant[8..16].fill(0));
}

/// `None` where none have left.
pub(crate) fn left_grants_from(images: &[LeftImage]) -> Result<Option<LeftGrants>, CorruptImage> {
    let pools = images.iter().map(left_from).collect::<Result<Vec<_>, _>>()?;
    Ok((!pools.is_empty()).then(|| Arc::new(pools)))
}

fn left_grant_from(bytes: &[u8; GRANT_BYTES]) -> LeftGrant {
    let word = |from: usize| u64::from_le_bytes(bytes[from..from + 8].try_into().expect("8 bytes"));
    let last = word(16);
    LeftGrant { id: word(0), seq: word(8), fingerprint: last as u32, number: (last >> 32) as u32 }
}
