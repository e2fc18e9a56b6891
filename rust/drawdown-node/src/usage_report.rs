//! `usage`: what was used and charged in a span of time, summed by account, meter and day. One pass over the
//! journal's files on the caller's thread; ingest does not wait for it.

use crate::error::NodeError;
use crate::history::scan;
use crate::ledger_indexer::beside_retention;
use crate::ledger_query::LedgerError;
use crate::node::Node;
use crate::segment::segments;
use drawdown_core::Engine;
use drawdown_core::correction_entry::UsageCorrected;
use drawdown_core::entry::Control;
use drawdown_core::ledger_record::{AppliedUsage, Fact};
use drawdown_core::reservation_entry::ReservationSettled;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

const DAY_US: i64 = 86_400_000_000;
/// A settle's meter is that of its reserve, no longer ago than this.
const RESERVATION_US_MAX: i64 = DAY_US;
/// More rows than anybody reads: ask for a shorter span, or by account.
const ROWS_MAX: usize = 1_000_000;
const ACCOUNTS_PER_HOLD: u32 = 4_096;

/// What is asked.
struct Asked {
    prefix: String,
    since: i64,
    until: i64,
    /// Sums by account and credit type alone, the largest first.
    top: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    account: u32,
    /// Meter id + 1; 0: direct debits.
    meter_plus_one: u32,
    credit_type: u16,
    /// Start of the day, UTC.
    day: i64,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    events: u64,
    quantity: i128,
    charged: i128,
}

/// The part of a record that counts.
struct Used {
    key: Key,
    events: u64,
    quantity: i64,
    charged: i64,
}

impl Asked {
    fn of(request: &Value) -> Result<Asked, LedgerError> {
        let instant = |field: &str| {
            let invalid = || LedgerError::Invalid(format!("'{field}' is an instant in whole microseconds"));
            request[field].as_i64().ok_or_else(invalid)
        };
        let asked = Asked {
            prefix: request["prefix"].as_str().unwrap_or("").to_owned(),
            since: instant("since")?,
            until: instant("until")?,
            top: request["top"].as_u64().map(|top| usize::try_from(top).unwrap_or(usize::MAX)),
        };
        if asked.until <= asked.since {
            return Err(LedgerError::Invalid("'until' has to be after 'since'".into()));
        }
        Ok(asked)
    }
}

impl Node {
    /// Answer a `usage` query; `(seq of the state, answer)`.
    pub(crate) fn query_usage(&self, request: &Value) -> Result<(u64, Value), LedgerError> {
        beside_retention(&self.shared, || self.read_usage(request))
    }

    fn read_usage(&self, request: &Value) -> Result<(u64, Value), LedgerError> {
        let asked = Asked::of(request)?;
        let last_seq = self.read(|engine, _| engine.next_seq() - 1).map_err(halted)?;
        self.require_written(last_seq)?;
        let accounts = self.account_ids(&asked.prefix)?;
        let rate_types = self.read(|engine, _| engine.credit_types_of_rates()).map_err(halted)?;
        let from = self.first_seq_of(&asked)?;
        let mut summing = Summing {
            asked: &asked,
            is_wanted: accounts.iter().map(Option::is_some).collect(),
            rate_types,
            clocks: if from > 1 { self.own_clocks()? } else { HashMap::new() },
            to_correct: HashSet::new(),
            quantities: HashMap::new(),
            reserved: HashMap::new(),
            sums: HashMap::new(),
        };
        self.scan_controls(from, last_seq, &mut summing)?;
        self.scan_all(from, last_seq, &mut summing)?;
        if summing.sums.len() > ROWS_MAX {
            let reason = format!("more than {ROWS_MAX} rows: ask for a shorter span, a prefix, or by account");
            return Err(LedgerError::Invalid(reason));
        }
        let rows = ordered(summing.sums, asked.top);
        let shown = self.read(|engine, _| {
            let name = |account: u32| accounts[account as usize].as_deref().unwrap_or("");
            let show = |(key, sums): &(Key, Sums)| {
                let meter = key.meter_plus_one.checked_sub(1).map(|meter| engine.meter_facts(meter as u16));
                let (credit_type, scale) = engine.credit_type_facts(key.credit_type);
                json!([
                    name(key.account),
                    meter.map(|(key, _)| key),
                    meter.map_or(0, |(_, scale)| scale),
                    credit_type,
                    scale,
                    key.day,
                    sums.events,
                    sums.quantity.to_string(),
                    sums.charged.to_string(),
                ])
            };
            rows.iter().map(show).collect::<Vec<_>>()
        });
        Ok((last_seq, json!({"status": "OK", "rows": shown.map_err(halted)?})))
    }

    /// By number: the id of each account that is wanted.
    fn account_ids(&self, prefix: &str) -> Result<Vec<Option<String>>, NodeError> {
        let mut found = Vec::new();
        loop {
            let from = found.len() as u32;
            let (some, count) = self
                .read(|engine, _| {
                    let to = engine.account_count().min(from.saturating_add(ACCOUNTS_PER_HOLD));
                    let ids = (from..to).map(|number| engine.account_id(number));
                    let wanted = ids.map(|id| id.filter(|id| id.starts_with(prefix)).map(str::to_owned));
                    (wanted.collect::<Vec<_>>(), engine.account_count())
                })
                .map_err(halted)?;
            found.extend(some);
            if found.len() as u32 >= count {
                return Ok(found);
            }
        }
    }

    /// Where the accounts' own clocks stand now: the best there is for what lies in front of the first entry kept
    /// that says so.
    fn own_clocks(&self) -> Result<HashMap<u32, i64>, NodeError> {
        let mut found = HashMap::new();
        let mut from = 0;
        loop {
            let look = |engine: &Engine, _: i64| {
                if !engine.has_test_clocks() {
                    return false;
                }
                let to = engine.account_count().min(from + ACCOUNTS_PER_HOLD);
                found.extend((from..to).filter_map(|account| Some((account, engine.own_clock(account)?))));
                to < engine.account_count()
            };
            if !self.read(look).map_err(halted)? {
                return Ok(found);
            }
            from += ACCOUNTS_PER_HOLD;
        }
    }

    /// The first record of interest: no event is dated later than its arrival by more than the early margin, and
    /// no reserve is older than its settle by more than a day.
    /// Accounts on clocks of their own tell the time by entries from anywhere before.
    fn first_seq_of(&self, asked: &Asked) -> Result<u64, NodeError> {
        let (has_clocks, margin) =
            self.read(|engine, _| (engine.has_test_clocks(), engine.settings().early_margin_us)).map_err(halted)?;
        let names = segments(&*self.shared.environment.disk).map_err(NodeError::io("list the journal's segments"))?;
        let mut first = names.first().map_or(1, |name| name.first_seq);
        if has_clocks {
            return Ok(first);
        }
        for name in &names {
            let mut begins = None;
            scan(&self.shared, name.first_seq..=name.first_seq, |record| {
                begins = Some(record.stamp);
                Ok(ControlFlow::Break(()))
            })?;
            if begins
                .is_none_or(|begins| begins.saturating_add(margin) > asked.since.saturating_sub(RESERVATION_US_MAX))
            {
                break;
            }
            first = name.first_seq;
        }
        Ok(first)
    }

    fn scan_controls(&self, from: u64, to: u64, summing: &mut Summing<'_>) -> Result<(), NodeError> {
        scan(&self.shared, from..=to, |record| {
            if !record.is_usage()
                && let Fact::Control(Control::UsageCorrected(e)) = record.decode()?.what
                && summing.wants(e.account, e.event_time)
            {
                summing.to_correct.insert((e.account, e.event_id));
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn scan_all(&self, from: u64, to: u64, summing: &mut Summing<'_>) -> Result<(), NodeError> {
        scan(&self.shared, from..=to, |record| {
            let record = record.decode()?;
            let used = match &record.what {
                Fact::Usage(usage) => summing.applied(usage, record.stamp),
                Fact::Control(Control::UsageCorrected(e)) => summing.corrected(e),
                Fact::Control(Control::ReservationSettled(e)) => summing.settled(e),
                Fact::Control(control) => {
                    summing.learn(control);
                    None
                }
            };
            if let Some(used) = used {
                summing.add(&used);
            }
            // A bound on memory; the answer says that it was passed.
            let is_full = summing.sums.len() > ROWS_MAX;
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }
}

struct Summing<'a> {
    asked: &'a Asked,
    /// By account number.
    is_wanted: Vec<bool>,
    /// Credit type by rate id.
    rate_types: Vec<u16>,
    /// Accounts on clocks of their own, and where those stand.
    clocks: HashMap<u32, i64>,
    /// Events that corrections of this span concern.
    to_correct: HashSet<(u32, String)>,
    /// Their quantities up to here.
    quantities: HashMap<(u32, String), i64>,
    /// Meter id + 1 of open reservations.
    reserved: HashMap<(u32, String), u32>,
    sums: HashMap<Key, Sums>,
}

impl Summing<'_> {
    fn wants(&self, account: u32, time: i64) -> bool {
        (self.asked.since..self.asked.until).contains(&time)
            && self.is_wanted.get(account as usize).is_some_and(|wanted| *wanted)
    }

    fn learn(&mut self, control: &Control) {
        match control {
            Control::AccountCreated(e) => {
                if let Some(clock) = e.test_clock {
                    self.clocks.insert(e.account, clock);
                }
            }
            Control::ClockAdvanced(e) => {
                self.clocks.insert(e.account, e.to);
            }
            Control::Reserved(e) => {
                self.reserved.insert((e.account, e.id.clone()), e.meter_plus_one);
            }
            Control::ReservationReleased(e) => {
                self.reserved.remove(&(e.account, e.id.clone()));
            }
            _ => {}
        }
    }

    fn key(&self, account: u32, meter_plus_one: u32, credit_type: u16, time: i64) -> Key {
        if self.asked.top.is_some() {
            return Key { account, meter_plus_one: 0, credit_type, day: 0 };
        }
        Key { account, meter_plus_one, credit_type, day: time - time.rem_euclid(DAY_US) }
    }

    fn applied(&mut self, usage: &AppliedUsage, stamp: i64) -> Option<Used> {
        let received_at = self.clocks.get(&usage.account).copied().unwrap_or(stamp);
        let time = usage.event_time(received_at);
        if !self.wants(usage.account, time) {
            return None;
        }
        if !self.to_correct.is_empty() {
            let event = (usage.account, usage.event_id.clone());
            if self.to_correct.contains(&event) {
                self.quantities.insert(event, usage.quantity);
            }
        }
        let key = if usage.is_direct {
            self.key(usage.account, 0, usage.subject, time)
        } else {
            let credit_type = *self.rate_types.get(usage.rate as usize)?;
            self.key(usage.account, u32::from(usage.subject) + 1, credit_type, time)
        };
        let quantity = if usage.is_direct { 0 } else { usage.quantity };
        Some(Used { key, events: 1, quantity, charged: usage.charged() })
    }

    /// Only the difference counts, on the day of the event.
    fn corrected(&mut self, e: &UsageCorrected) -> Option<Used> {
        if !self.wants(e.account, e.event_time) {
            return None;
        }
        let before = self.quantities.insert((e.account, e.event_id.clone()), e.quantity).unwrap_or(e.quantity);
        let key = self.key(e.account, e.meter_plus_one, e.credit_type as u16, e.event_time);
        let quantity = if e.meter_plus_one == 0 { 0 } else { e.quantity - before };
        Some(Used { key, events: 0, quantity, charged: e.difference() })
    }

    fn settled(&mut self, e: &ReservationSettled) -> Option<Used> {
        let meter_plus_one = self.reserved.remove(&(e.account, e.id.clone())).unwrap_or(0);
        if !self.wants(e.account, e.at) {
            return None;
        }
        let key = self.key(e.account, meter_plus_one, e.credit_type as u16, e.at);
        Some(Used { key, events: 1, quantity: if e.is_in_credits { 0 } else { e.actual }, charged: e.charged() })
    }

    fn add(&mut self, used: &Used) {
        let sums = self.sums.entry(used.key).or_default();
        sums.events += used.events;
        sums.quantity += i128::from(used.quantity);
        sums.charged += i128::from(used.charged);
    }
}

/// By account, meter, credit type and day; or the most charged of each credit type.
fn ordered(sums: HashMap<Key, Sums>, top: Option<usize>) -> Vec<(Key, Sums)> {
    let mut rows: Vec<(Key, Sums)> = sums.into_iter().collect();
    let Some(top) = top else {
        rows.sort_unstable_by_key(|(key, _)| *key);
        return rows;
    };
    rows.sort_unstable_by_key(|(key, sums)| (key.credit_type, std::cmp::Reverse(sums.charged), key.account));
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    rows.retain(|(key, _)| {
        let count = seen.entry(key.credit_type).or_default();
        *count += 1;
        *count <= top
    });
    rows
}

fn halted(error: crate::error::SubmitError) -> NodeError {
    NodeError::Halted(error.to_string())
}
