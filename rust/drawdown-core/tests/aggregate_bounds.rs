//! Meters that aggregate, at their bounds: as many values as a counter tells apart, and what still fits a balance.

mod bench;

use bench::Bench;
use drawdown_core::{Engine, EventHistories, Fact, Records, Rights, Settings, Status, StoreKey, Subject, UsageEvent};
use drawdown_core::{command_json, usage::Outcome};

fn with_meter(aggregation: &str, more: &str) -> Bench {
    let settings = Settings { unique_values_max: 2, ..Settings::default() };
    let mut b = Bench::with(Engine::new(settings, StoreKey::new([7; 16])));
    b.take(&format!(
        r#"[{{"type":"create_meter","key":"m","aggregation":"{aggregation}"{more}}},
            {{"type":"set_rate","table":"default","meter":"m","credit_type":"credits","credits":"1"}}]"#
    ));
    b.grant("g", "20", "");
    b
}

#[test]
fn values_past_the_limit_of_a_counter_are_refused_and_known_ones_are_not() {
    let mut b = with_meter("unique", r#","unique_of":"user","dimensions":["user"]"#);
    let send = |b: &mut Bench, id: &str, dimensions: &[(&str, &str)]| -> Outcome {
        let event = UsageEvent { subject: Subject::Meter("m"), dimensions, ..b.event(id) };
        b.send(event)
    };
    assert_eq!(1_000, send(&mut b, "1", &[("user", "ann")]).charged);
    assert_eq!(1_000, send(&mut b, "2", &[("user", "bob")]).charged);
    let before = (b.engine.digest(), b.engine.next_seq());
    assert_eq!(Status::Overflow, send(&mut b, "3", &[("user", "cay")]).status);
    assert_eq!(before, (b.engine.digest(), b.engine.next_seq()), "refused whole, its id unused");
    let known = send(&mut b, "3", &[("user", "ann")]);
    assert_eq!((Status::Ok, 0), (known.status, known.charged), "a value that is counted already");
    let none = send(&mut b, "4", &[]);
    assert_eq!((Status::Ok, 0), (none.status, none.charged), "no value, nothing to tell apart");
    b.assert_sound();
}

/// The journal's word on an event of meter `m`, with the other events of its counter.
fn history_of_all(b: &Bench, event: &str) -> EventHistories {
    let mut history = b.history(event);
    let mut records = Records::of(&b.journal, 1);
    while let Some(record) = records.next().expect("sound") {
        let record = record.decode().expect("sound");
        if matches!(&record.what, Fact::Usage(usage) if usage.counted.is_some()) {
            history.counter.push(record);
        }
    }
    [(("acme".to_string(), event.to_string()), history)].into_iter().collect()
}

/// The larger event burned only what the first had not: with the first gone, the next of any quantity burns the rest.
#[test]
fn a_check_counts_what_a_cancelled_event_has_left_unburned() {
    let mut b = with_meter("max", "");
    b.record("first", "m", 6);
    b.record("larger", "m", 10);
    let mut histories = history_of_all(&b, "first");
    let cancel = r#"[{"type":"correct","account":"acme","event_id":"first","cancel":true}]"#;
    let group = command_json::group_from_json(cancel.as_bytes()).expect("readable");
    let Bench { engine, journal, now } = &mut b;
    let done = engine.execute_on(&group, &mut histories, *now, &Rights::ALL, journal).expect("the whole story");
    assert_eq!(Some(Status::Ok), done[0].status, "{:?}", done[0].facts);
    let checked = |b: &Bench, quantity: i64| {
        let answer = b.engine.check("acme", "m", quantity, &[], b.now);
        (answer.reason, answer.available, answer.units)
    };
    assert_eq!((Status::Ok, Some(16_000), 20), checked(&b, 1), "4 are burned, 16 are there");
    b.record("other use", "tokens", 6);
    assert_eq!((Status::Insufficient, Some(4_000), 0), checked(&b, 1), "the 6 unburned no longer fit");
    assert_eq!(Status::Insufficient, b.record("next", "m", 1).status);
    b.grant("top-up", "2", "");
    assert_eq!((Status::Ok, Some(6_000), 10), checked(&b, 10));
    assert_eq!(Status::Insufficient, checked(&b, 11).0);
    assert_eq!(6_000, b.record("next", "m", 1).charged);
    b.assert_sound();
}
