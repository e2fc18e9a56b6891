//! What time brings: activations, expiries, settled debt, crossings, booked breakage.
//!
//! Instants are lived in order, however late they are noticed (semantics §3). Whether a grant
//! may pay is decided by comparison at the instant of use; nothing here changes that. The sweep
//! only books what has already happened, in bounded steps.

use crate::account::{Account, DEPLETED, Pool};
use crate::apply::apply_settlement;
use crate::apply_reservations::{end_reservation, ended_entries};
use crate::burn::{Settlement, next_settlement};
use crate::catalog::Scopes;
use crate::engine::Engine;
use crate::entry::{Control, Crossed, Crossing, GrantExhausted, GrantExpired, InstantsLived, OverdraftSettled};
use crate::grant::{EXHAUSTED, PENDING, VOIDED};
use crate::reservation::ended_parts;
use crate::reservation_entry::ReservationReleased;
use crate::threshold::Threshold;

/// What a sweep step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    pub booked: u32,
    pub more_due: bool,
}

impl Engine {
    /// Live all pools of an account up to its present.
    pub(crate) fn live(&mut self, number: u32, journal: &mut Vec<u8>) {
        let account = &self.accounts[number as usize];
        let now = account.now(self.stamp);
        let due: Vec<u16> = account.pools().filter(|p| p.is_due(now)).map(|p| p.credit_type).collect();
        for credit_type in due {
            self.live_pool(number, credit_type, now, journal);
        }
    }

    /// The newest instant that time alone brought and that was lived or shown. Who answers what came of it has
    /// the journal hold a stamp at or above it first (`keep_stamp`): else a restart with the clock set back
    /// would un-expire what a caller saw expire.
    pub fn lived_to(&self) -> i64 {
        self.lived_to.get()
    }

    pub(crate) fn note_lived(&self, account: &Account, at: i64) {
        // A test clock's time is in the journal already.
        if account.test_clock().is_none() {
            self.lived_to.set(self.lived_to.get().max(at));
        }
    }

    /// Write that time has come to `stamp_us`.
    pub fn keep_stamp(&mut self, stamp_us: i64, journal: &mut Vec<u8>) {
        self.begin(stamp_us, journal);
        self.emit(Control::InstantsLived(InstantsLived {}), journal);
    }

    /// Each instant by itself: a balance that rose and fell unnoticed crossed its levels all the same.
    fn live_pool(&mut self, number: u32, credit_type: u16, now: i64, journal: &mut Vec<u8>) {
        while self.pool(number, credit_type).is_due(now) {
            let before = self.pool(number, credit_type).available;
            let at = self.pool(number, credit_type).next_at;
            self.note_lived(&self.accounts[number as usize], at);
            self.lapse_reservations(number, credit_type, at, journal);
            self.pool_mut(number, credit_type).recount(at);
            self.settle_debts(number, credit_type, at, journal);
            let after = self.pool(number, credit_type).available;
            self.cross(number, credit_type, after < before, journal);
        }
    }

    /// End the reservations whose time is over at `at`: before what else that instant brings.
    fn lapse_reservations(&mut self, number: u32, credit_type: u16, at: i64, journal: &mut Vec<u8>) {
        while let Some(due) = self.pool(number, credit_type).reservations().first().filter(|r| r.expires_at <= at) {
            let entry = ReservationReleased {
                account: number,
                credit_type: u32::from(credit_type),
                id: due.id.as_str().into(),
                lapsed: true,
                parts: ended_entries(&ended_parts(self.pool(number, credit_type), due, 0)),
                at,
            };
            self.emit(Control::ReservationReleased(entry), journal);
        }
    }

    /// Pay open debt from grants valid at `at`, as visible entries.
    pub(crate) fn settle_debts(&mut self, number: u32, credit_type: u16, at: i64, journal: &mut Vec<u8>) {
        while let Some(next) = next_settlement(self.pool(number, credit_type), &self.catalog.scopes, at) {
            let entry = OverdraftSettled {
                account: number,
                credit_type: u32::from(credit_type),
                number: next.number,
                amount: next.amount,
                meter_plus_one: next.meter.map_or(0, |m| u32::from(m) + 1),
                at,
            };
            self.emit(Control::OverdraftSettled(entry), journal);
        }
    }

    /// Say which grants have been used up, and raise the crossings the pool's `available` calls for; downward
    /// ones only after it fell.
    pub(crate) fn cross(&mut self, number: u32, credit_type: u16, fell: bool, journal: &mut Vec<u8>) {
        while let Some(grant) = next_exhausted(self.pool(number, credit_type)) {
            let entry = GrantExhausted { account: number, credit_type: u32::from(credit_type), number: grant };
            self.emit(Control::GrantExhausted(entry), journal);
        }
        while let Some((kind, passed)) = next_crossing(self.pool(number, credit_type), fell) {
            let entry = Crossed {
                account: number,
                credit_type: u32::from(credit_type),
                kind: kind as u32,
                threshold: passed.units,
                percent: passed.percent,
                available: self.pool(number, credit_type).available,
            };
            self.emit(Control::Crossed(entry), journal);
        }
    }

    /// Book breakage of grants that ended at least `late_grace` ago, let those go that nothing can reach any
    /// more, at most `max_grants` of both on at most as many accounts, and live what is due there. What could
    /// be spent does not change.
    pub fn expire_due(&mut self, stamp_us: i64, max_grants: u32, journal: &mut Vec<u8>) -> Expired {
        self.begin(stamp_us, journal);
        let (mut booked, mut left, mut visited) = (0, 0, 0);
        while visited.max(booked + left) < max_grants {
            let Some(number) = self.calendar.pop(self.stamp) else { break };
            visited += 1;
            if number >= self.account_count() {
                // Of a group that was undone.
                continue;
            }
            self.live(number, journal);
            booked += self.book_breakage(number, max_grants - booked - left, journal);
            left += self.let_go(number, max_grants - booked - left, journal);
            let account = &self.accounts[number as usize];
            let due = account.due_at(&self.reach(account));
            match account.test_clock() {
                None => self.calendar.add(due, number),
                Some(clock) if due <= clock.now => self.calendar.add(0, number),
                Some(_) => {}
            }
        }
        Expired { booked, more_due: self.calendar.is_due(self.stamp) }
    }

    /// Book what is due on one account; returns how many grants.
    pub(crate) fn book_breakage(&mut self, number: u32, max_grants: u32, journal: &mut Vec<u8>) -> u32 {
        let account = &self.accounts[number as usize];
        let now = account.now(self.stamp);
        let grace = self.settings.late_grace_us;
        let due: Vec<GrantExpired> = account
            .pools()
            .flat_map(|pool| pool.grants.iter().map(move |grant| (pool.credit_type, grant)))
            .filter(|(_, g)| g.flags & (VOIDED | PENDING) == 0 && g.free() > 0)
            .filter(|(_, g)| g.expires_at.saturating_add(grace) <= now)
            .take(max_grants as usize)
            .map(|(credit_type, g)| GrantExpired {
                account: number,
                credit_type: u32::from(credit_type),
                number: g.number,
                amount: g.free(),
            })
            .collect();
        let booked = due.len() as u32;
        for entry in due {
            self.emit(Control::GrantExpired(entry), journal);
        }
        booked
    }

    #[inline]
    pub(crate) fn pool(&self, number: u32, credit_type: u16) -> &Pool {
        self.accounts[number as usize].pool(credit_type).expect("the caller found the pool")
    }

    fn pool_mut(&mut self, number: u32, credit_type: u16) -> &mut Pool {
        self.accounts[number as usize].pool_mut(credit_type).expect("the caller found the pool")
    }
}

/// The pool as it would stand at `now`, for reads: the same steps as `live`, on a copy. Tells the newest
/// instant it lived.
pub(crate) fn lived_copy(pool: &Pool, scopes: &Scopes, now: i64) -> (Pool, i64) {
    let mut copy = pool.clone();
    let mut lived_to = pool.next_at;
    while copy.is_due(now) {
        let at = copy.next_at;
        lived_to = at;
        while let Some(due) = copy.reservations().first().filter(|r| r.expires_at <= at).cloned() {
            let parts = ended_parts(&copy, &due, 0);
            end_reservation(&mut copy, due.id.as_bytes(), &parts).expect("it is open");
        }
        copy.recount(at);
        while let Some(Settlement { number, meter, amount }) = next_settlement(&copy, scopes, at) {
            apply_settlement(&mut copy, number, meter, amount).expect("just found payable");
        }
    }
    (copy, lived_to)
}

fn next_exhausted(pool: &Pool) -> Option<u32> {
    pool.grants.iter().find(|g| g.remaining == 0 && g.is_counted() && g.flags & EXHAUSTED == 0).map(|g| g.number)
}

/// The level next to be said to have been passed, and which; zero where it is no threshold.
fn next_crossing(pool: &Pool, fell: bool) -> Option<(Crossing, Threshold)> {
    const ZERO: Threshold = Threshold { units: 0, percent: 0 };
    let available = pool.available;
    if fell && available <= pool.alert_below {
        if let Some(extra) = &pool.extra {
            for (i, threshold) in extra.thresholds.iter().enumerate() {
                if available <= threshold.units && extra.fired & (1 << i) == 0 {
                    return Some((Crossing::Low, *threshold));
                }
            }
        }
        if available <= 0 && pool.flags & DEPLETED == 0 {
            return Some((Crossing::Depleted, ZERO));
        }
    }
    if available > 0 && pool.flags & DEPLETED != 0 {
        return Some((Crossing::Recovered, ZERO));
    }
    let extra = pool.extra.as_ref()?;
    let cleared = extra.thresholds.iter().enumerate().find(|(i, t)| available > t.units && extra.fired & (1 << i) != 0);
    cleared.map(|(_, threshold)| (Crossing::LowCleared, *threshold))
}
