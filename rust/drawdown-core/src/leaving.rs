//! When an ended grant leaves memory, and how: the sweep writes its image into the journal (semantics §15).
//!
//! It leaves once nothing can reach it any more. Nothing of it remains or is held; since `last_payment` it paid
//! for nothing, as it is voided, or used up, or past the time in which late usage may still draw on it; and every
//! event it paid for until then lies below the floor, so that no correction returns anything. The writer decides
//! that; replay takes the entry's word, whatever the settings are by then.

use crate::account::{Account, Pool};
use crate::apply::Misfit;
use crate::engine::Engine;
use crate::entry::{Control, GrantsLeft};
use crate::grant::{EXHAUSTED, Grant, NEVER, PENDING, SETTLES, VOIDED};
use crate::hash::StoreKey;
use crate::image::grant_image;
use crate::left_grants::left_id_hash;
use prost::Message;

/// One entry has at most about so many bytes of grants.
const ENTRY_BYTES: usize = 64 << 10;

/// What decides until when a grant can be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    late_grace_us: i64,
    /// How far ahead of its arrival an event may be dated.
    margin_us: i64,
    /// From when on an instant is below the floor; `NEVER` where only the account's clock can say.
    window_us: i64,
    floor: i64,
}

impl Reach {
    /// The instant after which nothing draws on the grant; `None`: something still may, or belongs to it.
    fn last_payment(&self, grant: &Grant) -> Option<i64> {
        // What was voided is over even if it was never released.
        let is_awaited = grant.flags & (PENDING | VOIDED) == PENDING;
        if grant.remaining != 0 || is_awaited || grant.flags & SETTLES != 0 {
            return None;
        }
        let is_over = grant.flags & (VOIDED | EXHAUSTED) != 0;
        let ended = if is_over { grant.ended().at } else { NEVER };
        let last = ended.min(grant.expires_at.saturating_add(self.late_grace_us));
        (last < NEVER).then_some(last)
    }

    fn is_left_behind(&self, grant: &Grant) -> bool {
        self.last_payment(grant).is_some_and(|last| last.saturating_add(self.margin_us) < self.floor)
    }

    /// The instant from which on the grant leaves, by the floor that time raises.
    fn leaves_at(&self, grant: &Grant) -> i64 {
        match self.last_payment(grant) {
            None => NEVER,
            Some(_) if self.is_left_behind(grant) => 0,
            Some(last) => last.saturating_add(self.margin_us).saturating_add(self.window_us).saturating_add(1),
        }
    }
}

impl Engine {
    pub(crate) fn reach(&self, account: &Account) -> Reach {
        let clock = account.test_clock();
        Reach {
            late_grace_us: self.settings.late_grace_us,
            margin_us: self.settings.early_margin_us.max(self.ahead_us),
            window_us: if clock.is_some() { NEVER } else { self.settings.dedupe_window_us },
            floor: clock.map_or(self.floor, |clock| clock.floor),
        }
    }

    /// Let grants go that nothing can reach any more; returns how many, at most `max_grants`.
    pub(crate) fn let_go(&mut self, number: u32, max_grants: u32, journal: &mut Vec<u8>) -> u32 {
        let mut left = 0;
        while left < max_grants
            && let Some(entry) = self.next_to_leave(number, (max_grants - left) as usize)
        {
            left += entry.grants.len() as u32;
            let credit_type = entry.credit_type as u16;
            self.emit(Control::GrantsLeft(entry), journal);
            // Percentages are of less now.
            self.cross(number, credit_type, false, journal);
        }
        left
    }

    fn next_to_leave(&self, number: u32, max_grants: usize) -> Option<GrantsLeft> {
        let account = &self.accounts[number as usize];
        let reach = self.reach(account);
        account.pools().find_map(|pool| {
            let mut bytes = 0;
            let leaving = pool.grants.iter().filter(|grant| reach.is_left_behind(grant));
            let images = leaving.map(|grant| grant_image(grant, &self.catalog)).take_while(|image| {
                let is_first = bytes == 0;
                bytes += image.encoded_len();
                is_first || bytes <= ENTRY_BYTES
            });
            let grants: Vec<_> = images.take(max_grants).collect();
            let credit_type = u32::from(pool.credit_type);
            (!grants.is_empty()).then_some(GrantsLeft { account: number, credit_type, grants })
        })
    }
}

/// The grants of the entry at `seq` leave their pool.
///
/// # Errors
/// One of them is not there, or something of it still remains.
pub(crate) fn apply_left(
    account: &mut Account,
    e: &GrantsLeft,
    seq: u64,
    key: &StoreKey,
    stamp: i64,
) -> Result<(), Misfit> {
    let now = account.now(stamp);
    let credit_type = e.credit_type as u16;
    let pool = crate::apply::pool_of(account, e.credit_type)?;
    let mut numbers: Vec<u32> = e.grants.iter().map(|image| image.number).collect();
    numbers.sort_unstable();
    let is_leaving = |grant: &Grant| numbers.binary_search(&grant.number).is_ok();
    let (gone, kept): (Vec<Grant>, Vec<Grant>) =
        std::mem::take(&mut pool.grants).into_iter().partition(|grant| is_leaving(grant));
    pool.grants = kept.into_boxed_slice();
    if gone.len() != numbers.len() || gone.iter().any(|grant| grant.remaining != 0) {
        return Err(format!("not all of the grants {numbers:?} are there and have ended"));
    }
    pool.recount(now);
    account.note_left(credit_type, &gone, seq, |grant| left_id_hash(key, grant.detail.id.as_bytes()));
    Ok(())
}

impl Account {
    /// Earliest instant at which the sweep has something to do here.
    pub(crate) fn due_at(&self, reach: &Reach) -> i64 {
        self.pools().map(|pool| pool.due_at(reach)).min().unwrap_or(NEVER)
    }
}

impl Pool {
    fn due_at(&self, reach: &Reach) -> i64 {
        let due = self.grants.iter().map(|grant| {
            let is_breakage_due =
                grant.flags & (VOIDED | PENDING) == 0 && grant.expires_at != NEVER && grant.free() > 0;
            let breakage = if is_breakage_due { grant.expires_at.saturating_add(reach.late_grace_us) } else { NEVER };
            breakage.min(reach.leaves_at(grant))
        });
        due.min().unwrap_or(NEVER).min(self.next_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_messages::AccountImage;
    use crate::settings::Settings;
    use crate::usage::Rights;

    const DAY: i64 = 24 * 3_600 * 1_000_000;
    const START: i64 = 20_000 * DAY;

    fn engine() -> Engine {
        Engine::new(Settings::default(), StoreKey::new([3; 16]))
    }

    /// Images of an earlier version do not say when a grant ended: it leaves a window after the start.
    #[test]
    fn a_grant_of_an_older_image_leaves_a_window_after_the_start() {
        let mut before = engine();
        let mut journal = Vec::new();
        let commands = br#"[{"type": "create_credit_type", "name": "credits"},
            {"type": "create_account", "account": "acme"},
            {"type": "create_grant", "account": "acme",
             "grant": {"grant_id": "g", "credit_type": "credits", "amount": "1"}},
            {"type": "void_grant", "account": "acme", "grant_id": "g"}]"#;
        let commands = crate::command_json::group_from_json(commands).unwrap();
        let outcomes = before.execute(&commands, START, &Rights::ALL, &mut journal);
        assert!(outcomes.iter().all(|outcome| outcome.status == Some(crate::status::Status::Ok)));
        before.expire_due(START + 30 * DAY, 10, &mut journal);
        let mut image = AccountImage::decode(&before.account_image(0)[..]).unwrap();
        assert_eq!(START, image.pools[0].grants[0].ended_at);
        image.pools[0].grants[0].ended_at = 0;
        let mut after = engine();
        after.load_global(&before.global_image()).unwrap();
        after.load_account(&image.encode_to_vec()).unwrap();
        after.finish_recovery().unwrap();
        assert_eq!(1, after.dirty_count(0), "what was found out is kept");
        let count = |engine: &Engine| engine.accounts[0].pool.grants.len();
        after.expire_due(START + 60 * DAY, 10, &mut journal);
        assert_eq!(1, count(&after));
        after.expire_due(START + 66 * DAY, 10, &mut journal);
        assert_eq!(0, count(&after));
    }
}
