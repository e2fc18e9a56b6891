//! Counters of periods that closed below the floor, met again by a replay that begins with a later floor than
//! its entries were written under: a checkpoint's shared image is the last thing of its pass. Nobody can ask
//! for such a counter any more, so what its entries left of it decides nothing.

mod bench;

use bench::{Bench, NOW, engine};
use drawdown_core::{Engine, Settings, Status, StoreKey, Subject, UsageEvent};

const DAY: i64 = 86_400_000_000;

/// Two meters with tiers, and an event of the month before `NOW`, which is in January.
fn counted_last_month() -> Bench {
    let mut b = Bench::new();
    b.take(
        r#"[{"type":"create_meter","key":"mails"},
            {"type":"set_rate","table":"default","meter":"mails","credit_type":"credits",
             "tiers":[{"up_to":"10","credits":"1"},{"credits":"0.5"}]}]"#,
    );
    b.grant("g", "1000", "");
    record_dated(&mut b, "old", "calls", 5);
    b
}

fn record_dated(b: &mut Bench, id: &str, meter: &str, quantity: i64) {
    let time_us = Some(NOW - 30 * DAY);
    let event = UsageEvent { subject: Subject::Meter(meter), quantity, time_us, ..b.event(id) };
    assert_eq!(Status::Ok, b.send(event).status);
}

/// As a checkpoint whose pass imaged the account first and, 25 days later, what all accounts share.
fn recovered(b: &mut Bench, image: &[u8]) -> Engine {
    b.now = NOW + 25 * DAY;
    b.record("later", "tokens", 1);
    let mut other = engine();
    other.load_global(&b.engine.global_image()).expect("loads");
    other.load_account(image).expect("loads");
    assert!(other.floor_us() > NOW - 14 * DAY, "last month is closed below the floor");
    let mut scan = other.begin_tail_scan(0);
    scan.scan(&b.journal, 1).expect("reads");
    assert_eq!(Ok(b.engine.next_seq()), other.apply_records_without_keys(&b.journal, 1));
    other.finish_tail_scan(scan);
    other.finish_recovery().expect("complete");
    other
}

#[test]
fn a_correction_of_a_counter_that_the_replay_has_dropped_already_fits() {
    let mut b = counted_last_month();
    let image = b.engine.account_image(0);
    // The first event of another counter is when dead ones are dropped.
    b.record("new", "mails", 1);
    b.correct(&["old"], r#"[{"type":"correct","account":"acme","event_id":"old","quantity":3}]"#);
    let other = recovered(&mut b, &image);
    assert_eq!(b.engine.digest(), other.digest());
    b.assert_sound();
}

#[test]
fn a_correction_of_a_counter_that_the_replay_began_anew_fits() {
    let mut b = counted_last_month();
    let image = b.engine.account_image(0);
    b.record("new", "mails", 1);
    record_dated(&mut b, "old too", "calls", 1);
    b.correct(&["old"], r#"[{"type":"correct","account":"acme","event_id":"old","quantity":0}]"#);
    let other = recovered(&mut b, &image);
    assert_eq!(b.engine.digest(), other.digest());
    b.assert_sound();
}

/// A kill, and a start whose window leaves nothing of last month: what was decided under the larger one stands.
#[test]
fn a_correction_fits_under_a_window_made_smaller_since() {
    let mut b = counted_last_month();
    let (global, image, to) = (b.engine.global_image(), b.engine.account_image(0), b.journal.len());
    let next_seq = b.engine.next_seq();
    b.record("new", "mails", 1);
    b.correct(&["old"], r#"[{"type":"correct","account":"acme","event_id":"old","quantity":3}]"#);
    let smaller = Settings { dedupe_window_us: DAY, ..b.engine.settings().clone() };
    let mut other = Engine::new(smaller, StoreKey::new([7; 16]));
    other.load_global(&global).expect("loads");
    let mut scan = other.begin_key_scan();
    scan.scan(&b.journal[..to]).expect("reads");
    other.finish_key_scan(scan);
    other.load_account(&image).expect("loads");
    let mut scan = other.begin_tail_scan(0);
    scan.scan(&b.journal[to..], next_seq).expect("reads");
    assert_eq!(Ok(b.engine.next_seq()), other.apply_records_without_keys(&b.journal[to..], next_seq));
    other.finish_tail_scan(scan);
    other.finish_recovery().expect("complete");
    assert_eq!(b.engine.digest(), other.digest());
    assert!(other.has_forgotten() && other.floor_us() >= NOW - DAY);
}
