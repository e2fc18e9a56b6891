//! Ids that control entries use up. They are remembered as event ids are, in the same table and for
//! the same window (semantics §5.6, §6), in domains of their own, so that equal texts differ.

use crate::apply::Misfit;
use crate::engine::{Engine, account_key};
use crate::entry::Control;
use crate::hash::StoreKey;

/// What an id was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdDomain {
    Reserve,
    Settle,
    Correct,
}

impl IdDomain {
    /// Set apart from event ids by a bit pattern no one can aim at: the hash is keyed.
    const fn mask(self) -> u128 {
        match self {
            IdDomain::Reserve => 0x5bf0_3635_dcd1_a3c2_8e1f_94d7_60b2_c5a9,
            IdDomain::Settle => 0xc3d2_7f61_0a9e_b48d_2d7c_e05b_f1a8_3694,
            IdDomain::Correct => 0x71e4_a8d3_5c0b_f296_b93f_06ce_4d81_2a57,
        }
    }
}

/// The key of an id in the table.
pub(crate) fn id_key(key: &StoreKey, account: u32, domain: IdDomain, id: &str) -> u128 {
    account_key(key.event_hash(id.as_bytes()) ^ domain.mask(), account)
}

/// An id that an entry uses up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedId {
    pub account: u32,
    pub key: u128,
    /// Of the content as sent.
    pub fingerprint: u64,
    /// The instant it ages by.
    pub time: i64,
}

/// The id that this entry uses up, if it does.
pub(crate) fn used_id(control: &Control, key: &StoreKey) -> Option<UsedId> {
    let (account, domain, id, fingerprint, time) = match control {
        Control::Reserved(e) => (e.account, IdDomain::Reserve, &e.id, e.fingerprint, e.created_at),
        Control::ReservationSettled(e) => (e.account, IdDomain::Settle, &e.id, e.fingerprint, e.at),
        Control::UsageCorrected(e) => {
            // Not before the event itself: whoever finds the id forgotten finds the event so too.
            let time = e.at.max(e.event_time);
            (e.account, IdDomain::Correct, e.correction_id.as_ref()?, e.fingerprint, time)
        }
        _ => return None,
    };
    Some(UsedId { account, key: id_key(key, account, domain, id), fingerprint, time })
}

impl Engine {
    /// Fingerprint of the content an id was used with, while it is remembered. `pending`: ids of the
    /// command group under way.
    pub(crate) fn known_id(&self, account: u32, domain: IdDomain, id: &str, pending: &[UsedId]) -> Option<u64> {
        let key = id_key(&self.key, account, domain, id);
        if let Some(clock) = self.accounts[account as usize].test_clock() {
            return clock.keys.get(&key).map(|(fingerprint, _)| *fingerprint);
        }
        let pending = pending.iter().find(|used| used.key == key).map(|used| used.fingerprint);
        pending.or_else(|| self.keys.find(key).map(|found| found.fingerprint))
    }

    /// Remember ids of accounts on the real clock; those of test clocks are part of their account.
    /// Below the floor, or known from a key run, an id needs no place.
    pub(crate) fn remember_id(&mut self, used: &UsedId) -> Result<(), Misfit> {
        let on_test_clock = self.accounts.get(used.account as usize).is_some_and(|a| a.test_clock().is_some());
        if on_test_clock || used.time < self.floor_us() || self.keys.find(used.key).is_some() {
            return Ok(());
        }
        self.remember(used.key, used.fingerprint, used.time)
    }
}
