//! Nanoseconds per event of the wire crate: what decoding adds to a batch on the server, and what
//! generating costs the load client. `cargo run --release -p drawdown-wire --example decode_speed`.
//!
//! Every decoded batch is checked before it is timed: all events whole, all ids apart.

#![allow(clippy::float_arithmetic, reason = "durations per event")]

use drawdown_core::{Outcome, OutcomeSink, Status, StoreKey};
use drawdown_wire::{AckBuilder, Encoding, LoadGenerator, LoadSettings, ResultDetail, Skew, UsageBatchDecoder};
use std::collections::HashSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATCHES: usize = 64;
const ROUNDS: usize = 7;
const NOW_US: i64 = 1_767_225_600_000_000;

fn main() {
    if cfg!(debug_assertions) {
        eprintln!("a debug build measures nothing: run with --release");
        std::process::exit(2);
    }
    println!(
        "{:<10} {:<8} {:>6} {:>12} {:>12} {:>10}",
        "encoding", "skew", "batch", "generate ns", "decode ns", "bytes"
    );
    for encoding in [Encoding::Rows, Encoding::Columns] {
        for skew in [Skew::Uniform, Skew::Zipf, Skew::Hot] {
            for batch in [1_000, 8_000] {
                measure(encoding, skew, batch);
            }
        }
    }
    measure_ack();
}

fn measure(encoding: Encoding, skew: Skew, batch: usize) {
    let settings = LoadSettings {
        accounts: 1_000_000,
        batch,
        skew,
        encoding,
        seed: 42,
        meter: "input_tokens",
        quantity: 1_000,
        send_time: true,
    };
    let mut generator = LoadGenerator::new(&settings).expect("the settings are in range");
    let key = StoreKey::new([7; 16]);
    let mut decoder = UsageBatchDecoder::new();
    let batches: Vec<Vec<u8>> = (0..BATCHES).map(|id| generator.next(id as u64, NOW_US)).collect();
    let mut ids = HashSet::new();
    for bytes in &batches {
        decoder
            .decode_with(bytes, &key, |decoded| {
                assert_eq!(decoded.events.len(), batch);
                assert!(decoded.events.iter().all(|event| !event.malformed));
                ids.extend(decoded.events.iter().map(|event| event.event_hash));
            })
            .expect("a generated batch is well formed");
    }
    assert_eq!(ids.len(), BATCHES * batch);
    drop(ids);

    let generate = best(|| {
        for id in 0..BATCHES {
            black_box(generator.next(id as u64, NOW_US));
        }
    });
    let decode = best(|| {
        for bytes in &batches {
            let decoded = decoder.decode_with(black_box(bytes), &key, |decoded| black_box(decoded.events.len()));
            assert!(decoded.is_ok());
        }
    });
    let events = (BATCHES * batch) as f64;
    let bytes = batches.iter().map(Vec::len).sum::<usize>() as f64 / events;
    println!(
        "{:<10} {:<8} {batch:>6} {:>12.1} {:>12.1} {bytes:>10.1}",
        format!("{encoding:?}").to_lowercase(),
        format!("{skew:?}").to_lowercase(),
        generate.as_nanos() as f64 / events,
        decode.as_nanos() as f64 / events,
    );
}

fn measure_ack() {
    const EVENTS: u32 = 8_000;
    let outcome = Outcome {
        status: Status::Ok,
        charged: 2_500_000,
        uncovered: 0,
        available: Some(123_456_789_000),
        shortfall: None,
    };
    for detail in [ResultDetail::Exceptions, ResultDetail::All, ResultDetail::None] {
        let mut ack = AckBuilder::new(detail);
        let spent = best(|| {
            for _ in 0..BATCHES {
                for index in 0..EVENTS {
                    ack.push(index, black_box(&outcome));
                }
                black_box(ack.finish(1, 2, true));
            }
        });
        let per_event = spent.as_nanos() as f64 / (BATCHES as f64 * f64::from(EVENTS));
        println!("ack, all ok, detail {detail:?}: {per_event:.1} ns/event");
    }
}

/// The quickest of some rounds: what the machine's other work did not disturb.
fn best(mut round: impl FnMut()) -> Duration {
    let timed = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed()
    });
    timed.min().expect("there is a round")
}
