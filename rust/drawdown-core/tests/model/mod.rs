//! The reference ledger and the stories told to it and to the engine side by side, in plain code of their own.
//!
//! A test file names this module and has all of them at its root: `use model::*`.

#![allow(dead_code, reason = "no test file reads all of it")]

pub mod account_story;
pub mod accounts;
pub mod aggregates;
pub mod commands;
pub mod correction_story;
pub mod corrections;
pub mod grants;
pub mod hold_story;
pub mod holds;
pub mod ledger;
pub mod ops;
pub mod prices;
pub mod story;
pub mod telling;
pub mod told;
pub mod zero;
