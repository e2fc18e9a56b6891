//! Frozen results of the hot calls.

use drawdown_core::{CheckOutcome, Outcome};
use pyo3::prelude::*;

/// Answer of `Engine.check`; truthy iff allowed.
#[pyclass(frozen, module = "drawdown._engine")]
pub struct Check {
    pub outcome: CheckOutcome,
    pub scale: u32,
    pub seq: u64,
}

#[pymethods]
impl Check {
    #[getter]
    fn allowed(&self) -> bool {
        self.outcome.is_allowed()
    }

    #[getter]
    fn reason(&self) -> &'static str {
        self.outcome.reason.name()
    }

    #[getter]
    fn available(&self) -> Option<i64> {
        self.outcome.available
    }

    #[getter]
    fn units(&self) -> i64 {
        self.outcome.units
    }

    #[getter]
    fn seq(&self) -> u64 {
        self.seq
    }

    #[getter]
    fn scale(&self) -> u32 {
        self.scale
    }

    fn __bool__(&self) -> bool {
        self.outcome.is_allowed()
    }

    fn __repr__(&self) -> String {
        format!("Check(reason={}, available={:?}, units={})", self.reason(), self.outcome.available, self.outcome.units)
    }
}

/// Outcome of one event.
#[pyclass(frozen, module = "drawdown._engine")]
pub struct Recorded {
    pub outcome: Outcome,
    pub scale: u32,
    pub seq: u64,
}

#[pymethods]
impl Recorded {
    #[getter]
    fn status(&self) -> &'static str {
        self.outcome.status.name()
    }

    #[getter]
    fn charged(&self) -> i64 {
        self.outcome.charged
    }

    #[getter]
    fn uncovered(&self) -> i64 {
        self.outcome.uncovered
    }

    #[getter]
    fn available(&self) -> Option<i64> {
        self.outcome.available
    }

    #[getter]
    fn shortfall(&self) -> Option<i64> {
        self.outcome.shortfall
    }

    #[getter]
    fn seq(&self) -> u64 {
        self.seq
    }

    #[getter]
    fn scale(&self) -> u32 {
        self.scale
    }

    fn __repr__(&self) -> String {
        format!("Recorded(status={}, charged={}, seq={})", self.status(), self.outcome.charged, self.seq)
    }
}
