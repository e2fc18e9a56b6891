//! Usage records and bodies of records that no engine writes: replay refuses them and says what is wrong.

mod bench;

use bench::{Bench, NOW};
use drawdown_core::Engine;
use drawdown_core::entry::{Control, ControlEntry, FloorRaised, put_control, put_stamp};
use drawdown_core::usage_entry::{Beyond, Counted, Draw, UsageEntry, put_usage};

fn lived() -> Bench {
    let mut b = Bench::new();
    b.grant("main", "20", "");
    b.record("first", "tokens", 1);
    b
}

fn entry(draws: &[Draw]) -> UsageEntry<'_> {
    UsageEntry {
        account: 0,
        subject: 0,
        is_direct: false,
        is_forced: false,
        event_id: b"forged",
        quantity: 1,
        time_us: None,
        rate: 0,
        draws,
        beyond: Beyond::default(),
        counted: None,
    }
}

fn bytes(entry: &UsageEntry<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    put_usage(&mut out, entry, &[], NOW);
    out
}

/// What replay says of a body behind the story, its ids remembered on the way or by a scan beside.
fn said(b: &Bench, body: &[u8]) -> (usize, String) {
    let next_seq = b.engine.next_seq();
    let mut other: Engine = b.replayed();
    let refused = other.apply_records(body, next_seq).expect_err("refused");
    let mut other: Engine = b.replayed();
    let without = other.apply_records_without_keys(body, next_seq);
    if let Err(without) = without {
        assert_eq!(refused.offset, without.offset, "{} and {}", refused.what, without.what);
    }
    (refused.offset, refused.what)
}

#[test]
fn a_usage_record_that_fits_is_applied_as_it_says() {
    let b = lived();
    let draws = [Draw { position: 0, number: 0, amount: 2_000 }];
    let mut other = b.replayed();
    assert_eq!(Ok(b.engine.next_seq() + 1), other.apply_records(&bytes(&entry(&draws)), b.engine.next_seq()));
    assert_ne!(b.engine.digest(), other.digest());
}

#[test]
fn a_usage_record_that_names_what_is_not_there_is_refused() {
    let b = lived();
    let counted = Counted { match_id: 0, units: 1, before: 0, period: NOW };
    let beyond = |overdraft, overage| Beyond { overdraft, overage, ..Beyond::default() };
    let draw = |number, amount| [Draw { position: 0, number, amount }];
    for (says, record) in [
        ("account 7 is unknown", bytes(&UsageEntry { account: 7, ..entry(&[]) })),
        ("subject 9 is unknown", bytes(&UsageEntry { subject: 9, ..entry(&[]) })),
        ("subject 9 is unknown", bytes(&UsageEntry { subject: 9, is_direct: true, ..entry(&[]) })),
        ("rate 9 is unknown", bytes(&UsageEntry { rate: 9, ..entry(&[]) })),
        ("counter of an unknown meter", bytes(&UsageEntry { subject: 9, counted: Some(counted), ..entry(&[]) })),
        ("grant 9 is not in the pool", bytes(&entry(&draw(9, 1)))),
        ("a draw of 18001 from grant 0, which has 18000 free", bytes(&entry(&draw(0, 18_001)))),
        ("event id", bytes(&UsageEntry { event_id: &[0xff], ..entry(&[]) })),
        ("cut short", bytes(&UsageEntry { quantity: -1, ..entry(&[]) })),
        ("cut short", bytes(&UsageEntry { beyond: beyond(-1, 0), ..entry(&[]) })),
        ("cut short", bytes(&UsageEntry { beyond: beyond(0, -1), ..entry(&[]) })),
    ] {
        let (offset, what) = said(&b, &record);
        let is_named = what.contains(says) || (says.contains("counter") && what.contains("subject 9"));
        assert!(is_named, "{says}: {what}");
        assert_eq!(0, offset);
    }
}

#[test]
fn debt_and_overage_beyond_64_bits_are_refused_and_never_wrap() {
    let b = lived();
    for (says, beyond) in [
        ("more overdraft", Beyond { overdraft: i64::MAX, ..Beyond::default() }),
        ("more overage", Beyond { overage: i64::MAX, ..Beyond::default() }),
    ] {
        let first = bytes(&UsageEntry { beyond, ..entry(&[]) });
        let twice = [first.clone(), bytes(&UsageEntry { beyond, event_id: b"again", ..entry(&[]) })].concat();
        let (offset, what) = said(&b, &twice);
        assert!(what.contains(says), "{what}");
        assert_eq!(first.len(), offset, "the first of them fits");
    }
}

#[test]
fn a_body_that_is_no_row_of_records_is_refused_where_it_breaks() {
    let b = lived();
    let mut good = Vec::new();
    put_stamp(&mut good, NOW);
    let floor = |floor| {
        let mut body = Vec::new();
        put_control(&mut body, &ControlEntry { control: Some(Control::FloorRaised(FloorRaised { floor })) });
        body
    };
    let mut no_instant = Vec::new();
    put_stamp(&mut no_instant, i64::MAX);
    for (says, broken) in [
        ("without a length", vec![0x80]),
        ("runs past the body", vec![9, 1, 0]),
        ("empty record", vec![0]),
        ("kind 9", vec![1, 9]),
        ("not 8 bytes", vec![2, 1, 0]),
        ("is no instant", no_instant),
        ("cut short", vec![2, 2, 0]),
        ("this version does not know", vec![1, 3]),
        ("floor", floor(-1)),
        ("floor", floor(NOW + 1)),
    ] {
        let body = [good.clone(), broken].concat();
        let (offset, what) = said(&b, &body);
        assert!(what.contains(says), "{says}: {what}");
        assert_eq!(good.len(), offset, "{says}");
    }
}

/// Dated further ahead than any table tells apart: no floor makes room for it.
#[test]
fn an_event_of_a_far_future_is_refused_by_every_way_to_remember_ids() {
    let b = lived();
    let far = UsageEntry { time_us: Some(NOW + 60 * 86_400_000_000), ..entry(&[]) };
    let ids: Vec<String> = (0..60).map(|number| format!("behind-{number}")).collect();
    let behind = ids.iter().map(|id| bytes(&UsageEntry { event_id: id.as_bytes(), ..entry(&[]) }));
    let mut body = Vec::new();
    put_stamp(&mut body, NOW);
    body.extend([vec![bytes(&far)], behind.collect()].concat().concat());
    let says = "outside the 60000 buckets";
    let replayed = b.replayed().apply_records(&body, b.engine.next_seq()).expect_err("refused");
    assert!(replayed.what.contains(says), "{}", replayed.what);
    let beside = b.replayed().begin_tail_scan(0).scan(&body, b.engine.next_seq()).expect_err("refused");
    assert!(beside.what.contains(says), "{}", beside.what);
    let mut other = bench::engine();
    other.load_global(&b.engine.global_image()).expect("loads");
    let mut scan = other.begin_key_scan();
    let scanned = scan.scan(&body).expect_err("refused");
    assert!(scanned.what.contains(says), "{}", scanned.what);
}
