use crate::environment::{Drive, Environment};
use crate::ledger_index::LedgerIndex;
use crate::node::Node;
use crate::segment::segments;
use crate::settings::NodeSettings;
use crate::simulation::SimulatedDisk;
use crate::{Access, Disk, SimulatedClock};
use drawdown_core::{Command, Outcome, Rights, Settings, Subject, UsageEvent};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: i64 = 1_790_000_000_000_000;

fn open(disk: &SimulatedDisk) -> Node {
    let environment = Environment {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimulatedClock::new(NOW)),
        on_fatal: Arc::new(|fatal| panic!("{}", fatal.what)),
    };
    let settings = NodeSettings { segment_bytes: 32 << 10, reserve_bytes: 0, ..NodeSettings::default() };
    let engine = Settings { dedupe_budget_bytes: 16 << 20, ..Settings::default() };
    Node::open_in(environment, settings, engine, Drive::Steps).unwrap()
}

/// One busy account and some quiet ones over more segments than lie between two images.
fn story(node: &Node) -> u64 {
    let commands = r#"[
        {"type": "create_credit_type", "name": "credits", "scale": 0},
        {"type": "create_meter", "key": "calls"},
        {"type": "set_rate", "table": "default", "meter": "calls", "credit_type": "credits", "credits": "1"},
        {"type": "create_account", "account": "busy"}, {"type": "create_account", "account": "quiet"},
        {"type": "create_grant", "account": "busy",
         "grant": {"grant_id": "g", "credit_type": "credits", "amount": 10000000}},
        {"type": "create_grant", "account": "quiet",
         "grant": {"grant_id": "g", "credit_type": "credits", "amount": 10000000}}]"#;
    node.execute(&serde_json::from_str::<Vec<Command>>(commands).unwrap(), &Rights::ALL).unwrap();
    let key = node.read(|engine, _| *engine.key()).unwrap();
    let mut sent = 0;
    while segments(&*node.shared.environment.disk).unwrap().len() < 70 {
        let ids: Vec<String> = (0..90).map(|n| format!("e{}", sent + n)).collect();
        let events = ids.iter().enumerate().map(|(n, event_id)| UsageEvent {
            event_id,
            account_id: if n == 0 { "quiet" } else { "busy" },
            subject: Subject::Meter("calls"),
            quantity: 1,
            time_us: None,
            dimensions: &[],
            force: false,
            malformed: false,
            account_hash: 0,
            event_hash: 0,
            fingerprint: 0,
        });
        let events: Vec<UsageEvent<'_>> = events.map(|event| event.seal(&key)).collect();
        let mut outcomes: Vec<Outcome> = Vec::new();
        node.submit(&events, &Rights::ALL, &mut outcomes).unwrap();
        while node.step_commit() {}
        node.step_prepare();
        sent += 90;
    }
    sent
}

fn ask(node: &Node, request: Value) -> Value {
    node.query(&request).unwrap().1.unwrap()
}

fn explained(node: &Node, event: u64) -> Value {
    let account = if event.is_multiple_of(90) { "quiet" } else { "busy" };
    ask(node, json!({"type": "explain", "account": account, "event_id": format!("e{event}")}))
}

#[test]
fn every_event_is_explained_right_from_indexes_and_images() {
    let disk = SimulatedDisk::new(5);
    let node = open(&disk);
    let sent = story(&node);
    for event in [0, 1, 89, 90, 91, sent / 2, sent - 90, sent - 1] {
        let answer = explained(&node, event);
        // Of ninety events one is quiet's; each costs one credit.
        let before = if event % 90 == 0 { event / 90 } else { event - event / 90 - 1 };
        assert_eq!(10_000_000 - before as i64, answer["balance_before"]["available"].as_i64().unwrap(), "{event}");
    }
    let all = segments(&disk).unwrap();
    let images = all.windows(2).filter(|pair| {
        let index = LedgerIndex::open(&disk, node.store_id(), pair[0].first_seq, pair[1].first_seq).unwrap();
        index.expect("it was made").image(0).unwrap().is_some()
    });
    assert_eq!(2, images.count(), "every 64th segment the busy account gets an image");
    let progress = node.index_step().unwrap();
    assert_eq!((json!(69), json!(true)), (progress["indexed_segments"].clone(), progress["done"].clone()));
}

#[test]
fn a_listing_is_the_same_with_and_without_indexes() {
    let disk = SimulatedDisk::new(6);
    let node = open(&disk);
    story(&node);
    let pages = |node: &Node| -> Vec<Value> {
        let requests = [
            json!({"type": "ledger", "account": "quiet", "limit": 10_000}),
            json!({"type": "ledger", "account": "quiet", "limit": 20, "oldest_first": true, "after_seq": 2_000}),
            json!({"type": "ledger", "account": "busy", "limit": 500, "before_seq": 9_999}),
            json!({"type": "ledger", "account": "busy", "kinds": ["granted", "account_created"]}),
        ];
        requests.into_iter().map(|request| ask(node, request)).collect()
    };
    let indexed = pages(&node);
    assert_eq!(10_000 - 1, indexed[2]["entries"][0]["seq"].as_i64().unwrap() + 1);
    // No index is made while the disk is full, so everything is gone through.
    for name in disk.list("index").unwrap() {
        disk.remove(&format!("index/{name}")).unwrap();
    }
    let known: Vec<u64> = node.shared.indexed.lock().made.iter().copied().collect();
    assert_eq!(69, known.len());
    assert_eq!(indexed, pages(&node));
    assert!(disk.list("index").unwrap().is_empty(), "what is known to be indexed was made again");
}

#[test]
fn a_damaged_index_is_made_again_and_a_stale_one_removed() {
    let disk = SimulatedDisk::new(7);
    let node = open(&disk);
    story(&node);
    let right = explained(&node, 500);
    let names = disk.list("index").unwrap();
    for name in &names {
        let file = disk.open(&format!("index/{name}"), Access::Cached).unwrap();
        for page in [1, 2, 3] {
            if page * 4_096 < file.size().unwrap() {
                file.write_all_at(&[0x5a; 64], page * 4_096 + 100).unwrap();
            }
        }
    }
    let again = explained(&node, 500);
    assert_eq!(right, again);
    // Cut off, as a copy that ran out of room is.
    for name in disk.list("index").unwrap() {
        let whole = disk.bytes_of(&format!("index/{name}")).unwrap();
        disk.plant(&format!("index/{name}"), whole[..whole.len() / 2].to_vec());
    }
    assert_eq!(right, explained(&node, 500));
    node.close().unwrap();
    drop(node);
    disk.create("index/idx-99999999999999999999.di", Access::Cached).unwrap();
    let node = open(&disk);
    assert!(!disk.list("index").unwrap().iter().any(|name| name.contains("9999999999")));
    assert_eq!(right, explained(&node, 500));
}
