//! Recovery: journal entries applied again, decided never.

use crate::account::Account;
use crate::apply::{self, Misfit};
use crate::apply_counters::Moment;
use crate::engine::{Engine, NO_ACCOUNT, account_key};
use crate::entry::{self, Control, CorruptRecord};
use crate::instant::is_instant;
use crate::prefetch::prefetch_whole;
use crate::record::{LOOKAHEAD, STAGE, prefetch_grants};
use crate::remembered_ids::used_id;
use crate::usage_entry::{UsageEntry, UsageScratch, as_event, peek_usage, read_usage};
use crate::varint::Reader;

/// A record of the journal, about to be applied.
#[derive(Clone, Copy)]
struct Ahead<'a> {
    payload: &'a [u8],
    offset: usize,
    account: u32,
    /// Of a usage record.
    key: u128,
}

impl Ahead<'_> {
    const NONE: Ahead<'static> = Ahead { payload: &[], offset: 0, account: NO_ACCOUNT, key: 0 };
}

const _: () = assert!(LOOKAHEAD >= 2 * STAGE + 2, "a record's place in the ring is free when its turn comes");

impl Engine {
    /// Replay a journal body whose first entry has seq `first_seq`. Decides nothing. Entries
    /// already in a loaded image are passed over; their keys are remembered all the same.
    ///
    /// # Errors
    /// Names the offset of the record that can't be applied; the engine must then be dropped.
    pub fn apply_records(&mut self, body: &[u8], first_seq: u64) -> Result<u64, CorruptRecord> {
        self.apply_in_flow::<true>(body, first_seq)
    }

    /// `apply_records`, while a `TailScan` remembers the keys of the same journal.
    ///
    /// # Errors
    /// As `apply_records`.
    pub fn apply_records_without_keys(&mut self, body: &[u8], first_seq: u64) -> Result<u64, CorruptRecord> {
        self.apply_in_flow::<false>(body, first_seq)
    }

    fn apply_in_flow<const KEYS: bool>(&mut self, body: &[u8], first_seq: u64) -> Result<u64, CorruptRecord> {
        let mut scratch = UsageScratch::default();
        self.next_seq = first_seq;
        let mut reader = Reader { rest: body };
        // As live traffic goes: three stages, `STAGE` records apart, in even flow.
        let mut ring = [Ahead::NONE; LOOKAHEAD];
        let (mut read, mut looked_at, mut applied) = (0, 0, 0);
        while applied < read || !reader.rest.is_empty() {
            let is_drained = reader.rest.is_empty();
            if !is_drained {
                let offset = body.len() - reader.rest.len();
                let corrupt = |what: String| CorruptRecord { offset, what };
                let length = reader.unsigned().map_err(|_| corrupt("a record without a length".into()))?;
                let payload = usize::try_from(length)
                    .ok()
                    .and_then(|n| reader.bytes(n).ok())
                    .ok_or_else(|| corrupt(format!("a record of {length} bytes runs past the body")))?;
                ring[read % LOOKAHEAD] = self.look_ahead::<KEYS>(payload, offset);
                read += 1;
            }
            if looked_at < read && (is_drained || read - looked_at > STAGE) {
                self.look_closer::<KEYS>(&ring[looked_at % LOOKAHEAD]);
                looked_at += 1;
            }
            if applied < looked_at && (is_drained || looked_at - applied > STAGE) {
                let ahead = ring[applied % LOOKAHEAD];
                let done = self.apply_record::<KEYS>(&ahead, &mut scratch);
                done.map_err(|what| CorruptRecord { offset: ahead.offset, what })?;
                applied += 1;
            }
        }
        Ok(self.next_seq)
    }

    /// Ask for the memory a record will touch. A hint: a record that is damaged is found so later.
    fn look_ahead<'a, const KEYS: bool>(&self, payload: &'a [u8], offset: usize) -> Ahead<'a> {
        let mut ahead = Ahead { payload, offset, account: NO_ACCOUNT, key: 0 };
        if let Some((account, event_id)) = peek_usage(payload) {
            ahead.account = account;
            if KEYS {
                ahead.key = event_id.with_text(|text| account_key(self.key.event_hash(text), account));
                self.keys.prefetch(ahead.key);
            }
            if let Some(account) = self.accounts.get(account as usize) {
                prefetch_whole(account);
            }
        }
        ahead
    }

    fn look_closer<const KEYS: bool>(&self, ahead: &Ahead<'_>) {
        if let Some(account) = self.accounts.get(ahead.account as usize) {
            prefetch_grants(account);
            if KEYS {
                self.keys.prefetch_slot(ahead.key);
            }
        }
    }

    fn apply_record<const KEYS: bool>(&mut self, ahead: &Ahead<'_>, scratch: &mut UsageScratch) -> Result<(), Misfit> {
        let (kind, rest) = ahead.payload.split_first().ok_or("an empty record")?;
        match *kind {
            entry::KIND_STAMP => {
                let stamp = rest.try_into().map_err(|_| "a stamp that is not 8 bytes".to_string())?;
                let stamp = i64::from_le_bytes(stamp);
                if !is_instant(stamp) {
                    return Err(format!("the stamp {stamp} is no instant"));
                }
                self.stamp = self.stamp.max(stamp);
                Ok(())
            }
            entry::KIND_USAGE => self.replay_usage::<KEYS>(rest, ahead.key, scratch),
            entry::KIND_CONTROL => self.replay_control::<KEYS>(rest),
            kind => Err(format!("record kind {kind} is unknown")),
        }
    }

    fn replay_usage<const KEYS: bool>(
        &mut self,
        payload: &[u8],
        key: u128,
        scratch: &mut UsageScratch,
    ) -> Result<(), Misfit> {
        let decoded = read_usage(payload, self.stamp, scratch).map_err(|_| "a usage record cut short")?;
        let entry = decoded.entry;
        let is_in_image = self.is_in_image(entry.account);
        let account = self
            .accounts
            .get_mut(entry.account as usize)
            .ok_or_else(|| format!("account {} is unknown", entry.account))?;
        let now = account.now(self.stamp);
        let time = entry.time_us.unwrap_or(now);
        let is_on_test_clock = account.test_clock().is_some();
        if !KEYS && !is_on_test_clock {
            if time >= self.floor {
                self.note_ahead(time);
                self.counts.applied += u64::from(!is_in_image);
            }
            if is_in_image {
                self.next_seq += 1;
                return Ok(());
            }
            live_silently(&mut self.accounts[entry.account as usize], now);
            return self.apply_usage_without_key(&entry, &decoded.dimensions, time);
        }
        let subject = if entry.is_direct {
            self.catalog.credit_types.get(usize::from(entry.subject)).map(|c| c.name.as_str())
        } else {
            self.catalog.meters.get(usize::from(entry.subject)).map(|m| m.key.as_str())
        };
        let subject = subject.ok_or_else(|| format!("subject {} is unknown", entry.subject))?;
        let event = as_event(&decoded, subject).ok_or("an event id that is not UTF-8")?;
        let fingerprint = event.fingerprint_of(&self.key);
        let key = if KEYS { key } else { account_key(self.key.event_hash(entry.event_id), entry.account) };
        if is_in_image {
            // A test clock's keys are part of its account's image; all others are not.
            if !is_on_test_clock {
                self.remember_again(key, fingerprint, time)?;
            }
            self.next_seq += 1;
            return Ok(());
        }
        live_silently(account, now);
        if !is_on_test_clock && (time < self.floor_us() || self.keys.find(key).is_some()) {
            // Below a floor that rose later, or already in a loaded run: the key needs no place.
            return self.apply_usage_without_key(&entry, &decoded.dimensions, time);
        }
        self.apply_usage(&entry, &decoded.dimensions, key, fingerprint, time)
    }

    /// Whether the loaded image of the account contains the entry that is next.
    #[inline]
    fn is_in_image(&self, account: u32) -> bool {
        // Behind the last image nothing is looked up: the seqs of a million accounts fill no cache.
        self.next_seq <= self.last_image_seq
            && self.image_seqs.get(account as usize).is_some_and(|seq| self.next_seq <= *seq)
    }

    fn remember_again(&mut self, key: u128, fingerprint: u64, time: i64) -> Result<(), Misfit> {
        if time < self.floor_us() || self.keys.find(key).is_some() {
            return Ok(());
        }
        self.note_ahead(time);
        self.remember(key, fingerprint, time)
    }

    fn apply_usage_without_key(
        &mut self,
        entry: &UsageEntry<'_>,
        dimensions: &[(&str, &str)],
        time: i64,
    ) -> Result<(), Misfit> {
        let value = entry.counted.and_then(|_| self.counted_value(entry.subject, dimensions));
        let moment = Moment { seq: self.next_seq, time, floor: self.floor, value };
        let account = &mut self.accounts[entry.account as usize];
        apply::apply_usage(account, &self.catalog, entry, &moment)?;
        self.passes.mark(account, entry.account);
        self.next_seq += 1;
        Ok(())
    }

    fn replay_control<const KEYS: bool>(&mut self, payload: &[u8]) -> Result<(), Misfit> {
        let control = entry::read_control(payload)?;
        if let Control::FloorRaised(e) = &control
            && !(0..=self.stamp).contains(&e.floor)
        {
            return Err(format!("the floor {} is not at or below its stamp", e.floor));
        }
        if KEYS && let Some(used) = used_id(&control, &self.key) {
            self.remember_id(&used)?;
        }
        let is_in_image = match apply::account_number(&control) {
            Some(number) => self.is_in_image(number),
            None => self.next_seq <= self.global_seq,
        };
        let is_passed_over = cfg!(feature = "planted-expiry-repeated") && matches!(control, Control::GrantExpired(_));
        if is_in_image || is_passed_over {
            self.next_seq += 1;
            return Ok(());
        }
        if let Some(account) = apply::account_number(&control).and_then(|n| self.accounts.get_mut(n as usize)) {
            let now = account.now(self.stamp);
            live_silently(account, now);
        }
        self.apply_control(&control)
    }
}

/// Bring the derived fields up to `now`; what that decided is in the journal as entries.
pub(crate) fn live_silently(account: &mut Account, now: i64) {
    if account.pool.next_at <= now {
        account.pool.recount(now);
    }
    if let Some(extra) = &mut account.extra {
        for pool in extra.more_pools.iter_mut().filter(|pool| pool.next_at <= now) {
            pool.recount(now);
        }
    }
}
