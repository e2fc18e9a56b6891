//! Translations across the door, and nothing else.

use crate::errors;
use drawdown_core::{CheckOutcome, CheckQuestion, CommandOutcome, Outcome, OutcomeSink, Settings};
use drawdown_node::{Node, NodeSettings};
use drawdown_wire::{CheckAnswer, CheckRequest};
use pyo3::PyResult;
use serde_json::{Map, Value, json};

/// Dimensions as Python gives them.
pub type Pairs = Vec<(String, String)>;

pub fn borrowed(pairs: &Pairs) -> Vec<(&str, &str)> {
    let mut borrowed: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    borrowed.sort_unstable();
    borrowed
}

/// One flat object holds both kinds of settings; each key belongs to one of them.
pub fn settings_of(json: &[u8]) -> Result<(NodeSettings, Settings), String> {
    let given: Map<String, Value> =
        serde_json::from_slice(json).map_err(|error| format!("the settings are no JSON object: {error}"))?;
    let known = serde_json::to_value(Settings::default()).map_err(|error| error.to_string())?;
    let (engine, node): (Map<_, _>, Map<_, _>) = given.into_iter().partition(|(name, _)| known.get(name).is_some());
    let node = serde_json::from_value(Value::Object(node)).map_err(|error| format!("setting: {error}"))?;
    let engine = serde_json::from_value(Value::Object(engine)).map_err(|error| format!("setting: {error}"))?;
    Ok((node, engine))
}

/// Keeps the one outcome of a batch of one.
#[derive(Default)]
pub struct LastOutcome(Option<Outcome>);

impl LastOutcome {
    pub fn outcome(&self) -> PyResult<Outcome> {
        self.0.ok_or_else(|| errors::halted("the engine gave no outcome"))
    }
}

impl OutcomeSink for LastOutcome {
    fn push(&mut self, _index: u32, outcome: &Outcome) {
        self.0 = Some(*outcome);
    }
}

pub fn question_of<'a>(check: &CheckRequest<'a>) -> CheckQuestion<'a> {
    CheckQuestion {
        account_id: check.account_id,
        meter: check.meter,
        quantity: check.quantity,
        dimensions: check.dimensions,
        malformed: check.malformed,
        account_hash: check.account_hash,
    }
}

pub fn answer_of(outcome: CheckOutcome, seq: u64) -> CheckAnswer {
    CheckAnswer {
        allowed: outcome.is_allowed(),
        reason: outcome.reason,
        available: outcome.available,
        units: outcome.units,
        seq,
    }
}

pub fn command_outcomes(outcomes: Vec<CommandOutcome>) -> Vec<u8> {
    let objects = outcomes.into_iter().map(|outcome| {
        let mut object = outcome.facts;
        object.insert("status".into(), outcome.status.map_or("NOT_APPLIED", |s| s.name()).into());
        Value::Object(object)
    });
    Value::Array(objects.collect()).to_string().into_bytes()
}

pub fn stats_json(engine: Value, node: &Node) -> Value {
    let mut all = json!({"store_id": node.store_id().to_string(), "epoch": node.epoch()});
    for part in [engine, serde_json::to_value(node.stats()).unwrap_or_default()] {
        if let (Some(all), Value::Object(part)) = (all.as_object_mut(), part) {
            all.extend(part);
        }
    }
    all
}
