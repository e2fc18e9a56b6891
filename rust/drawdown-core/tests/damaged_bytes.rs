//! Damaged journals, images and key runs: refused or taken in, never a panic, and never a state that is none.

#[path = "model/mod.rs"]
mod model;

use drawdown_core::Engine;
use ledger::Use;
use model::*;
use proptest::prelude::*;
use proptest::sample::Index;
use telling::{config, ops, told};
use told::{engine, record};

/// A byte changed, a stretch cut out, or the end cut off.
fn damaged(bytes: &[u8], (kind, at, byte): &(u8, Index, u8)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.is_empty() {
        return bytes;
    }
    let at = at.index(bytes.len());
    match kind {
        0 | 1 => bytes[at] ^= (*byte).max(1),
        2 => bytes.truncate(at),
        _ => drop(bytes.drain(at..(at + 1 + usize::from(*byte % 16)).min(bytes.len()))),
    }
    bytes
}

fn damages() -> impl Strategy<Value = Vec<(u8, Index, u8)>> {
    prop::collection::vec((0..4u8, any::<Index>(), any::<u8>()), if cfg!(miri) { 2 } else { 10 })
}

/// Whatever was taken in must still be a state: readable, imaged, and usable.
fn use_if_complete(mut other: Engine, now: i64) {
    if other.finish_recovery().is_err() {
        return;
    }
    let _ = other.conservation_json(None);
    let _ = other.digest();
    for number in 0..other.account_count() {
        let _ = other.account_image(number);
    }
    let mut journal = Vec::new();
    let sent = Use {
        id: "later".into(),
        account: "acme".into(),
        subject: "tokens",
        is_direct: false,
        quantity: 3,
        time: None,
        model: "",
        has_stray_dimension: false,
        force: false,
    };
    let now = other.stamp().max(now);
    let _ = record(&mut other, &[sent], now, &mut journal);
    other.expire_due(now, 100, &mut journal);
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_damaged_journal_never_panics(ops in ops(), damages in damages()) {
        let story = told(&ops);
        let extractor = story.told.engine.key_extractor();
        for damage in &damages {
            let journal = damaged(&story.told.journal, damage);
            let (mut other, mut run) = (engine(), Vec::new());
            let _ = extractor.extract(&journal, 1, &mut run);
            let mut scanned = engine();
            scanned.load_global(&story.told.engine.global_image()).expect("loads");
            let _ = scanned.begin_key_scan().scan(&journal);
            let mut beside = engine();
            let _ = beside.begin_tail_scan(0).scan(&journal, 1);
            let _ = beside.apply_records_without_keys(&journal, 1);
            if other.apply_records(&journal, 1).is_ok() {
                use_if_complete(other, story.now());
            }
        }
    }

    #[test]
    fn damaged_images_never_panic(ops in ops(), damages in damages(), is_global in any::<bool>()) {
        let story = told(&ops);
        for damage in &damages {
            let mut other = engine();
            let global = story.told.engine.global_image();
            let global = if is_global { damaged(&global, damage) } else { global };
            let is_loaded = other.load_global(&global).is_ok()
                && (0..story.told.engine.account_count()).all(|number| {
                    let image = story.told.engine.account_image(number);
                    let image = if is_global { image } else { damaged(&image, damage) };
                    other.load_account(&image).is_ok()
                });
            if is_loaded {
                use_if_complete(other, story.now());
            }
        }
    }

    #[test]
    fn damaged_key_runs_never_panic(ops in ops(), damages in damages()) {
        let story = told(&ops);
        let mut keys = Vec::new();
        story.told.engine.extract_keys(&story.told.journal, 1, &mut keys).expect("reads");
        for damage in &damages {
            let mut other = engine();
            other.load_global(&story.told.engine.global_image()).expect("loads");
            for number in 0..story.told.engine.account_count() {
                other.load_account(&story.told.engine.account_image(number)).expect("loads");
            }
            let run = damaged(&keys, damage);
            let _ = drawdown_core::key_run::newest_time(&run);
            if other.load_keys(&run).is_ok() {
                use_if_complete(other, story.now());
            }
        }
    }
}
