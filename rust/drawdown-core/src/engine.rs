//! The engine's state, and the one way entries get into it: written to the journal, then applied.

use crate::account_index::AccountIndex;
use crate::account_table::AccountTable;
use crate::apply::{self, Misfit};
use crate::apply_correction::note_correction;
use crate::apply_counters::Moment;
use crate::calendar::Calendar;
use crate::catalog::Catalog;
use crate::changes::{Change, JournaledChange};
use crate::dedupe::KeyTable;
use crate::dedupe_window::raise_test_floor;
use crate::entry::{self, Control, ControlEntry, CorruptRecord};
use crate::hash::StoreKey;
use crate::leaving::apply_left;
use crate::passes::Passes;
use crate::record::{LOOKAHEAD, Lookup};
use crate::remembered_ids::used_id;
use crate::reservation_gauges::OpenReservations;
use crate::settings::Settings;
use crate::usage_entry::{Draw, UsageEntry};
use crate::watch::Watches;
use std::cell::Cell;
use std::collections::VecDeque;

/// Crossings kept in memory for the relay; an older cursor reads the journal.
pub(crate) const CHANGES_MAX: usize = 65_536;

/// The balance engine. One writer; every read sees one consistent state.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) key: StoreKey,
    pub(crate) catalog: Catalog,
    pub(crate) accounts: AccountTable,
    pub(crate) index: AccountIndex,
    pub(crate) keys: KeyTable,
    /// Events dated below are `TOO_LATE`; a bucket edge; never falls.
    pub(crate) floor: i64,
    /// Ids of events dated below are not all known, because recovery had less room or a shorter window than
    /// the journal was written with. Not part of the state: the next step raises the floor so far.
    pub(crate) forgotten_below: i64,
    /// How far ahead of its stamp any remembered event was ever dated.
    pub(crate) ahead_us: i64,
    pub(crate) next_seq: u64,
    /// The newest stamp seen; instants never run backwards.
    pub(crate) stamp: i64,
    /// The newest instant of the machine's time that a write lived or a read showed. Not part of the state.
    pub(crate) lived_to: Cell<i64>,
    pub(crate) calendar: Calendar,
    pub(crate) passes: Passes,
    pub(crate) watches: Watches,
    /// Those of the recent past.
    pub(crate) changes: VecDeque<JournaledChange>,
    /// Changes up to here may have left memory, or never came into it.
    pub(crate) changes_from: u64,
    /// While recovering: seq of each loaded account image; entries at or below are in it.
    pub(crate) image_seqs: Vec<u64>,
    /// While recovering: the newest of them.
    pub(crate) last_image_seq: u64,
    /// While recovering: seq of the loaded global image.
    pub(crate) global_seq: u64,
    /// While recovering: stamp of the loaded global image.
    pub(crate) global_stamp: i64,
    /// While recovering: live keys when the global image was taken.
    pub(crate) expected_keys: u64,
    /// Accounts on a clock of their own, ascending. Their event ids are in no table of the engine.
    pub(crate) test_clocks: Vec<u32>,
    pub(crate) counts: Counts,
    /// Derived: rebuilt on recovery.
    pub(crate) open_reservations: OpenReservations,
    pub(crate) draws: Vec<Draw>,
    /// Look-ups of the events of a batch under way, a ring.
    pub(crate) lookups: [Lookup; LOOKAHEAD],
}

/// Totals since start, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub applied: u64,
    pub by_status: [u64; 17],
    pub shed_batches: u64,
}

pub(crate) const NO_ACCOUNT: u32 = u32::MAX;

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
            accounts: AccountTable::default(),
            index: AccountIndex::new(),
            keys,
            floor: 0,
            forgotten_below: 0,
            ahead_us: 0,
            next_seq: 1,
            stamp: 0,
            lived_to: Cell::new(0),
            calendar: Calendar::default(),
            passes: Passes::default(),
            watches: Watches::default(),
            changes: VecDeque::new(),
            changes_from: 0,
            image_seqs: Vec::new(),
            last_image_seq: 0,
            global_seq: 0,
            global_stamp: 0,
            expected_keys: 0,
            test_clocks: Vec::new(),
            counts: Counts::default(),
            open_reservations: OpenReservations::default(),
            draws: Vec::new(),
            lookups: [Lookup::default(); LOOKAHEAD],
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

    /// Events dated below are `TOO_LATE`: the floor, and what recovery has forgotten beyond it.
    pub fn floor_us(&self) -> i64 {
        self.floor.max(self.forgotten_below)
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

    /// Live and in replay: move the account, remember the key, take the seq.
    #[inline]
    pub(crate) fn apply_usage(
        &mut self,
        entry: &UsageEntry<'_>,
        dimensions: &[(&str, &str)],
        key: u128,
        fingerprint: u64,
        time: i64,
    ) -> Result<(), Misfit> {
        let value = entry.counted.and_then(|_| self.counted_value(entry.subject, dimensions));
        let account = self
            .accounts
            .get_mut(entry.account as usize)
            .ok_or_else(|| format!("account {} is unknown", entry.account))?;
        let floor = account.test_clock().map_or(self.floor, |clock| clock.floor);
        let moment = Moment { seq: self.next_seq, time, floor, value };
        apply::apply_usage(account, &self.catalog, entry, &moment)?;
        self.passes.mark(account, entry.account);
        match account.extra.as_mut().and_then(|extra| extra.test_clock.as_mut()) {
            Some(clock) => {
                clock.keys.insert(key, (fingerprint, time));
            }
            None => {
                self.note_ahead(time);
                self.remember(key, fingerprint, time)?;
            }
        }
        self.counts.applied += 1;
        self.next_seq += 1;
        Ok(())
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
        match control {
            Control::AccountCreated(e) => self.add_account(e)?,
            Control::FloorRaised(e) => self.set_floor(e.floor),
            // Its stamp is all it says.
            Control::InstantsLived(_) => {}
            _ => match apply::account_number(control) {
                Some(number) => self.apply_to_account(number, control)?,
                None => {
                    apply::apply_catalog(&mut self.catalog, control)?;
                    self.watches.catalog_changed();
                }
            },
        }
        if let Some(change) = Change::of(control) {
            self.note_change(change);
        }
        self.next_seq += 1;
        Ok(())
    }

    fn apply_to_account(&mut self, number: u32, control: &Control) -> Result<(), Misfit> {
        let account = self.accounts.get(number as usize).ok_or_else(|| format!("account {number} is unknown"))?;
        let due_before = account.due_at(&self.reach(account));
        let account = &mut self.accounts[number as usize];
        let floor = account.test_clock().map_or(self.floor, |clock| clock.floor);
        self.open_reservations.follow(account, control);
        apply::apply_account(account, &mut self.catalog, control, self.stamp, floor)?;
        if let Some(clock) = account.extra.as_mut().and_then(|extra| extra.test_clock.as_mut())
            && let Some(used) = used_id(control, &self.key)
        {
            clock.keys.insert(used.key, (used.fingerprint, used.time));
        }
        if let Control::UsageCorrected(e) = control {
            let floor = account.test_clock().map_or(self.floor, |clock| clock.floor);
            note_correction(account, e, self.next_seq, &self.key, floor)?;
        }
        if let Control::GrantsLeft(e) = control {
            apply_left(account, e, self.next_seq, &self.key, self.stamp)?;
        }
        self.passes.mark(account, number);
        if let Control::ClockAdvanced(e) = control {
            raise_test_floor(account, e.floor, &self.settings)?;
        }
        let account = &self.accounts[number as usize];
        let due = account.due_at(&self.reach(account));
        match account.test_clock() {
            None if due < due_before => self.calendar.add(due, number),
            // Due by its own clock already: at the next sweep, whatever the machine's time.
            Some(clock) if due <= clock.now => self.calendar.add(0, number),
            _ => {}
        }
        Ok(())
    }

    fn add_account(&mut self, e: &entry::AccountCreated) -> Result<(), Misfit> {
        // A number below belongs to an account whose own image is still missing.
        let is_gap = self.accounts.get(e.account as usize).is_some_and(|a| a.id.as_bytes().is_empty());
        if !is_gap && e.account as usize != self.accounts.len() {
            return Err(format!("account {} created as number {}, expected {}", e.id, e.account, self.accounts.len()));
        }
        let mut account = apply::account_of(&mut self.catalog, e);
        raise_test_floor(&mut account, e.floor, &self.settings)?;
        if is_gap {
            self.accounts[e.account as usize] = account;
        } else {
            self.accounts.push(account);
        }
        if e.test_clock.is_some() {
            self.note_test_clock(e.account);
        }
        let account = &mut self.accounts[e.account as usize];
        self.passes.mark(account, e.account);
        self.index.insert(self.key.account_hash(e.id.as_bytes()), e.account);
        self.watches.created(&e.id);
        Ok(())
    }

    pub(crate) fn note_test_clock(&mut self, account: u32) {
        if let Err(at) = self.test_clocks.binary_search(&account) {
            self.test_clocks.insert(at, account);
        }
    }

    /// Number of the account of this id.
    #[inline]
    pub fn find_account(&self, id: &str) -> Option<u32> {
        let hash = self.key.account_hash(id.as_bytes());
        self.index.find(hash, |n| self.accounts[n as usize].id.as_bytes() == id.as_bytes())
    }

    /// Append the dedupe keys of a journal body to a run.
    ///
    /// # Errors
    /// Names the offset of a record that can't be read.
    pub fn extract_keys(&self, body: &[u8], first_seq: u64, run: &mut Vec<u8>) -> Result<(), CorruptRecord> {
        self.key_extractor().extract(body, first_seq, run)
    }
}
