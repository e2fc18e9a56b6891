//! The thin thread: commands, usage, refusals, replay and images agree.

use drawdown_core::usage::Outcome;
use drawdown_core::*;

const NOW: i64 = 1_800_000_000_000_000;

struct Bench {
    engine: Engine,
    journal: Vec<u8>,
    now: i64,
}

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench { engine: engine(), journal: Vec::new(), now: NOW };
        bench.run(
            r#"[{"type":"create_credit_type","name":"credits","scale":3},
                {"type":"create_meter","key":"tokens"},
                {"type":"create_meter","key":"calls"},
                {"type":"set_rate","table":"default","meter":"tokens","credit_type":"credits","credits":"2"},
                {"type":"set_rate","table":"default","meter":"calls","credit_type":"credits",
                 "tiers":[{"up_to":"10","credits":"1"},{"credits":"0.5"}]},
                {"type":"create_account","account":"acme"}]"#,
        );
        bench
    }

    fn run(&mut self, json: &str) -> Vec<CommandOutcome> {
        let group = command_json::group_from_json(json.as_bytes()).expect("readable");
        self.engine.execute(&group, self.now, &Rights::ALL, &mut self.journal)
    }

    fn grant(&mut self, id: &str, amount: &str, more: &str) {
        let json = format!(
            r#"[{{"type":"create_grant","account":"acme","grant":{{"grant_id":"{id}","credit_type":"credits","amount":"{amount}"{more}}}}}]"#
        );
        let outcome = self.run(&json);
        assert_eq!(outcome[0].status, Some(Status::Ok), "{outcome:?}");
    }

    fn record(&mut self, id: &str, meter: &str, quantity: i64) -> Outcome {
        let key = *self.engine.key();
        let event = UsageEvent {
            event_id: id,
            account_id: "acme",
            subject: Subject::Meter(meter),
            quantity,
            time_us: Some(self.now),
            dimensions: &[],
            force: false,
            malformed: false,
            account_hash: 0,
            event_hash: 0,
            fingerprint: 0,
        }
        .seal(&key);
        let mut outcomes: Vec<Outcome> = Vec::new();
        self.engine.record_batch(&[event], self.now, &Rights::ALL, &mut self.journal, &mut outcomes).expect("room");
        outcomes[0]
    }

    fn replayed(&self) -> Engine {
        let mut other = engine();
        let next = other.apply_records(&self.journal, 1).expect("replays");
        assert_eq!(next, self.engine.next_seq());
        other.finish_recovery().expect("complete");
        other
    }

    fn assert_sound(&self) {
        let report = self.engine.conservation_json(None);
        assert_eq!(report["holds"], true, "{report}");
        let replayed = self.replayed();
        assert_eq!(replayed.digest(), self.engine.digest());
        let mut loaded = engine();
        loaded.load_global(&self.engine.global_image()).expect("loads");
        for number in 0..self.engine.account_count() {
            loaded.load_account(&self.engine.account_image(number)).expect("loads");
        }
        let mut run = Vec::new();
        self.engine.extract_keys(&self.journal, 1, &mut run).expect("reads");
        loaded.load_keys(&run).expect("loads");
        loaded.finish_recovery().expect("complete");
        assert_eq!(loaded.digest(), self.engine.digest());
        assert_eq!(loaded.next_seq(), self.engine.next_seq());
        assert_eq!(loaded.key_usage().0, self.engine.key_usage().0);
        let mut scanned = engine();
        scanned.load_global(&self.engine.global_image()).expect("loads");
        let mut scan = scanned.begin_key_scan();
        scan.scan(&self.journal).expect("reads");
        scanned.finish_key_scan(scan);
        assert_eq!(scanned.key_usage().0, self.engine.key_usage().0);
    }
}

fn engine() -> Engine {
    let mut settings = Settings::default();
    if cfg!(miri) {
        // 4,096 sub-tables and 50,400 buckets take seconds per engine.
        settings.dedupe_budget_bytes = 1 << 20;
        settings.dedupe_window_us /= 35;
    }
    Engine::new(settings, StoreKey::new([7; 16]))
}

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
