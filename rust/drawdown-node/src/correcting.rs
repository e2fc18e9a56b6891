//! Groups that correct events: the journal is read off the writer, the engine decides on what was
//! read, and says when it was not the whole story any more.

use crate::error::{NodeError, SubmitError};
use crate::node::Node;
use drawdown_core::{Command, CommandOutcome, EventHistories, EventHistory, Fact, Rights, command};

/// How often the journal is read anew because entries came in between.
const ATTEMPTS: usize = 50;

impl Node {
    /// `execute` of a group with corrections in it.
    pub(crate) fn execute_corrections(
        &self,
        group: &[Command],
        rights: &Rights<'_>,
    ) -> Result<(u64, Vec<CommandOutcome>), SubmitError> {
        for _ in 0..ATTEMPTS {
            let mut histories = self.histories_of(group, rights)?;
            let (seq, decided) = self
                .shared
                .change(|engine, stamp, journal| engine.execute_on(group, &mut histories, stamp, rights, journal))?;
            if let Ok(outcomes) = decided {
                return Ok((seq, outcomes));
            }
        }
        Err(SubmitError::Shed("what the correction reads keeps changing: nothing applied, retry later".into()))
    }

    /// What the journal says of the events this group corrects; an event it does not know has none.
    fn histories_of(&self, group: &[Command], rights: &Rights<'_>) -> Result<EventHistories, SubmitError> {
        let mut histories = EventHistories::new();
        for correct in group.iter().filter_map(correction) {
            let key = (correct.account.clone(), correct.event_id.clone());
            if histories.contains_key(&key) || !correct.account.starts_with(rights.account_prefix) {
                continue;
            }
            if !self.read(|engine, _| engine.knows_event(&correct.account, &correct.event_id))? {
                continue;
            }
            if let Some(history) = self.whole_history(&correct.account, &correct.event_id).map_err(not_read)? {
                histories.insert(key, history);
            }
        }
        Ok(histories)
    }

    fn whole_history(&self, account: &str, event_id: &str) -> Result<Option<EventHistory>, NodeError> {
        let Some(read) = self.event_history(account, event_id)? else { return Ok(None) };
        let mut history = EventHistory {
            original: read.original,
            corrections: read.later,
            counter: Vec::new(),
            clock: Vec::new(),
            through_seq: read.through_seq,
        };
        let Fact::Usage(usage) = &history.original.what else { return Ok(None) };
        let is_aggregate = !usage.is_direct
            && self
                .read(|engine, _| engine.aggregates(usage.subject))
                .map_err(|error| NodeError::Halted(error.to_string()))?;
        if let Some(counted) = usage.counted.filter(|_| is_aggregate) {
            let counter = self.counter_history(account, usage.subject, counted.match_id, counted.period)?;
            (history.counter, history.clock) = (counter.records, counter.clock);
        }
        Ok(Some(history))
    }
}

fn correction(command: &Command) -> Option<&command::Correct> {
    match command {
        Command::Correct(correct) => Some(correct),
        _ => None,
    }
}

fn not_read(error: NodeError) -> SubmitError {
    match error {
        NodeError::Halted(why) => SubmitError::Halted(why),
        other => SubmitError::Shed(format!("the journal could not be read, nothing applied: {other}")),
    }
}
