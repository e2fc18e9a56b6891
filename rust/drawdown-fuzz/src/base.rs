//! The state that hostile bytes meet: small, two meters, an account that pays and one that is dry; or wide,
//! with an account at each policy, meters of each aggregation and every kind of price.

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

/// What stands in the wide state besides.
pub const WIDER: &str = r#"[
    {"type": "create_meter", "key": "calls", "aggregation": "count"},
    {"type": "create_meter", "key": "level", "aggregation": "last"},
    {"type": "create_meter", "key": "users", "aggregation": "unique", "dimensions": ["who"], "unique_of": "who"},
    {"type": "create_meter", "key": "gpu", "quantity_scale": 3, "dimensions": ["model"]},
    {"type": "create_meter", "key": "unpriced"},
    {"type": "create_credit_type", "name": "minutes", "scale": 0},
    {"type": "set_rate", "table": "default", "meter": "calls", "credit_type": "credits",
     "tiers": [{"up_to": "3", "credits": "1"}, {"up_to": "9", "credits": "0.5"}, {"credits": "0"}]},
    {"type": "set_rate", "table": "default", "meter": "level", "credit_type": "credits", "credits": "0.25"},
    {"type": "set_rate", "table": "default", "meter": "users", "credit_type": "credits", "credits": "2"},
    {"type": "set_rate", "table": "default", "meter": "gpu", "credit_type": "minutes", "credits": "1", "per": "60",
     "package": true},
    {"type": "set_rate", "table": "default", "meter": "gpu", "credit_type": "credits", "credits": "0.07",
     "match": {"model": "large"}, "valid_from": 1789999990000000},
    {"type": "create_account", "account": "owing"},
    {"type": "create_account", "account": "over"},
    {"type": "create_account", "account": "part"},
    {"type": "create_account", "account": "stopped"},
    {"type": "create_account", "account": "clocked", "test_clock": 1790000000000000},
    {"type": "set_policy", "account": "owing", "credit_type": "credits", "kind": "overdraft", "limit": "30"},
    {"type": "set_policy", "account": "over", "credit_type": "credits", "kind": "overage", "price": "0.01", "cap": "50"},
    {"type": "set_policy", "account": "part", "credit_type": "credits", "kind": "partial"},
    {"type": "set_thresholds", "account": "rich", "credit_type": "credits", "thresholds": ["20%", "9999", "10004.5"]},
    {"type": "set_period_edge", "account": "over", "at": 1790000400000000},
    {"type": "create_grant", "account": "owing",
     "grant": {"grant_id": "g", "credit_type": "credits", "amount": "4", "scope": ["tokens", "calls"]}},
    {"type": "create_grant", "account": "over",
     "grant": {"grant_id": "g", "credit_type": "credits", "amount": "2.5", "category": "promotional"}},
    {"type": "create_grant", "account": "part",
     "grant": {"grant_id": "g", "credit_type": "credits", "amount": "3", "expires_at": 1790000000000002}},
    {"type": "create_grant", "account": "part",
     "grant": {"grant_id": "gone", "credit_type": "credits", "amount": "7", "effective_at": 1789999990000000,
               "expires_at": 1789999999000000}},
    {"type": "create_grant", "account": "stopped",
     "grant": {"grant_id": "g", "credit_type": "minutes", "amount": 9223372036854775807}},
    {"type": "create_grant", "account": "clocked",
     "grant": {"grant_id": "g", "credit_type": "credits", "amount": "100", "pending": true}},
    {"type": "suspend_account", "account": "stopped"},
    {"type": "reserve", "account": "owing", "reservation_id": "r", "credit_type": "credits", "credits": "5"},
    {"type": "reserve", "account": "over", "reservation_id": "r", "meter": "tokens", "credits": "3"}
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

/// The engine after `SET_UP` and `WIDER`, with the journal that leads there.
pub fn wide() -> (Engine, Vec<u8>) {
    let (mut engine, mut journal) = set_up();
    let outcomes = engine.execute(&commands(WIDER), START_US, &Rights::ALL, &mut journal);
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
