//! A sweep does as much as it was asked for and says whether more is due, whatever it meets.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::{Expired, Status};
use serde_json::json;

const DAY: i64 = 86_400_000_000;

fn sweep(b: &mut Bench, most: u32) -> Expired {
    let Bench { engine, journal, now } = b;
    engine.expire_due(*now, most, journal)
}

fn grants_of(b: &Bench, account: &str) -> usize {
    let read = b.engine.query(&json!({"type": "grants", "account": account}), b.now).expect("answers");
    read["grants"].as_array().expect("a list").len()
}

/// Its grants are over by its own clock, which the machine's knows nothing of.
#[test]
fn grants_of_a_test_clock_leave_in_as_many_sweeps_as_it_takes() {
    let mut b = Bench::new();
    b.take(&format!(r#"[{{"type":"create_account","account":"tested","test_clock":{NOW}}}]"#));
    for id in ["a", "b", "c"] {
        let grant = json!({"grant_id": id, "credit_type": "credits", "amount": "5", "expires_at": NOW + DAY});
        b.take(&json!([{"type": "create_grant", "account": "tested", "grant": grant}]).to_string());
    }
    b.take(&format!(r#"[{{"type":"advance_clock","account":"tested","to":{}}}]"#, NOW + 60 * DAY));
    for left in [2, 1, 0] {
        let done = sweep(&mut b, 1);
        assert_eq!((0, left), (done.booked, grants_of(&b, "tested")), "booked when the clock was set");
        assert!(done.more_due || left == 0, "{left} to go");
    }
    let written = b.engine.next_seq();
    let idle = (0..10).find(|_| !sweep(&mut b, 1).more_due);
    assert!(idle.is_some(), "it comes to rest");
    assert_eq!(written, b.engine.next_seq());
    b.assert_sound();
}

/// What a refused group would have brought is noted for its time, and comes to nothing then.
#[test]
fn an_account_that_a_refused_group_made_brings_nothing_when_its_time_comes() {
    let mut b = Bench::new();
    b.grant("g", "10", &format!(r#","expires_at":{}"#, NOW + DAY));
    let ends = json!({"grant_id": "h", "credit_type": "credits", "amount": "5", "expires_at": NOW + DAY});
    let refused = json!([
        {"type": "create_account", "account": "undone"},
        {"type": "create_grant", "account": "undone", "grant": ends},
        {"type": "void_grant", "account": "acme", "grant_id": "none"},
    ]);
    b.refuse(Status::GrantUnknown, "no grant", &refused.to_string());
    b.now += 2 * DAY;
    assert_eq!(1, sweep(&mut b, 100).booked, "that of acme alone");
    assert_eq!(Expired { booked: 0, more_due: false }, sweep(&mut b, 100));
    b.take(r#"[{"type":"create_account","account":"undone"}]"#);
    assert_eq!(0, grants_of(&b, "undone"));
    b.assert_sound();
}
