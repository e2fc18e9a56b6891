//! From whoever sends to the commit thread and back: the queue, its bound, answers, the close.

use super::support::account_id;
use super::{FOR_EVER, explore, is_there, joined, reopened, running, send, send_until_taken, settings, spawn};
use crate::settings::{FsyncPolicy, NodeSettings};
use crate::sync::thread;
use crate::{NodeError, SubmitError, verify_disk};
use std::sync::Arc;

/// More than one event of these scenarios takes in the journal.
const EVENT_BYTES_MAX: u64 = 512;

#[test]
fn an_answer_survives_the_power_cut_after_it() {
    explore(0, || {
        let (world, node) = running(settings(), 3);
        let senders = [0, 1, 2].map(|sender| {
            let (world, node) = (Arc::clone(&world), Arc::clone(&node));
            spawn(move || {
                for id in [2 * sender, 2 * sender + 1] {
                    let seq = send(&node, id, sender).expect("taken");
                    assert!(node.wait_durable(seq, FOR_EVER));
                }
                world.disk.after_worst_crash()
            })
        });
        let disks = joined(senders);
        node.close().expect("closed");
        for (sender, disk) in disks.into_iter().enumerate() {
            let sender = sender as u64;
            let found = reopened(&world, disk);
            assert!(is_there(&found, 2 * sender, sender) && is_there(&found, 2 * sender + 1, sender));
        }
    });
}

#[test]
fn what_waits_is_bounded_and_who_is_turned_away_left_nothing() {
    explore(0, || {
        let limit = 200;
        let small = NodeSettings { group_bytes_max: 100, pending_bytes_max: limit, ..settings() };
        let (world, node) = running(NodeSettings { pending_bytes_max: 1 << 20, ..small.clone() }, 1);
        node.close().expect("closed");
        drop(node);
        let world = Arc::new(world.moved_to(world.disk.after_worst_crash()));
        let node = Arc::new(world.open_driven(small, crate::Drive::Threads).expect("opens"));
        let senders = [0, 1, 2].map(|sender| {
            let node = Arc::clone(&node);
            spawn(move || {
                [2 * sender, 2 * sender + 1].map(|id| match send(&node, id, 0) {
                    Ok(_) => (id, true),
                    Err(SubmitError::Overloaded { pending_bytes, limit_bytes }) => {
                        assert!(pending_bytes >= limit_bytes);
                        (id, false)
                    }
                    Err(other) => panic!("{other}"),
                })
            })
        });
        for _ in 0..4 {
            let waiting = node.shared.writer.lock().pending_bytes;
            assert!(waiting < limit + EVENT_BYTES_MAX, "{waiting} bytes wait");
        }
        let sent = joined(senders);
        node.close().expect("closed");
        assert_eq!(0, node.shared.writer.lock().pending_bytes);
        let found = reopened(&world, world.disk.after_worst_crash());
        for (id, taken) in sent.into_iter().flatten() {
            assert_eq!(taken, is_there(&found, id, 0), "event {id}");
        }
    });
}

#[test]
fn a_close_drains_what_was_taken_and_takes_no_more() {
    explore(0, || {
        let (world, node) = running(settings(), 2);
        let senders = [0, 1].map(|sender| {
            let node = Arc::clone(&node);
            spawn(move || {
                [0, 1, 2].map(|count| {
                    let id = 3 * sender + count;
                    match send(&node, id, sender) {
                        Ok(seq) => {
                            assert!(node.wait_durable(seq, FOR_EVER), "taken before the close and given up by it");
                            (id, true)
                        }
                        Err(SubmitError::Halted(_)) => (id, false),
                        Err(other) => panic!("{other}"),
                    }
                })
            })
        });
        node.close().expect("closed");
        let sent = joined(senders);
        verify_disk(&world.disk).expect("a whole folder");
        let found = reopened(&world, world.disk.after_worst_crash());
        for (sender, events) in sent.into_iter().enumerate() {
            for (id, taken) in events {
                assert_eq!(taken, is_there(&found, id, sender as u64), "event {id}");
            }
        }
    });
}

#[test]
fn two_closes_at_once_are_one() {
    explore(0, || {
        let (world, node) = running(settings(), 1);
        let seq = send(&node, 0, 0).expect("taken");
        let closers = [(), ()].map(|()| {
            let (world, node) = (Arc::clone(&world), Arc::clone(&node));
            spawn(move || {
                node.close().expect("closed");
                assert!(node.durable_seq() >= seq, "closed and not durable");
                // Whoever was told that it is closed may open it.
                match world.open(settings()) {
                    Ok(next) => drop(next),
                    Err(NodeError::FolderLocked { .. }) => {
                        // The other one was quicker.
                    }
                    Err(other) => panic!("{other}"),
                }
            })
        });
        joined(closers);
        assert!(is_there(&reopened(&world, world.disk.after_worst_crash()), 0, 0));
    });
}

#[test]
fn seals_fall_between_groups() {
    explore(12, || {
        let (world, node) = running(NodeSettings { segment_bytes: 64 << 10, ..settings() }, 2);
        let senders = [0, 1].map(|sender| {
            let node = Arc::clone(&node);
            spawn(move || {
                for id in [2 * sender, 2 * sender + 1] {
                    let seq = send(&node, id, sender).expect("taken");
                    while node.acknowledged_seq() < seq {
                        thread::yield_now();
                    }
                }
            })
        });
        joined(senders);
        drop(node);
        let disk = world.disk.after_worst_crash();
        verify_disk(&disk).expect("a whole folder");
        let found = reopened(&world, disk);
        assert!([(0, 0), (1, 0), (2, 1), (3, 1)].into_iter().all(|(id, account)| is_there(&found, id, account)));
    });
}

#[test]
fn what_is_answered_when_written_survives_a_kill_and_becomes_durable() {
    explore(8, || {
        let (world, node) = running(NodeSettings { fsync: FsyncPolicy::Interval { ms: 1 }, ..settings() }, 2);
        let senders = [0, 1].map(|sender| {
            let (world, node) = (Arc::clone(&world), Arc::clone(&node));
            spawn(move || {
                let seq = send_until_taken(&node, sender, sender);
                while node.acknowledged_seq() < seq {
                    thread::yield_now();
                }
                world.disk.after_kill()
            })
        });
        let disks = joined(senders);
        for (sender, disk) in disks.into_iter().enumerate() {
            assert!(is_there(&reopened(&world, disk), sender as u64, sender as u64), "{}", account_id(sender as u64));
        }
        node.checkpoint().expect("a checkpoint waits until what it holds is durable");
        assert_eq!(node.applied_seq(), node.durable_seq());
        let found = reopened(&world, world.disk.after_worst_crash());
        assert!(is_there(&found, 0, 0) && is_there(&found, 1, 1));
    });
}
