//! Corrections told to both sides, the engine on what the journal says of the event.

use crate::corrections::CorrectSent;
use crate::ledger::Answer;
use crate::ops::CorrectOp;
use crate::story::Story;
use crate::told::Told;
use serde_json::json;

impl<T: Told> Story<T> {
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

    pub fn correct(&mut self, sent: &CorrectSent) {
        let is_direct = self.uses.iter().any(|(use_, _)| use_.id == sent.event_id && use_.is_direct);
        let mut command = json!({"type": "correct", "account": sent.account, "event_id": sent.event_id,
                                 "correction_id": sent.correction_id});
        match sent.quantity {
            None => command["cancel"] = true.into(),
            Some(quantity) => command[if is_direct { "credits" } else { "quantity" }] = quantity.into(),
        }
        let expected = self.ledger.correct(sent);
        let answered = self.execute(std::slice::from_ref(&command))[0];
        assert_eq!(answered, expected, "{command} at {}: engine (left) and reference differ", self.ledger.now);
    }
}
