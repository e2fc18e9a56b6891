//! What a caller is refused of grants and of their replacement: the status, a reason that says why, and nothing moved.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::Status;
use drawdown_core::entry::{Control, ControlEntry, GrantCreated, put_control};
use serde_json::{Value, json};

/// A grant with some fields of its own.
fn grant(id: &str, fields: &Value) -> Value {
    let mut grant = json!({"grant_id": id, "credit_type": "credits", "amount": "1"});
    let fields = fields.as_object().expect("an object").clone();
    grant.as_object_mut().expect("an object").extend(fields);
    grant
}

fn create(id: &str, fields: &Value) -> String {
    json!([{"type": "create_grant", "account": "acme", "grant": grant(id, fields)}]).to_string()
}

fn replace(void: &[&str], create: &[Value], move_out: &Value) -> String {
    let command = json!({"type": "void_and_replace", "account": "acme", "void": void, "create": create});
    let mut command = command.as_object().expect("an object").clone();
    command.insert("move_out".into(), move_out.clone());
    json!([command]).to_string()
}

#[test]
fn a_grant_by_a_formula_needs_the_grant_it_is_over_in_the_same_command() {
    let mut b = Bench::new();
    b.grant("old", "10", "");
    let formula = json!({"amount": {"of": "old", "min": "3"}});
    b.refuse(Status::Invalid, "a formula needs void_and_replace", &create("new", &formula));
    b.refuse(Status::Invalid, "does not void", &replace(&[], &[grant("new", &formula)], &json!([])));
    b.take(&replace(&["old"], &[grant("new", &formula)], &json!([])));
    assert_eq!(Some(1_000), b.record("e", "tokens", 1).available);
    b.assert_sound();
}

#[test]
fn a_scope_of_no_meter_would_pay_for_nothing() {
    let mut b = Bench::new();
    b.refuse(Status::Invalid, "an empty scope", &create("g", &json!({"scope": []})));
    b.refuse(Status::MeterUnknown, "which does not exist", &create("g", &json!({"scope": ["tokens", "none"]})));
    b.assert_sound();
}

#[test]
fn a_text_of_a_grant_has_1024_bytes_at_most() {
    let mut b = Bench::new();
    for field in ["name", "source_reference", "reason"] {
        b.take(&create(field, &json!({field: "x".repeat(1_024)})));
        b.refuse(Status::Invalid, field, &create("longer", &json!({field: "x".repeat(1_025)})));
    }
    b.assert_sound();
}

#[test]
fn a_cost_is_no_less_than_nothing_and_in_a_currency() {
    let mut b = Bench::new();
    let cost = |minor: i64, currency: &str| json!({"cost_minor": minor, "cost_currency": currency});
    for (minor, currency) in [(-1, "USD"), (1, ""), (1, "US"), (1, "USDT"), (1, "usd"), (1, "U$D")] {
        b.refuse(Status::Invalid, "such as 'USD'", &create("g", &cost(minor, currency)));
    }
    b.take(&create("gift", &cost(0, "")));
    b.take(&create("bought", &cost(1, "USD")));
    b.assert_sound();
}

#[test]
fn metadata_has_so_many_keys_of_so_many_bytes() {
    let mut b = Bench::new();
    let pairs = |count: usize, key: usize, value: usize| {
        let pair = |n: usize| (format!("{n:0>key$}"), Value::from("v".repeat(value)));
        json!({"metadata": (0..count).map(pair).collect::<serde_json::Map<_, _>>()})
    };
    b.take(&create("most", &pairs(32, 128, 1_024)));
    for (count, key, value) in [(33, 2, 1), (1, 129, 1), (1, 1, 1_025)] {
        b.refuse(Status::Invalid, "metadata has at most", &create("more", &pairs(count, key, value)));
    }
    b.assert_sound();
}

/// A million grants would take hours to make: the journal says that all but one have been.
#[test]
fn an_account_of_a_million_grants_takes_no_more_and_still_pays() {
    let mut b = Bench::new();
    let entry = GrantCreated {
        number: 999_998,
        id: "last but one".into(),
        amount: 4_000,
        priority: 50,
        effective_at: NOW,
        fingerprint: 1,
        ..GrantCreated::default()
    };
    let mut body = Vec::new();
    put_control(&mut body, &ControlEntry { control: Some(Control::GrantCreated(entry)) });
    let next = b.engine.next_seq();
    assert_eq!(Ok(next + 1), b.engine.apply_records(&body, next));
    b.journal.extend(body);
    b.take(&create("last", &json!({})));
    b.refuse(Status::Invalid, "as many grants as fit", &create("one more", &json!({})));
    assert_eq!(Some(3_000), b.record("e", "tokens", 1).available);
    b.assert_sound();
}

#[test]
fn a_replacement_names_each_new_grant_once() {
    let mut b = Bench::new();
    b.grant("old", "10", "");
    let twice = [grant("new", &json!({})), grant("new", &json!({"amount": "2"}))];
    b.refuse(Status::Invalid, "created twice", &replace(&["old"], &twice, &json!([])));
    b.assert_sound();
}

#[test]
fn a_replacement_whose_ids_are_partly_taken_is_no_repeat() {
    let mut b = Bench::new();
    b.grant("old", "10", "");
    let [one, other] = ["one", "other"].map(|id| grant(id, &json!({})));
    b.take(&replace(&[], std::slice::from_ref(&one), &json!([])));
    let both = [one.clone(), other];
    b.refuse(Status::Conflict, "some of the new ids exist", &replace(&["old"], &both, &json!([])));
    b.refuse(
        Status::Conflict,
        "other content",
        &replace(&["old"], &[grant("one", &json!({"amount": "2"}))], &json!([])),
    );
    assert_eq!(Some(Status::Duplicate), b.answer(&replace(&["old"], &[one], &json!([]))).0);
    assert_eq!(Some(9_000), b.record("e", "tokens", 1).available, "the old one is there still");
    b.assert_sound();
}

#[test]
fn a_formula_computes_from_0_to_all_of_a_grant_of_the_same_credit_type() {
    let mut b = Bench::new();
    b.take(r#"[{"type":"create_credit_type","name":"minutes","scale":3}]"#);
    b.grant("old", "10", "");
    let formula = |formula: Value| {
        let mut of = json!({"of": "old"});
        of.as_object_mut().expect("an object").extend(formula.as_object().expect("an object").clone());
        replace(&["old"], &[grant("new", &json!({"amount": of}))], &json!([]))
    };
    for fraction in ["-0.1", "1.01", "half", ""] {
        b.refuse(Status::Invalid, "not a decimal from 0 to 1", &formula(json!({"fraction": fraction})));
    }
    b.refuse(Status::Invalid, "min can't be negative", &formula(json!({"min": "-1"})));
    b.refuse(Status::Invalid, "exactly one of", &formula(json!({"min": "1", "fraction": "1"})));
    b.refuse(Status::Overflow, "64-bit", &formula(json!({"minus": i64::MIN + 1})));
    let other_type = grant("new", &json!({"credit_type": "minutes", "amount": {"of": "old", "fraction": "1"}}));
    b.refuse(Status::Invalid, "within one credit type", &replace(&["old"], &[other_type], &json!([])));
    b.take(&formula(json!({"fraction": "1.0"})));
    assert_eq!(Some(8_000), b.record("e", "tokens", 1).available);
    b.assert_sound();
}

#[test]
fn credits_move_out_of_what_is_free_in_a_grant_that_goes() {
    let mut b = Bench::new();
    b.grant("old", "10", "");
    b.grant("gone", "5", "");
    b.take(r#"[{"type":"void_grant","account":"acme","grant_id":"gone"}]"#);
    let rest = || [grant("rest", &json!({"amount": {"of": "old", "minus": "3"}}))];
    let out = |of: &str, amount: &str| json!([{"of": of, "amount": amount}]);
    b.refuse(Status::Invalid, "beside a grant that is created", &replace(&["old"], &[], &out("old", "3")));
    b.refuse(Status::Invalid, "'other' is not voided", &replace(&["old"], &rest(), &out("other", "3")));
    b.refuse(Status::Invalid, "more than 0", &replace(&["old"], &rest(), &out("old", "0")));
    b.refuse(Status::Insufficient, "that much free", &replace(&["old"], &rest(), &out("old", "3.001")));
    // A grant that is voided already is skipped, and nothing is left in it to take.
    b.refuse(Status::Insufficient, "that much free", &replace(&["old", "gone"], &rest(), &out("gone", "0.001")));
    let (status, facts) = b.answer(&replace(&["old", "gone"], &rest(), &out("old", "3")));
    assert_eq!(Some(Status::Ok), status, "{facts}");
    assert_eq!(json!(0), facts["forfeited"][0]["amount"], "7 go on and 3 go out");
    assert_eq!(json!(10_000), facts["forfeited"][0]["moved"]);
    b.assert_sound();
}
