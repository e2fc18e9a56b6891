//! What a caller is refused of accounts, rates and policies: a reason that says why, and nothing defined.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::{Status, Subject, UsageEvent};
use serde_json::json;

fn rate(more: &str) -> String {
    format!(r#"[{{"type":"set_rate","table":"t","meter":"sized","credit_type":"credits",{more}}}]"#)
}

/// A meter in hundredths that declares one dimension.
fn with_meter() -> Bench {
    let mut b = Bench::new();
    b.take(r#"[{"type":"create_meter","key":"sized","quantity_scale":2,"dimensions":["model"]}]"#);
    b
}

#[test]
fn a_test_clock_starts_at_or_after_1970() {
    let mut b = Bench::new();
    let at = |id: &str, clock: i64| format!(r#"[{{"type":"create_account","account":"{id}","test_clock":{clock}}}]"#);
    b.refuse(Status::Invalid, "at or after 1970", &at("early", -1));
    b.take(&at("first", 0));
    b.assert_sound();
}

#[test]
fn a_rate_matches_dimensions_that_its_meter_declares() {
    let mut b = with_meter();
    b.refuse(
        Status::Invalid,
        "'region' is not a dimension",
        &rate(r#""credits":"1","match":{"model":"large","region":"eu"}"#),
    );
    b.take(&rate(r#""credits":"1","match":{"model":"large"}"#));
    b.assert_sound();
}

#[test]
fn a_package_holds_whole_smallest_quantities() {
    let mut b = with_meter();
    b.refuse(Status::Invalid, "a whole number", &rate(r#""credits":"1","per":"0.005","package":true"#));
    b.take(&rate(r#""credits":"1","per":"0.05","package":true"#));
    b.take(&format!(r#"[{{"type":"assign_rate_table","account":"acme","table":"t","valid_from":{NOW}}}]"#));
    b.grant("g", "10", "");
    assert_eq!(2_000, b.record("six hundredths", "sized", 6).charged, "two packages of five");
    b.assert_sound();
}

#[test]
fn a_price_is_nothing_or_more_in_every_form() {
    let mut b = with_meter();
    for more in [
        r#""credits":"-0.001""#,
        r#""credits":"-1","per":"5","package":true"#,
        r#""tiers":[{"up_to":"10","credits":"-1"},{"credits":"1"}]"#,
        r#""tiers":[{"up_to":"10","credits":"1"},{"credits":"-1"}]"#,
    ] {
        b.refuse(Status::Invalid, "a price can't be negative", &rate(more));
    }
    b.assert_sound();
}

#[test]
fn the_last_tier_and_no_other_is_without_an_end() {
    let mut b = with_meter();
    b.refuse(Status::Invalid, "only the last tier", &rate(r#""tiers":[{"credits":"2"},{"credits":"1"}]"#));
    b.refuse(
        Status::Invalid,
        "the last tier must have no up_to",
        &rate(r#""tiers":[{"up_to":"1","credits":"2"},{"up_to":"2","credits":"1"}]"#),
    );
    b.assert_sound();
}

#[test]
fn overage_has_a_price_of_nothing_or_more_and_is_alone_to_be_counted_apart() {
    let mut b = Bench::new();
    let policy =
        |more: &str| format!(r#"[{{"type":"set_policy","account":"acme","credit_type":"credits","kind":{more}}}]"#);
    for price in ["-0.01", "dear", ""] {
        let sent = policy(&format!(r#""overage","price":"{price}""#));
        b.refuse(Status::Invalid, "not a decimal of 0 or more", &sent);
    }
    b.refuse(Status::Invalid, "needs a price", &policy(r#""overage""#));
    for kind in [r#""hard""#, r#""partial""#, r#""overdraft","limit":"1""#] {
        b.refuse(Status::Invalid, "counts apart since", &policy(&format!(r#"{kind},"since":{NOW}"#)));
        b.refuse(Status::Invalid, "only an overage policy has a price", &policy(&format!(r#"{kind},"price":"1""#)));
    }
    b.take(&policy(&format!(r#""overage","price":"0","since":{NOW}"#)));
    assert_eq!(Status::Ok, b.record("e", "tokens", 1).status);
    b.assert_sound();
}

#[test]
fn an_overdraft_has_a_limit_and_overage_may_have_a_cap() {
    let mut b = Bench::new();
    let policy =
        |kind: &str| format!(r#"[{{"type":"set_policy","account":"acme","credit_type":"credits","kind":{kind}}}]"#);
    for (says, kind) in [
        ("needs a limit", r#""overdraft""#),
        ("needs a limit", r#""overdraft","cap":"1""#),
        ("only an overage policy has a cap", r#""overdraft","limit":"1","cap":"1""#),
        ("only an overage policy has a cap", r#""hard","cap":"1""#),
        ("only an overdraft policy has a limit", r#""partial","limit":"1""#),
        ("only an overdraft policy has a limit", r#""overage","price":"1","limit":"1""#),
        ("can't be negative", r#""overage","price":"1","cap":"-1""#),
    ] {
        b.refuse(Status::Invalid, says, &policy(kind));
    }
    b.take(&policy(r#""overage","price":"1","cap":"2""#));
    assert_eq!(Status::Ok, b.record("up to the cap", "tokens", 1).status);
    assert_eq!(Status::LimitReached, b.record("past it", "tokens", 1).status);
    b.assert_sound();
}

#[test]
fn a_threshold_in_percent_goes_from_a_hundredth_to_all() {
    let mut b = Bench::new();
    let thresholds = |level: &str| {
        json!([{"type": "set_thresholds", "account": "acme", "credit_type": "credits", "thresholds": [level]}])
            .to_string()
    };
    for level in ["0%", "0.001%", "100.01%", "-5%", "many%", "%"] {
        b.refuse(Status::Invalid, "is no percentage of what was granted", &thresholds(level));
    }
    for level in ["0.01%", "100%"] {
        b.take(&thresholds(level));
    }
    b.assert_sound();
}

/// Of a meter's matches each has prices and positions of its own.
#[test]
fn tiers_are_passed_by_each_match_for_itself() {
    let mut b = with_meter();
    b.grant("g", "100", "");
    let tiers = r#""tiers":[{"up_to":"10","credits":"1"},{"credits":"0.5"}]"#;
    b.take(&rate(tiers));
    b.take(&rate(&format!(r#"{tiers},"match":{{"model":"large"}}"#)));
    b.take(&format!(r#"[{{"type":"assign_rate_table","account":"acme","table":"t","valid_from":{NOW}}}]"#));
    let mut charged = |id: &str, model: &str, units: i64| {
        let dimensions = [("model", model)];
        let quantity = units * 100;
        let event = UsageEvent { subject: Subject::Meter("sized"), quantity, dimensions: &dimensions, ..b.event(id) };
        b.send(event).charged
    };
    assert_eq!(9_000, charged("a", "large", 9));
    assert_eq!(9_000, charged("b", "small", 9), "the default rate begins at 0");
    assert_eq!(1_500, charged("c", "large", 2));
    assert_eq!(1_500, charged("d", "small", 2));
    b.assert_sound();
    let balance = b.engine.query(&json!({"type": "balance", "account": "acme", "credit_type": "credits"}), NOW);
    assert_eq!(79_000, balance.expect("answers")["available"]);
}
