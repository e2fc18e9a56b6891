//! Exceptions and the one conversion into them.

use drawdown_node::{NodeError, SubmitError};
use drawdown_wire::{FieldError, WireError};
use pyo3::exceptions::PyException;
use pyo3::{PyErr, PyResult, Python, create_exception, prelude::*};

create_exception!(drawdown._engine, EngineError, PyException);
create_exception!(drawdown._engine, InvalidRequestError, EngineError);
create_exception!(drawdown._engine, OverloadedError, EngineError);
create_exception!(drawdown._engine, CorruptDataError, EngineError);
create_exception!(drawdown._engine, FolderLockedError, EngineError);
create_exception!(drawdown._engine, EngineHaltedError, EngineError);
create_exception!(drawdown._engine, ReadOnlyError, EngineError);
create_exception!(drawdown._engine, UnavailableError, EngineError);

/// What every exception carries besides its text.
fn with_facts(error: PyErr, reason: &'static str, definite: bool) -> PyErr {
    let set = |py: Python<'_>| -> PyResult<()> {
        let value = error.value(py);
        value.setattr("reason", reason)?;
        value.setattr("definite", definite)
    };
    match Python::attach(set) {
        Ok(()) => error,
        Err(other) => other,
    }
}

pub fn invalid(what: impl Into<String>) -> PyErr {
    with_facts(InvalidRequestError::new_err(what.into()), "INVALID", true)
}

pub fn corrupt(what: impl Into<String>) -> PyErr {
    with_facts(CorruptDataError::new_err(what.into()), "CORRUPT_DATA", true)
}

pub fn halted(what: impl Into<String>) -> PyErr {
    with_facts(EngineHaltedError::new_err(what.into()), "ENGINE_HALTED", false)
}

pub fn forked() -> PyErr {
    let what = "the engine belongs to the process that opened it, and this one was forked from that: nothing applied; \
                open engines in processes that were started anew (multiprocessing: 'spawn' or 'forkserver')";
    with_facts(EngineHaltedError::new_err(what), "ENGINE_HALTED", true)
}

pub fn from_wire(error: WireError) -> PyErr {
    invalid(format!("the message can't be decoded: {error}"))
}

pub fn from_field(error: FieldError) -> PyErr {
    let text = error.to_string();
    let raised = invalid(text);
    match Python::attach(|py| raised.value(py).setattr("field", error.field)) {
        Ok(()) => raised,
        Err(other) => other,
    }
}

pub fn from_submit(error: SubmitError) -> PyErr {
    let text = error.to_string();
    match error {
        SubmitError::Overloaded { .. } | SubmitError::Shed(_) => {
            with_facts(OverloadedError::new_err(text), "OVERLOADED", true)
        }
        SubmitError::ReadOnly(_) => with_facts(ReadOnlyError::new_err(text), "READ_ONLY", true),
        SubmitError::Halted(_) => halted(text),
    }
}

pub fn from_node(error: NodeError) -> PyErr {
    let text = error.to_string();
    match error {
        NodeError::FolderLocked { .. } => with_facts(FolderLockedError::new_err(text), "FOLDER_LOCKED", true),
        NodeError::Corrupt(_) | NodeError::Gone { .. } => corrupt(text),
        NodeError::Refused(_) => invalid(text),
        NodeError::Halted(_) => halted(text),
        NodeError::Unavailable(_) => with_facts(UnavailableError::new_err(text), "UNAVAILABLE", true),
        NodeError::Io { .. } => with_facts(EngineError::new_err(text), "IO", false),
    }
}
