//! `correct`: an applied event gets another quantity, or is cancelled; only the difference moves
//! (semantics §7). Decides on the journal's word about the event, which the caller has read.

use crate::account::Pool;
use crate::burn::{AsOf, Refused, at_zero, cover};
use crate::catalog::Policy;
use crate::command::{Correct, PolicyKind};
use crate::correction_entry::{ReturnedPart, UsageCorrected, WentTo};
use crate::correction_target::{Asked, Target};
use crate::counter::is_aggregated;
use crate::engine::{Engine, account_key};
use crate::entry::{Control, GrantCreated};
use crate::event_history::{EventHistories, EventHistory, EventState};
use crate::execute::{Done, Group, Refusal, check_id, shown, source_number};
use crate::grant::{Grant, VOIDED};
use crate::grant_commands::Known;
use crate::ledger_record::{AppliedUsage, Fact, LedgerRecord};
use crate::remembered_ids::IdDomain;
use crate::reservation_entry::HeldPartEntry;
use crate::status::Status;
use crate::usage_entry::Beyond;

/// One correction being decided.
struct Decision<'a> {
    number: u32,
    credit_type: u16,
    usage: &'a AppliedUsage,
    state: &'a EventState,
    event_time: i64,
    regrant: bool,
}

/// The parts of a difference.
#[derive(Default)]
struct Moved {
    draws: Vec<HeldPartEntry>,
    returns: Vec<ReturnedPart>,
    uncovered: i64,
    overdraft: i64,
    overage: i64,
}

impl Engine {
    /// Whether the event may be corrected as far as its id tells: the cheap look before the
    /// journal is read.
    pub fn knows_event(&self, account: &str, event_id: &str) -> bool {
        let Some(number) = self.find_account(account) else { return false };
        let key = account_key(self.key.event_hash(event_id.as_bytes()), number);
        match self.accounts[number as usize].test_clock() {
            Some(clock) => clock.keys.contains_key(&key),
            None => self.keys.find(key).is_some(),
        }
    }

    /// Whether a correction of the meter's events reads the whole period.
    pub fn aggregates(&self, meter: u16) -> bool {
        self.catalog.meters.get(usize::from(meter)).is_some_and(is_aggregated)
    }

    /// Whether entries since `through_seq` have changed what the history says.
    pub(crate) fn is_outdated(&self, account: &str, history: &EventHistory) -> bool {
        let (Some(number), Some(usage)) = (self.find_account(account), history.usage()) else { return false };
        let extra = self.accounts[number as usize].extra.as_deref();
        let time = self.event_time(number, usage, history.original.stamp);
        let key = (time, self.key.event_hash(usage.event_id.as_bytes()));
        let corrected = extra.and_then(|extra| extra.corrected.get(&key)).is_some_and(|seq| *seq > history.through_seq);
        let is_aggregate = !usage.is_direct && is_aggregated(&self.catalog.meters[usize::from(usage.subject)]);
        let counted = usage.counted.filter(|_| is_aggregate);
        let counter = counted.and_then(|c| self.accounts[number as usize].counter(usage.subject, c.match_id, c.period));
        let changed = counter.and_then(|counter| counter.aggregate.as_deref()).map_or(0, |a| a.changed);
        corrected || changed > history.through_seq
    }

    /// The time an event was applied with.
    pub(crate) fn event_time(&self, number: u32, usage: &AppliedUsage, stamp: i64) -> i64 {
        let Some(clock) = self.accounts[number as usize].test_clock() else { return usage.event_time(stamp) };
        usage.time_us.unwrap_or_else(|| {
            let key = account_key(self.key.event_hash(usage.event_id.as_bytes()), number);
            // Of ids of a test clock only those of events below its floor are forgotten.
            clock.keys.get(&key).map_or(clock.floor - 1, |(_, time)| *time)
        })
    }

    pub(crate) fn correct(
        &mut self,
        c: &Correct,
        histories: &mut EventHistories,
        group: &mut Group<'_>,
    ) -> Result<Done, Refusal> {
        check_id("event_id", &c.event_id)?;
        if let Some(id) = &c.correction_id {
            check_id("correction_id", id)?;
        }
        let asked = Asked::of(c)?;
        let number = self.touch(&c.account, group)?;
        let history = histories.get(&(c.account.clone(), c.event_id.clone()));
        let (entry, returns_to) = match self.decide_correction(c, asked, number, history, group)? {
            Decided::Repeated(done) => return Ok(done),
            Decided::Moves(entry, grants) => (*entry, grants),
        };
        let done = self.make_correction(entry, &returns_to, histories, group);
        Ok(done)
    }

    fn decide_correction(
        &mut self,
        c: &Correct,
        asked: Asked<'_>,
        number: u32,
        history: Option<&EventHistory>,
        group: &Group<'_>,
    ) -> Result<Decided, Refusal> {
        let unknown = || {
            let reason = format!(
                "there is no event '{}' that can still be corrected: unknown here, too long ago, or in no journal kept",
                shown(&c.event_id)
            );
            Refusal::new(Status::EventUnknown, "event_id", reason)
        };
        let history = history.ok_or_else(unknown)?;
        let usage = history.usage().ok_or_else(unknown)?;
        let state = history.state().ok_or_else(unknown)?;
        let event_time = self.event_time(number, usage, history.original.stamp);
        let account = &self.accounts[number as usize];
        let floor = account.test_clock().map_or(self.floor, |clock| clock.floor);
        if event_time < floor {
            return Err(unknown());
        }
        let credit_type = match usage.is_direct {
            true => usage.subject,
            false => self.catalog.rates[usage.rate as usize].credit_type,
        };
        let asked = self.asked_of(asked, usage, credit_type)?;
        let fingerprint = self.correction_fingerprint(&c.event_id, asked);
        let repeated = || Ok(Decided::Repeated(self.correction_facts(Done::duplicate(), number, credit_type)));
        if let Some(id) = &c.correction_id {
            match self.known_id(number, IdDomain::Correct, id, &group.used_ids) {
                Some(known) if known == fingerprint => return repeated(),
                Some(_) => {
                    let reason = format!("correction '{}' exists with other content", shown(id));
                    return Err(Refusal::new(Status::Conflict, "correction_id", reason));
                }
                None => {}
            }
        }
        let is_present = match asked {
            None => state.is_cancelled,
            Some(quantity) => !state.is_cancelled && state.quantity == quantity,
        };
        if is_present && c.correction_id.is_none() {
            return repeated();
        }
        if state.is_cancelled {
            return Err(Refusal::new(Status::Conflict, "event_id", "the event is cancelled, and that is final"));
        }
        if c.correction_id.is_some() && !group.has_room {
            let reason = "no memory for more ids within the guaranteed window (dedupe_budget_bytes): retry later";
            return Err(Refusal::new(Status::LimitReached, "correction_id", reason));
        }
        let target = self.correction_target(number, history, &state, asked)?;
        let decision = Decision { number, credit_type, usage, state: &state, event_time, regrant: c.regrant };
        let moved = self.difference(&decision, target.price - state.price())?;
        let entry = self.correction_entry(c, &decision, history.original.seq, fingerprint, target, moved);
        let grants = if c.regrant { self.grants_gone(&entry) } else { Vec::new() };
        Ok(Decided::Moves(Box::new(entry), grants))
    }

    fn correction_fingerprint(&self, event_id: &str, asked: Option<i64>) -> u64 {
        const CORRECTION: u64 = 11;
        const CANCEL: u64 = 12;
        let kind = if asked.is_some() { CORRECTION } else { CANCEL };
        self.key.fingerprint(kind, event_id.as_bytes(), asked.unwrap_or(0), None)
    }

    fn difference(&mut self, d: &Decision<'_>, difference: i64) -> Result<Moved, Refusal> {
        match difference {
            0 => Ok(Moved::default()),
            less if less < 0 => self.unwind(d, -less),
            more => self.charge_more(d, more),
        }
    }

    /// A larger price is late usage at the event's time, all or nothing under any policy.
    fn charge_more(&mut self, d: &Decision<'_>, more: i64) -> Result<Moved, Refusal> {
        let account = &self.accounts[d.number as usize];
        let pool = account.pool(d.credit_type);
        let now = account.now(self.stamp);
        let as_of = AsOf { time: d.event_time.min(now), now, late_grace: self.settings.late_grace_us };
        self.draws.clear();
        let meter = meter_of(d.usage);
        let covered = pool.map_or(0, |pool| cover(pool, &self.catalog.scopes, meter, more, as_of, &mut self.draws));
        let policy = pool.map_or(&self.catalog.policies[0], |p| &self.catalog.policies[p.policy]);
        let whole = Policy { kind: PolicyKind::Hard, ..Policy::default() };
        let policy = if policy.kind == PolicyKind::Partial { &whole } else { policy };
        let period = account.bearing_period(pool, d.event_time);
        let beyond: Beyond = at_zero(pool, policy, more, more - covered, period, false)
            .map_err(|refused| self.refused_correction(d, refused))?;
        let draws = self.draws.iter().map(|draw| HeldPartEntry { number: draw.number, amount: draw.amount });
        Ok(Moved { draws: draws.collect(), overdraft: beyond.overdraft, overage: beyond.overage, ..Moved::default() })
    }

    fn refused_correction(&self, d: &Decision<'_>, refused: Refused) -> Refusal {
        let reason = match refused.status {
            Status::LimitReached => "this correction would exceed the pool's limit",
            Status::Insufficient => "the pool has too few credits for this correction",
            _ => "a total of the pool would not fit 64 bits",
        };
        let available = self.accounts[d.number as usize].pool(d.credit_type).map(|pool| pool.available);
        Refusal::new(refused.status, "quantity", reason)
            .with("shortfall", refused.shortfall)
            .with("available", available)
            .with("scale", self.scale_of(d.credit_type))
    }

    /// A smaller price: uncovered, overage, overdraft (open debt, then the grants that paid it, the
    /// latest first), then the event's own grants in reverse draw order.
    fn unwind(&self, d: &Decision<'_>, less: i64) -> Result<Moved, Refusal> {
        let overflow = Refused { status: Status::Overflow, shortfall: None };
        let pool = self.accounts[d.number as usize].pool(d.credit_type);
        let mut left = less;
        let mut take = |from: i64| {
            let part = left.min(from);
            left -= part;
            part
        };
        let (uncovered, overage) = (take(d.state.uncovered), take(d.state.overage));
        let owed = take(d.state.overdraft);
        let mut returns = Vec::new();
        let mut open = 0;
        if let Some(pool) = pool {
            let extra = pool.extra.as_deref();
            let meter = meter_of(d.usage);
            let debt = extra.and_then(|extra| extra.debts.iter().find(|debt| debt.meter == meter));
            open = owed.min(debt.map_or(0, |debt| debt.amount));
            let settled = extra.map_or(&[][..], |extra| &extra.settled);
            let settled = settled.iter().rev().filter(|s| s.meter == meter).map(|s| (s.number, s.amount));
            let unpaid = self.give_back(d, pool, settled, owed - open, true, &mut returns);
            let drawn = d.state.draws.iter().rev().copied();
            let unfound = self.give_back(d, pool, drawn, left, false, &mut returns);
            if unpaid > 0 || unfound > 0 || !fits_after(pool, &returns) {
                return Err(self.refused_correction(d, overflow));
            }
        }
        Ok(Moved { returns, uncovered: -uncovered, overdraft: -open, overage: -overage, ..Moved::default() })
    }

    /// Back to these grants in this order; answers what found no way back.
    fn give_back(
        &self,
        d: &Decision<'_>,
        pool: &Pool,
        payers: impl Iterator<Item = (u32, i64)>,
        amount: i64,
        is_settlement: bool,
        returns: &mut Vec<ReturnedPart>,
    ) -> i64 {
        let now = self.accounts[d.number as usize].now(self.stamp);
        let mut left = amount;
        for (number, paid) in payers {
            let Some(grant) = pool.position(number, 0).map(|at| &pool.grants[at]).filter(|_| left > 0) else {
                continue;
            };
            let part = left.min(paid);
            let into = into_of(grant, now, self.settings.late_grace_us, d.regrant) as u32;
            returns.push(ReturnedPart { number, amount: part, into, is_settlement });
            left -= part;
        }
        left
    }

    fn correction_entry(
        &self,
        c: &Correct,
        d: &Decision<'_>,
        event_seq: u64,
        fingerprint: u64,
        target: Target,
        moved: Moved,
    ) -> UsageCorrected {
        let account = &self.accounts[d.number as usize];
        let mut entry = UsageCorrected {
            account: d.number,
            credit_type: u32::from(d.credit_type),
            event_id: c.event_id.clone(),
            event_seq,
            event_time: d.event_time,
            correction_id: c.correction_id.clone(),
            fingerprint: if c.correction_id.is_some() { fingerprint } else { 0 },
            quantity: target.quantity,
            cancelled: target.is_cancelled,
            charged: 0,
            units: target.units,
            draws: moved.draws,
            returns: moved.returns,
            uncovered: moved.uncovered,
            overdraft: moved.overdraft,
            overage: moved.overage,
            // Where the event's overage is counted, whatever was set since then.
            period: d
                .state
                .overage_period
                .unwrap_or_else(|| account.bearing_period(account.pool(d.credit_type), d.event_time).since),
            meter_plus_one: meter_of(d.usage).map_or(0, |meter| u32::from(meter) + 1),
            counter: target.counter,
            at: account.now(self.stamp),
        };
        entry.charged = d.state.charged() + entry.difference();
        entry
    }

    /// Grants whose credits go on in a new one, and how much.
    fn grants_gone(&self, entry: &UsageCorrected) -> Vec<(u32, i64)> {
        let mut gone: Vec<(u32, i64)> = Vec::new();
        for part in entry.returns.iter().filter(|part| part.into == WentTo::Moved as u32) {
            match gone.iter_mut().find(|(number, _)| *number == part.number) {
                Some((_, amount)) => *amount += part.amount,
                None => gone.push((part.number, part.amount)),
            }
        }
        gone
    }

    fn make_correction(
        &mut self,
        entry: UsageCorrected,
        gone: &[(u32, i64)],
        histories: &mut EventHistories,
        group: &mut Group<'_>,
    ) -> Done {
        let (number, credit_type, seq) = (entry.account, entry.credit_type as u16, self.next_seq);
        let now = self.accounts[number as usize].now(self.stamp);
        let before = self.accounts[number as usize].pool(credit_type).map_or(0, |pool| pool.available);
        let returned: i64 = entry.returns.iter().map(|part| part.amount).sum();
        let part_into = |into: WentTo| -> i64 {
            entry.returns.iter().filter(|part| part.into == into as u32).map(|part| part.amount).sum()
        };
        let forfeited = part_into(WentTo::Voided) + part_into(WentTo::Expired);
        let (charged, difference) = (entry.charged, entry.difference());
        let record =
            LedgerRecord { seq, stamp: self.stamp, what: Fact::Control(Control::UsageCorrected(entry.clone())) };
        histories.values_mut().for_each(|history| history.learn(&record));
        self.emit_in(Control::UsageCorrected(entry), group);
        let mut regranted = Vec::new();
        for (old, amount) in gone {
            regranted.push(self.regrant(number, credit_type, *old, *amount, seq, now, group));
        }
        if self.accounts[number as usize].pool(credit_type).is_some() {
            self.settle_debts(number, credit_type, now, group.journal);
            let fell = self.pool(number, credit_type).available < before;
            self.cross(number, credit_type, fell, group.journal);
        }
        let done = Done::ok()
            .with("charged", charged)
            .with("difference", difference)
            .with("returned", returned)
            .with("forfeited", forfeited)
            .with("regranted", regranted);
        self.correction_facts(done, number, credit_type)
    }

    /// A grant that is over goes on in a new one, of the same kind, valid from now.
    #[expect(clippy::too_many_arguments, reason = "one value each; a struct would be made for this call alone")]
    fn regrant(
        &mut self,
        number: u32,
        credit_type: u16,
        old: u32,
        amount: i64,
        seq: u64,
        now: i64,
        group: &mut Group<'_>,
    ) -> String {
        let account = &self.accounts[number as usize];
        let pool = self.pool(number, credit_type);
        let grant = &pool.grants[pool.position(old, 0).expect("it has just got back")];
        let mut id = format!("regrant:{seq}:{old}");
        while !matches!(self.known(number, &id, 0), Known::New) {
            id.push('+');
        }
        let scope = self.catalog.scopes.meters(grant.scope).iter().map(|meter| u32::from(*meter)).collect();
        let entry = GrantCreated {
            account: number,
            credit_type: u32::from(credit_type),
            number: account.next_grant,
            id: id.clone(),
            amount,
            priority: u32::from(grant.priority),
            effective_at: now,
            expires_at: None,
            scope,
            promotional: grant.flags & crate::grant::PROMOTIONAL != 0,
            pending: false,
            source: source_number(crate::command::Source::Adjustment),
            fingerprint: self.key.fingerprint(13, id.as_bytes(), amount, None),
            text: Some(crate::regrant_text::text_of_regrant(grant, amount)),
        };
        self.emit_in(Control::GrantCreated(entry), group);
        id
    }

    fn correction_facts(&self, done: Done, number: u32, credit_type: u16) -> Done {
        let pool = self.accounts[number as usize].pool(credit_type);
        done.with("available", pool.map(|pool| pool.available)).with("scale", self.scale_of(credit_type))
    }
}

enum Decided {
    Repeated(Done),
    Moves(Box<UsageCorrected>, Vec<(u32, i64)>),
}

fn meter_of(usage: &AppliedUsage) -> Option<u16> {
    (!usage.is_direct).then_some(usage.subject)
}

fn into_of(grant: &Grant, now: i64, late_grace: i64, regrant: bool) -> WentTo {
    let is_voided = grant.flags & VOIDED != 0;
    match () {
        () if (is_voided || now >= grant.expires_at) && regrant => WentTo::Moved,
        () if is_voided => WentTo::Voided,
        () if now >= grant.expires_at.saturating_add(late_grace) => WentTo::Expired,
        () => WentTo::Remaining,
    }
}

/// Whether what remains in the pool fits 64 bits with what comes back, carried on or not.
fn fits_after(pool: &Pool, returns: &[ReturnedPart]) -> bool {
    let is_back = |part: &&ReturnedPart| matches!(WentTo::of(part.into), Some(WentTo::Remaining | WentTo::Moved));
    let back: i128 = returns.iter().filter(is_back).map(|part| i128::from(part.amount)).sum();
    pool.remaining_total() + back <= i128::from(i64::MAX)
}
