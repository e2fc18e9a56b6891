//! Usage in: a batch looked up ahead, then each event decided and applied as one atomic step.

use crate::account::{Account, Pool, SUSPENDED};
use crate::burn::{AsOf, at_zero, cover};
use crate::catalog::Policy;
use crate::command::PolicyKind;
use crate::engine::{Engine, NO_ACCOUNT, account_key};
use crate::overage::BearingPeriod;
use crate::prefetch::prefetch_whole;
use crate::pricing::resolve;
use crate::status::Status;
use crate::usage::{Outcome, OutcomeSink, Rights, UsageEvent};
use crate::usage_entry::{Beyond, UsageEntry, put_usage};

/// Events between one stage of looking up and the next: long enough for memory to answer.
pub(crate) const STAGE: usize = 8;

/// Look-ups under way, kept in a ring: those of the stages between asking and deciding.
pub(crate) const LOOKAHEAD: usize = 32;

const _: () = assert!(LOOKAHEAD > 2 * STAGE);

/// The event that is in its `stage` when event `i` is in its first.
#[inline(always)]
fn at_stage<'e, 'a>(events: &'e [UsageEvent<'a>], i: usize, stage: usize) -> Option<(usize, &'e UsageEvent<'a>)> {
    let i = i.checked_sub(stage * STAGE)?;
    Some((i, events.get(i)?))
}

/// Grants prefetched of an account: those that usually pay.
const GRANTS_AHEAD: usize = 2;

/// Groups of the key table cleaned per batch, and per event of it: a full pass takes a
/// fraction of what the table's clock needs to wrap.
const SWEEP_GROUPS_PER_BATCH: usize = 2;

/// The event's ids could not be remembered: nothing of the batch was applied. Retry later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed;

/// What is known of an event before it is decided.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lookup {
    account: u32,
    key: u128,
}

/// An event that was applied. Small, so that it travels in registers: copying a whole outcome
/// through memory waits for every store before it, and those wait for their cache lines.
#[derive(Clone, Copy)]
struct Applied {
    account: u32,
    credit_type: u16,
    charged: i64,
    uncovered: i64,
}

impl Engine {
    /// Decide and apply a batch at `stamp_us`; append its entries to `journal` and give each
    /// event's outcome to `sink`, in order.
    ///
    /// # Errors
    /// `Shed`: the ids can't be remembered; nothing was applied or written.
    pub fn record_batch<S: OutcomeSink>(
        &mut self,
        events: &[UsageEvent<'_>],
        stamp_us: i64,
        rights: &Rights<'_>,
        journal: &mut Vec<u8>,
        sink: &mut S,
    ) -> Result<(), Shed> {
        self.begin(stamp_us, journal);
        if self.make_room(events.len(), journal).is_err() {
            self.counts.shed_batches += 1;
            return Err(Shed);
        }
        #[cfg(feature = "planted-check-then-act")]
        let acted = crate::planted::act_on(self, events, stamp_us);
        #[cfg(feature = "planted-check-then-act")]
        let (events, rights) = (&acted[..], &Rights { may_force: true, ..*rights });
        // Four stages, each `STAGE` events behind the one before: while one event is decided, memory
        // fetches the grants of a later one, the account of a later still, the index line of the
        // last. In even flow: a burst of requests would fill the processor's line buffers and wait.
        for i in 0..events.len() + 3 * STAGE {
            if let Some(event) = events.get(i) {
                self.index.prefetch(event.account_hash);
            }
            if let Some((i, event)) = at_stage(events, i, 1) {
                self.ask_account(event, i % LOOKAHEAD);
            }
            if let Some((i, event)) = at_stage(events, i, 2) {
                self.find_account_of(event, i % LOOKAHEAD);
            }
            if let Some((i, event)) = at_stage(events, i, 3) {
                let lookup = self.lookups[i % LOOKAHEAD];
                match self.record(event, lookup, rights, journal) {
                    Ok(applied) => self.answer(i as u32, &applied, journal, sink),
                    Err(refused) => {
                        self.counts.by_status[refused.status as usize] += 1;
                        if cfg!(feature = "planted-refused-id-remembered") && refused.status == Status::Insufficient {
                            let _ = self.remember(lookup.key, event.fingerprint, event.time_us.unwrap_or(self.stamp));
                        }
                        sink.push(i as u32, &refused);
                    }
                }
            }
        }
        self.keys.sweep(SWEEP_GROUPS_PER_BATCH + events.len() / 64);
        Ok(())
    }

    /// Ask for the account that is likely meant, and for the neighbourhood of its event's key.
    #[inline]
    fn ask_account(&mut self, event: &UsageEvent<'_>, slot: usize) {
        let likely = self.index.likely(event.account_hash).unwrap_or(NO_ACCOUNT);
        let mut lookup = Lookup { account: likely, key: 0 };
        if let Some(account) = self.accounts.get(likely as usize) {
            prefetch_whole(account);
            lookup.key = account_key(event.event_hash, likely);
            self.keys.prefetch(lookup.key);
        }
        self.lookups[slot] = lookup;
    }

    /// Find the account for certain; ask for its first grants and the slot its key will take.
    #[inline]
    fn find_account_of(&mut self, event: &UsageEvent<'_>, slot: usize) {
        let mut lookup = self.lookups[slot];
        let id = event.account_id.as_bytes();
        let is_it = |a: &Account| a.id.as_bytes() == id;
        if !self.accounts.get(lookup.account as usize).is_some_and(is_it) {
            let accounts = &self.accounts;
            let found = self.index.find(event.account_hash, |n| is_it(&accounts[n as usize]));
            lookup.account = found.unwrap_or(NO_ACCOUNT);
            lookup.key = account_key(event.event_hash, lookup.account);
            self.lookups[slot] = lookup;
        }
        if let Some(account) = self.accounts.get(lookup.account as usize) {
            prefetch_grants(account);
            self.keys.prefetch_slot(lookup.key);
        }
    }

    /// One event, one atomic step (semantics §5.1); checks in the order of §5.3.
    #[inline]
    fn record(
        &mut self,
        event: &UsageEvent<'_>,
        lookup: Lookup,
        rights: &Rights<'_>,
        journal: &mut Vec<u8>,
    ) -> Result<Applied, Outcome> {
        if event.malformed || event.quantity < 0 || (event.force && !rights.may_force) {
            return Err(Outcome::refused(Status::Invalid));
        }
        let subject = resolve(&self.catalog, event.subject).map_err(Outcome::refused)?;
        let number = lookup.account;
        let is_known = number != NO_ACCOUNT
            && (rights.account_prefix.is_empty() || event.account_id.starts_with(rights.account_prefix));
        if !is_known {
            let status = self
                .time_status(event.time_us.unwrap_or(self.stamp), self.stamp, self.floor)
                .unwrap_or(Status::AccountUnknown);
            return Err(Outcome::refused(status));
        }
        let account = &self.accounts[number as usize];
        let test_clock = account.test_clock();
        let (now, floor) = test_clock.map_or((self.stamp, self.floor), |c| (c.now, c.floor));
        let time = event.time_us.unwrap_or(now);
        if let Some(status) = self.time_status(time, now, floor) {
            return Err(Outcome::refused(status));
        }
        let is_due = account.pools().any(|pool| pool.next_at <= now);
        let known = match test_clock {
            None => self.keys.find(lookup.key).map(|found| found.fingerprint),
            Some(clock) => clock.keys.get(&lookup.key).map(|(fingerprint, _)| *fingerprint),
        };
        if is_due {
            self.live(number, journal);
        }
        let account = &self.accounts[number as usize];
        let priced = self.price(account, subject, event.quantity, event.dimensions, time);
        let credit_type = priced.map_or_else(|unpriced| unpriced.credit_type, |charge| Some(charge.credit_type));
        let pool = credit_type.and_then(|credit_type| account.pool(credit_type));
        let available = pool.map(|pool| pool.available);
        let refuse = |status| Outcome { available, ..Outcome::refused(status) };
        if let Some(fingerprint) = known {
            let same = fingerprint == event.fingerprint;
            return Err(refuse(if same { Status::Duplicate } else { Status::Conflict }));
        }
        if account.flags & SUSPENDED != 0 && !event.force {
            return Err(refuse(Status::AccountSuspended));
        }
        let charge = priced.map_err(|unpriced| refuse(unpriced.status))?;
        let as_of = AsOf { time: time.min(now), now, late_grace: self.settings.late_grace_us };
        let covered = match pool {
            Some(pool) if charge.amount > 0 => {
                cover(pool, &self.catalog.scopes, charge.meter, charge.amount, as_of, &mut self.draws)
            }
            _ => {
                self.draws.clear();
                0
            }
        };
        let beyond = if covered == charge.amount {
            Beyond::default()
        } else {
            let policy = pool.map_or(&self.catalog.policies[0], |p| &self.catalog.policies[p.policy]);
            let period = self.period_for(policy, account, pool, time);
            at_zero(pool, policy, charge.amount, charge.amount - covered, period, event.force)
                .map_err(|r| Outcome { shortfall: r.shortfall, ..refuse(r.status) })?
        };
        let subject_id = charge.meter.unwrap_or(charge.credit_type);
        let draws = std::mem::take(&mut self.draws);
        let entry = UsageEntry {
            account: number,
            subject: subject_id,
            is_direct: charge.meter.is_none(),
            is_forced: event.force,
            event_id: event.event_id.as_bytes(),
            quantity: event.quantity,
            time_us: event.time_us,
            rate: charge.rate,
            draws: &draws,
            beyond,
            counted: charge.counted,
        };
        let charged = covered + beyond.overdraft + beyond.overage;
        put_usage(journal, &entry, event.dimensions, self.stamp);
        self.apply_usage(&entry, event.dimensions, lookup.key, event.fingerprint, time)
            .expect("what was just decided fits the state it was decided on");
        self.draws = draws;
        Ok(Applied { account: number, credit_type: charge.credit_type, charged, uncovered: beyond.uncovered })
    }

    #[inline]
    fn time_status(&self, time: i64, now: i64, floor: i64) -> Option<Status> {
        if time > now.saturating_add(self.settings.early_margin_us) {
            Some(Status::TooEarly)
        } else if time < floor && !cfg!(feature = "planted-forgotten-id-accepted") {
            Some(Status::TooLate)
        } else {
            None
        }
    }

    pub(crate) fn period_for(
        &self,
        policy: &Policy,
        account: &Account,
        pool: Option<&Pool>,
        time: i64,
    ) -> BearingPeriod {
        match policy.kind {
            PolicyKind::Overage => account.bearing_period(pool, time),
            _ => BearingPeriod::default(),
        }
    }

    /// Answer an applied event, and raise the crossings it caused. Its draws are in `self.draws`.
    #[inline]
    fn answer<S: OutcomeSink>(&mut self, index: u32, applied: &Applied, journal: &mut Vec<u8>, sink: &mut S) {
        let pool = self.accounts[applied.account as usize].pool(applied.credit_type);
        let available = pool.map(|pool| pool.available);
        let took_the_last = |pool: &Pool| {
            self.draws.iter().any(|draw| pool.grants.get(draw.position as usize).is_some_and(|g| g.remaining == 0))
        };
        if applied.charged > 0 && pool.is_some_and(|pool| pool.available <= pool.alert_below || took_the_last(pool)) {
            self.cross(applied.account, applied.credit_type, true, journal);
        }
        self.counts.by_status[Status::Ok as usize] += 1;
        let outcome = Outcome {
            status: Status::Ok,
            charged: applied.charged,
            uncovered: applied.uncovered,
            available,
            shortfall: None,
        };
        sink.push(index, &outcome);
    }
}

/// Ask for the grants that usually pay.
#[inline]
pub(crate) fn prefetch_grants(account: &Account) {
    for grant in account.pool.grants.iter().skip(account.pool.first_free as usize).take(GRANTS_AHEAD) {
        prefetch_whole(grant);
    }
}
