//! Plain usage of one meter at one credit a unit. Whoever sent it can say of each event whether it must,
//! may or must not be there, and what every balance is: after each life everything ever sent is sent again.

use crate::seen::Seen;
use crate::support::remote::Snapshot;
use crate::support::{GRANTED, START_US, World, account_id, available, record};
use crate::traffic::Traffic;
use drawdown_core::{Command, Engine, Rights, Status};
use drawdown_node::simulation::Random;
use drawdown_node::{Node, SubmitError};
use serde_json::json;
use std::rc::Rc;

pub const ACCOUNTS: u64 = 5;
/// Its grants expire within a minute.
const PERISHABLE: u64 = 5;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Told {
    Nothing,
    Applied,
    NotApplied,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    id: u64,
    account: u64,
    quantity: i64,
    seq: u64,
    told: Told,
}

/// Who sends it, and remembers.
#[derive(Default)]
pub struct Sums {
    sent: Vec<Sent>,
    stamp_us: i64,
    perishable: Vec<(i64, i64)>,
    /// Balances that were read: the seq each waits for, and the instant it is of.
    shown: Vec<(u64, i64)>,
    /// Whoever was answered knows what had expired by then.
    told_us: i64,
    /// Up to here everything was promised.
    promised_seq: u64,
}

impl Sums {
    /// Whether the node goes on.
    fn send(&mut self, node: &Node, random: &mut Random, seen: &mut Seen) -> bool {
        let first = self.sent.len() as u64;
        let batch: Vec<_> = (0..1 + random.below(12))
            .map(|i| (first + i, random.below(ACCOUNTS), 1 + random.below(9) as i64))
            .collect();
        let (seq, told, goes_on) = match record(node, &batch, START_US) {
            Ok((seq, outcomes)) => {
                assert!(outcomes.iter().all(|outcome| outcome.status == Status::Ok));
                (seq, Told::Nothing, true)
            }
            Err(SubmitError::ReadOnly(_)) => {
                seen.note("fault: disk full, definite refusals");
                (0, Told::NotApplied, true)
            }
            Err(SubmitError::Halted(_)) => (0, Told::Nothing, false),
            Err(other) => panic!("{other}"),
        };
        self.sent.extend(batch.into_iter().map(|(id, account, quantity)| Sent { id, account, quantity, seq, told }));
        goes_on
    }

    fn grant_for_a_minute(&mut self, node: &Node, random: &mut Random) {
        let Ok(stamp) = node.read(|engine, stamp| stamp.max(engine.stamp())) else { return };
        let (number, expires_at) = (self.perishable.len(), stamp + 1 + random.below(60_000_000) as i64);
        let text = format!(
            r#"[{{"type": "create_grant", "account": "{}", "grant": {{"grant_id": "minute-{number}",
                "credit_type": "credits", "amount": 10, "expires_at": {expires_at}}}}}]"#,
            account_id(PERISHABLE)
        );
        let command: Vec<Command> = serde_json::from_str(&text).unwrap();
        if node.execute(&command, &Rights::ALL).is_ok() {
            self.perishable.push((expires_at, 10));
        }
    }

    /// The most there can be once these have expired.
    fn most_left(&self, at_us: i64) -> i64 {
        let left = self.perishable.iter().filter(|(ends, _)| *ends > at_us).map(|(_, amount)| amount);
        GRANTED + left.sum::<i64>()
    }

    fn spent(&self, account: u64) -> i64 {
        self.sent.iter().filter(|sent| sent.account == account).map(|sent| sent.quantity).sum()
    }
}

impl Traffic for Sums {
    fn work(&mut self, node: &Node, random: &mut Random, seen: &mut Seen) -> bool {
        match random.below(10) {
            0 => self.grant_for_a_minute(node, random),
            1 => {
                if node.expire_due(8).is_ok_and(|(_, expired)| expired.booked > 0) {
                    seen.note("swept: expired grants");
                }
            }
            _ => return self.send(node, random, seen),
        }
        true
    }

    fn hear(&mut self, node: &Node) {
        self.promised_seq = node.acknowledged_seq();
        for sent in self.sent.iter_mut().filter(|sent| sent.told == Told::Nothing && sent.seq > 0) {
            if sent.seq <= self.promised_seq {
                sent.told = Told::Applied;
            }
        }
    }

    /// Stamps never fall, and nothing that has expired is there again.
    fn look(&mut self, node: &Node) {
        // A balance is asked for at the engine's last stamp, which may lie behind the present one.
        let look = |engine: &Engine, stamp| (stamp, engine.stamp(), available(engine, PERISHABLE));
        let Ok((stamp, asked_at, left)) = node.read(look) else { return };
        assert!(stamp >= self.stamp_us, "the stamp fell from {} to {stamp}", self.stamp_us);
        let most = self.most_left(asked_at);
        assert!(left <= most, "{left} left, {most} has not expired");
    }

    /// While nothing can be written, what is read is no promise.
    fn ask(&mut self, node: &Node) {
        let request = json!({"type": "balance", "account": account_id(PERISHABLE), "credit_type": "credits"});
        let Ok((seq, answer)) = node.query(&request) else { return };
        let Ok(at_us) = node.now_us() else { return };
        let (left, most) = (answer.unwrap()["available"].as_i64().unwrap(), self.most_left(at_us));
        assert!(left <= most, "{left} left, {most} has not expired");
        if node.stats().read_only.is_none() {
            self.shown.push((seq, at_us));
        }
    }

    fn unpromise(&mut self, durable_seq: u64) {
        self.promised_seq = self.promised_seq.min(durable_seq);
        for sent in self.sent.iter_mut().filter(|sent| sent.told == Told::Applied && sent.seq > durable_seq) {
            sent.told = Told::Nothing;
        }
    }

    fn look_at_copy(&self, _world: &World, copy: Node) {
        assert!(copy.acknowledged_seq() >= copy.report().recovery_seq);
        let conservation = copy.read(|engine, _| engine.conservation_json(None)).unwrap();
        assert_eq!(Some(true), conservation["holds"].as_bool(), "{conservation}");
    }

    fn lose_all_but(&mut self, _snapshot: &Snapshot) {
        // What is behind the recovery point is lost, stamps and grants of a minute included.
        (self.stamp_us, self.told_us) = (0, 0);
        self.promised_seq = 0;
        self.shown.clear();
    }

    fn let_go(&mut self) {}

    /// Send everything again.
    fn audit(&mut self, _world: &World, node: &Rc<Node>, known_to: u64, seen: &mut Seen) {
        let promised = self.promised_seq.min(known_to);
        let told = self.shown.drain(..).filter(|(seq, _)| *seq <= promised).map(|(_, at_us)| at_us).max();
        if let Some(told_us) = told {
            self.told_us = self.told_us.max(told_us);
            let (left, most) = (node.read(|engine, _| available(engine, PERISHABLE)).unwrap(), self.most_left(told_us));
            assert!(left <= most, "{left} left, though at {told_us} it was told that {most} has not expired");
            seen.note("asked after a life: what was told to have ended has ended");
        }
        assert!(node.applied_seq() >= promised, "answered up to {promised}, came up at {}", node.applied_seq());
        for sent in &mut self.sent {
            let (seq, outcomes) = record(node, &[(sent.id, sent.account, sent.quantity)], START_US).unwrap();
            let status = outcomes[0].status;
            let is_new = status == Status::Ok;
            assert!(is_new || status == Status::Duplicate, "{sent:?} is {status:?}");
            match sent.told {
                Told::Applied if sent.seq <= known_to => assert!(!is_new, "{sent:?} was answered and is lost"),
                Told::NotApplied => assert!(is_new, "{sent:?} was refused for certain and is there"),
                _ if is_new => seen.note("sent again: was lost unanswered"),
                _ => {}
            }
            (sent.told, sent.seq) = (Told::Applied, if is_new { seq } else { sent.seq.min(known_to) });
        }
        while node.step_commit() {}
        for account in 0..ACCOUNTS {
            let left = node.read(|engine, _| available(engine, account)).unwrap();
            assert_eq!(GRANTED - self.spent(account), left, "account {account}: not every event exactly once");
        }
        let conservation = node.read(|engine, _| engine.conservation_json(None)).unwrap();
        assert_eq!(Some(true), conservation["holds"].as_bool(), "{conservation}");
        self.stamp_us = node.read(|_, stamp| stamp).unwrap();
    }
}
