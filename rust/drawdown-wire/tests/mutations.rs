//! Whole messages changed at random, from a fixed seed: never a panic, and what is taken means what
//! prost reads in the same bytes.

mod common;

use common::facts::{row_of, sent_of, sent_of_columns};
use common::messages::{self, UsageColumns};
use common::{DecodedEvent, SentEvent, decode, decode_by, key};
use drawdown_wire::{CheckDecoder, Encoding, LoadGenerator, LoadSettings, Skew, UsageBatchDecoder, decode_ack};
use prost::Message;

/// Sequence of Steele, Lea and Flood, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..[1, 1, 2, 4][random.below(4)] {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 => bytes.insert(at, random.next() as u8),
            4 if at < bytes.len() => drop(bytes.remove(at)),
            5 => {
                let end = (at + random.below(24)).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                let place = random.below(bytes.len());
                bytes.splice(place..place, piece);
            }
            6 if at < bytes.len() => bytes[at] = [0x00, 0x7f, 0x80, 0xff][random.below(4)],
            _ => {}
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut sent: Vec<SentEvent> = ["a", "b", "c"].map(SentEvent::plain).into();
    sent[1].dimensions = [("model".into(), "large".into()), ("zone".into(), "é".into())].into();
    (sent[2].direct, sent[2].force) = (true, true);
    let rows: Vec<messages::UsageEvent> = sent.iter().map(row_of).collect();
    let batch = messages::UsageBatch { batch_id: 300, detail: 2, events: rows, columns: None };
    let set = messages::DimensionSet { dimensions: [("model".into(), "large".into())].into() };
    let columns = UsageColumns {
        accounts: vec!["a".into()],
        meters: vec!["m".into()],
        credit_types: vec!["credits".into()],
        account_index: vec![0, 0],
        subject_index: vec![0, 1],
        quantity: vec![1, 2],
        time_base_us: Some(1_767_225_600_000_000),
        time_delta_us: vec![0, -5],
        event_ids: b"abc".to_vec(),
        event_id_length: vec![1, 2],
        dimension_sets: vec![set],
        dimension_index: vec![1, 0],
        forced: vec![1],
        ..UsageColumns::default()
    };
    let full = messages::UsageBatch { columns: Some(columns), ..messages::UsageBatch::default() };
    let generated = |encoding| {
        let settings = LoadSettings {
            accounts: 3,
            batch: 3,
            skew: Skew::Uniform,
            encoding,
            seed: 1,
            meter: "m",
            quantity: 300,
            send_time: true,
        };
        LoadGenerator::new(&settings).unwrap().next(1, 1_767_225_600_000_000)
    };
    vec![batch.encode_to_vec(), full.encode_to_vec(), generated(Encoding::Rows), generated(Encoding::Columns)]
}

/// What prost makes of bytes that were taken here.
fn compare_with_prost(bytes: &[u8], found: &[DecodedEvent]) -> bool {
    let batch = match messages::UsageBatch::decode(bytes) {
        Ok(batch) => batch,
        // Text that is not UTF-8 is one event's fault here, the whole message's for prost.
        Err(error) => {
            assert!(error.to_string().contains("UTF-8"), "{error}: {bytes:02x?}");
            return false;
        }
    };
    let sent = match &batch.columns {
        Some(columns) => sent_of_columns(columns),
        None => batch.events.iter().map(sent_of).collect(),
    };
    assert_eq!(found.len(), sent.len());
    for (found, sent) in found.iter().zip(&sent) {
        if !found.malformed {
            assert_eq!(found, &DecodedEvent::expected(sent), "{bytes:02x?}");
        }
    }
    true
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("the variable holds a number"))
}

#[test]
fn mutated_batches_never_panic_and_mean_what_prost_says() {
    let seeds = seeds();
    for seed in &seeds {
        assert!(compare_with_prost(seed, &decode(seed).unwrap().2));
    }
    // `make fuzz` asks for more rounds and another seed; the same two numbers repeat a run.
    let rounds = number_of("DRAWDOWN_FUZZ_ROUNDS", 200_000) as usize;
    let mut random = Random(number_of("DRAWDOWN_FUZZ_SEED", 2026));
    let mut decoder = UsageBatchDecoder::new();
    let mut checks = CheckDecoder::new();
    let (mut refused, mut compared) = (0, 0);
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].clone();
        mutate(&mut random, &mut bytes);
        match decode_by(&mut decoder, &bytes) {
            Ok((_, _, found)) => compared += usize::from(compare_with_prost(&bytes, &found)),
            Err(error) => {
                assert!(error.offset() <= bytes.len(), "{error}: {bytes:02x?}");
                refused += 1;
            }
        }
        // The same bytes are as hostile to the other decoders.
        let _ = decode_ack(&bytes);
        let _ = checks.decode_batch_with(&bytes, &key(), |checks| checks.len());
        let _ = checks.decode_one_with(&bytes, &key(), |check| check.malformed);
    }
    // Neither outcome may have become so rare that the test no longer looks at it.
    assert!(refused * 10 > rounds, "{refused} of {rounds} refused");
    assert!(compared * 10 > rounds, "{compared} of {rounds} compared");
}
