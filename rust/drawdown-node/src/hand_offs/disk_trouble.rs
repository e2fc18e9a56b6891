//! Threads that wait for each other while the disk fails or is full.

use super::{FOR_EVER, choose, explore, is_there, joined, reopened, running, send, send_until_taken, settings, spawn};
use crate::SubmitError;
use crate::sync::{AtomicBool, scheduled, thread};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

#[test]
fn a_failed_sync_lets_everybody_go_and_answers_nobody() {
    explore(scheduled::WITHOUT_LIMIT, || {
        let (world, node) = running(settings(), 2);
        world.disk.fail_sync(1 + choose(8));
        let senders = [0, 1].map(|sender| {
            let node = Arc::clone(&node);
            spawn(move || {
                let mut answered = Vec::new();
                for id in [2 * sender, 2 * sender + 1] {
                    match send(&node, id, sender) {
                        Ok(seq) if node.wait_durable(seq, FOR_EVER) => answered.push((id, sender)),
                        Ok(_) => {}
                        Err(SubmitError::ReadOnly(_)) => thread::yield_now(),
                        Err(SubmitError::Halted(_)) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                answered
            })
        });
        let answered = joined(senders);
        if world.fatal.lock().is_some() {
            assert!(matches!(send(&node, 99, 0), Err(SubmitError::Halted(_))), "halted, and takes usage");
        }
        drop(node);
        let found = reopened(&world, world.disk.after_worst_crash());
        for (id, account) in answered.into_iter().flatten() {
            assert!(is_there(&found, id, account), "event {id} was answered and is lost");
        }
    });
}

#[test]
fn a_full_disk_delays_and_loses_nothing() {
    explore(scheduled::WITHOUT_LIMIT, || {
        let (world, node) = running(settings(), 2);
        let used: usize = world.disk.names().iter().filter_map(|name| world.disk.bytes_of(name)).map(|b| b.len()).sum();
        world.disk.set_capacity(Some(used as u64 + (16 << 10) * choose(3)));
        let done = Arc::new(AtomicBool::new(false));
        let janitor = {
            let (world, node, done) = (Arc::clone(&world), Arc::clone(&node), Arc::clone(&done));
            spawn(move || {
                while !done.load(SeqCst) && !node.shared.supply.is_short() {
                    thread::yield_now();
                }
                world.disk.set_capacity(None);
            })
        };
        let senders = [0, 1].map(|sender| {
            let node = Arc::clone(&node);
            spawn(move || {
                for id in [2 * sender, 2 * sender + 1] {
                    let seq = send_until_taken(&node, id, sender);
                    while node.acknowledged_seq() < seq {
                        thread::yield_now();
                    }
                }
            })
        });
        joined(senders);
        done.store(true, SeqCst);
        janitor.join().expect("the janitor");
        drop(node);
        let found = reopened(&world, world.disk.after_worst_crash());
        assert!([(0, 0), (1, 0), (2, 1), (3, 1)].into_iter().all(|(id, account)| is_there(&found, id, account)));
    });
}
