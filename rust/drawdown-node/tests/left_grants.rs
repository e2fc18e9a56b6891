//! Grants that have left memory are read from the journal: lists, single grants, changes told late.

mod support;

use drawdown_core::{Command, Rights, Status};
use drawdown_node::{Clock, Node, NodeSettings, verify_disk};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::{World, account_id, record, set_up, small_settings};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

fn run(node: &Node, command: Value) -> Status {
    let command: Command = serde_json::from_value(command).unwrap();
    let (_, outcomes) = node.execute(&[command], &Rights::ALL).unwrap();
    outcomes[0].status.unwrap()
}

fn ask(node: &Node, request: Value) -> Value {
    node.query(&request).unwrap().1.unwrap()
}

fn daily(world: &World, day: u64) -> Value {
    let now = world.clock.read().wall_us;
    json!({"type": "create_grant", "account": account_id(0), "grant": {
        "grant_id": format!("day-{day:03}"), "credit_type": "credits", "amount": "10", "priority": 1,
        "effective_at": now, "expires_at": now + DAY_US, "metadata": {"day": day.to_string()}}})
}

/// A grant a day of which six are burned, swept every day.
fn live(world: &World, node: &Node, days: std::ops::Range<u64>) {
    for day in days {
        assert_eq!(Status::Ok, run(node, daily(world, day)));
        let now = world.clock.read().wall_us;
        for batch in 0..20 {
            let quantity = if batch == 0 { 6 } else { 0 };
            record(node, &[(1_000 * day + batch, 0, quantity)], now).unwrap();
            while node.step_commit() {}
            node.step_prepare();
        }
        node.checkpoint().unwrap();
        world.clock.advance(DAY_US);
        while node.expire_due(100).unwrap().1.more_due {}
        while node.step_commit() {}
    }
}

fn list(node: &Node, page: usize) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let mut after = Value::Null;
    loop {
        let answer = ask(node, json!({"type": "grants", "account": account_id(0), "after": after, "limit": page}));
        let grants = answer["grants"].as_array().unwrap();
        assert!(grants.len() <= page);
        found.extend(grants.iter().cloned());
        after = answer["next"].clone();
        if after.is_null() {
            return found;
        }
        assert!(!grants.is_empty(), "a page with more behind it is not empty");
    }
}

fn assert_day(grant: &Value, day: u64) {
    assert_eq!(format!("day-{day:03}"), grant["grant_id"]);
    assert_eq!("expired", grant["state"]);
    let figures = ["amount", "burned", "expired", "remaining"].map(|name| grant[name].as_i64().unwrap());
    assert_eq!([10, 6, 4, 0], figures, "{grant}");
    assert_eq!(day.to_string(), grant["metadata"]["day"]);
}

/// Each page's grants by id, whatever leaves memory after it.
fn pages_while(node: &Node, page: usize, mut meanwhile: impl FnMut()) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = Value::Null;
    loop {
        let answer = ask(node, json!({"type": "grants", "account": account_id(0), "after": after, "limit": page}));
        let ids =
            answer["grants"].as_array().unwrap().iter().map(|grant| grant["grant_id"].as_str().unwrap().to_owned());
        found.extend(ids);
        after = answer["next"].clone();
        if after.is_null() {
            return found;
        }
        meanwhile();
    }
}

#[test]
fn no_grant_is_missing_where_others_leave_memory_between_two_pages() {
    let world = World::new(12);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    live(&world, &node, 0..60);
    let all: BTreeSet<String> = list(&node, 1_000).iter().map(|g| g["grant_id"].as_str().unwrap().into()).collect();
    for page in [1, 3, 10] {
        let mut day = 60 + 100 * page as u64;
        // The end of the page is among what leaves: the oldest come first.
        let last = day + 40;
        let found = pages_while(&node, page, || {
            if day < last {
                live(&world, &node, day..day + 8);
                day += 8;
            }
        });
        let seen: BTreeSet<String> = found.into_iter().collect();
        assert!(all.is_subset(&seen), "pages of {page} miss {:?}", all.difference(&seen).collect::<Vec<_>>());
    }
}

#[test]
fn lists_go_on_with_grants_that_have_left_memory() {
    let world = World::new(11);
    let settings = small_settings();
    let node = world.open(settings.clone()).unwrap();
    set_up(&node, 1);
    live(&world, &node, 0..100);
    let present = json!({"type": "grants", "account": account_id(0), "ended": false});
    let kept = ask(&node, present.clone())["grants"].as_array().unwrap().len();
    assert!((36..=40).contains(&kept), "{kept} of 101 grants are in memory");
    let all = list(&node, 1_000);
    assert_eq!(101, all.len());
    for page in [1, 7, kept, kept + 1] {
        assert_eq!(all, list(&node, page), "pages of {page}");
    }
    for day in 0..90 {
        let grant = ask(&node, json!({"type": "grant", "account": account_id(0), "grant_id": format!("day-{day:03}")}));
        assert_day(&grant["grant"], day);
    }
    let unknown = json!({"type": "grant", "account": account_id(0), "grant_id": "none"});
    assert_eq!("GRANT_UNKNOWN", ask(&node, unknown)["status"]);
    let other = json!({"type": "grants", "account": account_id(0), "credit_type": "none"});
    assert_eq!(json!([]), ask(&node, other)["grants"]);
    let nowhere = json!({"type": "grants", "account": account_id(0), "after": "none"});
    assert!(node.query(&nowhere).unwrap().1.unwrap_err().contains("not where a page of grants ended"));
    // Of a year ago, by the account as it stood then.
    let past = json!({"type": "balance", "account": account_id(0), "credit_type": "credits",
                      "at": support::START_US + 10 * DAY_US + HOUR_US});
    assert_eq!(66, ask(&node, past)["burned"]);
    let report = ask(&node, json!({"type": "conservation"}));
    assert_eq!((true, 101), (report["holds"].as_bool().unwrap(), report["grants"].as_u64().unwrap()));
    let digest = node.read(|engine, _| engine.digest()).unwrap();
    node.close().unwrap();
    drop(node);
    verify_disk(&world.disk).unwrap();
    let node = world.open(settings).unwrap();
    assert_eq!(digest, node.read(|engine, _| engine.digest()).unwrap());
    assert_eq!(all, list(&node, 1_000));
    assert_eq!(kept, ask(&node, present)["grants"].as_array().unwrap().len());
}

/// A scope that no grant in memory has any more used to make a left grant look as if its journal were gone.
#[test]
fn a_left_grant_of_a_scope_that_no_other_has_is_read_after_a_restart() {
    let world = World::new(14);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    let now = world.clock.read().wall_us;
    let scoped = json!({"type": "create_grant", "account": account_id(0), "grant": {
        "grant_id": "scoped", "credit_type": "credits", "amount": "10", "scope": ["tokens"], "expires_at": now + HOUR_US}});
    assert_eq!(Status::Ok, run(&node, scoped));
    live(&world, &node, 0..45);
    node.close().unwrap();
    drop(node);
    let node = world.open(small_settings()).unwrap();
    let found = ask(&node, json!({"type": "grant", "account": account_id(0), "grant_id": "scoped"}));
    assert_eq!((&json!(["tokens"]), &json!(10)), (&found["grant"]["scope"], &found["grant"]["expired"]), "{found}");
    assert!(list(&node, 1_000).iter().any(|grant| grant["grant_id"] == "scoped"));
}

/// Whoever is told of changes late is told of grants that have left memory meanwhile all the same.
#[test]
fn a_change_of_a_grant_that_left_is_told() {
    let world = World::new(12);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    live(&world, &node, 0..45);
    let told = |node: &Node| -> Vec<(String, String)> {
        let mut cursor = 0;
        let mut found = Vec::new();
        loop {
            let (next, changes) = node.changes(cursor, 10).unwrap();
            let of = |change: &Value| {
                (change["kind"].as_str().unwrap().into(), change["grant"]["grant_id"].as_str().unwrap_or("").into())
            };
            found.extend(changes.iter().map(of));
            if next == cursor {
                return found;
            }
            cursor = next;
        }
    };
    let created = |told: &[(String, String)]| told.iter().filter(|(kind, _)| kind == "grant.created").count();
    let from_memory = told(&node);
    assert_eq!(46, created(&from_memory));
    assert!(from_memory.contains(&("grant.created".into(), "day-000".into())));
    node.close().unwrap();
    drop(node);
    let node = world.open(small_settings()).unwrap();
    assert_eq!(from_memory, told(&node), "from the journal");
}

/// The journal that had them is let go: the ids stay known, the sums too, and a question says why it has no answer.
#[test]
fn what_the_journal_kept_no_longer_has_is_said() {
    let world = World::new(13);
    let settings = NodeSettings { retention_s: 24 * 3600, ..small_settings() };
    let node = world.open(settings).unwrap();
    set_up(&node, 1);
    let first = daily(&world, 0);
    live(&world, &node, 0..120);
    let grant = json!({"type": "grant", "account": account_id(0), "grant_id": "day-000"});
    assert_eq!("BEYOND_RETENTION", ask(&node, grant)["status"]);
    let listed = list(&node, 50);
    assert!((40..120).contains(&listed.len()), "{}", listed.len());
    assert_eq!(Status::Duplicate, run(&node, first));
    let report = ask(&node, json!({"type": "conservation"}));
    assert_eq!((true, 121), (report["holds"].as_bool().unwrap(), report["grants"].as_u64().unwrap()));
    assert_eq!("476", report["totals"]["credits"]["expired"]);
}

/// A report as of any instant counts what was granted by then, whether or not it is in memory now, or was then.
#[test]
fn grants_are_listed_as_of_an_instant() {
    let world = World::new(13);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    let mut seen = Vec::new();
    for day in [5, 50, 100] {
        let from = seen.last().map_or(0, |(_, day, _)| *day);
        live(&world, &node, from..day);
        let now = world.clock.read().wall_us;
        seen.push((now, day, list(&node, 1_000)));
        // What follows has another stamp.
        world.clock.advance(1_000_000);
    }
    for (at, _, then) in &seen {
        let past = json!({"type": "grants", "account": account_id(0), "at": at});
        let mut found = ask(&node, past)["grants"].as_array().unwrap().clone();
        let mut then = then.clone();
        // What has left memory stands behind: by then, or by now.
        for grants in [&mut found, &mut then] {
            grants.sort_by_key(|grant| grant["grant_id"].as_str().unwrap().to_owned());
        }
        assert_eq!(then, found, "as of {at}");
    }
    let before = json!({"type": "grants", "account": account_id(0), "at": support::START_US - DAY_US});
    assert_eq!("ACCOUNT_UNKNOWN", ask(&node, before)["status"]);
    let other = json!({"type": "grants", "account": account_id(0), "credit_type": "none", "at": seen[0].0});
    assert_eq!(json!([]), ask(&node, other)["grants"]);
}
