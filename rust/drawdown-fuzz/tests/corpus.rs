//! The corpus and mutations of it against every target, counted.
//!
//! `DRAWDOWN_FUZZ_ROUNDS` (per target), `DRAWDOWN_FUZZ_SEED` and `DRAWDOWN_FUZZ_TARGET` repeat a run;
//! `DRAWDOWN_FUZZ_WRITE_SEEDS=1` writes what the corpus began with.

use drawdown_fuzz::mutation::mutate;
use drawdown_fuzz::{TARGETS, Target};
use drawdown_node::simulation::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn folder_of(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target.name)
}

fn corpus_of(target: &Target) -> Vec<(String, Vec<u8>)> {
    let listed = std::fs::read_dir(folder_of(target)).expect("a corpus folder for every target");
    let mut found: Vec<_> = listed
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("the variable holds a number"))
}

/// Run one input; a panic names it in hex, so that it can be put into the corpus.
fn run(target: &Target, bytes: &[u8], what: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).unwrap_or_else(|panic| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("target {}, {what}: {hex}", target.name);
        std::panic::resume_unwind(panic)
    })
}

#[test]
fn every_target_takes_the_seeds_of_its_corpus() {
    for target in &TARGETS {
        let seeds = (target.seeds)();
        if std::env::var_os("DRAWDOWN_FUZZ_WRITE_SEEDS").is_some() {
            std::fs::create_dir_all(folder_of(target)).unwrap();
            for (name, bytes) in &seeds {
                std::fs::write(folder_of(target).join(name), bytes).unwrap();
            }
        }
        let corpus = corpus_of(target);
        for (name, bytes) in &corpus {
            let taken = run(target, bytes, name);
            let is_seed = seeds.iter().any(|(seed, _)| seed == name);
            if !taken && is_seed {
                eprintln!("{}: {name}: {}", target.name, String::from_utf8_lossy(bytes));
            }
            assert!(taken || !is_seed, "{}: {name} is no longer taken; write the seeds anew", target.name);
        }
        assert!(corpus.len() >= seeds.len(), "{}: seeds are missing in the corpus", target.name);
    }
}

#[test]
fn no_target_fails_on_changed_bytes() {
    let rounds = number_of("DRAWDOWN_FUZZ_ROUNDS", 1_000);
    let seed = number_of("DRAWDOWN_FUZZ_SEED", 2026);
    let only = std::env::var("DRAWDOWN_FUZZ_TARGET").ok();
    for target in TARGETS.iter().filter(|target| only.as_ref().is_none_or(|name| name == target.name)) {
        let corpus = corpus_of(target);
        let mut random = Random(seed);
        let (mut taken, mut refused) = (0_u64, 0_u64);
        for round in 0..rounds {
            let (name, bytes) = &corpus[random.below(corpus.len() as u64) as usize];
            let other = &corpus[random.below(corpus.len() as u64) as usize].1;
            let mut bytes = bytes.clone();
            mutate(&mut random, &mut bytes, other);
            match run(target, &bytes, &format!("round {round} of seed {seed}, from {name}")) {
                true => taken += 1,
                false => refused += 1,
            }
        }
        eprintln!("{:<16} {rounds:>9} inputs: {taken} taken, {refused} refused", target.name);
        assert!(taken > 0 && refused > 0, "{}: {taken} taken, {refused} refused shows nothing", target.name);
    }
}
