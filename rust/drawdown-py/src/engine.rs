//! `Engine`: extract, detach, call, convert. Decisions are the core's, files the node's.

use crate::convert::{LastOutcome, Pairs, answer_of, borrowed, command_outcomes, question_of, settings_of, stats_json};
use crate::errors;
use crate::values::{Check, Recorded};
use drawdown_core::{CheckOutcome, CheckQuestion, Rights, Status, StoreKey, Subject, UsageEvent, command_json};
use drawdown_node::Node;
use drawdown_wire::{
    AckBuilder, CheckAnswer, CheckDecoder, CheckRequest, EventInput, ResultDetail, UsageBatchDecoder,
    batch_check_response, check_response,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;
use std::cell::RefCell;
use std::time::Duration;

thread_local! {
    static BATCHES: RefCell<(UsageBatchDecoder, AckBuilder)> =
        RefCell::new((UsageBatchDecoder::new(), AckBuilder::new(ResultDetail::Exceptions)));
    static CHECKS: RefCell<CheckDecoder> = RefCell::new(CheckDecoder::new());
}

/// The balance engine with its journal in one folder.
#[pyclass(frozen, module = "drawdown._engine")]
pub struct Engine {
    opened: Node,
    key: StoreKey,
    acks_are_durable: bool,
}

#[pymethods]
impl Engine {
    #[staticmethod]
    #[pyo3(signature = (path, settings = None))]
    fn open(py: Python<'_>, path: &str, settings: Option<&[u8]>) -> PyResult<Engine> {
        let (node_settings, engine_settings) = settings_of(settings.unwrap_or(b"{}")).map_err(errors::invalid)?;
        let acks_are_durable = node_settings.fsync == drawdown_node::FsyncPolicy::Always;
        let node = py.detach(|| Node::open(path, node_settings, engine_settings)).map_err(errors::from_node)?;
        let key = node.read(|engine, _| *engine.key()).map_err(errors::from_submit)?;
        Ok(Engine { opened: node, key, acks_are_durable })
    }

    #[pyo3(signature = (batch, *, account_prefix = "", may_force = false))]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        batch: &[u8],
        account_prefix: &str,
        may_force: bool,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let node = self.node()?;
        let rights = Rights { account_prefix, may_force };
        let (seq, ack) = py.detach(|| self.submit_detached(node, batch, &rights))?;
        Ok((seq, PyBytes::new(py, &ack)))
    }

    #[pyo3(signature = (account, subject, quantity, event_id, time_us = None, dimensions = Pairs::default(), *, direct = false, force = false))]
    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    fn record(
        &self,
        py: Python<'_>,
        account: &str,
        subject: &str,
        quantity: i64,
        event_id: &str,
        time_us: Option<i64>,
        dimensions: Pairs,
        direct: bool,
        force: bool,
    ) -> PyResult<Recorded> {
        let node = self.node()?;
        let dimensions = borrowed(&dimensions);
        let event = drawdown_wire::EventInput {
            event_id,
            account_id: account,
            subject: if direct { Subject::CreditType(subject) } else { Subject::Meter(subject) },
            quantity,
            time_us,
            dimensions: &dimensions,
            force,
        };
        event.check().map_err(errors::from_field)?;
        let event = UsageEvent {
            event_id,
            account_id: account,
            subject: event.subject,
            quantity,
            time_us,
            dimensions: &dimensions,
            force,
            malformed: false,
            account_hash: 0,
            event_hash: 0,
            fingerprint: 0,
        }
        .seal(&self.key);
        let mut last = LastOutcome::default();
        let seq = py.detach(|| node.submit(&[event], &Rights::ALL, &mut last)).map_err(errors::from_submit)?;
        let scale = node.read(|engine, _| {
            let credit_type = engine.credit_type_of_subject(account, event.subject, &dimensions, time_us);
            credit_type.map_or(0, |credit_type| engine.scale_of(credit_type))
        });
        Ok(Recorded { outcome: last.outcome()?, scale: scale.map_err(errors::from_submit)?, seq })
    }

    #[pyo3(signature = (account, meter, time_us = None, dimensions = None))]
    fn scale_of_use(
        &self,
        account: &str,
        meter: &str,
        time_us: Option<i64>,
        dimensions: Option<Pairs>,
    ) -> PyResult<u32> {
        let node = self.node()?;
        let dimensions = dimensions.unwrap_or_default();
        let pairs = borrowed(&dimensions);
        node.read(|engine, _| {
            let credit_type = engine.credit_type_of_subject(account, Subject::Meter(meter), &pairs, time_us);
            credit_type.map_or(0, |credit_type| engine.scale_of(credit_type))
        })
        .map_err(errors::from_submit)
    }

    #[pyo3(signature = (commands, *, account_prefix = ""))]
    fn execute<'py>(
        &self,
        py: Python<'py>,
        commands: &[u8],
        account_prefix: &str,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let node = self.node()?;
        let group = command_json::group_from_json(commands).map_err(errors::invalid)?;
        let rights = Rights { account_prefix, may_force: true };
        let (seq, outcomes) = py.detach(|| node.execute(&group, &rights)).map_err(errors::from_submit)?;
        Ok((seq, PyBytes::new(py, &command_outcomes(outcomes))))
    }

    #[pyo3(signature = (account, meter, quantity = 1, dimensions = None))]
    fn check(&self, account: &str, meter: &str, quantity: i64, dimensions: Option<Pairs>) -> PyResult<Check> {
        let node = self.node()?;
        let dimensions = dimensions.unwrap_or_default();
        let pairs = borrowed(&dimensions);
        let same = EventInput {
            event_id: "same",
            account_id: account,
            subject: Subject::Meter(meter),
            quantity,
            time_us: None,
            dimensions: &pairs,
            force: false,
        };
        let malformed = same.check().is_err();
        let checked = node.read_at(|engine, stamp| {
            let outcome = if malformed {
                CheckOutcome::refused(Status::Invalid)
            } else {
                engine.check(account, meter, quantity, &pairs, stamp)
            };
            (outcome, engine.scale_of(outcome.credit_type))
        });
        let (seq, (outcome, scale)) = checked.map_err(errors::from_submit)?;
        Ok(Check { outcome, scale, seq })
    }

    #[pyo3(signature = (request, *, account_prefix = ""))]
    fn submit_check<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        account_prefix: &str,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let node = self.node()?;
        let answer = CHECKS.with_borrow_mut(|decoder| {
            decoder
                .decode_one_with(request, &self.key, |check| answer(node, std::slice::from_ref(check), account_prefix))
        });
        let answers = answer.map_err(errors::from_wire)?.map_err(errors::from_submit)?;
        Ok((answers[0].seq, PyBytes::new(py, &check_response(&answers[0]))))
    }

    #[pyo3(signature = (batch, *, account_prefix = ""))]
    fn submit_checks<'py>(
        &self,
        py: Python<'py>,
        batch: &[u8],
        account_prefix: &str,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let node = self.node()?;
        let response = py.detach(|| {
            let answers = CHECKS.with_borrow_mut(|decoder| {
                decoder.decode_batch_with(batch, &self.key, |checks| answer(node, checks, account_prefix))
            });
            let answers = answers.map_err(errors::from_wire)?.map_err(errors::from_submit)?;
            let seq = answers.iter().map(|a| a.seq).max().unwrap_or_else(|| node.durable_seq());
            Ok::<_, PyErr>((seq, batch_check_response(&answers, seq)))
        });
        response.map(|(seq, bytes)| (seq, PyBytes::new(py, &bytes)))
    }

    fn query<'py>(&self, py: Python<'py>, request: &[u8]) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let node = self.node()?;
        let request =
            serde_json::from_slice(request).map_err(|e| errors::invalid(format!("the query is no JSON: {e}")))?;
        let (seq, answer) = py.detach(|| node.query(&request)).map_err(errors::from_node)?;
        let answer = answer.map_err(errors::invalid)?;
        Ok((seq, PyBytes::new(py, answer.to_string().as_bytes())))
    }

    fn index_step<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let node = self.node()?;
        let progress = py.detach(|| node.index_step()).map_err(errors::from_node)?;
        Ok(PyBytes::new(py, progress.to_string().as_bytes()))
    }

    fn expire_due(&self, py: Python<'_>, max_grants: u32) -> PyResult<(u64, u32, bool)> {
        let node = self.node()?;
        let (seq, expired) = py.detach(|| node.expire_due(max_grants)).map_err(errors::from_submit)?;
        Ok((seq, expired.booked, expired.more_due))
    }

    fn durable_seq(&self) -> PyResult<u64> {
        Ok(self.node()?.acknowledged_seq())
    }

    fn applied_seq(&self) -> PyResult<u64> {
        Ok(self.node()?.applied_seq())
    }

    #[pyo3(signature = (seq, timeout_s = 60.0))]
    fn wait_durable(&self, py: Python<'_>, seq: u64, timeout_s: f64) -> PyResult<bool> {
        let node = self.node()?;
        let timeout = Duration::try_from_secs_f64(timeout_s)
            .map_err(|_| errors::invalid(format!("timeout_s is {timeout_s}; it must be 0 or more seconds")))?;
        Ok(py.detach(|| node.wait_durable(seq, timeout)))
    }

    fn notify_fd(&self) -> PyResult<i32> {
        Ok(self.node()?.notify_fd())
    }

    fn watch(&self, account: &str) -> PyResult<()> {
        self.node()?.watch(account);
        Ok(())
    }

    fn unwatch(&self, account: &str) -> PyResult<()> {
        self.node()?.unwatch(account);
        Ok(())
    }

    fn take_changed(&self) -> PyResult<(bool, Vec<String>)> {
        let changed = self.node()?.take_changed();
        Ok((changed.all, changed.accounts))
    }

    fn now_us(&self, py: Python<'_>) -> PyResult<i64> {
        let node = self.node()?;
        py.detach(|| node.now_us()).map_err(errors::from_submit)
    }

    fn keep_now(&self, py: Python<'_>) -> PyResult<(u64, i64)> {
        let node = self.node()?;
        py.detach(|| node.keep_now()).map_err(errors::from_submit)
    }

    fn next_transition(&self, account: &str) -> PyResult<Option<i64>> {
        self.node()?.read(|engine, stamp| engine.next_transition(account, stamp)).map_err(errors::from_submit)
    }

    fn take_crossings<'py>(&self, py: Python<'py>, cursor: u64, limit: usize) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let node = self.node()?;
        let (next, found) = py.detach(|| node.crossings(cursor, limit)).map_err(errors::from_node)?;
        Ok((next, PyBytes::new(py, Value::Array(found).to_string().as_bytes())))
    }

    fn take_changes<'py>(&self, py: Python<'py>, cursor: u64, limit: usize) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let node = self.node()?;
        let (next, found) = py.detach(|| node.changes(cursor, limit)).map_err(errors::from_node)?;
        Ok((next, PyBytes::new(py, Value::Array(found).to_string().as_bytes())))
    }

    fn snapshot_begin<'py>(&self, py: Python<'py>, full: bool) -> PyResult<Bound<'py, PyBytes>> {
        let node = self.node()?;
        let begun = py.detach(|| node.snapshot_begin(full)).map_err(errors::from_node)?;
        Ok(PyBytes::new(py, begun.to_string().as_bytes()))
    }

    fn snapshot_keys<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let node = self.node()?;
        let run = py.detach(|| node.snapshot_keys()).map_err(errors::from_node)?;
        Ok(run.map(|run| PyBytes::new(py, &run)))
    }

    #[pyo3(signature = (max_accounts = 1000))]
    #[expect(clippy::type_complexity, reason = "the stub names it")]
    fn snapshot_chunk<'py>(
        &self,
        py: Python<'py>,
        max_accounts: u32,
    ) -> PyResult<Option<(u64, Vec<(u32, Bound<'py, PyBytes>)>)>> {
        let node = self.node()?;
        let chunk = py.detach(|| node.snapshot_chunk(max_accounts)).map_err(errors::from_node)?;
        Ok(chunk.map(|(seq, images)| {
            (seq, images.into_iter().map(|(number, image)| (number, PyBytes::new(py, &image))).collect())
        }))
    }

    fn snapshot_global<'py>(&self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let (seq, image) = self.node()?.snapshot_global().map_err(errors::from_submit)?;
        Ok((seq, PyBytes::new(py, &image)))
    }

    fn snapshot_end(&self, py: Python<'_>, complete: bool) -> PyResult<()> {
        let node = self.node()?;
        py.detach(|| node.snapshot_end(complete)).map_err(errors::from_node)
    }

    fn checkpoint(&self, py: Python<'_>) -> PyResult<u64> {
        let node = self.node()?;
        py.detach(|| node.checkpoint()).map_err(errors::from_node)
    }

    fn digest(&self, py: Python<'_>) -> PyResult<String> {
        let node = self.node()?;
        let digest = py.detach(|| node.read(|engine, _| engine.digest())).map_err(errors::from_submit)?;
        Ok(format!("{digest:032x}"))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let node = self.node()?;
        let engine = node.read(|engine, _| engine.stats_json()).map_err(errors::from_submit)?;
        let report = stats_json(engine, node);
        Ok(PyBytes::new(py, report.to_string().as_bytes()))
    }

    fn store_id(&self) -> PyResult<String> {
        Ok(self.node()?.store_id().to_string())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.opened.close()).map_err(errors::from_node)
    }
}

impl Engine {
    /// The node, in the process that opened it.
    fn node(&self) -> PyResult<&Node> {
        if self.opened.is_here() { Ok(&self.opened) } else { Err(errors::forked()) }
    }

    fn submit_detached(&self, node: &Node, batch: &[u8], rights: &Rights<'_>) -> PyResult<(u64, Vec<u8>)> {
        BATCHES.with_borrow_mut(|(decoder, ack)| {
            let submitted = decoder.decode_with(batch, &self.key, |batch| {
                ack.begin(batch.detail);
                let seq = node.submit(batch.events, rights, ack)?;
                Ok((seq, ack.finish(batch.batch_id, seq, self.acks_are_durable)))
            });
            submitted.map_err(errors::from_wire)?.map_err(errors::from_submit)
        })
    }
}

fn answer(
    node: &Node,
    checks: &[CheckRequest<'_>],
    account_prefix: &str,
) -> Result<Vec<CheckAnswer>, drawdown_node::SubmitError> {
    let questions: Vec<CheckQuestion<'_>> = checks.iter().map(question_of).collect();
    let (seq, outcomes) = node.read_at(|engine, stamp| {
        let mut outcomes = Vec::with_capacity(checks.len());
        engine.check_batch(&questions, account_prefix, stamp, |outcome| outcomes.push(outcome));
        outcomes
    })?;
    Ok(outcomes.into_iter().map(|outcome| answer_of(outcome, seq)).collect())
}
