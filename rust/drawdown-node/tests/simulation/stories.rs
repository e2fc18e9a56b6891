//! Everything else an engine does, told to the node and to the reference ledger side by side: grants with
//! dates and scopes, every policy, prices by tiers and packages, `max`, `last` and `unique` meters, corrections,
//! reservations, late events, amounts at the edge of 64 bits. The reference ledger of every moment is kept, so
//! that whatever seq a node comes up at, all that can be read of it is known.

use crate::account_story::AccountOp;
use crate::corrections::CorrectSent;
use crate::faults::tell;
use crate::ledger::{Account, Ledger, Use};
use crate::lived::Lived;
use crate::ops::{self, Op};
use crate::seen::Seen;
use crate::story::{ACCOUNTS, Story};
use crate::support::World;
use crate::support::remote::Snapshot;
use crate::traffic::Traffic;
use drawdown_node::Node;
use drawdown_node::simulation::Random;
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::HashMap;
use std::rc::Rc;

/// So many of the newest events and corrections are sent again after a recovery.
const SENT_AGAIN: usize = 12;

/// An account of the reference ledger when its image was taken.
#[derive(Clone)]
struct Piece {
    id: &'static str,
    ledger: Ledger,
}

pub struct Stories {
    story: Story<Lived>,
    ops: BoxedStrategy<Op>,
    runner: TestRunner,
    promised_seq: u64,
    /// Of the accounts, as the node numbers them: it may fail before an image is looked at that was handed out.
    numbers: HashMap<u32, &'static str>,
    /// By the bytes of the image.
    pieces: HashMap<Vec<u8>, Piece>,
    /// What the folder just restored must hold.
    restored: Option<Ledger>,
    /// The journal does not go back to the beginning: it cannot say what it corrects.
    is_restored: bool,
}

fn kind_of(op: &Op) -> &'static str {
    match op {
        Op::Use(_) | Op::Check { .. } => "story: usage",
        Op::UseAgain(..) => "story: event again",
        Op::Correct(_) | Op::CorrectAgain(..) => "story: correction",
        Op::Account(AccountOp::Transfer { .. }) => "story: transfer",
        Op::Account(_) => "story: account, its clock, table or periods",
        Op::Grant(_) | Op::GrantAgain(..) | Op::Release(..) => "story: grant",
        Op::Void(..) | Op::Replace(..) | Op::RefusedGroup(..) => "story: void or replacement",
        Op::Policy { .. } | Op::Suspend(..) | Op::Thresholds(..) => "story: policy or suspension",
        Op::Reserve(_) | Op::ReserveAgain(..) | Op::Settle(_) | Op::SettleAgain(..) | Op::ReleaseHold(_) => {
            "story: reservation"
        }
        Op::Work(_) | Op::RefusedReserve(_) => "story: work with a reservation",
        Op::Pass(_) => "story: time passed",
        Op::Sweep => "story: sweep",
    }
}

impl Stories {
    pub fn begin(world: &World, node: &Rc<Node>, seed: u64) -> Stories {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let mut lived = Lived::default();
        lived.go_on(world, node);
        let now = node.read(|_, stamp| stamp).unwrap();
        Stories {
            story: Story::begun(lived, now),
            ops: ops::op().boxed(),
            runner,
            promised_seq: 0,
            numbers: HashMap::new(),
            pieces: HashMap::new(),
            restored: None,
            is_restored: false,
        }
    }

    fn next_op(&mut self) -> Op {
        self.ops.new_tree(&mut self.runner).expect("an op").current()
    }

    /// Let the reference ledger live as far as the node has.
    fn keep_time(&mut self, node: &Node) {
        if let Ok(stamp) = node.read(|_, stamp| stamp) {
            self.story.ledger.advance(stamp);
        }
    }

    fn note_numbers(&mut self) {
        for id in ACCOUNTS {
            self.numbers.extend(self.story.told.number_of(id).map(|number| (number, id)));
        }
    }

    /// A few uses at one stamp, often of one account.
    fn batch(&mut self, first: Use, random: &mut Random) {
        let mut batch = vec![first];
        for n in 0..1 + random.below(4) {
            let op = self.next_op();
            let Op::Use(op) = op else { continue };
            let mut sent = self.story.use_sent(&op);
            sent.id = format!("{}-{n}", sent.id);
            if random.once_in(2) {
                sent.account.clone_from(&batch[0].account);
            }
            batch.push(sent);
        }
        self.story.record_batch(&batch);
    }

    fn tell(&mut self, op: &Op, random: &mut Random, seen: &mut Seen) {
        match op {
            Op::Use(first) if random.once_in(3) => {
                let first = self.story.use_sent(first);
                self.batch(first, random);
                seen.note("story: batch");
            }
            op => {
                self.story.tell(op);
                seen.note(kind_of(op));
            }
        }
    }

    /// What was sent last comes again, as callers do whose answers were lost.
    fn send_again(&mut self) {
        let newest = |len: usize| len.saturating_sub(SENT_AGAIN)..;
        let uses: Vec<Use> =
            self.story.uses[newest(self.story.uses.len())].iter().map(|(sent, _)| sent.clone()).collect();
        let before = self.story.uses.len();
        self.story.record_batch(&uses);
        self.story.uses.truncate(before);
        if !self.is_restored {
            let again: Vec<CorrectSent> = self.story.corrections[newest(self.story.corrections.len())].to_vec();
            again.iter().for_each(|sent| self.story.correct(sent));
        }
    }

    /// The ledger that the accounts of a snapshot make up, each as it was when its image was taken.
    fn put_together(&self, snapshot: &Snapshot) -> Ledger {
        let mut whole = Ledger::new(i64::MIN, self.story.ledger.rates.clone());
        let pieces: Vec<Piece> = snapshot.images().map(|image| self.pieces[image].clone()).collect();
        let now = pieces.iter().map(|piece| piece.ledger.now).max().unwrap_or(0);
        for Piece { id, mut ledger } in pieces {
            ledger.advance(now);
            whole.grants_made = whole.grants_made.max(ledger.grants_made);
            whole.sent.extend(ledger.sent.into_iter().filter(|(account, _)| account == id));
            whole.accounts.extend(ledger.accounts.remove(id).map(|account: Account| (id.to_string(), account)));
        }
        whole.now = now;
        whole
    }
}

impl Traffic for Stories {
    fn work(&mut self, node: &Node, random: &mut Random, seen: &mut Seen) -> bool {
        self.keep_time(node);
        let op = self.next_op();
        let corrects = matches!(op, Op::Correct(_) | Op::CorrectAgain(..));
        if corrects {
            // A correction reads what the journal says of its event.
            while node.step_commit() {}
        }
        let Ok(applied) = node.read(|engine, _| engine.next_seq() - 1) else { return false };
        self.note_numbers();
        if node.stats().read_only.is_some() {
            seen.note("fault: disk full, definite refusals");
            return true;
        }
        if !corrects || !self.is_restored && node.acknowledged_seq() == applied {
            self.tell(&op, random, seen);
        }
        self.story.told.met.drain(..).for_each(|what| seen.note(what));
        let account = ACCOUNTS[random.below(3) as usize];
        self.story.compare_only(account);
        true
    }

    fn hear(&mut self, node: &Node) {
        self.promised_seq = node.acknowledged_seq();
        self.story.told.forget_before(node.durable_seq().min(self.promised_seq));
    }

    fn look(&mut self, node: &Node) {
        self.keep_time(node);
    }

    fn imaged(&mut self, images: &[(u32, Vec<u8>)]) {
        self.note_numbers();
        for (number, image) in images {
            let id = self.numbers[number];
            let mut ledger = Ledger::new(self.story.ledger.now, Vec::new());
            ledger.grants_made = self.story.ledger.grants_made;
            ledger.sent = self.story.ledger.sent.iter().filter(|(account, _)| account == id).cloned().collect();
            ledger.accounts.insert(id.into(), self.story.ledger.accounts[id].clone());
            self.pieces.insert(image.clone(), Piece { id, ledger });
        }
    }

    fn unpromise(&mut self, durable_seq: u64) {
        self.promised_seq = self.promised_seq.min(durable_seq);
    }

    fn look_at_copy(&self, copy_world: &World, copy: Node) {
        let (seq, copy) = (copy.applied_seq(), Rc::new(copy));
        let mut lived = Lived::default();
        lived.go_on(copy_world, &copy);
        let mut story = self.story.retold(lived, self.story.told.ledger_at(seq).clone());
        story.ledger.advance(copy.read(|_, stamp| stamp).unwrap());
        story.compare();
    }

    fn lose_all_but(&mut self, snapshot: &Snapshot) {
        self.restored = Some(self.put_together(snapshot));
        self.is_restored = true;
    }

    fn let_go(&mut self) {
        self.story.told.let_go();
    }

    fn audit(&mut self, world: &World, node: &Rc<Node>, _known_to: u64, seen: &mut Seen) {
        let seq = node.applied_seq();
        let ledger = match self.restored.take() {
            Some(ledger) => {
                seen.note("story: restored account by account");
                ledger
            }
            None => {
                assert!(seq >= self.promised_seq, "answered up to {}, came up at {seq}", self.promised_seq);
                if self.story.told.newest_seq() > seq {
                    seen.note("story: lost calls taken back");
                }
                self.story.told.ledger_at(seq).clone()
            }
        };
        tell(|| format!("the ledger goes on at seq {seq}, is restored: {}", self.is_restored));
        self.story.ledger = ledger;
        self.story.told.go_on(world, node);
        self.keep_time(node);
        self.story.told.begin_history(seq, &self.story.ledger);
        self.story.told.reads_journal = !self.is_restored;
        self.story.compare();
        self.story.compare_positions();
        self.send_again();
        self.story.compare();
        self.story.told.reads_journal = false;
        while node.step_commit() {}
    }
}
