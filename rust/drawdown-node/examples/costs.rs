//! What checkpoints, starts and replay cost, in processor time of the threads that do them.
//!
//! `cargo run --release -p drawdown-node --example costs -- FOLDER [accounts] [events behind] [events in front]`
//!
//! `… --example costs -- FOLDER start` opens such a folder once more, as it is.
//!
//! FOLDER is made anew and stays. Accounts have three grants, one of them scoped; event ids are UUIDs.

use drawdown_core::hash::StoreKey;
use drawdown_core::{Command, Outcome, Rights, Settings, Subject, UsageEvent};
use drawdown_node::{Node, NodeError, NodeSettings};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BATCH: usize = 8_000;

/// Wall and processor time of the calling thread.
struct Watch {
    begun: Instant,
    cpu_ns: u64,
}

fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Watch {
    fn start() -> Watch {
        Watch { begun: Instant::now(), cpu_ns: thread_cpu_ns() }
    }

    fn say(&self, what: &str, of: u64, unit: &str) {
        let (wall, cpu) = (self.begun.elapsed().as_nanos() as u64, thread_cpu_ns() - self.cpu_ns);
        let (each, cpu_each) = (wall / of.max(1), cpu / of.max(1));
        println!(
            "{what}: {} ms, {} ms of this thread's processor time; {each} ns, {cpu_each} ns per {unit}",
            wall / 1_000_000,
            cpu / 1_000_000
        );
    }
}

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_journal_bytes_min: 1 << 40, checkpoint_on_close: false, ..NodeSettings::default() }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

fn prepare(node: &Node, accounts: usize) {
    let catalog = r#"[
        {"type": "create_credit_type", "name": "credits", "scale": 3},
        {"type": "create_meter", "key": "tokens"},
        {"type": "set_rate", "table": "default", "meter": "tokens", "credit_type": "credits", "credits": "0.001"}
    ]"#;
    execute(node, catalog);
    for start in (0..accounts).step_by(1_000) {
        let mut group = Vec::new();
        for number in start..(start + 1_000).min(accounts) {
            group.push(format!(r#"{{"type": "create_account", "account": "account-{number:08}"}}"#));
            for (grant, scope) in [("first", r#","scope":["tokens"]"#), ("second", ""), ("third", "")] {
                group.push(format!(
                    r#"{{"type": "create_grant", "account": "account-{number:08}", "grant": {{"grant_id": "{grant}",
                        "credit_type": "credits", "amount": "1000000"{scope}}}}}"#
                ));
            }
        }
        execute(node, &format!("[{}]", group.join(",")));
    }
}

fn execute(node: &Node, text: &str) {
    let commands: Vec<Command> = serde_json::from_str(text).expect("commands");
    let (seq, outcomes) = node.execute(&commands, &Rights::ALL).expect("takes commands");
    assert!(outcomes.iter().all(|outcome| outcome.status.is_some()), "{outcomes:?}");
    assert!(node.wait_durable(seq, Duration::from_secs(60)));
}

struct Traffic {
    random: u64,
    sent: u64,
}

impl Traffic {
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 20
    }

    /// Events over all accounts alike; every one is applied.
    fn send(&mut self, node: &Node, key: &StoreKey, accounts: usize, events: usize) {
        let mut cpu_ns = 0;
        let mut left = events;
        while left > 0 {
            let count = left.min(BATCH);
            let names: Vec<(String, String)> = (0..count)
                .map(|_| {
                    let (high, low) = (self.draw(), self.draw());
                    self.sent += 1;
                    let id = format!(
                        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
                        high as u32,
                        (low >> 32) as u16,
                        low & 0xfff,
                        high >> 33 & 0xfff,
                        self.sent
                    );
                    (id, format!("account-{:08}", self.draw() as usize % accounts))
                })
                .collect();
            let now = now_us();
            let batch: Vec<UsageEvent<'_>> = names.iter().map(|(id, account)| event(key, id, account, now)).collect();
            let mut outcomes: Vec<Outcome> = Vec::with_capacity(count);
            let before = thread_cpu_ns();
            let seq = node.submit(&batch, &Rights::ALL, &mut outcomes).expect("takes events");
            cpu_ns += thread_cpu_ns() - before;
            assert!(outcomes.iter().all(|outcome| outcome.charged == 1), "an event was refused");
            assert!(node.wait_durable(seq, Duration::from_secs(60)));
            left -= count;
        }
        println!(
            "ingest of {events} events: {} ns of processor time per event, in process",
            cpu_ns / events.max(1) as u64
        );
    }
}

fn event<'a>(key: &StoreKey, event_id: &'a str, account_id: &'a str, time_us: i64) -> UsageEvent<'a> {
    UsageEvent {
        event_id,
        account_id,
        subject: Subject::Meter("tokens"),
        quantity: 1,
        time_us: Some(time_us),
        dimensions: &[],
        force: false,
        malformed: false,
        account_hash: 0,
        event_hash: 0,
        fingerprint: 0,
    }
    .seal(key)
}

fn start(folder: &str, what: &str) -> Result<Node, NodeError> {
    let watch = Watch::start();
    let node = Node::open(folder, settings(), Settings::default())?;
    let replayed = node.report().records_replayed;
    watch.say(what, replayed, "record replayed");
    println!("{}", serde_json::to_string(node.report()).expect("a report"));
    Ok(node)
}

fn main() -> Result<(), NodeError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().expect("a folder");
    if arguments.get(1).is_some_and(|argument| argument == "start") {
        return start(folder, "start").map(drop);
    }
    let number =
        |at: usize, otherwise: usize| arguments.get(at).map_or(otherwise, |text| text.parse().expect("a number"));
    let (accounts, behind, in_front) = (number(1, 100_000), number(2, 1_000_000), number(3, 1_000_000));
    let _ = std::fs::remove_dir_all(folder);
    let node = Node::open(folder, settings(), Settings::default())?;
    let key = node.read(|engine, _| *engine.key()).expect("runs");
    prepare(&node, accounts);
    let mut traffic = Traffic { random: 7, sent: 0 };
    traffic.send(&node, &key, accounts, behind);
    let watch = Watch::start();
    node.checkpoint()?;
    watch.say("full checkpoint", accounts as u64, "account");
    traffic.send(&node, &key, accounts, in_front.min(accounts / 10));
    let watch = Watch::start();
    node.checkpoint()?;
    watch.say("delta checkpoint", (accounts / 10) as u64, "event since the last");
    println!("longest stand-still of the writer for images: {} us", node.stats().image_hold_max_us);
    node.close()?;
    drop(node);
    let node = start(folder, "start from the checkpoints")?;
    let ids = node.read(|engine, _| engine.key_usage()).expect("runs");
    println!("{} event ids in {} MiB", ids.0, ids.1 >> 20);
    traffic.send(&node, &key, accounts, in_front);
    drop(node);
    let node = start(folder, "start with the journal behind them")?;
    node.close()
}
