//! What a caller is refused of corrections and reservations: the status, a reason that says why, and that nothing moved.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::entry::Control;
use drawdown_core::{Engine, EventHistory, Fact, Settings, Status, StoreKey, Subject, UsageEvent, command_json};
use serde_json::{Value, json};

const MONTH: i64 = 31 * 86_400_000_000;

fn correct(event: &str, more: &str) -> String {
    format!(r#"[{{"type":"correct","account":"acme","event_id":"{event}"{more}}}]"#)
}

fn reserve(id: &str, more: &str) -> String {
    format!(r#"[{{"type":"reserve","account":"acme","reservation_id":"{id}"{more}}}]"#)
}

fn settle(id: &str, more: &str) -> String {
    format!(r#"[{{"type":"settle","account":"acme","reservation_id":"{id}"{more}}}]"#)
}

/// A correction of an applied event that is refused, and moves nothing.
fn refuse_correction(b: &mut Bench, event: &str, status: Status, says: &str, more: &str) {
    let before = (b.engine.digest(), b.engine.next_seq());
    let outcome = b.correct(&[event], &correct(event, more)).remove(0);
    assert_eq!(Some(status), outcome.status, "{more}: {:?}", outcome.facts);
    let reason = outcome.facts["reason"].as_str().expect("a reason");
    assert!(reason.contains(says), "{more}: {reason}");
    assert_eq!(before, (b.engine.digest(), b.engine.next_seq()), "{more}");
}

#[test]
fn a_correction_must_ask_for_one_thing_of_the_events_kind() {
    let mut b = Bench::new();
    b.grant("g", "100", "");
    b.record("metered", "tokens", 2);
    let debit = UsageEvent { subject: Subject::CreditType("credits"), quantity: 2_000, ..b.event("debit") };
    assert_eq!(Status::Ok, b.send(debit).status);
    for (event, says, more) in [
        ("metered", "give exactly one", ""),
        ("metered", "give exactly one", r#","quantity":1,"cancel":true"#),
        ("metered", "give exactly one", r#","quantity":1,"credits":"1""#),
        ("metered", "can't be negative", r#","quantity":-1"#),
        ("metered", "can't be negative", r#","quantity":"-1""#),
        ("metered", "correct its quantity", r#","credits":"1""#),
        ("metered", "more than 0 decimals", r#","quantity":"1.5""#),
        ("metered", "correction_id is empty", r#","cancel":true,"correction_id":"""#),
        ("debit", "can't be negative", r#","credits":-1"#),
        ("debit", "can't be negative", r#","credits":"-0.1""#),
        ("debit", "correct its credits", r#","quantity":1"#),
        ("debit", "more than 3 decimals", r#","credits":"0.0001""#),
    ] {
        refuse_correction(&mut b, event, Status::Invalid, says, more);
    }
    for (says, event) in [("is empty", String::new()), ("has 129 bytes", "x".repeat(129)), ("control", "a\\n".into())] {
        b.refuse(Status::Invalid, says, &correct(&event, r#","cancel":true"#));
    }
    b.refuse(Status::EventUnknown, "no event 'never'", &correct("never", r#","cancel":true"#));
    b.assert_sound();
}

#[test]
fn a_correction_that_the_pool_cannot_pay_is_refused_whole() {
    let mut b = Bench::new();
    b.grant("g", "10", "");
    b.record("e", "tokens", 2);
    for kind in [r#""hard""#, r#""partial""#, r#""overdraft","limit":"5""#, r#""overage","price":"1","cap":"5""#] {
        b.take(&format!(r#"[{{"type":"set_policy","account":"acme","credit_type":"credits","kind":{kind}}}]"#));
        let bounded = kind.contains("limit") || kind.contains("cap");
        let (status, says) = match bounded {
            true => (Status::LimitReached, "exceed the pool's limit"),
            false => (Status::Insufficient, "too few credits"),
        };
        refuse_correction(&mut b, "e", status, says, r#","quantity":8"#);
    }
    let most = format!(r#","quantity":{}"#, i64::MAX);
    refuse_correction(&mut b, "e", Status::Overflow, "does not fit 64 bits", &most);
    b.assert_sound();
}

#[test]
fn a_cancelled_event_stays_cancelled_and_a_correction_id_means_one_correction() {
    let mut b = Bench::new();
    b.grant("g", "10", "");
    b.record("e", "tokens", 2);
    let once = correct("e", r#","quantity":3,"correction_id":"c""#);
    assert_eq!(Some(Status::Ok), b.correct(&["e"], &once)[0].status);
    assert_eq!(Some(Status::Duplicate), b.correct(&["e"], &once)[0].status);
    refuse_correction(&mut b, "e", Status::Conflict, "other content", r#","quantity":4,"correction_id":"c""#);
    assert_eq!(Some(Status::Ok), b.correct(&["e"], &correct("e", r#","cancel":true"#))[0].status);
    assert_eq!(Some(Status::Duplicate), b.correct(&["e"], &correct("e", r#","cancel":true"#))[0].status);
    refuse_correction(&mut b, "e", Status::Conflict, "that is final", r#","quantity":0"#);
    refuse_correction(&mut b, "e", Status::Conflict, "that is final", r#","quantity":3"#);
    b.assert_sound();
}

#[test]
fn a_history_that_a_correction_has_overtaken_is_read_again() {
    let mut b = Bench::new();
    b.grant("g", "10", "");
    b.record("e", "tokens", 2);
    let mut stale = [(("acme".to_string(), "e".to_string()), b.history("e"))].into_iter().collect();
    assert_eq!(Some(Status::Ok), b.correct(&["e"], &correct("e", r#","quantity":3"#))[0].status);
    let before = (b.engine.digest(), b.journal.len());
    let group = command_json::group_from_json(correct("e", r#","quantity":4"#).as_bytes()).expect("readable");
    let Bench { engine, journal, now } = &mut b;
    assert!(engine.execute_on(&group, &mut stale, *now, &drawdown_core::Rights::ALL, journal).is_err());
    assert_eq!(before, (b.engine.digest(), b.journal.len()));
}

#[test]
fn an_event_below_the_floor_is_corrected_no_more() {
    let mut b = Bench::new();
    b.grant("g", "10", "");
    b.record("e", "tokens", 2);
    assert!(b.engine.knows_event("acme", "e"));
    assert!(!b.engine.knows_event("nobody", "e"));
    let history = b.history("e");
    b.now += 2 * MONTH;
    b.record("later", "tokens", 1);
    let group = command_json::group_from_json(correct("e", r#","cancel":true"#).as_bytes()).expect("readable");
    let mut histories = [(("acme".to_string(), "e".to_string()), history)].into_iter().collect();
    let before = b.engine.digest();
    let Bench { engine, journal, now } = &mut b;
    let outcomes =
        engine.execute_on(&group, &mut histories, *now, &drawdown_core::Rights::ALL, journal).expect("whole");
    assert_eq!(Some(Status::EventUnknown), outcomes[0].status);
    assert_eq!(before, b.engine.digest());
    assert!(!b.engine.knows_event("acme", "e"));
}

/// What comes back to an ended grant goes on in a new one, whose id nobody else's grant may have.
#[test]
fn credits_that_go_on_find_an_id_though_a_caller_has_taken_theirs() {
    let mut b = Bench::new();
    b.grant("old", "10", "");
    b.record("e", "tokens", 2);
    b.take(r#"[{"type":"void_grant","account":"acme","grant_id":"old"}]"#);
    // The new grant is one entry, that the pool has recovered another.
    let seq = b.engine.next_seq() + 2;
    b.grant(&format!("regrant:{seq}:0"), "1", "");
    let outcome = b.correct(&["e"], &correct("e", r#","quantity":1,"regrant":true"#)).remove(0);
    assert_eq!(Some(Status::Ok), outcome.status, "{:?}", outcome.facts);
    assert_eq!(json!([format!("regrant:{seq}:0+")]), outcome.facts["regranted"]);
    assert_eq!(json!(3_000), outcome.facts["available"]);
    b.assert_sound();
}

#[test]
fn credits_that_would_not_fit_again_do_not_come_back() {
    let mut b = Bench::new();
    let most = (i64::MAX / 1_000).to_string();
    b.grant("all", &most, "");
    b.record("e", "tokens", 2);
    b.grant("more", "4", "");
    refuse_correction(&mut b, "e", Status::Overflow, "would not fit 64 bits", r#","cancel":true"#);
    b.assert_sound();
}

#[test]
fn a_reserve_is_refused_before_its_account_is_looked_at() {
    let mut b = Bench::new();
    b.take(r#"[{"type":"create_meter","key":"peak","aggregation":"max"}]"#);
    let pairs = |n: usize, bytes: usize| -> String {
        let pair = |i: usize| format!(r#""k{i}":"{}""#, "v".repeat(bytes));
        format!(
            r#","credit_type":"credits","credits":"1","dimensions":{{{}}}"#,
            (0..n).map(pair).collect::<Vec<_>>().join(",")
        )
    };
    let line_end = r#","credit_type":"credits","credits":"1","dimensions":{"k":"a\nb"}"#.to_string();
    for (says, more) in [
        ("give exactly one of", String::new()),
        ("give exactly one of", r#","meter":"tokens""#.into()),
        ("give exactly one of", r#","meter":"tokens","quantity":1,"credits":"1""#.into()),
        ("ttl_us is 0", r#","meter":"tokens","quantity":1,"ttl_us":0"#.into()),
        ("can't be negative", r#","meter":"tokens","quantity":-1"#.into()),
        ("can't be negative", r#","meter":"tokens","credits":"-1""#.into()),
        ("can't be negative", r#","meter":"none","quantity":"-1""#.into()),
        ("more than 0 decimals", r#","meter":"tokens","quantity":"1.5""#.into()),
        ("'x'", r#","meter":"tokens","quantity":"x""#.into()),
        ("does not sum", r#","meter":"peak","quantity":1"#.into()),
        ("at most 16 dimensions", pairs(17, 1)),
        ("at most 16 dimensions", pairs(1, 129)),
        ("at most 16 dimensions", line_end),
    ] {
        b.refuse(Status::Invalid, says, &reserve("r", &more));
    }
    b.refuse(Status::Invalid, "reservation_id is empty", &reserve("", r#","meter":"tokens","quantity":1"#));
    b.refuse(Status::MeterUnknown, "no meter 'none'", &reserve("r", r#","meter":"none","quantity":1"#));
    b.refuse(Status::MeterUnknown, "no meter 'none'", &reserve("r", r#","meter":"none","credits":"1""#));
    b.refuse(Status::NotEntitled, "no rate for 'peak'", &reserve("r", r#","meter":"peak","credits":"1""#));
    b.refuse(Status::Overflow, "64 bits", &reserve("r", &format!(r#","meter":"tokens","quantity":{}"#, i64::MAX)));
    b.refuse(Status::Insufficient, "too few credits", &reserve("r", r#","meter":"tokens","quantity":1"#));
    b.assert_sound();
}

#[test]
fn a_reserve_or_settle_of_another_use_is_a_conflict() {
    let mut b = Bench::new();
    b.grant("g", "100", "");
    let two = reserve("r", r#","meter":"tokens","quantity":2"#);
    b.take(&two);
    assert_eq!(Some(Status::Duplicate), b.answer(&two).0);
    b.refuse(Status::Conflict, "other content", &reserve("r", r#","meter":"tokens","quantity":3"#));
    b.refuse(Status::Invalid, "exactly one of", &settle("r", ""));
    b.refuse(Status::Invalid, "exactly one of", &settle("r", r#","quantity":1,"credits":"1""#));
    b.refuse(Status::Invalid, "can't be negative", &settle("r", r#","quantity":-1"#));
    b.refuse(Status::Invalid, "settle it by quantity", &settle("r", r#","credits":"1""#));
    b.refuse(Status::Insufficient, "too few credits", &settle("r", r#","quantity":3,"refuse_extra":true"#));
    b.refuse(Status::ReservationUnknown, "no reservation 's'", &settle("s", r#","quantity":1"#));
    b.take(&settle("r", r#","quantity":2"#));
    // An amount is what it comes to, however it is written.
    assert_eq!(Some(Status::Duplicate), b.answer(&settle("r", r#","quantity":2"#)).0);
    b.refuse(Status::Conflict, "another use", &settle("r", r#","quantity":1"#));
    assert_eq!(Some(Status::Duplicate), b.answer(&two).0, "settled since, and its content the same");
    b.refuse(Status::Conflict, "other content", &reserve("r", r#","meter":"tokens","quantity":3"#));
    b.refuse(Status::Conflict, "was settled", r#"[{"type":"release","account":"acme","reservation_id":"r"}]"#);
    b.take(&reserve("c", r#","credit_type":"credits","credits":"5""#));
    b.refuse(Status::Invalid, "settle it by credits", &settle("c", r#","quantity":1"#));
    b.take(r#"[{"type":"release","account":"acme","reservation_id":"c"}]"#);
    b.refuse(Status::Conflict, "released or has lapsed", &settle("c", r#","credits":"1""#));
    b.take(&reserve("decimal", r#","credit_type":"credits","credits":"5""#));
    b.take(&settle("decimal", r#","credits":"1.50""#));
    assert_eq!(Some(Status::Duplicate), b.answer(&settle("decimal", r#","credits":"01.5""#)).0);
    b.refuse(Status::Conflict, "another use", &settle("decimal", r#","credits":"15""#));
    b.assert_sound();
}

#[test]
fn an_account_has_only_so_many_open_reservations() {
    let settings = Settings { reservations_max: 2, ..Settings::default() };
    let mut b = Bench::with(Engine::new(settings, StoreKey::new([7; 16])));
    b.grant("g", "100", "");
    for id in ["a", "b"] {
        b.take(&reserve(id, r#","credit_type":"credits","credits":"1""#));
    }
    b.refuse(Status::LimitReached, "2 open reservations", &reserve("c", r#","credit_type":"credits","credits":"1""#));
    b.take(&settle("a", r#","credits":"1""#));
    b.take(&reserve("c", r#","credit_type":"credits","credits":"1""#));
}

/// A table of ids that is full: what needs an id remembered is refused, what is known is answered as ever.
#[test]
fn what_needs_an_id_that_cannot_be_remembered_is_refused_and_can_come_again() {
    let settings =
        Settings { dedupe_budget_bytes: 4 << 20, guaranteed_window_us: 3_600_000_000, ..Settings::default() };
    assert!(settings.validate().is_ok());
    let mut b = Bench::with(Engine::new(settings, StoreKey::new([7; 16])));
    b.grant("g", "1000000", "");
    b.record("e", "tokens", 1);
    let open = reserve("open", r#","credit_type":"credits","credits":"1","ttl_us":86400000000"#);
    b.take(&open);
    let mut sent = 0;
    while b.try_send(b.event(&format!("fill{sent}"))).is_some() {
        sent += 1;
        assert!(sent < 200_000, "the table never fills");
    }
    let no_room = "no memory for more ids";
    b.refuse(Status::LimitReached, no_room, &reserve("new", r#","credit_type":"credits","credits":"1""#));
    b.refuse(Status::LimitReached, no_room, &settle("open", r#","credits":"1""#));
    refuse_correction(&mut b, "e", Status::LimitReached, no_room, r#","quantity":2,"correction_id":"c""#);
    assert_eq!(Some(Status::Ok), b.correct(&["e"], &correct("e", r#","quantity":2"#))[0].status, "no id, no room");
    assert_eq!(Some(Status::Duplicate), b.answer(&open).0);
    b.now += 2 * 3_600_000_000;
    b.take(&settle("open", r#","credits":"1""#));
}

#[test]
fn open_reservations_are_told_a_page_at_a_time() {
    let mut b = Bench::new();
    b.grant("g", "100", "");
    b.take(
        r#"[{"type":"create_account","account":"beta"},{"type":"create_account","account":"idle"},
        {"type":"create_grant","account":"beta","grant":{"grant_id":"g","credit_type":"credits","amount":"9"}}]"#,
    );
    for id in ["a", "b", "c"] {
        b.take(&reserve(id, r#","credit_type":"credits","credits":"1""#));
    }
    b.take(r#"[{"type":"reserve","account":"beta","reservation_id":"d","credit_type":"credits","credits":"1"}]"#);
    let read = |request: Value| b.engine.query(&request, NOW);
    let ids = |page: &Value| -> Vec<String> {
        let open = page["reservations"].as_array().expect("a page").iter();
        open.map(|r| format!("{}/{}", r["account"].as_str().unwrap(), r["reservation_id"].as_str().unwrap())).collect()
    };
    let first = read(json!({"type": "reservations", "limit": 2})).expect("answers");
    assert_eq!((vec!["acme/a".to_string(), "acme/b".into()], true), (ids(&first), first["more"] == true));
    let after = json!({"account": "acme", "reservation_id": "b"});
    let rest = read(json!({"type": "reservations", "limit": 2, "after": after})).expect("answers");
    assert_eq!((vec!["acme/c".to_string(), "beta/d".into()], false), (ids(&rest), rest["more"] == true));
    let one = read(json!({"type": "reservations", "account": "beta"})).expect("answers");
    assert_eq!(vec!["beta/d"], ids(&one));
    let none = read(json!({"type": "reservations", "account": "nobody"})).expect("answers");
    assert_eq!("ACCOUNT_UNKNOWN", none["status"]);
    let unknown = json!({"account": "nobody", "reservation_id": "b"});
    assert!(read(json!({"type": "reservations", "after": unknown})).is_err());
    assert!(read(json!({"type": "reservations", "after": {"account": "acme"}})).is_err());
}

/// Ids of a reservation age by when each was used up: that of its settle lives on for as long as the work took.
#[test]
fn a_reservation_id_is_not_used_again_while_its_settle_is_remembered() {
    const HOUR: i64 = 3_600_000_000;
    let mut b = Bench::new();
    b.grant("g", "100", "");
    let one = reserve("r", r#","credit_type":"credits","credits":"1","ttl_us":86400000000"#);
    b.take(&one);
    b.now += 20 * HOUR;
    b.take(&settle("r", r#","credits":"1""#));
    let window = b.engine.settings().dedupe_window_us;
    b.now = bench::NOW + window + HOUR;
    b.record("makes the floor rise", "tokens", 1);
    b.refuse(Status::Conflict, "other content", &one);
    assert_eq!(Some(Status::Duplicate), b.answer(&settle("r", r#","credits":"1""#)).0);
    b.now += 20 * HOUR;
    b.take(&one);
    b.assert_sound();
}

/// A history that says nothing of usage, or is of an account that is not there, is no event.
#[test]
fn what_was_never_used_is_not_corrected() {
    let mut b = Bench::new();
    b.grant("g", "10", "");
    b.record("e", "tokens", 2);
    let mut of_a_grant = b.history("e");
    of_a_grant.original = b.first_record(|fact| matches!(fact, Fact::Control(Control::GrantCreated(_))));
    let named = |account: &str, history: EventHistory| ((account.to_string(), "e".to_string()), history);
    let before = b.engine.digest();
    for (status, account, history) in
        [(Status::EventUnknown, "acme", of_a_grant), (Status::AccountUnknown, "nobody", b.history("e"))]
    {
        let command = correct("e", r#","cancel":true"#).replace("acme", account);
        let group = command_json::group_from_json(command.as_bytes()).expect("readable");
        let mut histories = [named(account, history)].into_iter().collect();
        let Bench { engine, journal, now } = &mut b;
        let outcomes = engine.execute_on(&group, &mut histories, *now, &drawdown_core::Rights::ALL, journal);
        assert_eq!(Some(status), outcomes.expect("nothing to read again")[0].status, "{account}");
    }
    assert_eq!(before, b.engine.digest());
}
