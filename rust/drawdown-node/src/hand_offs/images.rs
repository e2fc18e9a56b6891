//! Images of the state taken beside usage: local checkpoints and passes for the remote snapshot.

use super::{FOR_EVER, explore, is_there, joined, reopened, running, send, settings, spawn};
use crate::NodeError;
use crate::settings::NodeSettings;
use std::sync::Arc;

fn digest(node: &crate::Node) -> u128 {
    node.shared.writer.lock().engine.digest()
}

#[test]
fn a_checkpoint_beside_usage_is_the_state() {
    // The checkpoint thread takes its own whenever a wait of it ends.
    explore(6, || {
        let (world, node) = running(NodeSettings { checkpoint_journal_bytes_min: 1, ..settings() }, 3);
        let keeper = {
            let node = Arc::clone(&node);
            spawn(move || {
                // Whose wait for the journal ended early took none, and says so.
                [(); 2].map(|()| match node.checkpoint() {
                    Ok(_) => true,
                    Err(NodeError::Refused(_)) => false,
                    Err(other) => panic!("{other}"),
                })
            })
        };
        let senders = [0, 1].map(|sender| {
            let node = Arc::clone(&node);
            spawn(move || {
                for id in [2 * sender, 2 * sender + 1] {
                    send(&node, id, sender).expect("taken");
                }
            })
        });
        joined(senders);
        let taken = keeper.join().expect("the keeper of checkpoints");
        let last = send(&node, 9, 2).expect("taken");
        while node.acknowledged_seq() < last {
            crate::sync::thread::yield_now();
        }
        let before = digest(&node);
        drop(node);
        let found = reopened(&world, world.disk.after_worst_crash());
        assert!(found.report().checkpoint_seq > 0 || taken == [false; 2], "no checkpoint was used");
        assert_eq!(before, digest(&found), "another state");
        assert!(is_there(&found, 9, 2) && is_there(&found, 0, 0));
    });
}

#[test]
fn a_pass_beside_usage_has_the_key_of_every_event_in_it() {
    explore(0, || {
        let (world, node) = running(settings(), 2);
        let pass = {
            let node = Arc::clone(&node);
            spawn(move || {
                let begun = node.snapshot_begin(true).expect("a pass");
                let (mut images, mut runs) = (Vec::new(), Vec::new());
                loop {
                    let chunk = node.snapshot_chunk(1).expect("a chunk");
                    let goal = chunk.as_ref().map_or(node.applied_seq(), |(seq, _)| *seq);
                    assert!(node.await_progress(FOR_EVER, |p| p.durable() >= goal));
                    while let Some(run) = node.snapshot_keys().expect("keys") {
                        runs.push(run);
                    }
                    let Some((_, chunk)) = chunk else { break };
                    images.extend(chunk);
                }
                let (_, global) = node.snapshot_global().expect("what all share");
                node.snapshot_end(true).expect("ended");
                (begun, images, runs, global)
            })
        };
        let sender = {
            let node = Arc::clone(&node);
            spawn(move || {
                for id in 0..4 {
                    send(&node, id, id % 2).expect("taken");
                }
            })
        };
        sender.join().expect("the sender");
        let (begun, images, runs, global) = pass.join().expect("the pass");
        node.close().expect("closed");
        let restored = super::support::remote::restored(&begun, &images, &runs, &global);
        // Sent again each event counts once, whether the snapshot has it or not.
        let found = reopened(&world, restored);
        for id in 0..4 {
            is_there(&found, id, id % 2);
        }
        for account in 0..2 {
            let left = found.read(|engine, _| super::support::available(engine, account)).expect("a reading");
            assert_eq!(super::support::GRANTED - 2, left, "account {account}");
        }
    });
}
