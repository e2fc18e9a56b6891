//! A caller bound to a prefix: what lies outside it is not there, whether it exists or not.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::usage::Outcome;
use drawdown_core::{CommandOutcome, Rights, Status, UsageEvent, command_json};
use serde_json::json;

/// The outcomes of commands from a caller who sees `a-` alone.
fn from_a(b: &mut Bench, json: &str) -> Vec<CommandOutcome> {
    let group = command_json::group_from_json(json.as_bytes()).expect("readable");
    let Bench { engine, journal, now } = b;
    engine.execute(&group, *now, &Rights { account_prefix: "a-", may_force: true }, journal)
}

fn create(account: &str, customer: &str) -> String {
    format!(r#"[{{"type":"create_account","account":"{account}","customer":"{customer}"}}]"#)
}

#[test]
fn an_account_is_made_under_no_customer_outside_the_callers_prefix() {
    let mut b = Bench::new();
    b.take(&create("b-one", "b-known"));
    let before = (b.engine.digest(), b.engine.next_seq());
    for customer in ["b-known", "b-absent", "acme", "a"] {
        let outcome = from_a(&mut b, &create("a-one", customer)).remove(0);
        assert_eq!(Some(Status::AccountUnknown), outcome.status, "{customer}");
        assert_eq!("customer", outcome.facts["field"]);
        let reason = outcome.facts["reason"].as_str().expect("a reason").replace(&format!("'{customer}'"), "ID");
        assert_eq!("there is no customer ID; name one within the prefix of your key", reason);
    }
    assert_eq!(before, (b.engine.digest(), b.engine.next_seq()));
    let own = from_a(&mut b, &create("a-one", "a-customer")).remove(0);
    assert_eq!(Some(Status::Ok), own.status);
    let none = from_a(&mut b, r#"[{"type":"create_account","account":"a-two"}]"#).remove(0);
    assert_eq!(Some(Status::Ok), none.status);
    b.assert_sound();
}

/// An operator may have put the account under any customer: who repeats that is told no more of it.
#[test]
fn an_account_that_exists_does_not_tell_whose_it_is() {
    let mut b = Bench::new();
    b.take(&create("a-one", "b-theirs"));
    for customer in ["b-theirs", "b-others"] {
        let outcome = from_a(&mut b, &create("a-one", customer)).remove(0);
        assert_eq!(Some(Status::AccountUnknown), outcome.status, "{customer}");
    }
}

#[test]
fn a_list_of_one_account_goes_on_behind_that_account_alone() {
    let mut b = Bench::new();
    b.take(r#"[{"type":"create_account","account":"b-one"}]"#);
    let after = |account: &str| {
        let after = json!({"account": account, "reservation_id": "x"});
        b.engine.query(&json!({"type": "reservations", "account": "acme", "after": after}), NOW)
    };
    assert!(after("acme").is_ok());
    let known = after("b-one").expect_err("another account");
    assert_eq!(known, after("b-absent").expect_err("another account"));
}

#[test]
fn an_account_outside_the_callers_prefix_is_neither_made_nor_seen() {
    let mut b = Bench::new();
    b.take(r#"[{"type":"create_account","account":"b-known"}]"#);
    let before = (b.engine.digest(), b.engine.next_seq());
    for account in ["b-known", "b-absent", "a"] {
        let create = format!(r#"[{{"type":"create_account","account":"{account}"}}]"#);
        let outcome = from_a(&mut b, &create).remove(0);
        assert_eq!(Some(Status::AccountUnknown), outcome.status, "{account}");
        assert_eq!(format!("there is no account '{account}'; create it first"), outcome.facts["reason"]);
    }
    assert_eq!(before, (b.engine.digest(), b.engine.next_seq()));
}

/// What a caller of these rights is answered to one `tokens` of acme's.
fn used_by(b: &mut Bench, rights: &Rights<'_>, id: &str, force: bool) -> Outcome {
    let event = UsageEvent { force, ..b.event(id) }.seal(&b.engine.key().clone());
    let mut outcomes: Vec<Outcome> = Vec::new();
    let Bench { engine, journal, now } = b;
    engine.record_batch(&[event], *now, rights, journal, &mut outcomes).expect("room");
    outcomes.remove(0)
}

#[test]
fn usage_of_an_account_outside_the_callers_prefix_burns_and_tells_nothing() {
    let mut b = Bench::new();
    b.grant("g", "10", "");
    let before = (b.engine.digest(), b.engine.next_seq());
    let outside = used_by(&mut b, &Rights { account_prefix: "a-", may_force: true }, "e", false);
    assert_eq!((Status::AccountUnknown, 0, None), (outside.status, outside.charged, outside.available));
    assert_eq!(before, (b.engine.digest(), b.engine.next_seq()));
    let inside = used_by(&mut b, &Rights { account_prefix: "ac", may_force: true }, "e", false);
    assert_eq!((Status::Ok, 2_000, Some(8_000)), (inside.status, inside.charged, inside.available));
    b.assert_sound();
}

#[test]
fn who_may_not_force_is_refused_though_the_event_would_fit() {
    let mut b = Bench::new();
    b.grant("g", "2", "");
    let bound = Rights { account_prefix: "", may_force: false };
    let before = (b.engine.digest(), b.engine.next_seq());
    assert_eq!(Status::Invalid, used_by(&mut b, &bound, "e", true).status);
    assert_eq!(before, (b.engine.digest(), b.engine.next_seq()));
    assert_eq!(Status::Ok, used_by(&mut b, &bound, "e", false).status, "its id is unused");
    assert_eq!(Status::Insufficient, used_by(&mut b, &bound, "f", false).status);
    assert_eq!(Some(-2_000), used_by(&mut b, &Rights::ALL, "f", true).available);
    b.assert_sound();
}
