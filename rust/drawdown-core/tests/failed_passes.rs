//! Passes of images that fail: whatever changed waits for the next one, each account once.

mod bench;

use bench::Bench;
use drawdown_core::{Subject, UsageEvent};
use std::collections::BTreeMap;

const ACCOUNTS: u32 = 10;

struct Store {
    bench: Bench,
    sent: u32,
}

impl Store {
    fn new() -> Store {
        let mut bench = Bench::new();
        for number in 1..ACCOUNTS {
            bench.run(&format!(r#"[{{"type":"create_account","account":"a{number}"}}]"#));
        }
        assert_eq!(ACCOUNTS, bench.engine.account_count());
        Store { bench, sent: 0 }
    }

    /// Every account changes.
    fn change_all(&mut self) {
        for number in 0..ACCOUNTS {
            self.sent += 1;
            let (id, account) = (format!("e{}", self.sent), format!("a{number}"));
            let account_id = if number == 0 { "acme" } else { account.as_str() };
            let event =
                UsageEvent { account_id, subject: Subject::Meter("tokens"), force: true, ..self.bench.event(&id) };
            self.bench.send(event);
        }
    }

    /// Images of so many accounts; the rest of the pass is left.
    fn image(&mut self, slot: usize, accounts: u32) -> BTreeMap<u32, Vec<u8>> {
        let mut images = Vec::new();
        self.bench.engine.next_images(slot, accounts, &mut images);
        let count = images.len();
        let images: BTreeMap<_, _> = images.into_iter().collect();
        assert_eq!(count, images.len(), "an account has two images in one pass");
        images
    }

    fn assert_each_waits_once(&self, slot: usize, pass: usize) {
        let dirty = self.bench.engine.dirty_count(slot);
        assert!(dirty <= ACCOUNTS, "slot {slot}: {dirty} of {ACCOUNTS} accounts wait after {pass} failed passes");
    }
}

#[test]
fn after_any_number_of_failed_passes_each_account_waits_once() {
    for slot in 0..2 {
        for is_full in [false, true] {
            let mut store = Store::new();
            for pass in 1..50 {
                store.bench.engine.begin_pass(slot, is_full || pass % 7 == 0);
                store.change_all();
                store.image(slot, pass as u32 % (ACCOUNTS + 2));
                store.change_all();
                store.image(slot, pass as u32 % 3);
                if pass % 2 == 0 {
                    store.change_all();
                }
                store.bench.engine.end_pass(slot, false);
                store.assert_each_waits_once(slot, pass);
            }
        }
    }
}

#[test]
fn the_pass_after_failed_ones_has_every_account_as_it_is() {
    for slot in 0..2 {
        for (failed_full, imaged) in [(true, 0), (true, 4), (true, ACCOUNTS), (false, 4), (false, ACCOUNTS)] {
            let mut store = Store::new();
            store.bench.engine.begin_pass(slot, true);
            store.image(slot, ACCOUNTS);
            store.bench.engine.end_pass(slot, true);
            assert_eq!(0, store.bench.engine.dirty_count(slot));
            store.change_all();
            store.bench.engine.begin_pass(slot, failed_full);
            store.image(slot, imaged);
            store.bench.engine.end_pass(slot, false);
            store.bench.engine.begin_pass(slot, false);
            let images = store.image(slot, 2 * ACCOUNTS);
            let wanted: BTreeMap<_, _> = (0..ACCOUNTS).map(|n| (n, store.bench.engine.account_image(n))).collect();
            assert_eq!(wanted, images, "failed full {failed_full} after {imaged} images");
            store.bench.engine.end_pass(slot, true);
            assert_eq!(0, store.bench.engine.dirty_count(slot));
            store.change_all();
            assert_eq!(ACCOUNTS, store.bench.engine.dirty_count(slot));
        }
    }
}
