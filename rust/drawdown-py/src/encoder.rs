//! Native encoding for clients: batches, synthetic load, acks.

use crate::convert::{Pairs, borrowed};
use crate::errors;
use drawdown_core::Subject;
use drawdown_wire::{
    ColumnsEncoder, Encoding, EventInput, LoadGenerator as Generator, LoadSettings, ResultDetail, RowsEncoder, Skew,
};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

enum Encoder {
    Rows(RowsEncoder),
    Columns(Box<ColumnsEncoder>),
}

/// Builds encoded `UsageBatch` messages.
#[pyclass(frozen, module = "drawdown._engine")]
pub struct BatchEncoder {
    encoder: Mutex<Encoder>,
    detail: ResultDetail,
}

#[pymethods]
impl BatchEncoder {
    #[new]
    #[pyo3(signature = (encoding = "rows", detail = "exceptions"))]
    fn new(encoding: &str, detail: &str) -> PyResult<BatchEncoder> {
        let encoder = match encoding_of(encoding)? {
            Encoding::Rows => Encoder::Rows(RowsEncoder::new()),
            Encoding::Columns => Encoder::Columns(Box::new(ColumnsEncoder::new())),
        };
        let detail = ResultDetail::from_name(detail)
            .ok_or_else(|| errors::invalid(format!("detail is 'exceptions', 'all' or 'none', not '{detail}'")))?;
        Ok(BatchEncoder { encoder: Mutex::new(encoder), detail })
    }

    #[pyo3(signature = (account, subject, quantity, event_id, time_us = None, dimensions = Pairs::default(), direct = false, force = false))]
    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    fn add(
        &self,
        account: &str,
        subject: &str,
        quantity: i64,
        event_id: &str,
        time_us: Option<i64>,
        dimensions: Pairs,
        direct: bool,
        force: bool,
    ) -> PyResult<usize> {
        let dimensions = borrowed(&dimensions);
        let subject = if direct { Subject::CreditType(subject) } else { Subject::Meter(subject) };
        let event =
            EventInput { event_id, account_id: account, subject, quantity, time_us, dimensions: &dimensions, force };
        let added = match &mut *self.encoder.lock() {
            Encoder::Rows(encoder) => encoder.add(&event),
            Encoder::Columns(encoder) => encoder.add(&event),
        };
        added.map_err(errors::from_field)
    }

    fn size_bytes(&self) -> usize {
        match &*self.encoder.lock() {
            Encoder::Rows(encoder) => encoder.size_bytes(),
            Encoder::Columns(encoder) => encoder.size_bytes(),
        }
    }

    fn take<'py>(&self, py: Python<'py>, batch_id: u64) -> Bound<'py, PyBytes> {
        let bytes = match &mut *self.encoder.lock() {
            Encoder::Rows(encoder) => encoder.take(batch_id, self.detail),
            Encoder::Columns(encoder) => encoder.take(batch_id, self.detail),
        };
        PyBytes::new(py, &bytes)
    }
}

fn encoding_of(name: &str) -> PyResult<Encoding> {
    Encoding::from_name(name).ok_or_else(|| errors::invalid(format!("encoding is 'rows' or 'columns', not '{name}'")))
}

/// Synthetic batches for load tests.
#[pyclass(frozen, module = "drawdown._engine")]
pub struct LoadGenerator(Mutex<Generator>);

#[pymethods]
impl LoadGenerator {
    #[new]
    #[pyo3(signature = (*, accounts, batch, skew, encoding, seed, meter, quantity, send_time = true))]
    #[expect(clippy::too_many_arguments, reason = "the settings of one load")]
    fn new(
        accounts: u32,
        batch: usize,
        skew: &str,
        encoding: &str,
        seed: u64,
        meter: &str,
        quantity: i64,
        send_time: bool,
    ) -> PyResult<LoadGenerator> {
        let skew = Skew::from_name(skew)
            .ok_or_else(|| errors::invalid(format!("skew is 'uniform', 'zipf' or 'hot', not '{skew}'")))?;
        let encoding = encoding_of(encoding)?;
        let settings = LoadSettings { accounts, batch, skew, encoding, seed, meter, quantity, send_time };
        let generator = Generator::new(&settings).map_err(errors::from_field)?;
        Ok(LoadGenerator(Mutex::new(generator)))
    }

    fn next<'py>(&self, py: Python<'py>, batch_id: u64, now_us: i64) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| self.0.lock().next(batch_id, now_us));
        PyBytes::new(py, &bytes)
    }
}

/// One exception of an ack: index, status, charged, uncovered, available, shortfall.
type AckException = (u32, &'static str, i64, i64, Option<i64>, Option<i64>);

#[pyfunction]
pub fn decode_ack(ack: &[u8]) -> PyResult<(u64, u64, u32, u32, u32, Vec<AckException>)> {
    let ack = drawdown_wire::decode_ack(ack).map_err(errors::from_wire)?;
    let results = ack.results.iter().map(|r| {
        let o = &r.outcome;
        (r.index, o.status.name(), o.charged, o.uncovered, o.available, o.shortfall)
    });
    Ok((ack.batch_id, ack.seq, ack.applied, ack.duplicates, ack.refused, results.collect()))
}
