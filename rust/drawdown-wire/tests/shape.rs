//! The shape rules: which events are malformed on the server, and which fields an encoder refuses.

mod common;

use common::facts::row_of;
use common::messages::{self, UsageColumns};
use common::{DecodedEvent, SentEvent, decode, key};
use drawdown_core::{Status, Subject};
use drawdown_wire::{ColumnsEncoder, EventInput, RowsEncoder};
use prost::Message;
use std::collections::BTreeMap;

/// One row's bytes, changed by hand, between two whole ones.
fn decode_between(row: &[u8]) -> DecodedEvent {
    let whole =
        [row_of(&SentEvent::plain("before")).encode_to_vec(), row_of(&SentEvent::plain("after")).encode_to_vec()];
    let mut bytes = Vec::new();
    for row in [&whole[0][..], row, &whole[1]] {
        bytes.push(0x1a);
        prost::encoding::encode_varint(row.len() as u64, &mut bytes);
        bytes.extend_from_slice(row);
    }
    let mut events = decode(&bytes).unwrap().2;
    assert_eq!(events.len(), 3);
    assert_eq!(events[0], DecodedEvent::expected(&SentEvent::plain("before")));
    assert_eq!(events[2], DecodedEvent::expected(&SentEvent::plain("after")));
    events.remove(1)
}

fn is_malformed(change: impl FnOnce(&mut messages::UsageEvent)) -> bool {
    let mut row = row_of(&SentEvent::plain("e"));
    change(&mut row);
    decode_between(&row.encode_to_vec()).malformed
}

fn dimensions(count: usize) -> BTreeMap<String, String> {
    (0..count).map(|index| (format!("k{index}"), "v".into())).collect()
}

#[test]
fn an_event_that_cannot_be_taken_is_malformed_and_its_neighbours_are_not() {
    assert!(!is_malformed(|_| ()));
    assert!(is_malformed(|row| row.event_id.clear()));
    assert!(is_malformed(|row| row.account_id.clear()));
    assert!(is_malformed(|row| row.subject = None));
    assert!(is_malformed(|row| row.subject = Some(messages::Subject::Meter(String::new()))));
    assert!(is_malformed(|row| row.event_id = "e".repeat(129)));
    assert!(!is_malformed(|row| row.event_id = "e".repeat(128)));
    assert!(is_malformed(|row| row.account_id = "ä".repeat(65)));
    assert!(!is_malformed(|row| row.account_id = "ä".repeat(64)));
    assert!(is_malformed(|row| row.event_id = "line\nbreak".into()));
    assert!(is_malformed(|row| row.account_id = "a\u{85}".into()));
    assert!(is_malformed(|row| row.subject = Some(messages::Subject::Meter("m\u{2028}".into()))));
    assert!(is_malformed(|row| row.quantity = -1));
    assert!(is_malformed(|row| row.quantity = i64::MIN));
    assert!(!is_malformed(|row| row.quantity = i64::MAX));
    assert!(is_malformed(|row| row.credits = 1));
    assert!(is_malformed(|row| row.subject = Some(messages::Subject::CreditType("c".into()))), "with a quantity");
    assert!(is_malformed(|row| {
        row.subject = Some(messages::Subject::CreditType("c".into()));
        (row.quantity, row.credits) = (0, -1);
    }));
    assert!(!is_malformed(|row| row.dimensions = dimensions(16).into_iter().collect()));
    assert!(is_malformed(|row| row.dimensions = dimensions(17).into_iter().collect()));
    for (name, value) in [
        ("k".repeat(129), "v".into()),
        ("k".into(), "v".repeat(129)),
        ("k\t".into(), "v".into()),
        ("k".into(), "\u{0}".into()),
    ] {
        assert!(is_malformed(|row| row.dimensions = [(name, value)].into()));
    }
}

#[test]
fn text_that_is_not_utf8_is_its_own_events_fault() {
    let row = |field: u8| {
        let mut row = b"\x0a\x01e\x12\x01a\x1a\x01m\x42\x06\x0a\x01k\x12\x01v".to_vec();
        assert!(!decode_between(&row).malformed);
        let at = row.iter().position(|&byte| byte == field).unwrap();
        row[at] = 0xff;
        row
    };
    for field in *b"eamkv" {
        let found = decode_between(&row(field));
        assert!(found.malformed, "{}", char::from(field));
    }
}

#[test]
fn two_subjects_are_malformed_in_either_order() {
    for row in [b"\x0a\x01e\x12\x01a\x1a\x01m\x22\x01c", b"\x0a\x01e\x12\x01a\x22\x01c\x1a\x01m"] {
        assert!(decode_between(row).malformed);
    }
}

#[test]
fn a_key_repeated_without_end_is_malformed() {
    let entry = b"\x42\x06\x0a\x01k\x12\x01v";
    let row = |count: usize| [b"\x0a\x01e\x12\x01a\x1a\x01m".as_slice(), &entry.repeat(count)].concat();
    let found = decode_between(&row(64));
    assert_eq!((found.malformed, found.event.dimensions.len()), (false, 1));
    assert!(decode_between(&row(65)).malformed);
}

#[test]
fn malformed_entries_of_columns_touch_the_events_that_point_to_them() {
    let columns = UsageColumns {
        accounts: vec!["a".into(), String::new()],
        meters: vec!["m".into(), "m\n".into()],
        account_index: vec![0, 1, 0, 0, 0, 0, 0],
        subject_index: vec![0, 0, 1, 0, 0, 0, 0],
        quantity: vec![1, 1, 1, -1, 1, 1, 1],
        event_ids: b"abcd\xffef".to_vec(),
        event_id_width: 1,
        time_base_us: Some(i64::MAX),
        time_delta_us: vec![0, 0, 0, 0, 0, 1, 0],
        dimension_sets: vec![messages::DimensionSet { dimensions: dimensions(17).into_iter().collect() }],
        dimension_index: vec![0, 0, 0, 0, 0, 0, 1],
        ..UsageColumns::default()
    };
    let batch = messages::UsageBatch { columns: Some(columns), ..messages::UsageBatch::default() };
    let (_, _, events) = decode(&batch.encode_to_vec()).unwrap();
    let malformed: Vec<bool> = events.iter().map(|found| found.malformed).collect();
    assert_eq!(malformed, [false, true, true, true, true, true, true]);
}

#[test]
fn encoders_refuse_a_field_by_name_and_add_nothing() {
    let base = EventInput {
        event_id: "e",
        account_id: "a",
        subject: Subject::Meter("m"),
        quantity: 1,
        time_us: None,
        dimensions: &[],
        force: false,
    };
    let long = "x".repeat(129);
    let many: Vec<(String, String)> = dimensions(17).into_iter().collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (&**name, &**value)).collect();
    let cases = [
        (EventInput { event_id: "", ..base }, "event_id: is empty; 1 to 128 bytes of printable text are needed"),
        (EventInput { account_id: &long, ..base }, "account_id: is 129 bytes long, at most 128 are accepted"),
        (EventInput { subject: Subject::Meter("a\tb"), ..base }, "meter: \"a\\tb\" holds control characters"),
        (
            EventInput { subject: Subject::CreditType(""), ..base },
            "credit_type: is empty; 1 to 128 bytes of printable text are needed",
        ),
        (EventInput { quantity: -5, ..base }, "quantity: -5 is negative"),
        (EventInput { quantity: -5, subject: Subject::CreditType("c"), ..base }, "credits: -5 is negative"),
        (EventInput { dimensions: &many, ..base }, "dimensions: 17 dimensions, at most 16 are accepted"),
        (EventInput { dimensions: &[("k", "1"), ("k", "2")], ..base }, "dimensions: key \"k\" comes twice"),
        (
            EventInput { dimensions: &[("k", &long)], ..base },
            "dimensions: a value is 129 bytes long, at most 128 are accepted",
        ),
        (EventInput { dimensions: &[("\u{9f}", "")], ..base }, "dimensions: key \"\\u{9f}\" holds control characters"),
    ];
    let (mut rows, mut columns) = (RowsEncoder::new(), ColumnsEncoder::new());
    for (event, message) in cases {
        for refused in [rows.add(&event), columns.add(&event)] {
            assert_eq!(refused.unwrap_err().to_string(), message);
        }
    }
    assert_eq!((rows.count(), columns.count()), (0, 0));
    assert_eq!((rows.add(&base), columns.add(&base)), (Ok(1), Ok(1)));
}

#[test]
fn an_event_that_was_never_encoded_is_sealed_as_the_decoder_seals_it() {
    let sent = SentEvent { dimensions: dimensions(5), ..SentEvent::plain("e") };
    let mut pairs = sent.pairs();
    pairs.reverse();
    let found = sent.input(&pairs).sealed_with(&key(), DecodedEvent::of);
    assert_eq!(found, DecodedEvent::expected(&sent));
    let negative = SentEvent { quantity: -1, ..sent };
    assert!(negative.input(&[]).sealed_with(&key(), |event| event.malformed));
    let twice = [("k", "1"), ("k", "2")];
    assert!(SentEvent::plain("e").input(&twice).sealed_with(&key(), |event| event.malformed));
}

#[test]
fn statuses_are_numbered_as_the_client_reads_them() {
    for (index, status) in Status::ALL.iter().enumerate() {
        assert_eq!(*status as usize, index + 1);
    }
}
