//! A caller bound to a prefix: what lies outside it is not there, whether it exists or not.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::{CommandOutcome, Rights, Status, command_json};
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
