//! Bytes as operators send them, and as the engine itself wrote them to journal and snapshots.

use crate::Target;
use crate::base;
use drawdown_core::{Rights, command_json};
use serde_json::Value;

pub const COMMANDS: Target = Target { name: "commands", run: commands, seeds: command_seeds };
pub const QUERY: Target = Target { name: "query", run: query, seeds: query_seeds };
pub const JOURNAL_RECORDS: Target = Target { name: "journal_records", run: journal_records, seeds: record_seeds };
pub const ACCOUNT_IMAGE: Target = Target { name: "account_image", run: account_image, seeds: account_seeds };
pub const GLOBAL_IMAGE: Target = Target { name: "global_image", run: global_image, seeds: global_seeds };

/// A group of commands in JSON: executed, replayed, and executed again, which must change nothing but
/// what has no id of its own.
fn commands(bytes: &[u8]) -> bool {
    let Ok(group) = command_json::group_from_json(bytes) else { return false };
    let (mut engine, mut journal) = base::set_up();
    let outcomes = engine.execute(&group, base::START_US + 1, &Rights::ALL, &mut journal);
    assert_eq!(group.len(), outcomes.len(), "an outcome per command");
    base::assert_lawful(&engine, &journal);
    true
}

fn query(bytes: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<Value>(bytes) else { return false };
    let (engine, _) = base::set_up();
    engine.query(&request, base::START_US + 1).is_ok()
}

/// Records whose check sums were right: only a fault of the writer or of memory makes them wrong, and
/// even then opening must refuse, not fail.
fn journal_records(bytes: &[u8]) -> bool {
    let (mut engine, _) = base::set_up();
    let next = engine.next_seq();
    if engine.apply_records(bytes, next).is_err() {
        return false;
    }
    let _ = engine.finish_recovery();
    let _ = engine.digest();
    true
}

fn account_image(bytes: &[u8]) -> bool {
    let (source, _) = base::wide();
    let mut engine = base::empty();
    engine.load_global(&source.global_image()).expect("an image of its own");
    for number in 0..source.account_count() {
        engine.load_account(&source.account_image(number)).expect("an image of its own");
    }
    engine.load_account(bytes).is_ok() && engine.finish_recovery().is_ok() && engine.digest() > 0
}

fn global_image(bytes: &[u8]) -> bool {
    let (source, _) = base::set_up();
    let mut engine = base::empty();
    if engine.load_global(bytes).is_err() {
        return false;
    }
    let loaded = (0..source.account_count()).all(|number| engine.load_account(&source.account_image(number)).is_ok());
    loaded && engine.finish_recovery().is_ok()
}

fn named(seeds: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    seeds.iter().map(|(name, text)| ((*name).into(), text.as_bytes().to_vec())).collect()
}

fn command_seeds() -> Vec<(String, Vec<u8>)> {
    named(&[
        ("set-up", base::SET_UP),
        ("account", r#"[{"type":"create_account","account":"new"}]"#),
        (
            "grant",
            r#"[{"type":"create_grant","account":"dry","grant":{"grant_id":"g","credit_type":"credits","amount":25,"priority":1,"expires_at":1790000100000000,"scope":["tokens"]}}]"#,
        ),
        ("void", r#"[{"type":"void_grant","account":"rich","grant_id":"later"}]"#),
        ("settle", r#"[{"type":"settle","account":"rich","reservation_id":"hold-1","quantity":3}]"#),
        ("release", r#"[{"type":"release","account":"rich","reservation_id":"hold-1"}]"#),
        (
            "tiers",
            r#"[{"type":"set_rate","table":"default","meter":"tokens","credit_type":"credits","tiers":[{"up_to":"100","credits":"1"},{"credits":"0.25"}],"per":"10"}]"#,
        ),
        ("correct", r#"[{"type":"correct","account":"rich","event_id":"e1","correction_id":"c1","quantity":1}]"#),
        ("policy", r#"[{"type":"set_policy","account":"dry","credit_type":"credits","kind":"overdraft","limit":90}]"#),
        (
            "replace",
            r#"[{"type":"void_and_replace","account":"rich","void":["later"],"create":[{"grant_id":"n","credit_type":"credits","amount":{"of":"later","fraction":"1/3"}}]}]"#,
        ),
        (
            "clock",
            r#"[{"type":"create_account","account":"t","test_clock":1790000000000000},{"type":"advance_clock","account":"t","to":1790000009000000}]"#,
        ),
        ("edge", r#"[{"type":"set_period_edge","account":"rich","at":1790000000000000}]"#),
    ])
}

fn query_seeds() -> Vec<(String, Vec<u8>)> {
    named(&[
        ("balance", r#"{"type":"balance","account":"rich","credit_type":"credits"}"#),
        ("grants", r#"{"type":"grants","account":"rich","limit":10}"#),
        ("reservations", r#"{"type":"reservations","account":"rich","limit":10}"#),
        ("accounts", r#"{"type":"accounts","limit":3}"#),
        ("conservation", r#"{"type":"conservation","account":"rich"}"#),
        ("catalog", r#"{"type":"catalog"}"#),
    ])
}

fn record_seeds() -> Vec<(String, Vec<u8>)> {
    let after = |text: &str| {
        let (mut engine, _) = base::set_up();
        let mut journal = Vec::new();
        engine.execute(&base::commands(text), base::START_US + 1, &Rights::ALL, &mut journal);
        journal
    };
    command_seeds()
        .into_iter()
        .map(|(name, text)| (name, after(std::str::from_utf8(&text).expect("text"))))
        .filter(|(_, journal)| !journal.is_empty())
        .collect()
}

fn account_seeds() -> Vec<(String, Vec<u8>)> {
    let (engine, _) = base::wide();
    let names = ["rich", "dry", "owing", "over", "part", "stopped", "clocked"];
    names.iter().zip(0..).map(|(name, number)| ((*name).into(), engine.account_image(number))).collect()
}

fn global_seeds() -> Vec<(String, Vec<u8>)> {
    vec![("catalog".into(), base::set_up().0.global_image())]
}
