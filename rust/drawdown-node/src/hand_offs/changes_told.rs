//! What the engine shows to others: watched accounts, changes for the relay, answers to queries.

use super::support::{GRANTED, account_id, available};
use super::{FOR_EVER, explore, joined, reopened, running, send, settings, spawn};
use crate::Node;
use crate::sync::AtomicBool;
use drawdown_core::{Command, Rights, Status};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

fn execute(node: &Node, command: serde_json::Value) -> u64 {
    let group: Vec<Command> = serde_json::from_value(json!([command])).expect("a command");
    let (seq, outcomes) = node.execute(&group, &Rights::ALL).expect("taken");
    assert_eq!(Some(Status::Ok), outcomes[0].status, "{:?}", outcomes[0].facts);
    seq
}

/// What an account has left, once that may be told.
fn told_balance(node: &Node, account: u64) -> (u64, i64) {
    let request = json!({"type": "balance", "account": account_id(account), "credit_type": "credits"});
    let (seq, answer) = node.query(&request).expect("a running node");
    assert!(node.wait_durable(seq, FOR_EVER));
    (seq, answer.expect("a balance")["available"].as_i64().expect("an amount"))
}

#[test]
fn a_watched_change_is_told() {
    explore(0, || {
        let (_world, node) = running(settings(), 2);
        let done = Arc::new(AtomicBool::new(false));
        node.watch(&account_id(0));
        let watcher = {
            let (node, done) = (Arc::clone(&node), Arc::clone(&done));
            spawn(move || {
                let mut told = GRANTED;
                loop {
                    let seen = node.acknowledged_seq();
                    let is_last = done.load(SeqCst);
                    let changed = node.take_changed();
                    if changed.accounts.contains(&account_id(0)) {
                        told = told_balance(&node, 0).1;
                    }
                    if is_last {
                        return told;
                    }
                    node.shared.progress.wait(FOR_EVER, |p| p.acknowledged() > seen);
                }
            })
        };
        for id in 0..3 {
            send(&node, id, 0).expect("taken");
        }
        done.store(true, SeqCst);
        // One more group, so that the watcher looks once more.
        send(&node, 3, 1).expect("taken");
        assert_eq!(GRANTED - 3, watcher.join().expect("the watcher"), "a change was not told");
        node.close().expect("closed");
    });
}

#[test]
fn changes_come_once_in_order_and_durable() {
    explore(0, || {
        let (_world, node) = running(settings(), 2);
        let begun = node.acknowledged_seq();
        let relay = {
            let node = Arc::clone(&node);
            spawn(move || {
                let (mut cursor, mut heard) = (begun, Vec::new());
                while heard.len() < 4 {
                    let (next, found) = node.changes(cursor, 1).expect("changes");
                    assert!(next >= cursor && next <= node.acknowledged_seq(), "told before it was durable");
                    heard.extend(found);
                    if next == cursor {
                        node.shared.progress.wait(FOR_EVER, |p| p.acknowledged() > cursor);
                    }
                    cursor = next;
                }
                heard
            })
        };
        let commanders = [0, 1].map(|account| {
            let node = Arc::clone(&node);
            spawn(move || {
                for kind in ["suspend_account", "resume_account"] {
                    execute(&node, json!({"type": kind, "account": account_id(account)}));
                }
            })
        });
        joined(commanders);
        let heard = relay.join().expect("the relay");
        assert_eq!(node.changes(begun, 100).expect("changes").1, heard, "told otherwise than it happened");
        node.close().expect("closed");
    });
}

#[test]
fn a_reading_never_goes_back_not_even_by_a_power_cut() {
    explore(0, || {
        let (world, node) = running(settings(), 1);
        let reader = {
            let (world, node) = (Arc::clone(&world), Arc::clone(&node));
            spawn(move || {
                let mut last = (0, GRANTED);
                for _ in 0..3 {
                    let told = told_balance(&node, 0);
                    assert!(told.0 >= last.0 && told.1 <= last.1, "{last:?}, then {told:?}");
                    last = told;
                }
                (last.1, world.disk.after_worst_crash())
            })
        };
        let senders = [0, 1].map(|sender| {
            let node = Arc::clone(&node);
            spawn(move || {
                for id in [2 * sender, 2 * sender + 1] {
                    send(&node, id, 0).expect("taken");
                }
            })
        });
        joined(senders);
        let (shown, disk) = reader.join().expect("the reader");
        node.close().expect("closed");
        let found = reopened(&world, disk).read(|engine, _| available(engine, 0)).expect("a reading");
        assert!(found <= shown, "{shown} was shown and {found} is left after the cut");
    });
}
