//! What an encoder was given is what the decoder gives back, rows and columns alike.

mod common;

use common::{DecodedEvent, SentEvent, config, decode, decode_by, detail, events};
use drawdown_wire::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, ColumnsEncoder, Encoding, LoadGenerator, LoadSettings, ResultDetail,
    RowsEncoder, Skew, UsageBatchDecoder,
};
use proptest::prelude::*;
use std::collections::HashSet;

fn rows_of(events: &[SentEvent], batch_id: u64, detail: ResultDetail) -> Vec<u8> {
    let mut encoder = RowsEncoder::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(encoder.add(&event.input(&event.pairs())), Ok(index + 1));
    }
    let size = encoder.size_bytes();
    let bytes = encoder.take(batch_id, detail);
    assert!(bytes.len() <= size, "{} passes the size that was told, {size}", bytes.len());
    assert_eq!(encoder.count(), 0);
    bytes
}

fn columns_of(encoder: &mut ColumnsEncoder, events: &[SentEvent], batch_id: u64, detail: ResultDetail) -> Vec<u8> {
    for (index, event) in events.iter().enumerate() {
        // Any order of dimensions is the same set.
        let mut pairs = event.pairs();
        if index % 2 == 1 {
            pairs.reverse();
        }
        assert_eq!(encoder.add(&event.input(&pairs)), Ok(index + 1));
    }
    let size = encoder.size_bytes();
    let bytes = encoder.take(batch_id, detail);
    assert!(bytes.len() <= size, "{} passes the size that was told, {size}", bytes.len());
    assert_eq!(encoder.count(), 0);
    bytes
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn rows_and_columns_carry_the_same_facts(
        batches in prop::collection::vec((events(), any::<u64>(), detail()), 1..4)
    ) {
        // One decoder and one encoder for all: nothing of a batch may show in the next.
        let mut decoder = UsageBatchDecoder::new();
        let mut columns = ColumnsEncoder::new();
        for (events, batch_id, detail) in batches {
            let expected: Vec<DecodedEvent> = events.iter().map(DecodedEvent::expected).collect();
            let expected = Ok((batch_id, detail, expected));
            let rows = rows_of(&events, batch_id, detail);
            prop_assert_eq!(&decode_by(&mut decoder, &rows), &expected);
            let columns = columns_of(&mut columns, &events, batch_id, detail);
            prop_assert_eq!(&decode_by(&mut decoder, &columns), &expected);
        }
    }
}

#[test]
fn a_uuid_text_is_one_id_however_it_travels() {
    let sent = SentEvent::plain("00112233-4455-6677-8899-aabbccddeeff");
    let bytes = columns_of(&mut ColumnsEncoder::new(), std::slice::from_ref(&sent), 1, ResultDetail::Exceptions);
    assert!(!bytes.windows(8).any(|window| window == b"00112233"), "travels as 16 bytes");
    assert_eq!(decode(&bytes).unwrap().2, [DecodedEvent::expected(&sent)]);
    let upper = SentEvent::plain("00112233-4455-6677-8899-AABBCCDDEEFF");
    let both = [sent, upper];
    let bytes = columns_of(&mut ColumnsEncoder::new(), &both, 1, ResultDetail::Exceptions);
    let decoded = decode(&bytes).unwrap().2;
    assert_eq!(decoded, both.each_ref().map(DecodedEvent::expected));
    assert_ne!(decoded[0].hashes.1, decoded[1].hashes.1, "ids are compared as bytes");
}

#[test]
fn a_full_encoder_says_so_and_loses_nothing() {
    let mut encoder = RowsEncoder::new();
    let event = SentEvent { account_id: "a".into(), subject: "m".into(), ..SentEvent::plain("e") };
    for _ in 0..BATCH_EVENTS_MAX {
        encoder.add(&event.input(&[])).unwrap();
    }
    let refused = encoder.add(&event.input(&[])).unwrap_err();
    assert_eq!(refused.to_string(), "batch: holds 65536 events, the most that are accepted: take it first");
    let (_, _, decoded) = decode(&encoder.take(1, ResultDetail::None)).unwrap();
    assert_eq!(decoded.len(), BATCH_EVENTS_MAX);
    assert_eq!(encoder.add(&event.input(&[])), Ok(1));

    let long =
        SentEvent { account_id: "a".repeat(128), subject: "m".repeat(128), ..SentEvent::plain(&"e".repeat(128)) };
    let mut encoder = RowsEncoder::new();
    let refused = (0..BATCH_EVENTS_MAX).find_map(|_| encoder.add(&long.input(&[])).err()).expect("4 MiB are passed");
    assert_eq!(refused.to_string(), "batch: would pass 4194304 bytes, the most that are accepted: take it first");
    assert!(decode(&encoder.take(u64::MAX, ResultDetail::None)).is_ok());

    let mut encoder = ColumnsEncoder::new();
    let mut waiting = 0;
    let refused = loop {
        let long =
            SentEvent { event_id: format!("{waiting:0128}"), account_id: format!("{waiting:0128}"), ..long.clone() };
        match encoder.add(&long.input(&[])) {
            Ok(count) => waiting = count,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.field, "batch");
    assert_eq!(decode(&encoder.take(u64::MAX, ResultDetail::None)).unwrap().2.len(), waiting);
}

#[test]
fn an_encoder_is_full_before_the_dimensions_of_its_events_are_more_than_is_taken() {
    let sets = [0, 1].map(|set| (0..16).map(|pair| (format!("{pair:0128}"), format!("{set:0128}"))).collect());
    let events = sets.map(|dimensions| SentEvent { dimensions, ..SentEvent::plain("e") });
    let pairs = events.each_ref().map(SentEvent::pairs);
    let mut encoder = ColumnsEncoder::new();
    let mut waiting = 0;
    let refused = loop {
        match encoder.add(&events[waiting % 2].input(&pairs[waiting % 2])) {
            Ok(count) => waiting = count,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.field, "batch");
    assert!((4_000..=4_096).contains(&waiting), "{waiting} events of 4 KiB");
    assert!(encoder.size_bytes() > BATCH_BYTES_MAX / 10 * 9);
    let bytes = encoder.take(1, ResultDetail::None);
    assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    assert_eq!(decode(&bytes).unwrap().2.len(), waiting);
    assert_eq!(encoder.add(&SentEvent::plain("e").input(&[])), Ok(1));
    assert!(encoder.size_bytes() < 1_000, "nothing is left of the batch before");
}

#[test]
fn columns_have_times_for_all_events_or_for_none() {
    let timed = SentEvent::plain("a");
    let untimed = SentEvent { time_us: None, ..SentEvent::plain("b") };
    let far = SentEvent { time_us: Some(i64::MIN), ..SentEvent::plain("c") };
    let mut encoder = ColumnsEncoder::new();
    encoder.add(&timed.input(&[])).unwrap();
    for (event, message) in [
        (&untimed, "time_us: is missing; the other events of this batch have a time"),
        (&far, "time_us: -9223372036854775808 is too far from the batch's first, 1767225600000000"),
    ] {
        assert_eq!(encoder.add(&event.input(&[])).unwrap_err().to_string(), message);
    }
    assert_eq!(decode(&encoder.take(1, ResultDetail::None)).unwrap().2, [DecodedEvent::expected(&timed)]);
    encoder.add(&untimed.input(&[])).unwrap();
    let refused = encoder.add(&timed.input(&[])).unwrap_err();
    assert_eq!(refused.to_string(), "time_us: is set; the other events of this batch have no time");
}

fn settings(encoding: Encoding, skew: Skew, seed: u64) -> LoadSettings<'static> {
    LoadSettings {
        accounts: 5_000,
        batch: 700,
        skew,
        encoding,
        seed,
        meter: "input_tokens",
        quantity: 1_000,
        send_time: true,
    }
}

#[test]
fn generated_load_is_whole_fresh_and_the_same_for_the_same_seed() {
    let mut ids = HashSet::new();
    // The second instant lies where the time's varint grows by a byte within the batch.
    for now_us in [1_767_225_600_000_000, (1 << 49) + 100] {
        for skew in [Skew::Uniform, Skew::Zipf, Skew::Hot] {
            let seed = ids.len() as u64;
            let mut rows = LoadGenerator::new(&settings(Encoding::Rows, skew, seed)).unwrap();
            let mut columns = LoadGenerator::new(&settings(Encoding::Columns, skew, seed)).unwrap();
            for batch_id in 0..3 {
                let decoded = decode(&rows.next(batch_id, now_us)).unwrap();
                assert_eq!(decoded, decode(&columns.next(batch_id, now_us)).unwrap());
                assert_eq!((decoded.0, decoded.2.len()), (batch_id, 700));
                for (index, found) in decoded.2.into_iter().enumerate() {
                    assert!(!found.malformed);
                    assert_eq!(found.event.time_us, Some(now_us - 699 + index as i64));
                    assert_eq!((found.event.subject.as_str(), found.event.quantity), ("input_tokens", 1_000));
                    let number: u32 = found.event.account_id.strip_prefix("acct-").unwrap().parse().unwrap();
                    assert!(number < if skew == Skew::Hot { 1 } else { 5_000 });
                    assert_eq!(found, DecodedEvent::expected(&found.event));
                    assert!(ids.insert(found.event.event_id), "ids never repeat");
                }
            }
        }
    }
    let again = |seed| LoadGenerator::new(&settings(Encoding::Rows, Skew::Uniform, seed)).unwrap().next(1, 1);
    assert_eq!(again(5), again(5));
    assert_ne!(again(5), again(6));
}

#[test]
fn generated_load_without_times_has_none() {
    for encoding in [Encoding::Rows, Encoding::Columns] {
        let settings = LoadSettings { send_time: false, quantity: 0, ..settings(encoding, Skew::Uniform, 1) };
        let (_, _, decoded) = decode(&LoadGenerator::new(&settings).unwrap().next(0, 1)).unwrap();
        assert!(decoded.iter().all(|found| found.event.time_us.is_none() && found.event.quantity == 0));
    }
}

#[test]
fn generated_rows_of_any_length_are_whole() {
    let meters: Vec<String> = (1..=128).map(|length| "m".repeat(length)).collect();
    for meter in &meters {
        let settings = LoadSettings { meter, batch: 3, ..settings(Encoding::Rows, Skew::Uniform, 9) };
        let (_, _, decoded) = decode(&LoadGenerator::new(&settings).unwrap().next(0, 1 << 50)).unwrap();
        for found in decoded {
            assert_eq!(found.event.subject, *meter);
            assert_eq!(found.event.account_id.len(), 13);
            assert_eq!(found, DecodedEvent::expected(&found.event));
        }
    }
}

#[test]
fn a_generator_refuses_settings_by_name() {
    let base = settings(Encoding::Rows, Skew::Uniform, 1);
    let refused = |settings: LoadSettings<'_>| LoadGenerator::new(&settings).err().map(|error| error.to_string());
    assert_eq!(refused(LoadSettings { accounts: 0, ..base }).unwrap(), "accounts: 0 is not 1 to 100000000");
    assert_eq!(refused(LoadSettings { batch: 0, ..base }).unwrap(), "batch: 0 is not 1 to 43240");
    assert_eq!(refused(LoadSettings { batch: 65_537, ..base }).unwrap(), "batch: 65537 is not 1 to 43240");
    assert_eq!(refused(LoadSettings { quantity: -1, ..base }).unwrap(), "quantity: -1 is negative");
    assert_eq!(
        refused(LoadSettings { meter: "", ..base }).unwrap(),
        "meter: is empty; 1 to 128 bytes of printable text are needed"
    );
    assert_eq!(refused(base), None);
}
