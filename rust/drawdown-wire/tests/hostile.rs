//! Bytes that no honest client sends: refused with the offset and the reason.

mod common;

use common::facts::{row_of, sent_of_columns};
use common::messages::{self, UsageColumns};
use common::{DecodedEvent, SentEvent, decode, decode_by, key};
use drawdown_wire::{CheckDecoder, UsageBatchDecoder, decode_ack};
use prost::Message;

/// One field: its tag byte, its length, its bytes.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn good_row(event_id: &str) -> Vec<u8> {
    field(0x1a, &row_of(&SentEvent::plain(event_id)).encode_to_vec())
}

fn good_columns() -> UsageColumns {
    UsageColumns {
        accounts: vec!["a".into()],
        meters: vec!["m".into()],
        account_index: vec![0, 0],
        quantity: vec![1, 2],
        event_ids: b"e1e2".to_vec(),
        event_id_width: 2,
        ..UsageColumns::default()
    }
}

fn columns(change: impl FnOnce(&mut UsageColumns)) -> Vec<u8> {
    let mut columns = good_columns();
    change(&mut columns);
    field(0x22, &columns.encode_to_vec())
}

fn refusal(bytes: &[u8]) -> String {
    match decode(bytes) {
        Err(error) => error.to_string(),
        Ok(batch) => panic!("{bytes:02x?} was taken as {batch:?}"),
    }
}

/// As many events as a batch may have, all with the one set of so many pairs of 256 bytes.
fn columns_with_one_large_set(pairs: usize) -> Vec<u8> {
    const EVENTS: usize = 65_536;
    let pair = |number: usize| (format!("{number:0>128}"), "v".repeat(128));
    columns(|columns| {
        columns.account_index = vec![0; EVENTS];
        columns.quantity = vec![0; EVENTS];
        columns.event_ids = (0..EVENTS).flat_map(|number| format!("{number:04x}").into_bytes()).collect();
        columns.event_id_width = 4;
        columns.dimension_sets = vec![messages::DimensionSet { dimensions: (0..pairs).map(pair).collect() }];
        columns.dimension_index = vec![1; EVENTS];
    })
}

#[test]
fn columns_that_would_be_hundreds_of_megabytes_of_journal_are_refused() {
    let bytes = columns_with_one_large_set(16);
    assert!(bytes.len() < 512 * 1024, "{} bytes of columns", bytes.len());
    let said = refusal(&bytes);
    assert!(said.ends_with("its events come to 268435456 bytes, at most 16777216 are accepted: split it"), "{said}");
    assert_eq!(65_536, decode(&columns_with_one_large_set(1)).unwrap().2.len());
}

#[test]
fn broken_framing_is_refused_with_its_place() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "byte 0: a batch holds at least one event"),
        (b"\x08\x07", "byte 2: a batch holds at least one event"),
        (b"\x08", "byte 1: message ends inside a varint"),
        (b"\x08\xff\xff", "byte 1: message ends inside a varint"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "byte 1: varint does not end within 10 bytes and 64 bits"),
        (
            b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
            "byte 1: varint does not end within 10 bytes and 64 bits",
        ),
        (b"\x10\x09", "byte 0: result detail 9 does not exist"),
        (b"\x0d\0\0\0\0", "byte 0: field 1 of UsageBatch has wire type 5, which it cannot have"),
        (b"\x18\x01", "byte 0: field 3 of UsageBatch has wire type 0, which it cannot have"),
        (b"\x00\x01", "byte 0: field number 0 is not allowed"),
        (b"\x80\x80\x80\x80\x10\x01", "byte 0: field number 536870912 is not allowed"),
        (b"\x1a\x05\x0a\x01a", "byte 1: length 5 passes the end: 3 bytes are left"),
        (
            b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "byte 1: length 18446744073709551615 passes the end: 0 bytes are left",
        ),
        (b"\x1a\x02\x0a\x7f", "byte 3: length 127 passes the end: 0 bytes are left"),
        (b"\x1a\x05\x0a\x01a\x0a\x01", "byte 6: length 1 passes the end: 0 bytes are left"),
        (b"\x1a\x01\x28", "byte 3: message ends inside a varint"),
        (b"\x1a\x02\x50\x80", "byte 3: message ends inside a varint"),
        (b"\x1a\x01\x0b", "byte 2: groups are not accepted"),
        (b"\x1a\x01\x53", "byte 3: groups are not accepted"),
        (b"\x23\x24", "byte 0: groups are not accepted"),
        (b"\x7b\x7c", "byte 1: groups are not accepted"),
        (b"\x7e", "byte 1: wire type 6 does not exist"),
        (b"\x7f", "byte 1: wire type 7 does not exist"),
        (b"\x79\x00\x00", "byte 1: message ends inside a 8-byte value"),
        (b"\x7d\x00\x00", "byte 1: message ends inside a 4-byte value"),
        (b"\x1a\x02\x08\x01", "byte 2: field 1 of UsageEvent has wire type 0, which it cannot have"),
        (b"\x1a\x02\x2a\x00", "byte 2: field 5 of UsageEvent has wire type 2, which it cannot have"),
        (b"\x1a\x04\x42\x02\x08\x01", "byte 4: field 1 of a dimension has wire type 0, which it cannot have"),
        (b"\x9a\x00\x00", "byte 0: tag of an event is spelt in more than one byte"),
    ];
    for (bytes, message) in cases {
        assert_eq!(refusal(bytes), *message);
        // Whole events before do not help; the place moves along.
        let mut after = good_row("x");
        let before = after.len();
        after.extend_from_slice(bytes);
        if !message.ends_with("at least one event") {
            let (place, reason) = message.strip_prefix("byte ").unwrap().split_once(": ").unwrap();
            let place: usize = place.parse().unwrap();
            assert_eq!(refusal(&after), format!("byte {}: {reason}", place + before));
        }
    }
}

#[test]
fn columns_that_contradict_each_other_refuse_the_batch() {
    assert_eq!(decode(&columns(|_| ())).unwrap().2.len(), 2);
    let at = "byte 2: ";
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (columns(|c| c.quantity = vec![1]), "quantity has 1 elements for 2 events (account_index)"),
        (columns(|c| c.quantity = vec![]), "quantity has 0 elements for 2 events (account_index)"),
        (columns(|c| c.account_index = vec![]), "quantity has 2 elements for 0 events (account_index)"),
        (columns(|c| c.subject_index = vec![0; 3]), "subject_index has 3 elements for 2 events (account_index)"),
        (columns(|c| c.dimension_index = vec![0]), "dimension_index has 1 elements for 2 events (account_index)"),
        (columns(|c| c.event_id_length = vec![4]), "event_id_length has 1 elements for 2 events (account_index)"),
        (columns(|c| c.time_delta_us = vec![1, 2]), "time_delta_us without time_base_us"),
        (
            columns(|c| (c.time_base_us, c.time_delta_us) = (Some(1), vec![1])),
            "time_delta_us has 1 elements for 2 events (account_index)",
        ),
        (columns(|c| c.account_index = vec![0, 1]), "account_index of event 1 is 1, but there are 1 to point to"),
        (columns(|c| c.accounts = vec![]), "account_index of event 0 is 0, but there are 0 to point to"),
        (columns(|c| c.meters = vec![]), "subject_index of event 0 is 0, but there are 0 to point to"),
        (
            columns(|c| c.subject_index = vec![0, u32::MAX]),
            "subject_index of event 1 is 4294967295, but there are 1 to point to",
        ),
        (columns(|c| c.dimension_index = vec![0, 1]), "dimension_index of event 1 is 1, but there are 0 to point to"),
        (columns(|c| c.event_id_width = 3), "event_ids has 4 bytes where 2 events need 6"),
        (columns(|c| c.event_id_width = u32::MAX), "event_ids has 4 bytes where 2 events need 8589934590"),
        (columns(|c| c.event_ids = vec![]), "event_ids has 0 bytes where 2 events need 4"),
        (
            columns(|c| c.event_id_length = vec![u32::MAX, u32::MAX]),
            "event_ids has 4 bytes where 2 events need 8589934590",
        ),
        (columns(|c| c.event_uuids = vec![0; 32]), "event ids come as event_ids or as event_uuids, not both"),
        (
            columns(|c| (c.event_ids, c.event_id_width, c.event_uuids) = (vec![], 0, vec![0; 31])),
            "event_uuids has 31 bytes where 2 events need 32",
        ),
        (
            columns(|c| (c.event_ids, c.event_id_width, c.event_uuids) = (vec![], 0, vec![0; 48])),
            "event_uuids has 48 bytes where 2 events need 32",
        ),
        (columns(|c| c.forced = vec![1, 1]), "forced must be indices of events, ascending, each once"),
        (columns(|c| c.forced = vec![1, 0]), "forced must be indices of events, ascending, each once"),
        (columns(|c| c.forced = vec![2]), "forced must be indices of events, ascending, each once"),
    ];
    for (bytes, reason) in cases {
        assert_eq!(refusal(&bytes), format!("{at}{reason}"));
    }
    // account_index as a varint of more than 32 bits, unpacked.
    let bytes = field(0x22, b"\x20\x80\x80\x80\x80\x10");
    assert_eq!(refusal(&bytes), "byte 3: 4294967296 does not fit 32 bits");
}

#[test]
fn rows_and_columns_together_are_refused_in_either_order() {
    let (row, columns) = (good_row("e"), columns(|_| ()));
    assert_eq!(refusal(&[&*columns, &*row].concat()), "byte 0: a batch has rows or columns, not both");
    let message = format!("byte {}: a batch has rows or columns, not both", row.len());
    assert_eq!(refusal(&[&*row, &*columns].concat()), message);
}

#[test]
fn too_much_is_refused_with_the_bound() {
    let rows = [0x1a, 0x00].repeat(65_537);
    let message = "65537 events in one batch, at most 65536 are accepted: split the batch";
    assert_eq!(refusal(&rows), format!("byte 131072: {message}"));
    assert_eq!(decode(&rows[2..]).unwrap().2.len(), 65_536);
    let wide = columns(|c| c.account_index = vec![0; 65_537]);
    assert!(refusal(&wide).ends_with(message), "{}", refusal(&wide));
    let accounts = columns(|c| c.accounts = vec![String::new(); 65_537]);
    assert!(refusal(&accounts).ends_with(message));
    let sets = columns(|c| c.dimension_sets = vec![messages::DimensionSet::default(); 65_537]);
    assert!(refusal(&sets).ends_with(message));
    let long = vec![0; 4 * 1024 * 1024 + 1];
    let message = "byte 4194304: 4194305 bytes in one batch, at most 4194304 are accepted: split the batch";
    assert_eq!(refusal(&long), message);
}

#[test]
fn a_decoder_goes_on_after_a_refusal() {
    let mut decoder = UsageBatchDecoder::new();
    for bytes in [columns(|c| c.account_index = vec![0, 1]), [&*good_row("x"), b"\x08"].concat()] {
        assert!(decode_by(&mut decoder, &bytes).is_err());
        let expected = vec![DecodedEvent::expected(&SentEvent::plain("y"))];
        assert_eq!(decode_by(&mut decoder, &good_row("y")).unwrap().2, expected);
    }
}

#[test]
fn unknown_fields_are_skipped_and_of_repeated_ones_the_last_counts() {
    let unknown =
        [b"\xfa\x01\x03abc".as_slice(), b"\xf9\x01\0\0\0\0\0\0\0\0", b"\xfd\x01\0\0\0\0", b"\xf8\x01\x05"].concat();
    let mut event = unknown.clone();
    event.extend(b"\x0a\x03old\x28\x01\x38\x01\x48\x01");
    event.extend(row_of(&SentEvent::plain("new")).encode_to_vec());
    event.extend(b"\x48\x00");
    event.extend(&unknown);
    let bytes = [&*unknown, b"\x08\x01", &*field(0x1a, &event), b"\x08\x02\x10\x02\x10\x01", &*unknown].concat();
    let (batch_id, detail, events) = decode(&bytes).unwrap();
    assert_eq!((batch_id, detail), (2, drawdown_wire::ResultDetail::Exceptions));
    assert_eq!(events, [DecodedEvent::expected(&SentEvent::plain("new"))]);

    // Dimensions: the last value of a key counts, an absent key or value is empty.
    let event = [
        &*row_of(&SentEvent::plain("e")).encode_to_vec(),
        b"\x42\x06\x0a\x01k\x12\x01a\x42\x06\x12\x01b\x0a\x01k\x42\x00",
    ]
    .concat();
    let mut expected = SentEvent::plain("e");
    expected.dimensions = [("k".into(), "b".into()), (String::new(), String::new())].into();
    assert_eq!(decode(&field(0x1a, &event)).unwrap().2, [DecodedEvent::expected(&expected)]);
}

#[test]
fn columns_sent_in_pieces_and_unpacked_are_merged() {
    let whole = good_columns();
    let first = field(0x22, b"\x0a\x01a\x12\x01m\x20\x00\x30\x01");
    let second = field(0x22, b"\x22\x01\x00\x32\x01\x02\x4a\x04e1e2\x58\x02");
    let (_, _, events) = decode(&[first, second].concat()).unwrap();
    let events: Vec<SentEvent> = events.into_iter().map(|found| found.event).collect();
    assert_eq!(events, sent_of_columns(&whole));
}

#[test]
fn acks_that_cannot_be_understood_are_refused() {
    let cases: &[(&[u8], &str)] = &[
        (b"\x32\x02\x10\x63", "byte 2: status 99 is unknown here: the server is newer"),
        (b"\x32\x00", "byte 2: status 0 is unknown here: the server is newer"),
        (b"\x3a\x03\x0a\x01\x01", "byte 2: result columns are not all of 1 elements"),
        (b"\x3a\x03\x12\x01\x01", "byte 2: result columns are not all of 0 elements"),
        (b"\x0a\x00", "byte 0: field 1 of UsageAck has wire type 2, which it cannot have"),
        (b"\x32\x7f", "byte 1: length 127 passes the end: 0 bytes are left"),
    ];
    for (bytes, message) in cases {
        assert_eq!(decode_ack(bytes).unwrap_err().to_string(), *message);
    }
}

#[test]
fn checks_that_cannot_be_understood_are_refused() {
    let mut decoder = CheckDecoder::new();
    let mut refused = |bytes: &[u8]| decoder.decode_batch_with(bytes, &key(), |_| ()).unwrap_err().to_string();
    assert_eq!(refused(b"\x08\x01"), "byte 0: field 1 of BatchCheckRequest has wire type 0, which it cannot have");
    assert_eq!(refused(b"\x0a\x02\x18\x80"), "byte 3: message ends inside a varint");
    let many = [0x0a, 0x00].repeat(65_537);
    assert_eq!(refused(&many), "byte 131072: more than 65536 checks in one call: split it");
    let malformed = decoder.decode_one_with(b"", &key(), |check| (check.malformed, check.quantity));
    assert_eq!(malformed, Ok((true, 1)));
}
