//! What a caller is told when bytes or a field cannot be taken.

use std::fmt;

/// The whole message is refused; nothing of it was applied. Mend the bytes; a retry of the same
/// bytes gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError(Box<WireFault>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct WireFault {
    offset: usize,
    reason: String,
}

impl WireError {
    /// A fault found at byte `offset` of the message.
    #[cold]
    #[inline(never)]
    pub(crate) fn at(offset: usize, reason: impl Into<String>) -> WireError {
        WireError(Box::new(WireFault { offset, reason: reason.into() }))
    }

    /// Byte of the message, from 0, where reading stopped.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// What was wrong there, and what to do where that is not plain.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.0.offset, self.0.reason)
    }
}

impl std::error::Error for WireError {}

/// One field of an event cannot be sent. Nothing was added to the batch; mend the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field as in the proto: `event_id`, `account_id`, `meter`, `quantity`, …
    pub field: &'static str,
    pub message: String,
}

impl FieldError {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> FieldError {
        FieldError { field, message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for FieldError {}
