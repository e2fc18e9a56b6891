//! The published position of the journal, and whoever waits for it.

use super::{FOR_EVER, explore, joined, spawn};
use crate::progress::Progress;
use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

fn positions() -> Arc<Progress> {
    Arc::new(Progress::new(0).expect("an eventfd"))
}

/// As the commit thread does it: written first, durable after.
fn publish_each(progress: &Progress, last: u64) {
    for seq in 1..=last {
        progress.publish(seq, seq - 1, seq - 1);
        progress.publish(seq, seq, seq);
    }
}

#[test]
fn every_waiter_wakes_at_its_seq() {
    explore(0, || {
        let progress = positions();
        let waiters = [1, 2, 2].map(|seq| {
            let progress = Arc::clone(&progress);
            spawn(move || {
                assert!(progress.wait(FOR_EVER, |p| p.acknowledged() >= seq));
                assert!(progress.acknowledged() >= seq && progress.durable() >= seq);
            })
        });
        publish_each(&progress, 2);
        joined(waiters);
    });
}

#[test]
fn who_waits_for_the_disk_alone_wakes_too() {
    explore(0, || {
        let progress = positions();
        let waiter = {
            let progress = Arc::clone(&progress);
            spawn(move || assert!(progress.wait(FOR_EVER, |p| p.durable() >= 2)))
        };
        // Answers go out when written, so what becomes durable moves nothing that may be answered.
        progress.publish(2, 0, 2);
        progress.publish(2, 2, 2);
        waiter.join().expect("a waiter");
    });
}

#[test]
fn the_stop_wakes_whoever_waits() {
    explore(0, || {
        let progress = positions();
        let waiters = [1, 9].map(|seq| {
            let progress = Arc::clone(&progress);
            spawn(move || progress.wait(FOR_EVER, |p| p.acknowledged() >= seq))
        });
        progress.publish(1, 1, 1);
        progress.stop();
        let woken = joined(waiters);
        assert_eq!([true, false], woken);
    });
}

/// A loop that sleeps in poll() on the eventfd: what it has not been told of must still be announced.
#[test]
fn who_reads_the_descriptor_misses_nothing() {
    explore(0, || {
        let progress = positions();
        let reader = {
            let progress = Arc::clone(&progress);
            spawn(move || {
                let mut notify = descriptor(&progress);
                let mut seen = 0;
                for _ in 0..12 {
                    if is_announced(&mut notify) {
                        seen = progress.acknowledged();
                    }
                    crate::sync::thread::yield_now();
                }
                seen
            })
        };
        publish_each(&progress, 3);
        let seen = reader.join().expect("the reader");
        assert!(seen == 3 || is_announced(&mut descriptor(&progress)), "saw {seen} and would sleep for ever");
    });
}

fn descriptor(progress: &Progress) -> File {
    let notify: BorrowedFd<'_> = progress.notifier();
    let owned: OwnedFd = notify.try_clone_to_owned().expect("a descriptor more");
    File::from(owned)
}

fn is_announced(notify: &mut File) -> bool {
    notify.read(&mut [0; 8]).is_ok()
}

#[test]
fn positions_are_seen_in_order_and_never_fall() {
    explore(0, || {
        let progress = positions();
        let lookers = [(), ()].map(|()| {
            let progress = Arc::clone(&progress);
            spawn(move || {
                let mut before = (0, 0, 0);
                for _ in 0..4 {
                    let acknowledged = progress.acknowledged();
                    let durable = progress.durable();
                    let written = progress.written();
                    assert!(acknowledged <= durable && durable <= written, "{acknowledged} {durable} {written}");
                    assert!(before.0 <= acknowledged && before.1 <= durable && before.2 <= written);
                    before = (acknowledged, durable, written);
                }
            })
        });
        publish_each(&progress, 3);
        joined(lookers);
    });
}
