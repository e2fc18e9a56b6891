//! Entries that no engine writes: each does not fit the state it meets, and replay says which and why.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::Engine;
use drawdown_core::correction_entry::{CounterMoved, ReturnedPart, UsageCorrected};
use drawdown_core::entry::*;
use drawdown_core::reservation_entry::*;
use prost::Message;

const DAY: i64 = 86_400_000_000;

/// Two grants, one of them voided; a debt that was paid and one that is open; a counter; an open reservation of 2 on
/// grant 0, and an account on a clock of its own.
fn lived() -> Bench {
    let mut b = Bench::new();
    b.take(r#"[{"type":"set_policy","account":"acme","credit_type":"credits","kind":"overdraft","limit":"50"}]"#);
    b.record("owed", "tokens", 1);
    b.grant("main", "20", "");
    b.grant("gone", "5", "");
    b.record("counted", "calls", 4);
    b.take(
        r#"[{"type":"void_grant","account":"acme","grant_id":"gone"},
            {"type":"reserve","account":"acme","reservation_id":"r","credit_type":"credits","credits":"2"},
            {"type":"create_account","account":"clocked","test_clock":1800000000000000},
            {"type":"create_account","account":"empty"}]"#,
    );
    b.assert_sound();
    b
}

/// What replay says of this entry behind the story, and whether the state is as it was.
fn meets(b: &Bench, control: Control) -> (Result<u64, String>, bool) {
    let mut other: Engine = b.replayed();
    let before = other.digest();
    let mut forged = Vec::new();
    put_control(&mut forged, &ControlEntry { control: Some(control) });
    let met = other.apply_records(&forged, b.engine.next_seq()).map_err(|corrupt| {
        assert_eq!(0, corrupt.offset);
        corrupt.what
    });
    (met, other.digest() == before)
}

fn assert_refused(entries: Vec<(&str, Control)>) {
    let b = lived();
    for (says, control) in entries {
        let (met, is_as_before) = meets(&b, control.clone());
        let what = met.expect_err(&format!("{control:?} was taken"));
        assert!(what.contains(says), "{control:?}: {what}");
        assert!(is_as_before, "{control:?} moved something");
    }
}

fn grant() -> GrantCreated {
    GrantCreated {
        number: 2,
        id: "new".into(),
        amount: 1_000,
        priority: 50,
        effective_at: NOW,
        fingerprint: 1,
        ..GrantCreated::default()
    }
}

fn held(number: u32, amount: i64) -> Reserved {
    Reserved {
        id: "forged".into(),
        is_in_credits: true,
        asked: amount,
        parts: vec![HeldPartEntry { number, amount }],
        created_at: NOW,
        expires_at: NOW + DAY,
        ..Reserved::default()
    }
}

fn settled(parts: &[(u32, i64, i64, i64)]) -> ReservationSettled {
    ReservationSettled { id: "r".into(), parts: ended(parts), is_in_credits: true, at: NOW, ..Default::default() }
}

fn ended(parts: &[(u32, i64, i64, i64)]) -> Vec<EndedPartEntry> {
    let part = |&(number, burned, returned, forfeited)| EndedPartEntry { number, burned, returned, forfeited };
    parts.iter().map(part).collect()
}

fn corrected() -> UsageCorrected {
    UsageCorrected { event_id: "owed".into(), event_seq: 8, event_time: NOW, at: NOW, ..UsageCorrected::default() }
}

fn returned(number: u32, amount: i64, into: u32, is_settlement: bool) -> UsageCorrected {
    let returns = vec![ReturnedPart { number, amount, into, is_settlement }];
    UsageCorrected { returns, meter_plus_one: 1, ..corrected() }
}

#[test]
fn entries_of_this_shape_are_taken_when_they_fit() {
    let b = lived();
    let fitting = [
        Control::GrantCreated(grant()),
        Control::Reserved(held(0, 1_000)),
        Control::ReservationSettled(settled(&[(0, 500, 1_500, 0)])),
        Control::ReservationReleased(ReservationReleased {
            id: "r".into(),
            parts: ended(&[(0, 0, 2_000, 0)]),
            at: NOW,
            ..Default::default()
        }),
        Control::UsageCorrected(returned(0, 1_000, 0, true)),
        Control::GrantVoided(GrantVoided { number: 0, voided: 1, moved: 1, ..GrantVoided::default() }),
        Control::ClockAdvanced(ClockAdvanced { account: 1, to: NOW, floor: None }),
    ];
    for control in fitting {
        let (met, is_as_before) = meets(&b, control.clone());
        assert_eq!(Ok(b.engine.next_seq() + 1), met, "{control:?}");
        assert!(!is_as_before || matches!(control, Control::ClockAdvanced(_)), "{control:?}");
    }
}

#[test]
fn a_catalog_entry_that_no_catalog_can_hold_is_refused() {
    let rate = RateSet { table: "default".into(), den: 1, ..RateSet::default() };
    assert_refused(vec![
        ("scale 255", Control::CreditTypeCreated(CreditTypeCreated { name: "x".into(), scale: 255 })),
        ("scale 255", Control::MeterCreated(MeterCreated { quantity_scale: 255, ..MeterCreated::default() })),
        ("aggregation 5", Control::MeterCreated(MeterCreated { aggregation: 5, ..MeterCreated::default() })),
        ("meter 9", Control::RateSet(RateSet { meter: 9, ..rate.clone() })),
        ("credit type 9", Control::RateSet(RateSet { credit_type: 9, ..rate.clone() })),
        ("price form 3", Control::RateSet(RateSet { form: 3, ..rate.clone() })),
        ("below 1", Control::RateSet(RateSet { den: 0, ..rate.clone() })),
        ("below 1", Control::RateSet(RateSet { form: 1, den: -1, ..rate.clone() })),
        ("below 1", Control::RateSet(RateSet { form: 2, size: 0, ..rate })),
    ]);
}

#[test]
fn an_entry_of_an_account_or_pool_that_is_not_there_is_refused() {
    assert_refused(vec![
        ("account 7 is unknown", Control::SuspensionSet(SuspensionSet { account: 7, suspended: true })),
        ("account 7 is unknown", Control::GrantCreated(GrantCreated { account: 7, ..grant() })),
        ("expected 3", Control::AccountCreated(AccountCreated { account: 4, id: "far".into(), ..Default::default() })),
        ("expected 3", Control::AccountCreated(AccountCreated { account: 0, id: "acme".into(), ..Default::default() })),
        ("no test clock", Control::ClockAdvanced(ClockAdvanced { account: 0, to: NOW + 1, floor: None })),
        ("set back", Control::ClockAdvanced(ClockAdvanced { account: 1, to: NOW - 1, floor: None })),
        ("stands at", Control::ClockAdvanced(ClockAdvanced { account: 1, to: NOW, floor: Some(NOW + 1) })),
        ("no pool 0", Control::GrantExhausted(GrantExhausted { account: 2, ..GrantExhausted::default() })),
        ("no pool 1", Control::GrantExpired(GrantExpired { credit_type: 1, ..GrantExpired::default() })),
        ("no pool 65536", Control::GrantReleased(GrantReleased { credit_type: 65_536, ..GrantReleased::default() })),
        ("no pool 65536", Control::GrantsLeft(GrantsLeft { credit_type: 65_536, ..GrantsLeft::default() })),
        ("no pool 65536", Control::ReservationSettled(ReservationSettled { credit_type: 65_536, ..settled(&[]) })),
        ("no pool 0", Control::Crossed(Crossed { account: 2, ..Crossed::default() })),
        ("no pool 0", Control::OverdraftSettled(OverdraftSettled { account: 2, ..Default::default() })),
    ]);
}

/// Of 65,536 the lower 16 bits are those of credit type 0: it must not be taken for that one.
#[test]
fn an_entry_of_a_credit_type_that_is_unknown_is_refused() {
    let mut entries = Vec::new();
    for credit_type in [1, 65_535, 65_536] {
        entries.push(Control::GrantCreated(GrantCreated { credit_type, ..grant() }));
        entries.push(Control::PolicySet(PolicySet { credit_type, ..PolicySet::default() }));
        entries.push(Control::ThresholdsSet(ThresholdsSet { credit_type, ..ThresholdsSet::default() }));
        entries.push(Control::Reserved(Reserved { credit_type, ..held(0, 1_000) }));
        entries.push(Control::UsageCorrected(UsageCorrected { credit_type, overage: 1, ..corrected() }));
    }
    assert_refused(entries.into_iter().map(|entry| ("is unknown", entry)).collect());
}

#[test]
fn a_grant_that_no_pool_can_take_is_refused() {
    let most = i64::MAX - 10_000;
    let create = |grant| Control::GrantCreated(grant);
    assert_refused(vec![
        ("source 8", create(GrantCreated { source: 8, ..grant() })),
        ("is number 1, the next is 2", create(GrantCreated { number: 1, ..grant() })),
        ("is number 4294967295", create(GrantCreated { number: u32::MAX, ..grant() })),
        ("makes a total", create(GrantCreated { amount: 0, ..grant() })),
        ("makes a total", create(GrantCreated { amount: -1, ..grant() })),
        ("makes a total", create(GrantCreated { amount: most, ..grant() })),
        ("meter that is unknown", create(GrantCreated { scope: vec![2], ..grant() })),
        ("priority", create(GrantCreated { priority: 256, ..grant() })),
    ]);
}

#[test]
fn an_end_of_a_grant_that_takes_what_it_has_not_is_refused() {
    let void =
        |number, voided, moved| Control::GrantVoided(GrantVoided { number, voided, moved, ..Default::default() });
    let expire = |number, amount| Control::GrantExpired(GrantExpired { number, amount, ..Default::default() });
    assert_refused(vec![
        ("grant 9", void(9, 1, 0)),
        ("less free", void(0, 20_001, 0)),
        ("less free", void(0, i64::MAX, 1)),
        ("less free", void(0, -1, 0)),
        ("less free", void(0, 0, -1)),
        ("less free", void(0, 2, -1)),
        ("grant 9", expire(9, 1)),
        ("less free", expire(0, 20_001)),
        ("less free", expire(0, -1)),
        ("grant 9", Control::GrantReleased(GrantReleased { number: 9, ..Default::default() })),
        ("grant 9", Control::GrantExhausted(GrantExhausted { number: 9, ..Default::default() })),
    ]);
}

#[test]
fn a_payment_of_debt_that_is_not_there_is_refused() {
    let pay = |number, amount, meter_plus_one| {
        Control::OverdraftSettled(OverdraftSettled { number, amount, meter_plus_one, ..Default::default() })
    };
    let b = lived();
    for (says, control) in [
        ("grant 9", pay(9, 1, 1)),
        ("a draw of 90000", pay(0, 90_000, 1)),
        ("a draw of -1", pay(0, -1, 1)),
        ("no such open debt", pay(0, 1, 1)),
        ("no such open debt", pay(0, 1, 0)),
    ] {
        let what = meets(&b, control.clone()).0.expect_err("no debt is open");
        assert!(what.contains(says), "{control:?}: {what}");
    }
}

#[test]
fn a_crossing_of_nothing_is_refused() {
    let cross = |kind, threshold| Control::Crossed(Crossed { kind, threshold, ..Crossed::default() });
    assert_refused(vec![
        ("crossing 4", cross(4, 0)),
        ("no such threshold", cross(0, 77)),
        ("no such threshold", cross(1, 77)),
        ("policy 4", Control::PolicySet(PolicySet { kind: 4, ..PolicySet::default() })),
        ("threshold", Control::ThresholdsSet(ThresholdsSet { thresholds: vec![1; 99], ..ThresholdsSet::default() })),
    ]);
}

#[test]
fn a_hold_of_what_is_not_free_is_refused() {
    let headroom = |headroom, is_overage| Reserved { headroom, is_overage, parts: Vec::new(), ..held(0, 0) };
    assert_refused(vec![
        ("grant 9", Control::Reserved(held(9, 1_000))),
        ("which has", Control::Reserved(held(0, 90_000))),
        ("a hold of 0", Control::Reserved(held(0, 0))),
        ("a hold of -1", Control::Reserved(held(0, -1))),
        ("which has 0 free", Control::Reserved(held(1, 1))),
        ("headroom below 0", Control::Reserved(headroom(-1, false))),
        ("headroom below 0", Control::Reserved(headroom(-1, true))),
    ]);
}

#[test]
fn headroom_that_would_overflow_is_refused() {
    let mut b = lived();
    b.take(r#"[{"type":"set_policy","account":"acme","credit_type":"credits","kind":"overage","price":"1"}]"#);
    for is_overage in [false, true] {
        let reserved = |id: &str, headroom| {
            Control::Reserved(Reserved { id: id.into(), headroom, is_overage, parts: Vec::new(), ..held(0, 0) })
        };
        let mut other = b.replayed();
        let mut body = Vec::new();
        put_control(&mut body, &ControlEntry { control: Some(reserved("a", i64::MAX)) });
        let fits = other.apply_records(&body, b.engine.next_seq());
        assert!(fits.is_ok(), "{fits:?}");
        body.clear();
        put_control(&mut body, &ControlEntry { control: Some(reserved("b", 1)) });
        let refused = other.apply_records(&body, b.engine.next_seq() + 1).expect_err("more than fits");
        assert!(refused.what.contains("would overflow"), "{}", refused.what);
    }
}

#[test]
fn an_end_of_a_reservation_with_other_parts_than_it_held_is_refused() {
    let b = lived();
    let release = |id: &str, parts: &[(u32, i64, i64, i64)]| {
        Control::ReservationReleased(ReservationReleased { id: id.into(), parts: ended(parts), ..Default::default() })
    };
    let other_parts: [&[(u32, i64, i64, i64)]; 7] = [
        &[],
        &[(0, 0, 2_000, 0), (1, 0, 0, 0)],
        &[(1, 0, 2_000, 0)],
        &[(0, 0, 1_999, 0)],
        &[(0, -1, 2_001, 0)],
        &[(0, 2_001, -1, 0)],
        &[(0, i64::MAX, i64::MAX, 2_002)],
    ];
    for parts in other_parts {
        for control in [release("r", parts), Control::ReservationSettled(settled(parts))] {
            let what = meets(&b, control.clone()).0.expect_err("the parts differ");
            assert!(what.contains("other parts than it held"), "{control:?}: {what}");
        }
    }
    let what = meets(&b, release("none", &[])).0.expect_err("it is not open");
    assert!(what.contains("not open"), "{what}");
}

#[test]
fn a_settle_that_moves_more_than_there_is_is_refused() {
    let b = lived();
    let whole = settled(&[(0, 2_000, 0, 0)]);
    let draw = |number, amount| vec![HeldPartEntry { number, amount }];
    for (says, entry) in [
        ("grant 9", ReservationSettled { draws: draw(9, 1), ..whole.clone() }),
        ("a draw of 90000", ReservationSettled { draws: draw(0, 90_000), ..whole.clone() }),
        ("a draw of -1", ReservationSettled { draws: draw(0, -1), ..whole.clone() }),
        ("more overdraft", ReservationSettled { overdraft: -1, ..whole.clone() }),
        ("more overage", ReservationSettled { overage: -1, ..whole }),
    ] {
        let what = meets(&b, Control::ReservationSettled(entry.clone())).0.expect_err("more than there is");
        assert!(what.contains(says), "{entry:?}: {what}");
    }
}

#[test]
fn a_correction_that_gives_back_what_was_never_taken_is_refused() {
    let b = lived();
    let draw = |number, amount| {
        let draws = vec![HeldPartEntry { number, amount }];
        UsageCorrected { draws, ..corrected() }
    };
    let counter = |match_id, units| {
        let counter = Some(CounterMoved { match_id, period: counter_period(), units, aggregate: None });
        UsageCorrected { meter_plus_one: 2, counter, ..corrected() }
    };
    let aggregate = Some(Default::default());
    let moved = CounterMoved { aggregate, ..counter(0, 0).counter.expect("just set") };
    for (says, entry) in [
        ("grant 9", draw(9, 1)),
        ("a draw of 90000", draw(0, 90_000)),
        ("grant 9", returned(9, 1, 0, false)),
        ("less than came back", returned(0, 90_000, 0, false)),
        ("less than came back", returned(0, -1, 0, false)),
        ("to nowhere", returned(0, 1, 4, false)),
        ("did not pay the meter's debt last", returned(1, 1, 0, true)),
        ("did not pay the meter's debt last", returned(0, 2_001, 0, true)),
        ("was ever paid", UsageCorrected { meter_plus_one: 0, ..returned(0, 1, 0, true) }),
        ("no such open debt", UsageCorrected { overdraft: -1, ..corrected() }),
        ("no such debt", UsageCorrected { overdraft: i64::MIN, ..corrected() }),
        ("no overage in that period", UsageCorrected { overage: -1, ..corrected() }),
        ("without its counter", counter(7, 0)),
        ("below zero", counter(0, -5)),
        ("below zero", counter(0, i64::MAX)),
        ("without its aggregate", UsageCorrected { counter: Some(moved), ..counter(0, 0) }),
    ] {
        let what = meets(&b, Control::UsageCorrected(entry.clone())).0.expect_err("never taken");
        assert!(what.contains(says), "{entry:?}: {what}");
    }
}

/// The start of the month that holds `NOW`.
fn counter_period() -> i64 {
    drawdown_core::period::month_start(NOW)
}

#[test]
fn totals_that_would_pass_64_bits_are_refused_one_entry_late_and_never_wrap() {
    let b = lived();
    for (says, first, second) in [
        (
            "more overdraft",
            UsageCorrected { overdraft: i64::MAX, ..corrected() },
            UsageCorrected { overdraft: 1, ..corrected() },
        ),
        (
            "more overage",
            UsageCorrected { overage: i64::MAX, ..corrected() },
            UsageCorrected { overage: 1, period: NOW, ..corrected() },
        ),
    ] {
        let mut other = b.replayed();
        let next = b.engine.next_seq();
        let body = |entry: UsageCorrected| {
            let mut body = Vec::new();
            put_control(&mut body, &ControlEntry { control: Some(Control::UsageCorrected(entry)) });
            body
        };
        let fits = other.apply_records(&body(first), next);
        assert!(fits.is_ok(), "{fits:?}");
        let refused = other.apply_records(&body(second), next + 1).expect_err("past 64 bits");
        assert!(refused.what.contains(says), "{}", refused.what);
    }
}

#[test]
fn grants_that_are_not_over_do_not_leave() {
    let b = lived();
    // Their images as bytes: a number each.
    let leaving = |numbers: &[u8]| {
        let images: Vec<u8> = numbers.iter().flat_map(|number| [0x1a, 2, 0x08, *number]).collect();
        GrantsLeft::decode(&images[..]).expect("images of grants")
    };
    for numbers in [&[0u8][..], &[9], &[1, 9], &[1, 1]] {
        let what = meets(&b, Control::GrantsLeft(leaving(numbers))).0.expect_err("one of them is not over");
        assert!(what.contains("and have ended"), "{numbers:?}: {what}");
    }
}

#[test]
fn a_period_edge_that_is_told_twice_is_one_edge() {
    let mut b = lived();
    let at = NOW + DAY;
    b.take(&format!(r#"[{{"type":"set_period_edge","account":"acme","at":{at}}}]"#));
    let (met, is_as_before) =
        meets(&b, Control::PeriodEdgeSet(PeriodEdgeSet { account: 0, at, withdrawn: false, closed_below: None }));
    assert_eq!((Ok(b.engine.next_seq() + 1), true), (met, is_as_before));
}

/// A grant that paid, got back what it had not burned otherwise, and paid again: more than fits one payment.
#[test]
fn payments_that_would_pass_64_bits_together_are_kept_apart() {
    let b = lived();
    let most = i64::MAX - 100_000;
    let of = |number, amount| UsageCorrected { overdraft: amount, ..returned(number, amount, 0, false) };
    let pay = OverdraftSettled { number: 2, amount: most, meter_plus_one: 1, ..Default::default() };
    let story = [
        Control::GrantCreated(GrantCreated { amount: most, ..grant() }),
        Control::UsageCorrected(UsageCorrected { overdraft: most, meter_plus_one: 1, ..corrected() }),
        Control::OverdraftSettled(pay.clone()),
        Control::UsageCorrected(of(2, most)),
        Control::OverdraftSettled(pay),
    ];
    let mut body = Vec::new();
    for control in story {
        put_control(&mut body, &ControlEntry { control: Some(control) });
    }
    let mut other = b.replayed();
    assert_eq!(Ok(b.engine.next_seq() + 5), other.apply_records(&body, b.engine.next_seq()));
    let mut loaded = bench::engine();
    loaded.load_global(&other.global_image()).expect("loads");
    for number in 0..other.account_count() {
        loaded.load_account(&other.account_image(number)).expect("loads");
    }
    assert_eq!(other.digest(), loaded.digest());
    let mut body = Vec::new();
    put_control(&mut body, &ControlEntry { control: Some(Control::UsageCorrected(returned(2, most, 0, true))) });
    let given_back = other.apply_records(&body, other.next_seq());
    assert!(given_back.is_ok(), "the second payment by itself: {given_back:?}");
}
