//! Why an event cost what it did: the event, its rate, the grants drawn, before and after.

use crate::account_replay::AccountReplay;
use crate::apply::Misfit;
use crate::catalog::Catalog;
use crate::entry::{Control, OverdraftSettled};
use crate::ledger_entry::LedgerNames;
use crate::ledger_record::{AppliedUsage, Fact, LedgerRecord};
use serde_json::{Map, Value, json};

/// One event under explanation, its state before it already replayed.
pub struct Explanation {
    replay: AccountReplay,
    names: LedgerNames,
    credit_type: u16,
    meter: Option<u16>,
    /// Debt of the event's meter that is still unpaid after the settlements seen.
    open_debt: i64,
    later: Later,
    answer: Map<String, Value>,
}

#[derive(Default)]
struct Later {
    corrections: Vec<Value>,
    settlements: Vec<Value>,
}

impl Explanation {
    /// `replay` stands right before `record`, which applied the event.
    ///
    /// # Errors
    /// The record does not fit the state before it, or is no usage.
    pub fn of(mut replay: AccountReplay, names: LedgerNames, record: &LedgerRecord) -> Result<Explanation, Misfit> {
        let usage = record.usage().ok_or("only an applied event can be explained")?;
        let credit_type = names.credit_type_of(record).ok_or("the event's rate is unknown")?;
        let meter = (!usage.is_direct).then_some(usage.subject);
        let received_at = replay.received_at(record);
        let catalog = replay.catalog();
        let credit_type_name = &catalog.credit_types.get(usize::from(credit_type)).ok_or("no such credit type")?.name;
        let credit_type_name = credit_type_name.clone();
        let scale = catalog.scale(credit_type);
        let rate = (!usage.is_direct).then(|| rate_json(catalog, usage.rate)).flatten();
        let mut answer = Map::new();
        answer.insert("event".into(), names.entry(record));
        answer.insert("credit_type".into(), credit_type_name.clone().into());
        answer.insert("scale".into(), scale.into());
        answer.insert("rate".into(), rate.into());
        answer.insert("units_before".into(), usage.counted.map(|counted| counted.before).into());
        let before = view(&mut replay, &names, &credit_type_name, received_at)?;
        replay.apply(record)?;
        let after = view(&mut replay, &names, &credit_type_name, received_at)?;
        answer.insert("draws".into(), draws_json(usage, &names, &before, &after));
        answer.insert("balance_before".into(), before.balance);
        answer.insert("balance_after".into(), after.balance);
        let open_debt = if usage.beyond.overdraft > 0 { replay.debt(credit_type, meter) } else { 0 };
        Ok(Explanation { replay, names, credit_type, meter, open_debt, later: Later::default(), answer })
    }

    /// Whether the account's later records can still add to the explanation beside corrections.
    pub fn wants_settlements(&self) -> bool {
        self.open_debt > 0
    }

    /// Take note of a later record of the account.
    pub fn follow(&mut self, record: &LedgerRecord) {
        self.names.learn(record);
        let is_event = self.answer["event"]["event_id"].as_str() == record.event_id();
        match &record.what {
            Fact::Control(Control::OverdraftSettled(e)) if self.open_debt > 0 && self.is_its_debt(e) => {
                self.open_debt -= e.amount;
                self.later.settlements.push(self.names.entry(record));
            }
            Fact::Control(_) if is_event => self.later.corrections.push(self.names.entry(record)),
            _ => {}
        }
    }

    fn is_its_debt(&self, e: &OverdraftSettled) -> bool {
        let meter = e.meter_plus_one.checked_sub(1).and_then(|meter| u16::try_from(meter).ok());
        e.credit_type == u32::from(self.credit_type) && meter == self.meter
    }

    /// The explanation, as far as `follow` was told.
    pub fn into_json(mut self) -> Value {
        self.answer.insert("settlements".into(), self.later.settlements.into());
        self.answer.insert("corrections".into(), self.later.corrections.into());
        self.answer.insert("account_number".into(), self.replay.number().into());
        self.answer.into()
    }
}

/// The pool at one instant.
struct PoolView {
    balance: Value,
    grants: Vec<Value>,
}

fn view(replay: &mut AccountReplay, names: &LedgerNames, credit_type: &str, at: i64) -> Result<PoolView, Misfit> {
    let account = names.account();
    let mut ask = |kind: &str| {
        let request = json!({"type": kind, "account": account, "credit_type": credit_type, "limit": 100_000});
        replay.query(&request, at)
    };
    let grants = ask("grants")?["grants"].as_array().cloned().unwrap_or_default();
    Ok(PoolView { balance: ask("balance")?, grants })
}

fn draws_json(usage: &AppliedUsage, names: &LedgerNames, before: &PoolView, after: &PoolView) -> Value {
    let remaining = |view: &PoolView, id: &str| {
        view.grants.iter().find(|grant| grant["grant_id"] == id).map(|grant| grant["remaining"].clone())
    };
    let draws = usage.draws.iter().map(|draw| {
        let id = names.grant_id(draw.number);
        json!({
            "grant_id": id,
            "name": names.grant_name(draw.number),
            "amount": draw.amount,
            "remaining_before": remaining(before, &id),
            "remaining_after": remaining(after, &id),
        })
    });
    draws.collect::<Vec<_>>().into()
}

/// The rate an entry names: where it stands in the catalog, and its text as sent.
fn rate_json(catalog: &Catalog, rate: u32) -> Option<Value> {
    let id = rate;
    let rate = catalog.rates.get(id as usize)?;
    let same = |other: &&crate::catalog::Rate| {
        other.table == rate.table && other.meter == rate.meter && other.match_id == rate.match_id
    };
    let version = catalog.rates[..=id as usize].iter().filter(same).count();
    let matches: Map<String, Value> =
        catalog.matches[rate.match_id as usize].iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    Some(json!({
        "table": catalog.tables[rate.table as usize],
        "meter": catalog.meters[usize::from(rate.meter)].key,
        "credit_type": catalog.credit_types[usize::from(rate.credit_type)].name,
        "match": matches,
        "valid_from": (rate.valid_from != i64::MIN).then_some(rate.valid_from),
        "version": version,
        "sent": serde_json::from_str::<Value>(&rate.sent).unwrap_or_default(),
    }))
}
