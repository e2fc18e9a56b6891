//! The thin thread: commands, usage, refusals, replay and images agree.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::Status;

#[test]
fn usage_burns_grants_in_order_and_refusals_use_up_nothing() {
    let mut b = Bench::new();
    b.grant("later", "5", "");
    b.grant("first", "3", r#","priority":1"#);
    let o = b.record("e1", "tokens", 2);
    assert_eq!((o.status, o.charged, o.available), (Status::Ok, 4_000, Some(4_000)));
    assert_eq!(b.record("e1", "tokens", 2).status, Status::Duplicate);
    assert_eq!(b.record("e1", "tokens", 3).status, Status::Conflict);
    let o = b.record("e2", "tokens", 3);
    assert_eq!((o.status, o.available, o.shortfall), (Status::Insufficient, Some(4_000), Some(2_000)));
    b.grant("topup", "2", "");
    assert_eq!(b.record("e2", "tokens", 3).available, Some(0));
    assert_eq!(b.record("e3", "nothing", 1).status, Status::MeterUnknown);
    b.assert_sound();
}

/// Overage that is counted apart since an instant has its own place; the tiers of the period have not.
#[test]
fn a_settle_moves_the_position_in_its_period_though_overage_is_counted_apart_since() {
    let mut b = Bench::new();
    b.grant("g", "100", "");
    let done = b.run(&format!(
        r#"[{{"type":"set_policy","account":"acme","credit_type":"credits","kind":"overage","price":"1","since":{NOW}}},
            {{"type":"reserve","account":"acme","reservation_id":"r","meter":"calls","quantity":8}},
            {{"type":"settle","account":"acme","reservation_id":"r","quantity":8}}]"#
    ));
    assert!(done.iter().all(|outcome| outcome.status == Some(Status::Ok)), "{done:?}");
    assert_eq!(b.record("a", "calls", 4).charged, 3_000, "two of the first ten, two behind them");
    b.assert_sound();
}

#[test]
fn tiers_follow_the_position_in_the_period() {
    let mut b = Bench::new();
    b.grant("g", "100", "");
    assert_eq!(b.record("a", "calls", 9).charged, 9_000);
    assert_eq!(b.record("b", "calls", 2).charged, 1_500);
    assert_eq!(b.record("c", "calls", 1).charged, 500);
    b.assert_sound();
}

#[test]
fn overdraft_is_settled_by_the_next_grant_that_may_pay() {
    let mut b = Bench::new();
    b.run(r#"[{"type":"set_policy","account":"acme","credit_type":"credits","kind":"overdraft","limit":"5"}]"#);
    assert_eq!(b.record("a", "tokens", 2).available, Some(-4_000));
    let o = b.record("b", "tokens", 1);
    assert_eq!((o.status, o.shortfall), (Status::LimitReached, Some(1_000)));
    b.grant("scoped", "9", r#","scope":["calls"]"#);
    assert_eq!(
        b.engine
            .query(&serde_json::json!({"type":"balance","account":"acme","credit_type":"credits"}), b.now)
            .expect("answers")["available"],
        5_000
    );
    b.grant("g", "10", "");
    let o = b.record("c", "tokens", 3);
    assert_eq!((o.status, o.available), (Status::Ok, Some(9_000)));
    b.assert_sound();
}

#[test]
fn a_refused_command_undoes_its_group() {
    let mut b = Bench::new();
    b.grant("old", "10", "");
    let (digest, written) = (b.engine.digest(), b.engine.next_seq());
    let outcomes = b.run(
        r#"[{"type":"create_account","account":"new"},
            {"type":"void_grant","account":"acme","grant_id":"old"},
            {"type":"void_grant","account":"acme","grant_id":"none"}]"#,
    );
    assert_eq!(outcomes[2].status, Some(Status::GrantUnknown));
    assert_eq!(outcomes[0].status, None);
    assert_eq!((b.engine.digest(), b.engine.next_seq()), (digest, written));
    assert_eq!(b.engine.find_account("new"), None);
    b.assert_sound();
}

#[test]
fn replacing_carries_what_the_formula_says() {
    let mut b = Bench::new();
    b.grant("old", "10", "");
    b.record("e", "tokens", 1);
    let json = r#"[{"type":"void_and_replace","account":"acme","void":["old"],"create":[
        {"grant_id":"new","credit_type":"credits","amount":{"of":"old","fraction":"0.25"}}]}]"#;
    assert_eq!(b.run(json)[0].status, Some(Status::Ok));
    assert_eq!(b.run(json)[0].status, Some(Status::Duplicate));
    assert_eq!(b.record("f", "tokens", 1).available, Some(0));
    b.assert_sound();
}

#[test]
fn expiry_is_decided_at_use_and_booked_by_the_sweep() {
    let mut b = Bench::new();
    let end = b.now + 1_000_000;
    b.grant("g", "10", &format!(r#","expires_at":{end}"#));
    b.now = end - 1;
    assert_eq!(b.record("a", "tokens", 1).status, Status::Ok);
    b.now = end;
    let o = b.record("b", "tokens", 1);
    assert_eq!((o.status, o.available), (Status::Insufficient, Some(0)));
    b.now = end + 3_600_000_000 + 2_000_000;
    let expired = b.engine.expire_due(b.now, 10, &mut b.journal);
    assert_eq!((expired.booked, expired.more_due), (1, false));
    b.assert_sound();
}
