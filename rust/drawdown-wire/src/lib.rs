//! Protobuf bytes to usage events and outcomes to bytes, for the hot calls.
//!
//! Everything here runs outside the engine's lock and holds no rule of money: it checks shape,
//! hashes what needs no engine state, and encodes answers. Hostile bytes give a `WireError` with
//! the offset; an event that is framed well but cannot be taken is `malformed` and leaves its
//! neighbours alone.
//!
//! Server side: `UsageBatchDecoder`, `AckBuilder`, `CheckDecoder`, `check_response`.
//! Client side: `RowsEncoder`, `ColumnsEncoder`, `LoadGenerator`, `decode_ack`.

#![deny(unsafe_code)]

mod ack;
mod ack_decode;
mod check;
mod columns;
mod columns_encoder;
mod dimensions;
mod error;
mod event_input;
mod limits;
mod load_generator;
mod packed;
mod printable;
mod reader;
mod rows;
mod rows_encoder;
mod skew;
mod usage_batch;
mod uuid_text;
mod writer;

pub use ack::AckBuilder;
pub use ack_decode::{Ack, EventResult, decode_ack};
pub use check::{CheckAnswer, CheckDecoder, CheckRequest, batch_check_response, check_response};
pub use columns_encoder::ColumnsEncoder;
pub use error::{FieldError, WireError};
pub use event_input::EventInput;
pub use limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, DIMENSION_BYTES_MAX, DIMENSIONS_MAX, ID_BYTES_MAX};
pub use load_generator::{Encoding, LoadGenerator, LoadSettings};
pub use rows_encoder::RowsEncoder;
pub use skew::Skew;
pub use usage_batch::{Batch, ResultDetail, UsageBatchDecoder};
