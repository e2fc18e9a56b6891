//! The engine: state, the two doors for change (`record_batch`, `execute`) and replay.
//!
//! Control flow only. Deciding is in pricing.rs and burn.rs, writing in apply.rs, commands in
//! execute.rs, what time brings in transitions.rs, reads in read.rs, images in image.rs.

use crate::account::{Account, SUSPENDED};
use crate::account_index::AccountIndex;
use crate::apply::{self, Misfit};
use crate::burn::{AsOf, at_zero, cover};
use crate::calendar::Calendar;
use crate::catalog::{Catalog, Policy};
use crate::dedupe::{KeyRefused, KeyTable};
use crate::entry::{self, Control, ControlEntry, CorruptRecord, Crossed, FloorRaised};
use crate::hash::StoreKey;
use crate::passes::Passes;
use crate::prefetch::prefetch;
use crate::pricing::{price, resolve};
use crate::settings::Settings;
use crate::status::Status;
use crate::usage::{Outcome, OutcomeSink, Rights, UsageEvent};
use crate::usage_entry::{Draw, UsageEntry, UsageScratch, as_event, peek_usage, put_usage, read_usage};
use crate::varint::Reader;
use std::collections::VecDeque;

/// Events looked up ahead of being decided, so that their cache misses overlap.
const LOOKAHEAD: usize = 32;

/// Grants prefetched of an account: those that usually pay.
const GRANTS_AHEAD: usize = 2;

/// Groups of the key table cleaned per batch, and per event of it: a full pass takes a
/// fraction of what the table's clock needs to wrap.
const SWEEP_GROUPS_PER_BATCH: usize = 2;

/// Crossings kept in memory for the relay; an older cursor reads the journal.
const CROSSINGS_MAX: usize = 65_536;

/// The event's ids could not be remembered: nothing of the batch was applied. Retry later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed;

/// The balance engine. One writer; every read sees one consistent state.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) key: StoreKey,
    pub(crate) catalog: Catalog,
    pub(crate) accounts: Vec<Account>,
    pub(crate) index: AccountIndex,
    pub(crate) keys: KeyTable,
    /// Events dated below are `TOO_LATE`; a bucket edge; never falls.
    pub(crate) floor: i64,
    pub(crate) next_seq: u64,
    /// The newest stamp seen; instants never run backwards.
    pub(crate) stamp: i64,
    pub(crate) calendar: Calendar,
    pub(crate) passes: Passes,
    /// (seq, crossing) of the recent past.
    pub(crate) crossings: VecDeque<(u64, Crossed)>,
    /// While recovering: seq of each loaded account image; entries at or below are in it.
    pub(crate) image_seqs: Vec<u64>,
    /// While recovering: seq of the loaded global image.
    pub(crate) global_seq: u64,
    pub(crate) counts: Counts,
    draws: Vec<Draw>,
    lookups: Vec<Lookup>,
}

/// Totals since start, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub applied: u64,
    pub by_status: [u64; 17],
    pub shed_batches: u64,
}

/// What is known of an event before it is decided.
#[derive(Clone, Copy, Default)]
struct Lookup {
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

/// A record of the journal, about to be applied.
struct Ahead<'a> {
    payload: &'a [u8],
    offset: usize,
    account: u32,
    /// Of a usage record.
    key: u128,
}

const NO_ACCOUNT: u32 = u32::MAX;

/// The event key of an account: the id's hash moved by the account, so that equal ids of two
/// accounts differ. The multiplier is odd, so no two accounts move alike.
#[inline]
pub(crate) fn account_key(event_hash: u128, account: u32) -> u128 {
    const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    event_hash.wrapping_add((u128::from(account) + 1).wrapping_mul(SPREAD))
}

impl Engine {
    /// An empty engine. `settings` must have been validated.
    pub fn new(settings: Settings, key: StoreKey) -> Engine {
        let keys = KeyTable::new(settings.dedupe_budget_bytes);
        Engine {
            settings,
            key,
            catalog: Catalog::new(),
            accounts: Vec::new(),
            index: AccountIndex::new(),
            keys,
            floor: 0,
            next_seq: 1,
            stamp: 0,
            calendar: Calendar::default(),
            passes: Passes::default(),
            crossings: VecDeque::new(),
            image_seqs: Vec::new(),
            global_seq: 0,
            counts: Counts::default(),
            draws: Vec::new(),
            lookups: vec![Lookup::default(); LOOKAHEAD],
        }
    }

    pub fn key(&self) -> &StoreKey {
        &self.key
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The seq the next entry gets; starts at 1.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The newest instant lived: the least a later stamp may be.
    pub fn stamp(&self) -> i64 {
        self.stamp
    }

    pub fn floor_us(&self) -> i64 {
        self.floor
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn account_count(&self) -> u32 {
        self.accounts.len() as u32
    }

    /// Live event keys, and bytes their table holds.
    pub fn key_usage(&self) -> (usize, usize) {
        (self.keys.len(), self.keys.bytes())
    }

    /// Bytes of journal a batch can write before `record_batch` is worth splitting: its keys must
    /// fit the table's reserve.
    pub fn batch_events_max(&self) -> usize {
        self.keys.batch_keys_max()
    }

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
        let written = journal.len();
        self.begin(stamp_us, journal);
        if self.make_room(events.len(), journal).is_err() {
            self.counts.shed_batches += 1;
            // Nothing but a floor that rose with time may have been written; it stands.
            if journal.len() == written {
                journal.truncate(written);
            }
            return Err(Shed);
        }
        for (block, chunk) in events.chunks(LOOKAHEAD).enumerate() {
            self.look_up(chunk);
            for (i, event) in chunk.iter().enumerate() {
                let lookup = self.lookups[i];
                let index = (block * LOOKAHEAD + i) as u32;
                match self.record(event, lookup, rights, journal) {
                    Ok(applied) => self.answer(index, &applied, journal, sink),
                    Err(refused) => {
                        self.counts.by_status[refused.status as usize] += 1;
                        sink.push(index, &refused);
                    }
                }
            }
        }
        self.keys.sweep(SWEEP_GROUPS_PER_BATCH + events.len() / 64);
        Ok(())
    }

    /// Stamp what follows, and raise the floor that time raises.
    pub(crate) fn begin(&mut self, stamp_us: i64, journal: &mut Vec<u8>) {
        self.stamp = self.stamp.max(stamp_us);
        entry::put_stamp(journal, self.stamp);
        self.raise_floor(self.settings.floor_at(self.stamp), journal);
    }

    fn raise_floor(&mut self, floor: i64, journal: &mut Vec<u8>) {
        if floor > self.floor {
            self.emit(Control::FloorRaised(FloorRaised { floor }), journal);
        }
    }

    /// Have room for `n` more keys, lifting the floor if the budget is used up, but never past
    /// the guaranteed window.
    fn make_room(&mut self, n: usize, journal: &mut Vec<u8>) -> Result<(), Shed> {
        if self.keys.reserve(n).is_ok() {
            return Ok(());
        }
        let bucket = self.settings.dedupe_bucket_us;
        let highest = (self.stamp - self.settings.guaranteed_window_us).max(0).div_euclid(bucket);
        // Free a sixteenth at a time, so that the floor moves in few, visible steps.
        for keys in [self.keys.capacity() / 16, n] {
            let wanted = i64::from(self.keys.oldest_bucket_to_free(keys.max(n)));
            let lifted = wanted.min(highest) * bucket;
            self.raise_floor(lifted, journal);
            if self.keys.reserve(n).is_ok() {
                return Ok(());
            }
        }
        self.raise_floor(highest * bucket, journal);
        self.keys.reserve(n).map_err(|_| Shed)
    }

    /// Find accounts and keys of a block in passes, so that each pass's cache misses overlap.
    fn look_up(&mut self, chunk: &[UsageEvent<'_>]) {
        for event in chunk {
            self.index.prefetch(event.account_hash);
        }
        for (lookup, event) in self.lookups.iter_mut().zip(chunk) {
            let likely = self.index.likely(event.account_hash).unwrap_or(NO_ACCOUNT);
            lookup.account = likely;
            if let Some(account) = self.accounts.get(likely as usize) {
                prefetch(&account.id);
                prefetch(&account.pool.extra);
                lookup.key = account_key(event.event_hash, likely);
                self.keys.prefetch(lookup.key);
            }
        }
        for (lookup, event) in self.lookups.iter_mut().zip(chunk) {
            let id = event.account_id.as_bytes();
            let is_it = |a: &Account| a.id.as_bytes() == id;
            if !self.accounts.get(lookup.account as usize).is_some_and(is_it) {
                let accounts = &self.accounts;
                let found = self.index.find(event.account_hash, |n| is_it(&accounts[n as usize]));
                lookup.account = found.unwrap_or(NO_ACCOUNT);
                lookup.key = account_key(event.event_hash, lookup.account);
            }
            if let Some(account) = self.accounts.get(lookup.account as usize) {
                prefetch_grants(account);
                self.keys.prefetch_slot(lookup.key);
            }
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
            let status = self.time_status(event.time_us, self.stamp, self.floor).unwrap_or(Status::AccountUnknown);
            return Err(Outcome::refused(status));
        }
        let account = &self.accounts[number as usize];
        let test_clock = account.test_clock();
        let (now, floor) = test_clock.map_or((self.stamp, self.floor), |c| (c.now, c.floor));
        let time = event.time_us.unwrap_or(now);
        if let Some(status) = self.time_status(event.time_us, now, floor) {
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
        let priced = price(account, &self.catalog, subject, event.quantity, event.dimensions, time);
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
            crate::usage_entry::Beyond::default()
        } else {
            let policy = pool.map_or(&self.catalog.policies[0], |p| &self.catalog.policies[p.policy as usize]);
            let period = self.period_for(policy, account, time);
            at_zero(pool, policy, charge.amount, charge.amount - covered, period, event.force).map_err(|r| {
                Outcome { shortfall: r.shortfall, ..refuse(r.status) }
            })?
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
        self.apply_usage(&entry, lookup.key, event.fingerprint, time)
            .expect("what was just decided fits the state it was decided on");
        self.draws = draws;
        Ok(Applied { account: number, credit_type: charge.credit_type, charged, uncovered: beyond.uncovered })
    }

    #[inline]
    fn time_status(&self, time: Option<i64>, now: i64, floor: i64) -> Option<Status> {
        let time = time?;
        if time > now.saturating_add(self.settings.early_margin_us) {
            Some(Status::TooEarly)
        } else if time < floor {
            Some(Status::TooLate)
        } else {
            None
        }
    }

    pub(crate) fn period_for(&self, policy: &Policy, account: &Account, time: i64) -> i64 {
        match policy.kind {
            crate::command::PolicyKind::Overage => {
                crate::period::period_start(account.period_edges(), time)
            }
            _ => 0,
        }
    }

    /// Answer an applied event, and raise the crossings it caused.
    #[inline]
    fn answer<S: OutcomeSink>(&mut self, index: u32, applied: &Applied, journal: &mut Vec<u8>, sink: &mut S) {
        let pool = self.accounts[applied.account as usize].pool(applied.credit_type);
        let available = pool.map(|pool| pool.available);
        if applied.charged > 0 && pool.is_some_and(|pool| pool.available <= pool.alert_below) {
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

    /// Live and in replay: move the account, remember the key, take the seq.
    #[inline]
    fn apply_usage(&mut self, entry: &UsageEntry<'_>, key: u128, fingerprint: u64, time: i64) -> Result<(), Misfit> {
        let account =
            self.accounts.get_mut(entry.account as usize).ok_or_else(|| format!("account {} is unknown", entry.account))?;
        let floor = account.test_clock().map_or(self.floor, |clock| clock.floor);
        apply::apply_usage(account, &self.catalog, entry, floor)?;
        self.passes.mark(account, entry.account);
        match account.extra.as_mut().and_then(|extra| extra.test_clock.as_mut()) {
            Some(clock) => {
                clock.keys.insert(key, (fingerprint, time));
            }
            None => self.remember(key, fingerprint, time)?,
        }
        self.counts.applied += 1;
        self.next_seq += 1;
        Ok(())
    }

    #[inline]
    pub(crate) fn remember(&mut self, key: u128, fingerprint: u64, time: i64) -> Result<(), Misfit> {
        let bucket = time.div_euclid(self.settings.dedupe_bucket_us) as u32;
        let refused = match self.keys.insert(key, fingerprint, bucket) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        // Live traffic reserved its room. Recovery under a smaller budget than the journal was
        // written with forgets the oldest keys, and the floor says so.
        let lifted = self.keys.oldest_bucket_to_free(self.keys.capacity() / 16 + 1);
        if refused == KeyRefused::BucketRange || lifted > bucket {
            return Err(refused.to_string());
        }
        self.set_floor(i64::from(lifted) * self.settings.dedupe_bucket_us);
        self.keys.insert(key, fingerprint, bucket).map_err(|refused| refused.to_string())
    }

    /// Write a control entry and apply it.
    pub(crate) fn emit(&mut self, control: Control, journal: &mut Vec<u8>) {
        let wrapped = ControlEntry { control: Some(control) };
        entry::put_control(journal, &wrapped);
        let control = wrapped.control.expect("just set");
        self.apply_control(&control).expect("what was just decided fits the state it was decided on");
    }

    /// Live and in replay: apply a control entry and take the seq.
    pub(crate) fn apply_control(&mut self, control: &Control) -> Result<(), Misfit> {
        let seq = self.next_seq;
        match control {
            Control::AccountCreated(e) => self.add_account(e)?,
            Control::FloorRaised(e) => self.set_floor(e.floor),
            _ => match apply::account_number(control) {
                Some(number) => self.apply_to_account(number, control)?,
                None => {
                    apply::apply_catalog(&mut self.catalog, control)?;
                }
            },
        }
        if let Control::Crossed(crossed) = control {
            if self.crossings.len() == CROSSINGS_MAX {
                self.crossings.pop_front();
            }
            self.crossings.push_back((seq, crossed.clone()));
        }
        self.next_seq += 1;
        Ok(())
    }

    /// The floor is at least `floor` from here on.
    pub(crate) fn raise_floor_to(&mut self, floor: i64) {
        self.set_floor(floor);
    }

    /// Crossings after journal position `cursor`, oldest first, at most `limit`; and whether any
    /// between the cursor and the first of them may have left memory (then read the journal).
    pub fn crossings_after(&self, cursor: u64, limit: usize) -> (Vec<(u64, Crossed)>, bool) {
        let from = self.crossings.partition_point(|(seq, _)| *seq <= cursor);
        let found = self.crossings.iter().skip(from).take(limit).cloned().collect();
        (found, from == 0 && self.crossings.len() == CROSSINGS_MAX)
    }

    /// One crossing as its notice, for people and relays.
    pub fn crossing_json(&self, seq: u64, crossed: &Crossed) -> serde_json::Value {
        let credit_type = &self.catalog.credit_types[crossed.credit_type as usize];
        serde_json::json!({
            "seq": seq,
            "account": self.accounts[crossed.account as usize].id.as_str(),
            "credit_type": credit_type.name,
            "scale": credit_type.scale,
            "kind": entry::Crossing::of(crossed.kind).map_or("unknown", entry::Crossing::notice),
            "threshold": crossed.threshold,
            "available": crossed.available,
        })
    }

    fn set_floor(&mut self, floor: i64) {
        self.floor = self.floor.max(floor);
        let bucket = self.floor.div_euclid(self.settings.dedupe_bucket_us) as u32;
        if bucket > self.keys.floor() {
            self.keys.set_floor(bucket);
        }
    }

    fn apply_to_account(&mut self, number: u32, control: &Control) -> Result<(), Misfit> {
        let late_grace = self.settings.late_grace_us;
        let account =
            self.accounts.get_mut(number as usize).ok_or_else(|| format!("account {number} is unknown"))?;
        let due_before = account.due_at(late_grace);
        apply::apply_account(account, &mut self.catalog, control, self.stamp)?;
        self.passes.mark(account, number);
        if matches!(control, Control::ClockAdvanced(_)) {
            raise_test_floor(account, &self.settings);
        }
        let due = account.due_at(late_grace);
        match account.test_clock() {
            None if due < due_before => self.calendar.add(due, number),
            // Due by its own clock already: at the next sweep, whatever the machine's time.
            Some(clock) if due <= clock.now => self.calendar.add(0, number),
            _ => {}
        }
        Ok(())
    }

    fn add_account(&mut self, e: &entry::AccountCreated) -> Result<(), Misfit> {
        let mut account = apply::account_of(&mut self.catalog, e);
        raise_test_floor(&mut account, &self.settings);
        // A number below belongs to an account whose own image is still missing.
        let is_gap = self.accounts.get(e.account as usize).is_some_and(|a| a.id.as_bytes().is_empty());
        if is_gap {
            self.accounts[e.account as usize] = account;
        } else if e.account as usize == self.accounts.len() {
            self.accounts.push(account);
        } else {
            return Err(format!("account {} created as number {}, expected {}", e.id, e.account, self.accounts.len()));
        }
        let account = &mut self.accounts[e.account as usize];
        self.passes.mark(account, e.account);
        self.index.insert(self.key.account_hash(e.id.as_bytes()), e.account);
        Ok(())
    }

    /// Number of the account of this id.
    #[inline]
    pub fn find_account(&self, id: &str) -> Option<u32> {
        let hash = self.key.account_hash(id.as_bytes());
        self.index.find(hash, |n| self.accounts[n as usize].id.as_bytes() == id.as_bytes())
    }

    /// Replay a journal body whose first entry has seq `first_seq`. Decides nothing. Entries
    /// already in a loaded image are passed over; their keys are remembered all the same.
    ///
    /// # Errors
    /// Names the offset of the record that can't be applied; the engine must then be dropped.
    pub fn apply_records(&mut self, body: &[u8], first_seq: u64) -> Result<u64, CorruptRecord> {
        let mut scratch = UsageScratch::default();
        self.next_seq = first_seq;
        let mut reader = Reader { rest: body };
        let mut block: Vec<Ahead<'_>> = Vec::with_capacity(LOOKAHEAD);
        while !reader.rest.is_empty() {
            block.clear();
            while block.len() < LOOKAHEAD && !reader.rest.is_empty() {
                let offset = body.len() - reader.rest.len();
                let corrupt = |what: String| CorruptRecord { offset, what };
                let length = reader.unsigned().map_err(|_| corrupt("a record without a length".into()))?;
                let payload = usize::try_from(length)
                    .ok()
                    .and_then(|n| reader.bytes(n).ok())
                    .ok_or_else(|| corrupt(format!("a record of {length} bytes runs past the body")))?;
                block.push(self.look_ahead(payload, offset));
            }
            for ahead in &block {
                self.look_closer(ahead);
            }
            for ahead in &block {
                let applied = self.apply_record(ahead, &mut scratch);
                applied.map_err(|what| CorruptRecord { offset: ahead.offset, what })?;
            }
        }
        Ok(self.next_seq)
    }

    /// Ask for the memory a record will touch. A hint: a record that is damaged is found so later.
    fn look_ahead<'a>(&self, payload: &'a [u8], offset: usize) -> Ahead<'a> {
        let mut ahead = Ahead { payload, offset, account: NO_ACCOUNT, key: 0 };
        if let Some((account, event_id)) = peek_usage(payload) {
            ahead.account = account;
            ahead.key = event_id.with_text(|text| account_key(self.key.event_hash(text), account));
            self.keys.prefetch(ahead.key);
            if let Some(account) = self.accounts.get(account as usize) {
                prefetch(&account.id);
                prefetch(&account.pool.extra);
            }
        }
        ahead
    }

    fn look_closer(&self, ahead: &Ahead<'_>) {
        if let Some(account) = self.accounts.get(ahead.account as usize) {
            prefetch_grants(account);
            self.keys.prefetch_slot(ahead.key);
        }
    }

    fn apply_record(&mut self, ahead: &Ahead<'_>, scratch: &mut UsageScratch) -> Result<(), Misfit> {
        let (kind, rest) = ahead.payload.split_first().ok_or("an empty record")?;
        match *kind {
            entry::KIND_STAMP => {
                let stamp = rest.try_into().map_err(|_| "a stamp that is not 8 bytes".to_string())?;
                self.stamp = self.stamp.max(i64::from_le_bytes(stamp));
                Ok(())
            }
            entry::KIND_USAGE => self.replay_usage(rest, ahead.key, scratch),
            entry::KIND_CONTROL => self.replay_control(rest),
            kind => Err(format!("record kind {kind} is unknown")),
        }
    }

    fn replay_usage(&mut self, payload: &[u8], key: u128, scratch: &mut UsageScratch) -> Result<(), Misfit> {
        let decoded = read_usage(payload, self.stamp, scratch).map_err(|_| "a usage record cut short")?;
        let entry = decoded.entry;
        let account = self
            .accounts
            .get_mut(entry.account as usize)
            .ok_or_else(|| format!("account {} is unknown", entry.account))?;
        let now = account.now(self.stamp);
        let time = entry.time_us.unwrap_or(now);
        let subject = if entry.is_direct {
            self.catalog.credit_types.get(usize::from(entry.subject)).map(|c| c.name.as_str())
        } else {
            self.catalog.meters.get(usize::from(entry.subject)).map(|m| m.key.as_str())
        };
        let subject = subject.ok_or_else(|| format!("subject {} is unknown", entry.subject))?;
        let event = as_event(&decoded, subject).ok_or("an event id that is not UTF-8")?;
        let fingerprint = event.fingerprint_of(&self.key);
        let is_in_image = self.image_seqs.get(entry.account as usize).is_some_and(|seq| self.next_seq <= *seq);
        if is_in_image {
            // A test clock's keys are part of its account's image; all others are not.
            if account.test_clock().is_none() {
                self.remember_again(key, fingerprint, time)?;
            }
            self.next_seq += 1;
            return Ok(());
        }
        live_silently(account, now);
        if account.test_clock().is_none() && (time < self.floor || self.keys.find(key).is_some()) {
            // Below a floor that rose later, or already in a loaded run: the key needs no place.
            return self.apply_usage_without_key(&entry);
        }
        self.apply_usage(&entry, key, fingerprint, time)
    }

    fn remember_again(&mut self, key: u128, fingerprint: u64, time: i64) -> Result<(), Misfit> {
        if time < self.floor || self.keys.find(key).is_some() {
            return Ok(());
        }
        self.remember(key, fingerprint, time)
    }

    fn apply_usage_without_key(&mut self, entry: &UsageEntry<'_>) -> Result<(), Misfit> {
        let account = &mut self.accounts[entry.account as usize];
        apply::apply_usage(account, &self.catalog, entry, self.floor)?;
        self.passes.mark(account, entry.account);
        self.next_seq += 1;
        Ok(())
    }

    fn replay_control(&mut self, payload: &[u8]) -> Result<(), Misfit> {
        let control = entry::read_control(payload)?;
        let is_in_image = match apply::account_number(&control) {
            Some(number) => self.image_seqs.get(number as usize).is_some_and(|seq| self.next_seq <= *seq),
            None => self.next_seq <= self.global_seq,
        };
        if is_in_image {
            self.next_seq += 1;
            return Ok(());
        }
        if let Some(account) = apply::account_number(&control).and_then(|n| self.accounts.get_mut(n as usize)) {
            let now = account.now(self.stamp);
            live_silently(account, now);
        }
        self.apply_control(&control)
    }

    /// Append the dedupe keys of a journal body to a run.
    ///
    /// # Errors
    /// Names the offset of a record that can't be read.
    pub fn extract_keys(&self, body: &[u8], first_seq: u64, run: &mut Vec<u8>) -> Result<(), CorruptRecord> {
        self.key_extractor().extract(body, first_seq, run)
    }
}

/// Ask for the grants that usually pay.
#[inline]
fn prefetch_grants(account: &Account) {
    for grant in account.pool.grants.iter().skip(account.pool.first_free as usize).take(GRANTS_AHEAD) {
        // A grant is a line long, but the block they lie in is not aligned to lines.
        prefetch(&grant.remaining);
        prefetch(&grant.flags);
    }
}

/// The floor of a test clock follows its time; keys below are forgotten.
fn raise_test_floor(account: &mut Account, settings: &Settings) {
    if let Some(clock) = account.extra.as_mut().and_then(|extra| extra.test_clock.as_mut()) {
        clock.floor = clock.floor.max(settings.floor_at(clock.now));
        let floor = clock.floor;
        clock.keys.retain(|_, (_, time)| *time >= floor);
    }
}

/// Bring the derived fields up to `now`; what that decided is in the journal as entries.
fn live_silently(account: &mut Account, now: i64) {
    if account.pool.next_at <= now {
        account.pool.recount(now);
    }
    if let Some(extra) = &mut account.extra {
        for pool in extra.more_pools.iter_mut().filter(|pool| pool.next_at <= now) {
            pool.recount(now);
        }
    }
}
