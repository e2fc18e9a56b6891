//! Each maximum is allowed and one more is refused; what is on a bound belongs to the side that is said.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::Status;
use serde_json::json;

const HOUR: i64 = 3_600_000_000;
const YEAR: i64 = 365 * 24 * HOUR;

/// Names of credit types or meters of a form, from one on.
fn many(form: &str, count: usize) -> String {
    let made: Vec<String> = (0..count).map(|number| form.replace('#', &number.to_string())).collect();
    format!("[{}]", made.join(","))
}

#[test]
fn there_are_so_many_credit_types_and_meters_and_no_more() {
    let mut b = Bench::new();
    let (types, meters) = (1_000 - 1, 60_000 - 2);
    b.take(&many(r#"{"type":"create_credit_type","name":"t#","scale":0}"#, types));
    b.refuse(Status::Invalid, "the most allowed", r#"[{"type":"create_credit_type","name":"more","scale":0}]"#);
    b.take(&many(r#"{"type":"create_meter","key":"m#"}"#, meters));
    b.refuse(Status::Invalid, "the most allowed", r#"[{"type":"create_meter","key":"more"}]"#);
    assert_eq!(Some(Status::Duplicate), b.answer(r#"[{"type":"create_meter","key":"m7"}]"#).0);
    b.assert_sound();
}

#[test]
fn twelve_decimals_are_the_most() {
    let mut b = Bench::new();
    b.take(r#"[{"type":"create_credit_type","name":"fine","scale":12}]"#);
    b.take(r#"[{"type":"create_meter","key":"fine","quantity_scale":12}]"#);
    b.refuse(Status::Invalid, "from 0 to 12", r#"[{"type":"create_credit_type","name":"finer","scale":13}]"#);
    b.refuse(Status::Invalid, "from 0 to 12", r#"[{"type":"create_meter","key":"finer","quantity_scale":13}]"#);
}

#[test]
fn an_account_has_so_many_period_edges_and_no_more() {
    let mut b = Bench::new();
    let edge = |number: i64| format!(r#"[{{"type":"set_period_edge","account":"acme","at":{}}}]"#, NOW + YEAR + number);
    for number in 0..1_200 {
        b.take(&edge(number));
    }
    b.refuse(Status::Invalid, "the most allowed", &edge(1_200));
    assert_eq!(Some(Status::Duplicate), b.answer(&edge(3)).0);
    b.assert_sound();
}

#[test]
fn edges_of_closed_periods_are_not_kept_for_ever() {
    let mut b = Bench::new();
    b.take(&format!(r#"[{{"type":"create_account","account":"lab","test_clock":{NOW}}}]"#));
    // An edge a day, of which the window of 35 days keeps some forty.
    for day in 1..3_000 {
        let at = NOW + day * 24 * HOUR;
        b.take(&format!(r#"[{{"type":"set_period_edge","account":"lab","at":{at}}}]"#));
        b.take(&format!(r#"[{{"type":"advance_clock","account":"lab","to":{at}}}]"#));
    }
    b.assert_sound();
}

#[test]
fn a_pool_has_so_many_thresholds_and_no_more() {
    let mut b = Bench::new();
    let thresholds = |count: usize| {
        let levels: Vec<String> = (1..=count).map(|level| level.to_string()).collect();
        json!([{"type":"set_thresholds","account":"acme","credit_type":"credits","thresholds":levels}]).to_string()
    };
    b.take(&thresholds(32));
    b.refuse(Status::Invalid, "at most 32", &thresholds(33));
}

#[test]
fn an_overdraft_of_nothing_is_one_and_a_price_of_nothing_too_but_no_number_of_units() {
    let mut b = Bench::new();
    let policy = |limit: &str| {
        json!([{"type":"set_policy","account":"acme","credit_type":"credits","kind":"overdraft","limit":limit}])
            .to_string()
    };
    b.take(&policy("0"));
    b.refuse(Status::Invalid, "can't be negative", &policy("-0.001"));
    let rate =
        |more: &str| format!(r#"[{{"type":"set_rate","table":"t","meter":"tokens","credit_type":"credits",{more}}}]"#);
    b.take(&rate(r#""credits":"0""#));
    b.refuse(Status::Invalid, "must be above 0", &rate(r#""credits":"1","per":"0""#));
    let tiers = |second: &str| {
        rate(&format!(
            r#""tiers":[{{"up_to":"10","credits":"3"}},{{"up_to":"{second}","credits":"2"}},{{"credits":"1"}}]"#
        ))
    };
    b.refuse(Status::Invalid, "must be above the one before", &tiers("10"));
    b.take(&tiers("11"));
}

#[test]
fn a_price_below_the_smallest_unit_warns_and_one_of_it_does_not() {
    let mut b = Bench::new();
    let mut warning = |credits: &str| {
        let (status, facts) = b.answer(&format!(
            r#"[{{"type":"set_rate","table":"default","meter":"tokens","credit_type":"credits","credits":"{credits}"}}]"#
        ));
        assert_eq!(Some(Status::Ok), status, "{facts}");
        facts.get("warning").is_some()
    };
    assert!(warning("0.0009"));
    assert!(!warning("0.001"));
    assert!(!warning("0"));
}

#[test]
fn an_account_is_what_it_was_created_as() {
    let mut b = Bench::new();
    let account = |more: &str| format!(r#"[{{"type":"create_account","account":"other"{more}}}]"#);
    for made in [r#","customer":"one""#, r#","rate_table":"gold""#, r#","test_clock":5"#] {
        let name = made.replace(|sign: char| !sign.is_ascii_alphanumeric(), "");
        let own = |more: &str| account(more).replace("other", &name);
        b.take(&own(made));
        assert_eq!(Some(Status::Duplicate), b.answer(&own(made)).0, "{made}");
        for other in ["", r#","customer":"two""#, r#","rate_table":"silver""#, r#","test_clock":6"#] {
            b.refuse(Status::Conflict, "exists with other content", &own(other));
        }
    }
    assert_eq!(Some(Status::Duplicate), b.answer(r#"[{"type":"create_account","account":"acme"}]"#).0);
    b.refuse(Status::Conflict, "exists", r#"[{"type":"create_account","account":"acme","customer":"one"}]"#);
    b.assert_sound();
}

#[test]
fn tables_that_a_refused_group_named_are_not_there() {
    let mut b = Bench::new();
    let refused = r#"{"type":"void_grant","account":"acme","grant_id":"none"}"#;
    for made in [
        r#"{"type":"create_account","account":"new","rate_table":"gold"}"#,
        r#"{"type":"assign_rate_table","account":"acme","table":"gold"}"#,
    ] {
        b.refuse(Status::GrantUnknown, "no grant", &format!("[{made},{refused}]"));
        b.assert_sound();
    }
    let image = b.engine.global_image();
    assert!(!image.windows(4).any(|bytes| bytes == b"gold"));
}

#[test]
fn of_tables_assigned_from_one_instant_on_the_last_counts() {
    let mut b = Bench::new();
    b.grant("g", "1000", "");
    for (table, credits) in [("gold", 3), ("silver", 5)] {
        b.take(&format!(
            r#"[{{"type":"set_rate","table":"{table}","meter":"tokens","credit_type":"credits","credits":"{credits}"}}]"#
        ));
    }
    let assign = |table: &str| {
        format!(r#"[{{"type":"assign_rate_table","account":"acme","table":"{table}","valid_from":{NOW}}}]"#)
    };
    b.take(&assign("gold"));
    assert_eq!(Some(Status::Duplicate), b.answer(&assign("gold")).0);
    b.take(&assign("silver"));
    assert_eq!(Some(995_000), b.record("e", "tokens", 1).available);
    b.take(&assign("gold"));
    assert_eq!(Some(992_000), b.record("f", "tokens", 1).available);
    b.assert_sound();
}

#[test]
fn a_clock_set_to_where_it_stands_writes_nothing() {
    let mut b = Bench::new();
    b.take(&format!(r#"[{{"type":"create_account","account":"tested","test_clock":{NOW}}}]"#));
    let to = |instant: i64| format!(r#"[{{"type":"advance_clock","account":"tested","to":{instant}}}]"#);
    let written = b.engine.next_seq();
    b.take(&to(NOW));
    assert_eq!(written, b.engine.next_seq());
    b.take(&to(NOW + 1));
    assert_eq!(written + 1, b.engine.next_seq());
    b.refuse(Status::Invalid, "never goes back", &to(NOW));
    b.assert_sound();
}

#[test]
fn an_id_has_128_bytes_at_most() {
    let mut b = Bench::new();
    let account = |bytes: usize| json!([{"type":"create_account","account":"x".repeat(bytes)}]).to_string();
    b.take(&account(128));
    b.refuse(Status::Invalid, "has 129 bytes", &account(129));
    b.assert_sound();
}

#[test]
fn a_scope_that_a_refused_group_named_is_as_new_as_before() {
    let mut b = Bench::new();
    let grant = |id: &str, scope: &str| {
        format!(
            r#"{{"type":"create_grant","account":"acme","grant":{{"grant_id":"{id}","credit_type":"credits","amount":"1","scope":{scope}}}}}"#
        )
    };
    b.take(&format!("[{}]", grant("known", r#"["calls"]"#)));
    let refused = r#"{"type":"void_grant","account":"acme","grant_id":"none"}"#;
    for scope in [r#"["tokens"]"#, r#"["calls"]"#, r#"["calls","tokens"]"#] {
        b.refuse(Status::GrantUnknown, "no grant", &format!("[{},{refused}]", grant("new", scope)));
        b.assert_sound();
    }
}
