//! The pure balance engine: no I/O, clock, threads, floats or Python.
//!
//! Read in this order: `command` and `usage` (what is asked), `status` (what is answered),
//! `account` and `grant` (state), `pricing` and `burn` (decide), `usage_entry` and `entry` (facts),
//! `apply` (the only writer), `record` (one batch of usage), `transitions` (what time brings),
//! `execute` (commands), `replay` (recovery), `check` and `query` (reads), `image` (snapshots).
//!
//! The law that holds it together: decide reads state and makes entries; apply writes entries
//! into state; replay is apply alone.

mod account;
mod account_commands;
mod account_index;
mod account_list;
mod account_replay;
mod account_table;
pub mod amount;
mod apply;
mod apply_correction;
mod apply_counters;
mod apply_grants;
mod apply_reservations;
mod burn;
mod calendar;
mod catalog;
mod catalog_commands;
pub mod changes;
mod check;
pub mod command;
pub mod command_json;
mod conservation;
mod correction_commands;
pub mod correction_entry;
mod correction_image;
mod correction_target;
mod counter;
mod counter_image;
mod dedupe;
mod dedupe_window;
mod digest;
mod ended_entry;
mod engine;
pub mod entry;
pub mod event_history;
mod execute;
mod explanation;
mod grant;
mod grant_commands;
pub mod hash;
pub mod id;
mod image;
mod image_checks;
mod image_messages;
mod instant;
pub mod key_run;
mod key_scan;
mod leaving;
mod ledger_entry;
pub mod ledger_record;
mod left_grant_query;
mod left_grants;
mod lowest_balances;
mod names;
pub mod overage;
mod passes;
pub mod period;
pub mod planted;
mod policies;
mod prefetch;
mod pricing;
mod query;
mod rate;
mod record;
mod regrant_text;
mod remembered_ids;
mod replacement_commands;
mod replay;
mod reservation;
mod reservation_commands;
pub mod reservation_entry;
mod reservation_gauges;
mod reservation_query;
mod reservation_request;
mod settings;
mod shared_image;
pub mod status;
mod tail_scan;
mod threshold;
mod transitions;
pub mod usage;
pub mod usage_entry;
pub mod varint;
pub mod watch;

pub use account_list::AccountList;
pub use account_replay::{AccountReplay, SetAside};
pub use check::{CheckOutcome, CheckQuestion};
pub use command::Command;
pub use conservation::Conservation;
pub use engine::{Counts, Engine};
pub use entry::{CorruptRecord, JOURNAL_FORMAT};
pub use event_history::{EventHistories, EventHistory, HistoryOutdated};
pub use execute::CommandOutcome;
pub use explanation::Explanation;
pub use hash::StoreKey;
pub use image::{CorruptImage, IMAGE_FORMAT};
pub use key_run::KeyExtractor;
pub use key_scan::KeyScan;
pub use ledger_entry::{LedgerNames, kind_of};
pub use ledger_record::{AppliedUsage, Fact, LedgerRecord, RawRecord, Records};
pub use left_grants::LeftGrant;
pub use lowest_balances::LowestBalances;
pub use record::Shed;
pub use settings::Settings;
pub use status::Status;
pub use tail_scan::TailScan;
pub use transitions::Expired;
pub use usage::{Outcome, OutcomeSink, Rights, Subject, UsageEvent};
pub use watch::Changed;
