//! Threads and files around the engine.
//!
//! One writer behind a mutex decides and applies; a commit thread makes groups durable; a helper
//! makes segments ahead; a checkpointer images the state. Nothing may be answered before
//! `Node::acknowledged_seq` has reached it. The way in is [`Node`].

#![deny(unsafe_code)]

// What tests of the outside share is written in this name.
#[cfg(all(test, feature = "hand-offs"))]
extern crate self as drawdown_node;

mod account_past;
mod aligned;
mod applied_ids;
mod changes;
mod checkpoint_file;
mod checkpoint_load;
mod checkpointer;
mod chunk_file;
mod chunk_reader;
mod chunk_writer;
mod clock;
mod closing;
mod commit;
mod correcting;
mod disk;
mod drain_rate;
mod environment;
mod error;
mod faults;
mod fork;
mod frame;
mod grant_query;
#[cfg(all(test, feature = "hand-offs"))]
mod hand_offs;
mod history;
mod journal_reader;
mod key_window;
mod keys;
mod ledger_index;
mod ledger_index_builder;
mod ledger_indexer;
mod ledger_query;
mod ledger_reader;
mod meta;
mod node;
mod os;
mod paged;
mod panics;
pub mod planted;
mod progress;
mod query;
mod reading;
mod real_disk;
mod recovery;
mod remote_pass;
mod repair;
mod replay;
mod restore;
mod retention;
mod salvage;
mod scan;
mod segment;
mod segment_feed;
mod segment_reader;
mod segment_records;
mod settings;
pub mod simulation;
mod stats;
mod stored_settings;
mod supply;
mod surviving_frames;
mod sync;
mod threads;
mod usage_report;
mod verify;
mod writer;

pub use clock::{Clock, Reading, SimulatedClock, StampRule, SystemClock};
pub use disk::{Access, Disk, DiskFile};
pub use environment::{Drive, Environment};
pub use error::{Corruption, Fatal, NodeError, SubmitError};
pub use faults::FAULT_POINTS;
pub use history::{CounterHistory, EventHistory};
pub use meta::{JOURNAL_FORMAT, StoreId};
pub use node::Node;
pub use panics::end_process_on_panic;
pub use real_disk::RealDisk;
pub use recovery::RecoveryReport;
pub use restore::Restore;
pub use salvage::{salvage_disk, salvage_folder};
pub use settings::{FsyncPolicy, NodeSettings};
pub use stats::{FSYNC_BUCKETS_US, NodeStats};
pub use verify::{verify_disk, verify_folder};
