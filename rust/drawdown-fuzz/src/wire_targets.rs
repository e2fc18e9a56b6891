//! Bytes as a client sends them.

use crate::Target;
use crate::base;
use drawdown_core::{Outcome, Rights, StoreKey, Subject};
use drawdown_wire::{
    CheckDecoder, Encoding, EventInput, LoadGenerator, LoadSettings, ResultDetail, RowsEncoder, Skew,
    UsageBatchDecoder, decode_ack,
};

pub const USAGE_BATCH: Target = Target { name: "usage_batch", run: usage_batch, seeds: batch_seeds };
pub const CHECKS: Target = Target { name: "checks", run: checks, seeds: check_seeds };
pub const ACK: Target = Target { name: "ack", run: ack, seeds: ack_seeds };

/// A batch of rows or columns: decoded, recorded, replayed.
fn usage_batch(bytes: &[u8]) -> bool {
    let key = StoreKey::new(base::KEY);
    let sound = UsageBatchDecoder::new().decode_with(bytes, &key, |_| ()).is_ok();
    if !sound {
        return false;
    }
    let (mut engine, mut journal) = base::wide();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let taken = UsageBatchDecoder::new().decode_with(bytes, &key, |batch| {
        let shed = engine.record_batch(batch.events, base::START_US, &Rights::ALL, &mut journal, &mut outcomes);
        shed.is_ok().then_some(batch.events.len())
    });
    let Ok(Some(events)) = taken else { return false };
    assert_eq!(events, outcomes.len(), "an outcome per event");
    base::assert_lawful(&engine, &journal);
    true
}

fn checks(bytes: &[u8]) -> bool {
    let key = StoreKey::new(base::KEY);
    let mut decoder = CheckDecoder::new();
    let one = decoder.decode_one_with(bytes, &key, |check| check.malformed);
    let batch = decoder.decode_batch_with(bytes, &key, |checks| checks.len());
    one.is_ok() || batch.is_ok()
}

fn ack(bytes: &[u8]) -> bool {
    decode_ack(bytes).is_ok()
}

fn batch_seeds() -> Vec<(String, Vec<u8>)> {
    let generated = |encoding, batch| {
        let settings = LoadSettings {
            accounts: 2,
            batch,
            skew: Skew::Uniform,
            encoding,
            seed: 1,
            meter: "tokens",
            quantity: 3,
            send_time: true,
        };
        LoadGenerator::new(&settings).expect("plain settings").next(1, base::START_US)
    };
    // id "e1", account "rich", meter "tokens" or credit type "credits", quantity, time
    let row = |subject: u8, name: &str, quantity: u8| {
        let mut event = vec![0x0a, 2, b'e', b'0' + quantity, 0x12, 4];
        event.extend(b"rich");
        event.extend([subject, name.len() as u8]);
        event.extend(name.as_bytes());
        event.extend([0x28, quantity]);
        let mut batch = vec![0x08, 7, 0x10, 2, 0x1a, event.len() as u8];
        batch.extend(event);
        batch
    };
    vec![
        ("rows-generated".into(), generated(Encoding::Rows, 3)),
        ("columns-generated".into(), generated(Encoding::Columns, 3)),
        ("columns-one".into(), generated(Encoding::Columns, 1)),
        ("row-of-a-meter".into(), row(0x1a, "tokens", 2)),
        ("row-of-a-maximum".into(), row(0x1a, "seats", 9)),
        ("row-of-credits".into(), row(0x22, "credits", 5)),
        ("rows-of-every-account".into(), rows_of_every_account()),
    ]
}

/// An event for each policy, aggregation and kind of price of the wide state.
fn rows_of_every_account() -> Vec<u8> {
    let large: &[(&str, &str)] = &[("model", "large")];
    let events = [
        ("owing", Subject::Meter("calls"), 9, large, false),
        ("owing", Subject::CreditType("credits"), 700, &[], false),
        ("over", Subject::Meter("tokens"), 40, &[], false),
        ("over", Subject::Meter("users"), 1, &[("who", "ann")], false),
        ("part", Subject::Meter("tokens"), 30, &[], false),
        ("stopped", Subject::Meter("gpu"), 61_000, &[], true),
        ("rich", Subject::Meter("gpu"), 1_500, large, false),
        ("rich", Subject::Meter("level"), 7, &[], false),
        ("clocked", Subject::Meter("tokens"), 1, &[], true),
    ];
    let mut encoder = RowsEncoder::new();
    for (index, (account_id, subject, quantity, dimensions, force)) in events.into_iter().enumerate() {
        let event_id = format!("e{index}");
        let time_us = (index % 2 == 0).then_some(base::START_US - 500);
        let event = EventInput { event_id: &event_id, account_id, subject, quantity, time_us, dimensions, force };
        encoder.add(&event).expect("a sound event");
    }
    encoder.take(3, ResultDetail::All)
}

fn check_seeds() -> Vec<(String, Vec<u8>)> {
    let mut one = vec![0x0a, 4];
    one.extend(b"rich");
    one.extend([0x12, 6]);
    one.extend(b"tokens");
    one.extend([0x18, 3]);
    let mut batch = vec![0x0a, one.len() as u8];
    batch.extend(&one);
    vec![("one".into(), one), ("batch".into(), batch)]
}

fn ack_seeds() -> Vec<(String, Vec<u8>)> {
    // Batch id, seq, applied, duplicates.
    let plain = vec![0x08, 1, 0x10, 9, 0x18, 3, 0x20, 1];
    vec![("plain".into(), plain)]
}
