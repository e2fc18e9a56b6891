//! The ledger read back from the journal, beside a writer that goes on.

mod support;

use drawdown_core::{Fact, Rights, Status};
use drawdown_node::{Clock, Node, NodeError, NodeSettings, verify_disk};
use serde_json::{Value, json};
use support::{START_US, World, account_id, record, set_up, small_settings};

#[test]
fn an_event_is_found_in_whatever_segment_it_lies() {
    let world = World::new(1);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 3);
    // Segments of 32 KiB hold few frames: this spans many of them, archived ones too.
    for round in 0u32..300 {
        let id = u64::from(3 * round);
        let batch = [(id, 0, 1), (id + 1, 1, 2), (id + 2, 2, i64::from(round))];
        record(&node, &batch, START_US).unwrap();
        while node.step_commit() {}
        node.step_prepare();
        if round == 150 {
            node.checkpoint().unwrap();
        }
    }
    for round in [0, 1, 149, 299] {
        let id = format!("event-{:08}", 3 * round + 2);
        let history = node.event_history(&account_id(2), &id).unwrap().expect("it was applied");
        let usage = history.original.usage().unwrap();
        assert_eq!((id.as_str(), i64::from(round)), (usage.event_id.as_str(), usage.quantity));
        assert_eq!(usage.quantity, usage.charged());
        assert!(history.later.is_empty());
        assert_eq!(None, node.event_history(&account_id(1), &id).unwrap(), "ids belong to an account");
    }
    assert_eq!(None, node.event_history("nobody", "event-00000000").unwrap());
}

#[test]
fn what_was_just_applied_is_found_though_no_disk_had_it() {
    let world = World::new(2);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    let (seq, _) = record(&node, &[(7, 0, 5)], START_US).unwrap();
    assert!(node.durable_seq() < seq);
    let history = node.event_history(&account_id(0), "event-00000007").unwrap().unwrap();
    assert_eq!(seq, history.original.seq);
}

#[test]
fn a_counter_has_the_events_of_its_own_period_and_match() {
    let world = World::new(3);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 2);
    let tiers = r#"[{"type": "create_meter", "key": "calls"},
        {"type": "set_rate", "table": "default", "meter": "calls", "credit_type": "credits",
         "tiers": [{"up_to": "10", "credits": "2"}, {"credits": "1"}]}]"#;
    node.execute(&serde_json::from_str::<Vec<_>>(tiers).unwrap(), &Rights::ALL).unwrap();
    record(&node, &[(1, 0, 5), (2, 1, 5)], START_US).unwrap();
    let key = node.read(|engine, _| *engine.key()).unwrap();
    for (id, account) in [("a", 0), ("b", 1), ("c", 0)] {
        let account = account_id(account);
        let mut event = support::event(&key, id, &account, 4, START_US);
        event.subject = drawdown_core::Subject::Meter("calls");
        let mut outcomes: Vec<drawdown_core::Outcome> = Vec::new();
        node.submit(&[event.seal(&key)], &Rights::ALL, &mut outcomes).unwrap();
    }
    let history = node.event_history(&account_id(0), "a").unwrap().unwrap();
    let Fact::Usage(first) = &history.original.what else { panic!("not usage") };
    let counted = first.counted.expect("a stateful price");
    let counter = |period| node.counter_history(&account_id(0), first.subject, counted.match_id, period).unwrap();
    let ids: Vec<String> = counter(counted.period).records.iter().map(|r| r.event_id().unwrap().to_owned()).collect();
    assert_eq!(["a", "c"], ids[..]);
    assert!(counter(counted.period + 1).records.is_empty());
}

#[test]
fn journal_older_than_it_is_kept_goes_and_questions_beyond_it_say_so() {
    let world = World::new(4);
    let settings = NodeSettings { retention_s: 24 * 3600, ..small_settings() };
    let node = world.open(settings.clone()).unwrap();
    set_up(&node, 1);
    let day = |node: &Node, number: u64| {
        for batch in 0..60 {
            let now = world.clock.read().wall_us;
            record(node, &[(1_000 * number + batch, 0, 1)], now).unwrap();
            while node.step_commit() {}
            node.step_prepare();
        }
        node.checkpoint().unwrap();
        world.clock.advance(24 * 3_600_000_000);
    };
    for number in 0..40 {
        day(&node, number);
    }
    let ask = |node: &Node, request: Value| node.query(&request).unwrap().1.unwrap();
    let listing = json!({"type": "ledger", "account": account_id(0), "limit": 10_000});
    let listed = ask(&node, listing.clone());
    let first_kept = listed["first_kept_seq"].as_u64().unwrap();
    assert!(first_kept > 1, "nothing was let go in 40 days of a window of 35");
    let entries = listed["entries"].as_array().unwrap();
    assert!(entries.len() > 30 * 60, "what must be kept for the event ids is gone");
    assert!(entries.iter().all(|entry| entry["seq"].as_u64().unwrap() >= first_kept));
    let explain = |id: &str| json!({"type": "explain", "account": account_id(0), "event_id": id});
    let unknown = ask(&node, explain("event-00000000"));
    assert_eq!("EVENT_UNKNOWN", unknown["status"]);
    assert!(unknown["reason"].as_str().unwrap().contains("journal kept"));
    let newest = entries[0]["event_id"].as_str().unwrap();
    assert_eq!("BEYOND_RETENTION", ask(&node, explain(newest))["status"]);
    let past = json!({"type": "balance", "account": account_id(0), "credit_type": "credits", "at": START_US + 1});
    assert_eq!("BEYOND_RETENTION", ask(&node, past)["status"]);
    let digest = node.read(|engine, _| engine.digest()).unwrap();
    node.close().unwrap();
    drop(node);
    verify_disk(&world.disk).unwrap();
    let node = world.open(settings).unwrap();
    assert_eq!(digest, node.read(|engine, _| engine.digest()).unwrap());
    assert_eq!(listed["entries"], ask(&node, listing)["entries"]);
    let (_, outcomes) = record(&node, &[(39_000, 0, 1)], world.clock.read().wall_us - 24 * 3_600_000_000).unwrap();
    assert_eq!(Status::Duplicate, outcomes[0].status, "an event id within the window was forgotten");
}

/// Two accounts in segments of a few groups each; the second has one event in the first of them.
fn ledger_of_two() -> (World, Node) {
    let world = World::new(4);
    let node = world.open(NodeSettings { checkpoint_journal_bytes_min: 1 << 40, ..small_settings() }).unwrap();
    set_up(&node, 2);
    record(&node, &[(1, 1, 7)], START_US).unwrap();
    for round in 10..30 {
        record(&node, &[(round, 0, 1)], START_US).unwrap();
        while node.step_commit() {}
        node.step_prepare();
    }
    (world, node)
}

/// The index says where a record stands, and the record whether it is the one that was meant.
#[test]
fn a_segment_damaged_behind_its_index_never_answers_otherwise() {
    let (world, node) = ledger_of_two();
    let listing = json!({"type": "ledger", "account": account_id(1), "limit": 2});
    let ask = |node: &Node| node.query(&listing).map(|(_, answer)| answer.unwrap());
    let answer = ask(&node).unwrap();
    let name = "seg-00000000000000000001.dj";
    let whole = world.disk.bytes_of(name).unwrap();
    // The first group has all that the second account ever did.
    let length = u32::from_le_bytes(whole[4096 + 8..4096 + 12].try_into().unwrap()) as usize;
    let (mut differs, mut runs_past, mut harmless) = (0, 0, 0);
    for at in 4096..4096 + 64 + length {
        let mut damaged = whole.clone();
        // As a length it is more than the segment has.
        damaged[at..at + 3].copy_from_slice(&[0xff, 0xff, 0x7f]);
        world.disk.plant(name, damaged);
        match ask(&node) {
            Ok(same) => {
                assert_eq!(answer, same, "byte {at}");
                harmless += 1;
            }
            Err(NodeError::Corrupt(found)) => {
                assert_eq!(name, found.file, "byte {at}");
                differs += usize::from(found.what.contains("differs from the one that was indexed"));
                runs_past += usize::from(found.what.contains("runs past the segment"));
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    assert!(differs > 10 && runs_past > 1 && harmless > 100, "{differs}, {runs_past}, {harmless}");
    world.disk.plant(name, whole);
    assert_eq!(answer, ask(&node).unwrap());
}

/// The header of a group in the open segment, whole by its own check sum, says more than the file has.
#[test]
fn a_group_longer_than_the_open_segment_is_refused_where_it_stands() {
    let (world, node) = ledger_of_two();
    let name = world.disk.names().into_iter().rfind(|name| name.starts_with("seg-")).unwrap();
    let mut bytes = world.disk.bytes_of(&name).unwrap();
    let length = bytes.len() as u32;
    bytes[4096 + 8..4096 + 12].copy_from_slice(&length.to_le_bytes());
    let check = crc32c::crc32c_append(crc32c::crc32c(&bytes[16..32]), &bytes[4096..4096 + 60]);
    bytes[4096 + 60..4096 + 64].copy_from_slice(&check.to_le_bytes());
    world.disk.plant(&name, bytes);
    let refused = node.query(&json!({"type": "ledger", "account": account_id(0), "limit": 1})).unwrap_err();
    let NodeError::Corrupt(found) = &refused else { panic!("{refused}") };
    assert_eq!((name, 4096), (found.file.clone(), found.offset), "{refused}");
    assert!(refused.to_string().contains("longer than the rest of the file"), "{refused}");
}

/// From the drawings in `ledger_index.rs` and `paged.rs`: every usage of the index at another place of the segment,
/// where the first stamp holds already.
fn pointed_elsewhere(index: &[u8], offset: u32) -> Vec<u8> {
    const PAGE: usize = 4096;
    const STAMPS: usize = 72;
    const USAGES: usize = 72 + 3 * 8;
    let word = |at: usize| u32::from_le_bytes(index[at..at + 4].try_into().unwrap()) as usize;
    let mut changed = index.to_vec();
    let stamps = word(STAMPS) * PAGE;
    changed[stamps..stamps + 4].fill(0);
    for item in 0..word(USAGES + 4) {
        let at = word(USAGES) * PAGE + 12 * item + 4;
        changed[at..at + 4].copy_from_slice(&offset.to_le_bytes());
    }
    for page in [word(STAMPS), word(USAGES)] {
        let end = (page + 1) * PAGE - 4;
        let check = crc32c::crc32c_append(crc32c::crc32c(&(page as u64).to_le_bytes()), &changed[page * PAGE..end]);
        changed[end..end + 4].copy_from_slice(&check.to_le_bytes());
    }
    changed
}

/// An index may be whole and wrong. What stands where it points is no answer then.
#[test]
fn an_index_that_points_elsewhere_gives_no_other_record() {
    let (world, node) = ledger_of_two();
    let listing = json!({"type": "ledger", "account": account_id(1), "limit": 1});
    let ask = |node: &Node| node.query(&listing).map(|(_, answer)| answer.unwrap());
    let answer = ask(&node).unwrap();
    let name = "index/idx-00000000000000000001.di";
    let index = world.disk.bytes_of(name).unwrap();
    let segment = world.disk.bytes_of("seg-00000000000000000001.dj").unwrap();
    let elsewhere = [0, 100, 4095, 4096, 4096 + 64, segment.len() as u32 - 1, segment.len() as u32, u32::MAX];
    for offset in elsewhere {
        world.disk.plant(name, pointed_elsewhere(&index, offset));
        let refused = ask(&node).err().unwrap_or_else(|| panic!("answered from byte {offset}"));
        assert!(matches!(refused, NodeError::Corrupt(_)), "byte {offset}: {refused}");
        let expected = if offset < 4096 { "no record stands in a segment's header" } else { "" };
        assert!(refused.to_string().contains(expected), "byte {offset}: {refused}");
    }
    world.disk.plant(name, index);
    assert_eq!(answer, ask(&node).unwrap());
}

#[test]
fn a_segment_that_no_index_can_be_made_of_keeps_no_other_from_its_own() {
    let (world, node) = ledger_of_two();
    let name = "seg-00000000000000000001.dj";
    let whole = world.disk.bytes_of(name).unwrap();
    let mut damaged = whole.clone();
    damaged[4_096 + 100] ^= 1;
    world.disk.plant(name, damaged);
    let mut progress = node.index_step().unwrap();
    for _ in 0..100 {
        match node.index_step() {
            Ok(next) => progress = next,
            Err(error) => panic!("told though others were made: {error}"),
        }
    }
    let count = |field: &str| progress[field].as_u64().unwrap();
    assert!(count("closed_segments") > 2, "{progress}");
    assert_eq!(count("closed_segments") - 1, count("indexed_segments"));
    world.disk.plant(name, whole);
}
