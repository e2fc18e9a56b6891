//! A node as one who is told a story, and the reference ledger of each of its seqs.

use crate::kinds::{answer_name, of_group};
use crate::ledger::{Ledger, Use};
use crate::support::World;
use crate::told::{Told, with_events};
use drawdown_core::usage::Outcome;
use drawdown_core::{CheckOutcome, Command, CommandOutcome, Rights};
use drawdown_node::{Node, SimulatedClock};
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::Arc;

/// Bookings of one sweep.
const SWEPT_AT_MOST: u32 = 1_000;

/// The node of the present life.
#[derive(Default)]
pub struct Lived {
    node: Option<Rc<Node>>,
    clock: Option<Arc<SimulatedClock>>,
    /// Of the last call that changed something.
    seq: u64,
    /// What was done and answered, by name.
    pub met: Vec<&'static str>,
    /// The ledger as it was after each call that wrote, by the seq it ended at.
    history: Vec<(u64, Ledger)>,
    /// Whether grants that have left memory are read back from the journal.
    pub reads_journal: bool,
}

impl Lived {
    /// Another life, at the clock of its world.
    pub fn go_on(&mut self, world: &World, node: &Rc<Node>) {
        (self.node, self.clock) = (Some(Rc::clone(node)), Some(Arc::clone(&world.clock)));
        self.seq = node.applied_seq();
    }

    pub fn let_go(&mut self) {
        (self.node, self.clock) = (None, None);
    }

    /// All that counts is what stands at `seq`.
    pub fn begin_history(&mut self, seq: u64, ledger: &Ledger) {
        self.history = vec![(seq, ledger.clone())];
    }

    /// Nothing in front of `seq` will be asked for.
    pub fn forget_before(&mut self, seq: u64) {
        let kept = self.history.partition_point(|(at, _)| *at <= seq).saturating_sub(1);
        self.history.drain(..kept);
    }

    pub fn newest_seq(&self) -> u64 {
        self.history.last().map_or(0, |(seq, _)| *seq)
    }

    /// The ledger at a seq: of the last call that had ended there. A call may write more than one unit of the
    /// journal, but only the last one holds what it asks for; those before are of instants that have passed,
    /// which the ledger lives through as soon as it is told the time.
    pub fn ledger_at(&self, seq: u64) -> &Ledger {
        let found = self.history.iter().rev().find(|(at, _)| *at <= seq);
        &found.unwrap_or_else(|| panic!("nothing is known of seq {seq} any more")).1
    }

    /// Of the account in the engine; nothing from a node that has failed.
    pub fn number_of(&self, account: &str) -> Option<u32> {
        self.node().read(|engine, _| engine.find_account(account)).ok().flatten()
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("a life")
    }

    /// Let the clock go on until the node's stamp is `now`.
    fn reach(&self, now: i64) {
        let clock = self.clock.as_ref().expect("a life");
        loop {
            let stamp = self.node().read(|_, stamp| stamp).unwrap();
            if stamp >= now {
                return assert_eq!(stamp, now, "the story is behind its node");
            }
            clock.advance(now - stamp);
        }
    }
}

impl Told for Lived {
    fn record(&mut self, uses: &[Use], now: i64) -> Option<Vec<Outcome>> {
        self.reach(now);
        let key = self.node().read(|engine, _| *engine.key()).unwrap();
        let mut outcomes: Vec<Outcome> = Vec::new();
        let submitted = with_events(uses, &key, |events| self.node().submit(events, &Rights::ALL, &mut outcomes));
        self.seq = submitted.unwrap();
        self.met.extend(outcomes.iter().map(|outcome| answer_name(&outcome.status)));
        Some(outcomes)
    }

    fn execute(&mut self, group: &[Command], now: i64) -> Vec<CommandOutcome> {
        self.reach(now);
        let (seq, outcomes) = self.node().execute(group, &Rights::ALL).unwrap();
        self.seq = seq;
        self.met.extend(of_group(group, &outcomes));
        outcomes
    }

    fn expire_due(&mut self, now: i64) -> bool {
        self.reach(now);
        let (seq, expired) = self.node().expire_due(SWEPT_AT_MOST).unwrap();
        self.seq = seq;
        expired.more_due
    }

    /// What it shows may be told once the seq it names may be: that must not be before the last change.
    fn ask(&self, request: &Value, now: i64) -> Value {
        self.reach(now);
        let (seq, answer) = self.node().query(request).unwrap();
        assert!(seq >= self.seq, "{request} shows what was done at seq {}, and waits for {seq} only", self.seq);
        answer.unwrap()
    }

    fn check(&self, account: &str, meter: &str, quantity: i64, dimensions: &[(&str, &str)], now: i64) -> CheckOutcome {
        self.reach(now);
        self.node().read(|engine, stamp| engine.check(account, meter, quantity, dimensions, stamp)).unwrap()
    }

    fn left_grant(&self, account: &str, id: &str, now: i64) -> Option<Value> {
        self.reach(now);
        if !self.reads_journal {
            return self.node().read(|engine, _| engine.left_grant(account, id).map(|_| Value::Null)).unwrap();
        }
        let request = json!({"type": "grant", "account": account, "grant_id": id});
        let answer = self.ask(&request, now);
        let has_left = self.node().read(|engine, _| engine.left_grant(account, id).is_some()).unwrap();
        assert!(!has_left || answer["grant"].is_object(), "{request} at {now}: {answer}");
        answer.get("grant").cloned()
    }

    fn conservation(&self) -> Value {
        self.node().query(&json!({"type": "conservation"})).unwrap().1.unwrap()
    }

    fn note(&mut self, ledger: &Ledger) {
        if self.newest_seq() < self.seq {
            self.history.push((self.seq, ledger.clone()));
        }
    }
}
