//! The small state that hostile bytes meet: two meters, an account that pays and one that is dry.

use drawdown_core::{Command, Engine, Rights, Settings, Status, StoreKey};

pub const START_US: i64 = 1_790_000_000_000_000;
pub const KEY: [u8; 16] = *b"0123456789abcdef";

pub const SET_UP: &str = r#"[
    {"type": "create_credit_type", "name": "credits", "scale": 2},
    {"type": "create_meter", "key": "tokens"},
    {"type": "create_meter", "key": "seats", "aggregation": "max"},
    {"type": "set_rate", "table": "default", "meter": "tokens", "credit_type": "credits", "credits": "0.5"},
    {"type": "set_rate", "table": "default", "meter": "seats", "credit_type": "credits", "credits": "3"},
    {"type": "create_account", "account": "rich"},
    {"type": "create_account", "account": "dry"},
    {"type": "create_grant", "account": "rich",
     "grant": {"grant_id": "first", "credit_type": "credits", "amount": 1000000}},
    {"type": "create_grant", "account": "rich",
     "grant": {"grant_id": "later", "credit_type": "credits", "amount": 500, "priority": 9}},
    {"type": "reserve", "account": "rich", "reservation_id": "hold-1", "meter": "tokens", "quantity": 5,
     "ttl_us": 60000000}
]"#;

pub fn settings() -> Settings {
    Settings { dedupe_budget_bytes: 4 << 20, ..Settings::default() }
}

pub fn empty() -> Engine {
    Engine::new(settings(), StoreKey::new(KEY))
}

pub fn commands(text: &str) -> Vec<Command> {
    serde_json::from_str(text).expect("commands of this file are commands")
}

/// The engine after `SET_UP`, with the journal that leads there.
pub fn set_up() -> (Engine, Vec<u8>) {
    let mut engine = empty();
    let mut journal = Vec::new();
    let outcomes = engine.execute(&commands(SET_UP), START_US, &Rights::ALL, &mut journal);
    for outcome in outcomes {
        assert_eq!(Some(Status::Ok), outcome.status, "{:?}", outcome.facts);
    }
    (engine, journal)
}

/// What the engine did must be in its journal: a replay gives the same state, and nothing leaks.
pub fn assert_lawful(engine: &Engine, journal: &[u8]) {
    let mut replayed = empty();
    let next = replayed.apply_records(journal, 1).unwrap_or_else(|corrupt| panic!("own journal: {}", corrupt.what));
    assert_eq!(engine.next_seq(), next);
    assert_eq!(engine.digest(), replayed.digest(), "the replay is another state");
    let conservation = engine.conservation_json(None);
    assert_eq!(Some(true), conservation["holds"].as_bool(), "{conservation}");
}
