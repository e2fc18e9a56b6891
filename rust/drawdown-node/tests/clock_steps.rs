//! Somebody sets the clock: by a second, by hours, by more than a year, forth and back, while
//! events come, while expiries are booked, and across restarts, kills among them. Nothing is applied
//! twice, nothing that anybody was told has expired comes back, and nothing expires before its time
//! unless somebody vouches for the clock. 500 stories of 60 steps; `DRAWDOWN_CLOCK_SEEDS` asks for more.

mod support;

use drawdown_core::{Command, Engine, Rights, Status};
use drawdown_node::Node;
use drawdown_node::simulation::Random;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use support::{START_US, World, account_id, available, record, set_up, small_settings};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Expiring ten minutes, three days and 450 days after the start.
const GRANTS: [(&str, i64, i64); 3] =
    [("soon", 600 * SECOND, 1_000), ("later", 3 * DAY, 10_000), ("late", 450 * DAY, 100_000)];

fn world(seed: u64) -> (World, Node) {
    let world = World::new(seed);
    let node = world.open(small_settings()).unwrap();
    set_up(&node, 1);
    for (id, after, amount) in GRANTS {
        let text = format!(
            r#"[{{"type": "create_grant", "account": "{}", "grant": {{"grant_id": "{id}", "credit_type": "credits",
                "amount": {amount}, "expires_at": {}}}}}]"#,
            account_id(0),
            START_US + after
        );
        let commands: Vec<Command> = serde_json::from_str(&text).unwrap();
        let (_, outcomes) = node.execute(&commands, &Rights::ALL).unwrap();
        assert_eq!(Some(Status::Ok), outcomes[0].status, "{:?}", outcomes[0].facts);
    }
    while node.step_commit() {}
    (world, node)
}

/// What is left, by one of the ways in which somebody may learn it. It is durable when this returns.
fn told(node: &Node, way: u64) -> i64 {
    let (seq, left) = match way {
        0 => {
            node.expire_due(100).unwrap();
            node.read_at(|engine, _| available(engine, 0)).unwrap()
        }
        1 => {
            let ask = |engine: &Engine, stamp| engine.check(&account_id(0), "tokens", 1, &[], stamp).available;
            let (seq, available) = node.read_at(ask).unwrap();
            (seq, available.unwrap())
        }
        2 => {
            // More than there is: refused, and what there is with it.
            let (seq, outcomes) = record(node, &[(u64::MAX, 0, 1 << 40)], START_US).unwrap();
            assert_eq!(Status::Insufficient, outcomes[0].status);
            (seq, outcomes[0].available.unwrap())
        }
        _ => {
            let request = json!({"type": "balance", "account": account_id(0), "credit_type": "credits"});
            let (seq, answer) = node.query(&request).unwrap();
            (seq, answer.unwrap()["available"].as_i64().unwrap())
        }
    };
    assert!(node.wait_durable(seq, Duration::ZERO));
    left
}

fn left(node: &Node) -> i64 {
    told(node, 0)
}

fn reopened(world: &World, node: Node, clean: bool) -> (World, Node) {
    if clean {
        node.close().unwrap();
    }
    drop(node);
    let mut moved = World::on(world.disk.after_kill(), START_US).with(world.engine.clone());
    moved.clock = Arc::clone(&world.clock);
    let node = moved.open(small_settings()).unwrap();
    (moved, node)
}

#[test]
fn whatever_the_clock_is_set_to_nothing_doubles_returns_or_expires_early() {
    let seeds = std::env::var("DRAWDOWN_CLOCK_SEEDS").ok().and_then(|number| number.parse().ok()).unwrap_or(500);
    for seed in 0..seeds {
        let mut random = Random(seed + 1);
        let (mut world, mut node) = world(seed);
        let granted = left(&node);
        let (mut elapsed_us, mut spent, mut before) = (0_i64, 0_i64, granted);
        let mut sent: Vec<i64> = Vec::new();
        let mut stamp_us = START_US;
        for _ in 0..60 {
            match random.below(6) {
                0 => {
                    let steps = [-SECOND, SECOND, -2 * 3_600 * SECOND, -400 * DAY, 400 * DAY];
                    world.clock.step_wall(steps[random.below(5) as usize]);
                }
                1 | 2 => {
                    let by_us = random.below(60) as i64 * SECOND;
                    world.clock.advance(by_us);
                    elapsed_us += by_us;
                }
                3 if random.once_in(3) => {
                    (world, node) = reopened(&world, node, random.once_in(2));
                    // A stamp that neither ended nor wrote anything need not be remembered.
                    stamp_us = node.read(|engine, _| engine.stamp()).unwrap();
                }
                4 if !sent.is_empty() => {
                    let id = random.below(sent.len() as u64);
                    let status = record(&node, &[(id, 0, 1)], sent[id as usize]).unwrap().1[0].status;
                    assert!(matches!(status, Status::Duplicate | Status::TooLate), "seed {seed}: {id} {status:?}");
                }
                _ => {
                    let id = sent.len() as u64;
                    // A client whose clock is right.
                    let time_us = START_US + elapsed_us;
                    let status = record(&node, &[(id, 0, 1)], time_us).unwrap().1[0].status;
                    assert!(matches!(status, Status::Ok | Status::TooEarly), "seed {seed}: {id} {status:?}");
                    if status == Status::Ok {
                        sent.push(time_us);
                        spent += 1;
                    }
                }
            }
            let now = told(&node, random.below(4));
            let stamped = node.read(|_, stamp| stamp).unwrap();
            assert!(stamped >= stamp_us, "seed {seed}: stamps fell");
            stamp_us = stamped;
            assert!(now <= before, "seed {seed}: {before} became {now}: something came back");
            assert!(now >= granted - 1_000 - spent, "seed {seed}: more expired than was due");
            if elapsed_us < 500 * SECOND {
                assert_eq!(granted - spent, now, "seed {seed}: something expired after {elapsed_us} us");
            }
            before = now;
        }
        assert!(node.read(|engine, _| engine.conservation_json(None)).unwrap()["holds"] == true);
    }
}

#[test]
fn a_step_forward_is_followed_once_vouched_for_and_a_step_back_then_returns_nothing() {
    let (world, node) = world(3);
    let granted = left(&node);
    world.clock.step_wall(400 * DAY);
    assert_eq!(granted, left(&node), "held");
    assert!(node.stats().clock_held_us.is_some());
    node.accept_clock();
    let after = left(&node);
    assert_eq!(granted - 11_000, after, "what expired within 400 days is gone, what did not is there");
    world.clock.step_wall(-400 * DAY);
    assert_eq!(after, left(&node));
    let (_, node) = reopened(&world, node, true);
    assert_eq!(after, left(&node));
}

#[test]
fn what_was_only_read_to_have_expired_stays_expired_over_a_kill_and_a_clock_set_back() {
    for way in 0..4 {
        let (world, node) = world(way);
        let granted = told(&node, way);
        world.clock.advance(601 * SECOND);
        assert_eq!(granted - 1_000, told(&node, way), "way {way}");
        let seq = node.applied_seq();
        assert_eq!(granted - 1_000, told(&node, way));
        let booked_by_sweep = u64::from(way == 0);
        assert!(node.applied_seq() <= seq + booked_by_sweep, "way {way}: an instant is written down once");
        world.clock.step_wall(-3_000 * SECOND);
        let (_, node) = reopened(&world, node, false);
        for again in 0..4 {
            assert_eq!(granted - 1_000, told(&node, again), "told by way {way}, asked again by way {again}");
        }
    }
}

#[test]
fn a_stamp_kept_is_not_gone_back_behind_though_nothing_ended() {
    let (world, node) = world(9);
    world.clock.advance(100 * SECOND);
    let (seq, kept_us) = node.keep_now().unwrap();
    assert_eq!(START_US + 100 * SECOND, kept_us);
    assert!(node.wait_durable(seq, Duration::ZERO));
    world.clock.step_wall(-50 * SECOND);
    let (_, node) = reopened(&world, node, false);
    assert!(node.now_us().unwrap() >= kept_us);
}
