//! A change says when its entry was made, by the machine's time and by the account's own clock, however late
//! it is read: from memory, and from the journal behind a restart.

mod support;

use drawdown_core::{Command, Rights, Status};
use drawdown_node::{Clock, Node};
use serde_json::{Value, json};
use support::{World, record, set_up, small_settings};

const DAY_US: i64 = 24 * 3_600_000_000;
const BEGIN_US: i64 = support::START_US - 100 * DAY_US;

fn run(node: &Node, command: Value) {
    let command: Command = serde_json::from_value(command).unwrap();
    let (_, outcomes) = node.execute(&[command], &Rights::ALL).unwrap();
    assert_eq!(Some(Status::Ok), outcomes[0].status, "{outcomes:?}");
    while node.step_commit() {}
}

fn grant(node: &Node, account: &str, number: i64, is_pending: bool) {
    let id = format!("g{number}");
    run(
        node,
        json!({"type": "create_grant", "account": account, "grant": {
        "grant_id": id, "credit_type": "credits", "amount": "10", "pending": is_pending,
        "effective_at": BEGIN_US + 7 * DAY_US, "expires_at": BEGIN_US + 8 * DAY_US}}),
    );
    if is_pending {
        run(
            node,
            json!({"type": "release_grant", "account": account, "grant_id": id,
            "effective_at": BEGIN_US + 9 * DAY_US, "expires_at": BEGIN_US + 10 * DAY_US}),
        );
    }
}

/// Enough usage of somebody else that segments are closed in between.
fn fill(world: &World, node: &Node, round: u64) {
    let now = world.clock.read().wall_us;
    for number in 0..300 {
        record(node, &[(10_000 * round + number, 0, 0)], now).unwrap();
        while node.step_commit() {}
        node.step_prepare();
    }
    node.checkpoint().unwrap();
}

/// Kind, grant, the machine's instant, and the day of the account's own clock.
type Begun = (String, String, i64, Option<i64>);

fn begun(node: &Node, mut cursor: u64, page: usize) -> Vec<Begun> {
    let mut found = Vec::new();
    loop {
        let (next, changes) = node.changes(cursor, page).unwrap();
        for change in changes.iter().filter(|change| change["grant"].is_object()) {
            found.push((
                change["kind"].as_str().unwrap().to_owned(),
                change["grant"]["grant_id"].as_str().unwrap().to_owned(),
                change["at"].as_i64().unwrap(),
                change["clock"].as_i64().map(|clock| (clock - BEGIN_US) / DAY_US),
            ));
        }
        if next == cursor {
            return found;
        }
        cursor = next;
    }
}

#[test]
fn a_grants_change_has_the_clock_of_its_entry() {
    let world = World::new(21);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    for account in ["one", "other"] {
        run(&node, json!({"type": "create_account", "account": account, "test_clock": BEGIN_US}));
    }
    run(&node, json!({"type": "create_account", "account": "real"}));
    let before = node.changes(0, 1_000).unwrap().0;
    let mut expected: Vec<Begun> = Vec::new();
    for day in 0..6 {
        fill(&world, &node, day as u64);
        world.clock.advance(DAY_US);
        for (account, own) in [("one", Some(day)), ("other", Some(day / 3 * 3)), ("real", None)] {
            grant(&node, account, day, day % 2 == 1);
            let kinds = ["grant.created", "grant.released"].into_iter().take(1 + (day % 2) as usize);
            let at = world.clock.read().wall_us;
            expected.extend(kinds.map(|kind| (kind.to_owned(), format!("g{day}"), at, own)));
        }
        fill(&world, &node, 100 + day as u64);
        run(&node, json!({"type": "advance_clock", "account": "one", "to": BEGIN_US + (day + 1) * DAY_US}));
        if (day + 1) % 3 == 0 {
            run(&node, json!({"type": "advance_clock", "account": "other", "to": BEGIN_US + (day + 1) * DAY_US}));
        }
    }
    assert_eq!(expected, begun(&node, before, 1_000), "from memory");
    node.close().unwrap();
    drop(node);
    let node = world.open(small_settings()).unwrap();
    for page in [1, 4, 1_000] {
        assert_eq!(expected, begun(&node, before, page), "from the journal, pages of {page}");
    }
}

#[test]
fn a_grant_was_made_with_the_dates_of_its_entry() {
    let world = World::new(22);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    run(&node, json!({"type": "create_account", "account": "one", "test_clock": BEGIN_US}));
    grant(&node, "one", 0, true);
    let days = |change: &Value| {
        ["effective_at", "expires_at"].map(|date| (change["grant"][date].as_i64().unwrap() - BEGIN_US) / DAY_US)
    };
    let (_, changes) = node.changes(0, 100).unwrap();
    let of_one = changes.iter().filter(|change| change["account"] == "one" && change["grant"].is_object());
    assert_eq!(vec![[7, 8], [9, 10]], of_one.map(days).collect::<Vec<_>>());
}
