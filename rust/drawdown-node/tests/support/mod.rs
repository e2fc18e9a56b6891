//! A small store to try things on: one credit type, one meter, a few accounts with grants.
#![allow(dead_code)]

pub mod forged;
pub mod hooked;
pub mod remote;

use drawdown_core::{Command, Engine, Outcome, Rights, Settings, Status, StoreKey, Subject, UsageEvent};
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Clock, Disk, Drive, Environment, Fatal, Node, NodeError, NodeSettings, SimulatedClock};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

pub const START_US: i64 = 1_790_000_000_000_000;
pub const GRANTED: i64 = 1_000_000;

/// Small files, so that segments roll and checkpoints chain within few events.
pub fn small_settings() -> NodeSettings {
    NodeSettings {
        segment_bytes: 32 << 10,
        group_bytes_max: 8 << 10,
        pending_bytes_max: 1 << 20,
        reserve_bytes: 0,
        checkpoint_journal_bytes_min: 48 << 10,
        checkpoint_deltas_max: 2,
        ..NodeSettings::default()
    }
}

pub fn engine_settings() -> Settings {
    Settings { dedupe_budget_bytes: 4 << 20, ..Settings::default() }
}

/// A simulated world; `fatal` holds what would have ended the process.
pub struct World {
    pub disk: SimulatedDisk,
    pub clock: Arc<SimulatedClock>,
    pub fatal: Arc<Mutex<Option<Fatal>>>,
    pub engine: Settings,
}

impl World {
    pub fn new(seed: u64) -> World {
        World::on(SimulatedDisk::new(seed), START_US)
    }

    pub fn on(disk: SimulatedDisk, wall_us: i64) -> World {
        let clock = Arc::new(SimulatedClock::new(wall_us));
        World { disk, clock, fatal: Arc::default(), engine: engine_settings() }
    }

    pub fn with(self, engine: Settings) -> World {
        World { engine, ..self }
    }

    /// The same time on another disk.
    pub fn moved_to(&self, disk: SimulatedDisk) -> World {
        World::on(disk, self.clock.read().wall_us).with(self.engine.clone())
    }

    pub fn open(&self, settings: NodeSettings) -> Result<Node, NodeError> {
        self.open_driven(settings, Drive::Steps)
    }

    pub fn open_driven(&self, settings: NodeSettings, drive: Drive) -> Result<Node, NodeError> {
        self.open_on(Arc::new(self.disk.clone()), settings, drive)
    }

    /// The same world seen through another disk.
    pub fn open_on(&self, disk: Arc<dyn Disk>, settings: NodeSettings, drive: Drive) -> Result<Node, NodeError> {
        let fatal = Arc::clone(&self.fatal);
        let environment = Environment {
            disk,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            on_fatal: Arc::new(move |end| assert_eq!(None, fatal.lock().replace(end.clone()), "a second fatal end")),
        };
        Node::open_in(environment, settings, self.engine.clone(), drive)
    }
}

pub fn account_id(number: u64) -> String {
    format!("acct-{number:04}")
}

/// The catalog and `accounts` accounts with one grant each; returns the seq to wait for.
pub fn set_up(node: &Node, accounts: u64) -> u64 {
    let catalog = r#"[
        {"type": "create_credit_type", "name": "credits", "scale": 0},
        {"type": "create_meter", "key": "tokens"},
        {"type": "set_rate", "table": "default", "meter": "tokens", "credit_type": "credits", "credits": "1"}
    ]"#;
    let mut commands: Vec<Command> = serde_json::from_str(catalog).unwrap();
    for number in 0..accounts {
        let id = account_id(number);
        let text = format!(
            r#"[{{"type": "create_account", "account": "{id}"}},
                {{"type": "create_grant", "account": "{id}",
                  "grant": {{"grant_id": "first", "credit_type": "credits", "amount": {GRANTED}}}}}]"#
        );
        commands.extend(serde_json::from_str::<Vec<Command>>(&text).unwrap());
    }
    let (seq, outcomes) = node.execute(&commands, &Rights::ALL).unwrap();
    for outcome in outcomes {
        assert_eq!(Some(Status::Ok), outcome.status, "{:?}", outcome.facts);
    }
    seq
}

/// Record events (id, account number, quantity) as one batch at the caller's time.
pub fn record(
    node: &Node,
    events: &[(u64, u64, i64)],
    time_us: i64,
) -> Result<(u64, Vec<Outcome>), drawdown_node::SubmitError> {
    let key = node.read(|engine, _| *engine.key())?;
    let ids: Vec<(String, String)> =
        events.iter().map(|(id, account, _)| (format!("event-{id:08}"), account_id(*account))).collect();
    let batch: Vec<UsageEvent<'_>> = ids
        .iter()
        .zip(events)
        .map(|((event_id, account_id), (_, _, quantity))| event(&key, event_id, account_id, *quantity, time_us))
        .collect();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let seq = node.submit(&batch, &Rights::ALL, &mut outcomes)?;
    Ok((seq, outcomes))
}

pub fn event<'a>(
    key: &StoreKey,
    event_id: &'a str,
    account_id: &'a str,
    quantity: i64,
    time_us: i64,
) -> UsageEvent<'a> {
    UsageEvent {
        event_id,
        account_id,
        subject: Subject::Meter("tokens"),
        quantity,
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

/// What an account has left, found by a refused event asking for everything.
pub fn available(engine: &Engine, account: u64) -> i64 {
    let request = serde_json::json!({"type": "balance", "account": account_id(account), "credit_type": "credits"});
    let answer = engine.query(&request, engine.stamp()).expect("a balance");
    let number = answer.get("available").unwrap_or_else(|| panic!("no available in {answer}"));
    number.as_i64().or_else(|| number.as_str().and_then(|text| text.parse().ok())).unwrap()
}

/// A copy of `tests/golden/<name>`.
pub fn golden(name: &str) -> SimulatedDisk {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let disk = SimulatedDisk::new(1);
    for inside in ["", "archive"].into_iter().filter(|inside| folder.join(inside).exists()) {
        for entry in std::fs::read_dir(folder.join(inside)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let name = Path::new(inside).join(entry.file_name());
                disk.plant(name.to_str().unwrap(), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    disk
}
