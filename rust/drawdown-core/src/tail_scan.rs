//! The event keys of journal that is being replayed, remembered beside the replay.
//!
//! Entries move accounts; their ids only have to be remembered. The two have nothing in common, so one
//! thread applies a stretch of journal (`Engine::apply_records_without_keys`) while another one goes
//! through the same bytes and puts the keys into the table. Each waits for memory half as long.

use crate::dedupe::KeyTable;
use crate::engine::Engine;
use crate::entry::{self, Control, CorruptRecord, KIND_CONTROL, KIND_STAMP, KIND_USAGE};
use crate::key_run::{KeyExtractor, UsageKey};
use crate::key_scan::Window;
use crate::remembered_ids::{UsedId, used_id};
use crate::settings::Settings;
use crate::usage::{FINGERPRINT_CREDIT_TYPE, FINGERPRINT_METER};
use crate::usage_entry::UsageScratch;
use crate::varint::Reader;
use std::collections::HashSet;

/// An engine's key table, away from it while the journal behind the images is replayed.
pub struct TailScan {
    extractor: KeyExtractor,
    settings: Settings,
    /// They keep their keys themselves.
    test_clocks: HashSet<u32>,
    keys: KeyTable,
    floor: i64,
    stamp: i64,
    /// The catalog has what entries up to here put into it.
    global_seq: u64,
}

impl Engine {
    /// Take the key table out, with what is in it, for a replay of about `keys` entries. Everything but
    /// that journal must be loaded; until `finish_tail_scan` nothing else may be done with the engine
    /// than `apply_records_without_keys` and reading.
    pub fn begin_tail_scan(&mut self, keys: u64) -> TailScan {
        let away = KeyTable::new(self.settings.dedupe_budget_bytes);
        let mut table = std::mem::replace(&mut self.keys, away);
        table.expect(keys);
        TailScan {
            extractor: self.key_extractor(),
            settings: self.settings.clone(),
            test_clocks: self.test_clocks.iter().copied().collect(),
            keys: table,
            floor: self.floor_us(),
            stamp: self.stamp,
            global_seq: self.global_seq,
        }
    }

    /// Take the filled table back.
    pub fn finish_tail_scan(&mut self, scan: TailScan) {
        self.keys = scan.keys;
        self.forget_below(self.floor.max(scan.floor));
    }
}

impl TailScan {
    /// Remember the keys of a journal body whose first entry has seq `first_seq`. Bodies must come in
    /// the order of the journal; a key that is known already may come again.
    ///
    /// # Errors
    /// Names the offset of a record that can't be read, or that does not fit the window.
    pub fn scan(&mut self, body: &[u8], first_seq: u64) -> Result<(), CorruptRecord> {
        let TailScan { extractor, settings, test_clocks, keys, floor, stamp, global_seq } = self;
        let mut window = Window::of_known(settings, keys, floor);
        let mut scratch = UsageScratch::default();
        let mut reader = Reader { rest: body };
        let mut seq = first_seq;
        while !reader.rest.is_empty() {
            let offset = body.len() - reader.rest.len();
            let corrupt = |what: String| CorruptRecord { offset, what };
            let length = reader.unsigned().map_err(|_| corrupt("a record without a length".into()))?;
            let payload = usize::try_from(length).ok().and_then(|n| reader.bytes(n).ok());
            let (kind, rest) =
                payload.and_then(<[u8]>::split_first).ok_or_else(|| corrupt("a record runs past the body".into()))?;
            if *kind == KIND_STAMP {
                let read = rest.try_into().map_err(|_| corrupt("a stamp that is not 8 bytes".into()))?;
                *stamp = (*stamp).max(i64::from_le_bytes(read));
                continue;
            }
            if *kind == KIND_USAGE {
                let usage = extractor.key_of(rest, *stamp, &mut scratch);
                let usage = usage.ok_or_else(|| corrupt("a usage record that can't be read".into()))?;
                take(&mut window, test_clocks, usage).map_err(corrupt)?;
            }
            if *kind == KIND_CONTROL {
                let control = entry::read_control(rest).map_err(corrupt)?;
                if let Some(UsedId { account, key, fingerprint, time }) = used_id(&control, extractor.store_key()) {
                    let usage = UsageKey { account, key, fingerprint, time };
                    take(&mut window, test_clocks, usage).map_err(corrupt)?;
                }
                match &control {
                    Control::AccountCreated(e) if e.test_clock.is_some() => {
                        test_clocks.insert(e.account);
                    }
                    Control::MeterCreated(e) if seq > *global_seq => {
                        extractor.add_subject(FINGERPRINT_METER, &e.key);
                    }
                    Control::CreditTypeCreated(e) if seq > *global_seq => {
                        extractor.add_subject(FINGERPRINT_CREDIT_TYPE, &e.name);
                    }
                    Control::FloorRaised(e) => window.raise_floor(e.floor).map_err(corrupt)?,
                    _ => {}
                }
            }
            seq += 1;
        }
        window.drain().map_err(|what| CorruptRecord { offset: 0, what })
    }
}

#[inline]
fn take(window: &mut Window<'_>, test_clocks: &HashSet<u32>, usage: UsageKey) -> Result<(), String> {
    let is_elsewhere = !test_clocks.is_empty() && test_clocks.contains(&usage.account);
    if is_elsewhere || usage.time < window.floor() { Ok(()) } else { window.take(usage) }
}
