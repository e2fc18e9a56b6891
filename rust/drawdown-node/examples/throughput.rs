//! Durable events per second through the node alone: no gRPC, no Python, no decoding.
//!
//! `cargo run --release -p drawdown-node --example throughput -- <folder> [accounts] [batch] [seconds]`
//! One thread submits; before each batch it waits until at most `WINDOW` batches are unanswered.

use drawdown_core::{Command, Outcome, OutcomeSink, Rights, Settings, Subject, UsageEvent};
use drawdown_node::{Node, NodeSettings};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: usize = 8;

#[derive(Default)]
struct Tally {
    applied: u64,
    others: u64,
}

impl OutcomeSink for Tally {
    fn push(&mut self, _index: u32, outcome: &Outcome) {
        match outcome.status {
            drawdown_core::Status::Ok => self.applied += 1,
            _ => self.others += 1,
        }
    }
}

fn set_up(node: &Node, accounts: u64) {
    let catalog = r#"[{"type": "create_credit_type", "name": "credits", "scale": 6},
        {"type": "create_meter", "key": "tokens"},
        {"type": "set_rate", "table": "default", "meter": "tokens", "credit_type": "credits", "credits": "0.0001"}]"#;
    let mut commands: Vec<Command> = serde_json::from_str(catalog).expect("commands");
    for number in 0..accounts {
        let grant = |id: &str, priority: u32| {
            format!(
                r#"{{"type": "create_grant", "account": "acct-{number:08}", "grant": {{"grant_id": "{id}",
                "credit_type": "credits", "amount": "1000000", "priority": {priority}}}}}"#
            )
        };
        let text = format!(
            r#"[{{"type": "create_account", "account": "acct-{number:08}"}}, {}, {}, {}]"#,
            grant("a", 10),
            grant("b", 20),
            grant("c", 30)
        );
        commands.extend(serde_json::from_str::<Vec<Command>>(&text).expect("commands"));
        if commands.len() > 4000 {
            let (seq, _) = node.execute(&commands, &Rights::ALL).expect("set-up");
            node.wait_durable(seq, Duration::from_secs(60));
            commands.clear();
        }
    }
    node.execute(&commands, &Rights::ALL).expect("set-up");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder to work in");
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (accounts, batch, seconds) = (number(100_000), number(1000), number(10));
    let settings = Settings { dedupe_budget_bytes: 4 << 30, guaranteed_window_us: 1_000_000, ..Settings::default() };
    let node = Node::open(folder, NodeSettings::default(), settings).expect("open");
    set_up(&node, accounts);
    let key = node.read(|engine, _| *engine.key()).expect("key");
    let names: Vec<String> = (0..accounts).map(|number| format!("acct-{number:08}")).collect();
    let hashes: Vec<u64> = names.iter().map(|name| key.account_hash(name.as_bytes())).collect();
    let (mut tally, mut random, mut sent) = (Tally::default(), 1_u64, 0_u64);
    let mut open: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut latencies = Vec::new();
    let mut inside = Duration::ZERO;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros() as i64;
        let ids: Vec<String> = (0..batch).map(|i| format!("0190b1f2-7c3d-7e00-8000-{:012x}", sent + i)).collect();
        sent += batch;
        let events: Vec<UsageEvent<'_>> = ids
            .iter()
            .map(|id| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let account = ((random >> 33) % accounts) as usize;
                let mut event = UsageEvent {
                    event_id: id,
                    account_id: &names[account],
                    subject: Subject::Meter("tokens"),
                    quantity: 100,
                    time_us: Some(now),
                    dimensions: &[],
                    force: false,
                    malformed: false,
                    account_hash: hashes[account],
                    event_hash: key.event_hash(id.as_bytes()),
                    fingerprint: 0,
                };
                event.fingerprint = event.fingerprint_of(&key);
                event
            })
            .collect();
        let entered = Instant::now();
        let seq = node.submit(&events, &Rights::ALL, &mut tally).expect("submit");
        inside += entered.elapsed();
        open.push_back((seq, entered));
        while open.len() > WINDOW || open.front().is_some_and(|(seq, _)| *seq <= node.acknowledged_seq()) {
            let (seq, entered) = open.pop_front().expect("not empty");
            assert!(node.wait_durable(seq, Duration::from_secs(60)));
            latencies.push(entered.elapsed());
        }
    }
    let took = begun.elapsed().as_micros() as u64;
    latencies.sort();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_micros();
    let stats = node.stats();
    println!(
        "{} durable events/s ({} applied, {} others)",
        tally.applied * 1_000_000 / took,
        tally.applied,
        tally.others
    );
    println!("{} events/s inside submit alone", tally.applied * 1_000_000 / inside.as_micros() as u64);
    println!("batch latency: p50 {} us, p99 {} us", at(50), at(99));
    println!(
        "{} groups, {} bytes per event, fsync mean {} us",
        stats.groups,
        stats.record_bytes / tally.applied.max(1),
        stats.fsync_total_us / stats.groups.max(1)
    );
    println!(
        "checkpoints {}, failures {}, error {:?}",
        stats.checkpoints, stats.checkpoint_failures, stats.checkpoint_error
    );
    let closing = Instant::now();
    node.close().expect("close");
    println!("closed in {} ms", closing.elapsed().as_millis());
}
