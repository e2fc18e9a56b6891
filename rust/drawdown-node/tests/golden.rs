//! Folders as earlier versions left them, and what this one makes of them.

mod support;

use drawdown_core::{Command, Rights, Status};
use drawdown_node::{Node, NodeSettings};
use support::{GRANTED, World, available, golden, record, small_settings};

/// Thirty events of one unit, at one instant, on three accounts in turn.
fn assert_thirty_events(node: &Node, time_us: i64) {
    for account in 0..3 {
        assert_eq!(GRANTED - 10, node.read(|engine, _| available(engine, account)).unwrap());
    }
    for id in 0..30 {
        let (_, again) = record(node, &[(id, id % 3, 1)], time_us).unwrap();
        assert_eq!(Status::Duplicate, again[0].status, "event {id}");
    }
}

/// Version 0.1 wrote the event ids of every checkpoint into runs of their own. The process was
/// killed: five events stand behind the last checkpoint.
#[test]
fn a_folder_with_key_runs_opens_and_goes_on() {
    const TIME_US: i64 = 1_795_220_515_000_000;
    let mut world = World::on(golden("key-runs"), TIME_US + 1_000_000);
    let settings = NodeSettings { checkpoint_on_close: true, ..small_settings() };
    for round in 0..4_u64 {
        let node = world.open(settings.clone()).unwrap();
        assert_eq!(35, if round == 0 { node.report().checkpoint_seq } else { 35 });
        assert_eq!(3, node.report().key_runs, "they matter as long as their ids do");
        assert_thirty_events(&node, TIME_US);
        // Of a value that changes no balance, so that there is something to image.
        for id in 0..round {
            assert_eq!(Status::Duplicate, record(&node, &[(100 + id, 0, 0)], TIME_US).unwrap().1[0].status);
        }
        assert_eq!(Status::Ok, record(&node, &[(100 + round, 0, 0)], TIME_US).unwrap().1[0].status);
        while node.step_commit() {}
        node.close().unwrap();
        drop(node);
        world = world.moved_to(world.disk.after_kill());
    }
    // A window later the runs are gone, and so are the ids.
    let later = World::on(world.disk.after_kill(), TIME_US + 36 * 86_400_000_000);
    let node = later.open(NodeSettings { accept_clock: true, ..settings.clone() }).unwrap();
    let (_, again) = record(&node, &[(1, 1, 1)], TIME_US).unwrap();
    assert_eq!(Status::TooLate, again[0].status);
    for id in 200..208 {
        // Until no checkpoint that is kept names them.
        record(&node, &[(id, 1, 1)], TIME_US + 36 * 86_400_000_000).unwrap();
        while node.step_commit() {}
        node.checkpoint().unwrap();
    }
    node.close().unwrap();
    drop(node);
    let names = later.disk.names();
    assert!(!names.iter().any(|name| name.ends_with(".dk")), "{names:?}");
    let node = later.moved_to(later.disk.after_kill()).open(settings).unwrap();
    let (_, again) = record(&node, &[(200, 1, 1)], TIME_US + 36 * 86_400_000_000).unwrap();
    assert_eq!(Status::Duplicate, again[0].status);
}

/// Kinds and thresholds of the crossings of the pool since `cursor`.
fn crossings(node: &Node, cursor: u64) -> Vec<(String, i64)> {
    let (_, rows) = node.crossings(cursor, 100).unwrap();
    rows.iter().map(|row| (row["kind"].as_str().unwrap().into(), row["threshold"].as_i64().unwrap())).collect()
}

fn run(node: &Node, commands: &str) {
    let commands: Vec<Command> = serde_json::from_str(commands).unwrap();
    for outcome in node.execute(&commands, &Rights::ALL).unwrap().1 {
        assert_eq!(Some(Status::Ok), outcome.status, "{:?}", outcome.facts);
    }
    while node.step_commit() {}
}

/// Of when thresholds were absolute only: 10.00 granted, thresholds at 5.00 and 2.00, 5.00 spent, a checkpoint,
/// 3.00 spent. What had fired stays so, from the image and from the journal, and percentages come beside.
#[test]
fn a_folder_of_absolute_thresholds_opens_and_goes_on() {
    const TIME_US: i64 = 1_795_248_690_000_000;
    let world = World::on(golden("absolute-thresholds"), TIME_US);
    let node = world.open(small_settings()).unwrap();
    assert_eq!(7, node.report().checkpoint_seq);
    let before = vec![("balance.low".to_string(), 500), ("balance.low".to_string(), 200)];
    assert_eq!(before, crossings(&node, 0));
    let last = node.applied_seq();
    run(
        &node,
        r#"[{"type": "create_grant", "account": "acme",
             "grant": {"grant_id": "more", "credit_type": "credits", "amount": "10"}}]"#,
    );
    let cleared = vec![("balance.low_cleared".to_string(), 500), ("balance.low_cleared".to_string(), 200)];
    assert_eq!(cleared, crossings(&node, last));
    run(
        &node,
        r#"[{"type": "set_thresholds", "account": "acme", "credit_type": "credits", "thresholds": ["5", "10%"]}]"#,
    );
    node.close().unwrap();
    drop(node);
    let node = world.moved_to(world.disk.after_kill()).open(small_settings()).unwrap();
    let request = serde_json::json!({"type": "balance", "account": "acme", "credit_type": "credits"});
    let answer = node.read(|engine, _| engine.query(&request, engine.stamp()).unwrap()).unwrap();
    assert_eq!(serde_json::json!([500]), answer["thresholds"]);
    assert_eq!(serde_json::json!(["10%"]), answer["percent_thresholds"]);
}

/// Of when edges of usage periods stayed in memory for ever: four of an account on a clock of its own, each of
/// which it has passed, and the digest of a clean stop. They are as they were until the next edge is told.
#[test]
fn a_folder_with_edges_of_closed_periods_opens_and_goes_on() {
    const TIME_US: i64 = 1_795_350_000_000_000;
    const LAST_EDGE_US: i64 = 1_795_000_000_000_000 + 120 * 86_400_000_000;
    let world = World::on(golden("closed-edges"), TIME_US);
    let node = world.open(small_settings()).unwrap();
    let digest = node.read(|engine, _| format!("{:032x}", engine.digest())).unwrap();
    assert_eq!("87d26827a425239d360d5841ab0a5e9a", digest);
    let next = LAST_EDGE_US + 30 * 86_400_000_000;
    run(&node, &format!(r#"[{{"type": "set_period_edge", "account": "lab", "at": {next}}}]"#));
    assert_ne!(digest, node.read(|engine, _| format!("{:032x}", engine.digest())).unwrap());
    node.close().unwrap();
    drop(node);
    world.moved_to(world.disk.after_kill()).open(small_settings()).unwrap().close().unwrap();
}
