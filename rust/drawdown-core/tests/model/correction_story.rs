//! Corrections told to both sides, the engine on what the journal says of the event.

use crate::corrections::CorrectSent;
use crate::ledger::Answer;
use crate::ops::CorrectOp;
use crate::story::Story;
use drawdown_core::entry::Control;
use drawdown_core::{EventHistories, EventHistory, Fact, LedgerRecord, Records, Rights, command_json};
use serde_json::{Value, json};

impl Story {
    pub fn correct_use(&mut self, op: &CorrectOp) {
        let applied: Vec<usize> =
            (0..self.uses.len()).filter(|i| matches!(&self.uses[*i].1, Answer { status: "OK", .. })).collect();
        let Some(at) = applied.get(op.event % applied.len().max(1)) else { return };
        let sent = &self.uses[*at].0;
        let quantity = match op.how {
            0 => None,
            1 => Some(0),
            2 => Some(sent.quantity / 2),
            3 => Some(sent.quantity.saturating_sub(1)),
            4 => Some(sent.quantity),
            5 => Some(i64::MAX),
            more => Some(sent.quantity.saturating_add(more as i64 - 5)),
        };
        let correction_id = op.has_id.then(|| format!("c{}", self.corrections.len()));
        let sent = CorrectSent { account: sent.account.clone(), event_id: sent.id.clone(), quantity, correction_id };
        self.correct(&sent);
        self.corrections.push(sent);
    }

    /// A retry, or the same id for something else.
    pub fn correct_again(&mut self, n: usize, other: bool) {
        let Some(mut sent) = self.corrections.get(n % self.corrections.len().max(1)).cloned() else { return };
        if other {
            sent.quantity = sent.quantity.map(|quantity| quantity.saturating_add(1));
        }
        self.correct(&sent);
    }

    fn correct(&mut self, sent: &CorrectSent) {
        let is_direct = self.uses.iter().any(|(use_, _)| use_.id == sent.event_id && use_.is_direct);
        let mut command = json!({"type": "correct", "account": sent.account, "event_id": sent.event_id,
                                 "correction_id": sent.correction_id});
        match sent.quantity {
            None => command["cancel"] = true.into(),
            Some(quantity) => command[if is_direct { "credits" } else { "quantity" }] = quantity.into(),
        }
        let expected = self.ledger.correct(sent);
        let answered = self.execute_correction(&command);
        assert_eq!(answered, expected, "{command} at {}: engine (left) and reference differ", self.ledger.now);
    }

    fn execute_correction(&mut self, command: &Value) -> &'static str {
        let key = |name: &str| command[name].as_str().expect("a text").to_string();
        let (account, event) = (key("account"), key("event_id"));
        let mut histories = EventHistories::new();
        if let Some(history) = self.history(&account, &event) {
            histories.insert((account, event), history);
        }
        self.mark();
        let text = serde_json::to_vec(&[command]).expect("writes");
        let commands = command_json::group_from_json(&text).expect("readable");
        let now = self.ledger.now;
        let outcomes = self.engine.execute_on(&commands, &mut histories, now, &Rights::ALL, &mut self.journal);
        outcomes.expect("the whole story")[0].status.map_or("", |status| status.name())
    }

    fn records(&self, account: u32) -> Vec<LedgerRecord> {
        let mut found = Vec::new();
        for (i, chunk) in self.chunks.iter().enumerate() {
            let to = self.chunks.get(i + 1).map_or(self.journal.len(), |next| next.from);
            let mut records = Records::of(&self.journal[chunk.from..to], chunk.first_seq);
            while let Some(record) = records.next().expect("its own journal") {
                let record = record.decode().expect("its own journal");
                if record.account() == Some(account) {
                    found.push(record);
                }
            }
        }
        found
    }

    fn history(&self, account: &str, event: &str) -> Option<EventHistory> {
        let records = self.records(self.engine.find_account(account)?);
        let original = records.iter().rfind(|r| r.usage().is_some_and(|usage| usage.event_id == event))?.clone();
        let usage = original.usage()?;
        let counter_of = |r: &LedgerRecord| {
            let usage = r.usage()?;
            usage.counted.map(|c| (usage.subject, c.match_id, c.period))
        };
        let counter = usage.counted.map(|c| (usage.subject, c.match_id, c.period));
        let corrects = |r: &LedgerRecord| match &r.what {
            Fact::Control(Control::UsageCorrected(e)) => Some(e.event_seq),
            _ => None,
        };
        let of_counter = |seq: u64| records.iter().any(|r| r.seq == seq && counter_of(r) == counter);
        let corrections = records.iter().filter(|r| corrects(r) == Some(original.seq)).cloned().collect();
        let all = records
            .iter()
            .filter(|r| counter.is_some() && (counter_of(r) == counter || corrects(r).is_some_and(of_counter)));
        let counter = all.cloned().collect();
        Some(EventHistory { original, corrections, counter, through_seq: self.engine.next_seq() - 1 })
    }
}
