//! An engine with one account and its journal, told by JSON: what small stories are told on.

#![allow(dead_code, reason = "no story needs all of it")]

use drawdown_core::usage::Outcome;
use drawdown_core::*;

pub const NOW: i64 = 1_800_000_000_000_000;

pub struct Bench {
    pub engine: Engine,
    pub journal: Vec<u8>,
    pub now: i64,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(engine())
    }

    pub fn with(engine: Engine) -> Bench {
        let mut bench = Bench { engine, journal: Vec::new(), now: NOW };
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

    pub fn run(&mut self, json: &str) -> Vec<CommandOutcome> {
        let group = command_json::group_from_json(json.as_bytes()).expect("readable");
        self.engine.execute(&group, self.now, &Rights::ALL, &mut self.journal)
    }

    pub fn grant(&mut self, id: &str, amount: &str, more: &str) {
        let json = format!(
            r#"[{{"type":"create_grant","account":"acme","grant":{{"grant_id":"{id}","credit_type":"credits","amount":"{amount}"{more}}}}}]"#
        );
        let outcome = self.run(&json);
        assert_eq!(outcome[0].status, Some(Status::Ok), "{outcome:?}");
    }

    /// One `tokens` of acme's, now.
    pub fn event<'a>(&self, id: &'a str) -> UsageEvent<'a> {
        UsageEvent {
            event_id: id,
            account_id: "acme",
            subject: Subject::Meter("tokens"),
            quantity: 1,
            time_us: Some(self.now),
            dimensions: &[],
            force: false,
            malformed: false,
            account_hash: 0,
            event_hash: 0,
            fingerprint: 0,
        }
    }

    /// `None`: its id could not be remembered.
    pub fn try_send(&mut self, event: UsageEvent<'_>) -> Option<Outcome> {
        let event = event.seal(&self.engine.key().clone());
        let mut outcomes: Vec<Outcome> = Vec::new();
        let Bench { engine, journal, now } = self;
        engine.record_batch(&[event], *now, &Rights::ALL, journal, &mut outcomes).ok()?;
        outcomes.pop()
    }

    pub fn send(&mut self, event: UsageEvent<'_>) -> Outcome {
        self.try_send(event).expect("room")
    }

    pub fn record(&mut self, id: &str, meter: &str, quantity: i64) -> Outcome {
        let event = UsageEvent { subject: Subject::Meter(meter), quantity, ..self.event(id) };
        self.send(event)
    }

    /// The journal's word on an event of a meter that sums.
    pub fn history(&self, event: &str) -> EventHistory {
        let (mut original, mut corrections) = (None, Vec::new());
        let mut records = Records::of(&self.journal, 1);
        while let Some(record) = records.next().expect("sound") {
            let record = record.decode().expect("sound");
            match &record.what {
                Fact::Usage(usage) if usage.event_id == event => original = Some(record),
                Fact::Control(entry::Control::UsageCorrected(e)) if e.event_id == event => corrections.push(record),
                _ => {}
            }
        }
        let through_seq = self.engine.next_seq() - 1;
        EventHistory {
            original: original.expect("applied"),
            corrections,
            counter: Vec::new(),
            clock: Vec::new(),
            through_seq,
        }
    }

    /// The first record of the journal that says this.
    pub fn first_record(&self, is_it: impl Fn(&Fact) -> bool) -> LedgerRecord {
        let mut records = Records::of(&self.journal, 1);
        while let Some(record) = records.next().expect("sound") {
            let record = record.decode().expect("sound");
            if is_it(&record.what) {
                return record;
            }
        }
        panic!("no such record");
    }

    /// Run corrections of acme's events, on the journal's word about these.
    pub fn correct(&mut self, events: &[&str], json: &str) -> Vec<CommandOutcome> {
        let named = |event: &&str| (("acme".to_string(), event.to_string()), self.history(event));
        let mut histories: EventHistories = events.iter().map(named).collect();
        let group = command_json::group_from_json(json.as_bytes()).expect("readable");
        let Bench { engine, journal, now } = self;
        engine.execute_on(&group, &mut histories, *now, &Rights::ALL, journal).expect("the whole story")
    }

    /// Status of a group's last command, and its facts.
    pub fn answer(&mut self, json: &str) -> (Option<Status>, serde_json::Value) {
        let outcome = self.run(json).pop().expect("a command");
        (outcome.status, serde_json::Value::Object(outcome.facts))
    }

    /// Commands of which every one is taken.
    pub fn take(&mut self, json: &str) {
        let outcomes = self.run(json);
        assert!(outcomes.iter().all(|outcome| outcome.status == Some(Status::Ok)), "{outcomes:?}");
    }

    /// A command that is refused with this status for a reason that says this much, and moves nothing.
    pub fn refuse(&mut self, status: Status, says: &str, json: &str) {
        let before = (self.engine.digest(), self.engine.next_seq(), self.engine.key_usage().0);
        let (refused, facts) = self.answer(json);
        assert_eq!(Some(status), refused, "{json}: {facts}");
        assert!(facts["reason"].as_str().is_some_and(|reason| reason.contains(says)), "{json}: {facts}");
        assert_eq!(before, (self.engine.digest(), self.engine.next_seq(), self.engine.key_usage().0), "{json}");
    }

    pub fn replayed(&self) -> Engine {
        let mut other = engine();
        let next = other.apply_records(&self.journal, 1).expect("replays");
        assert_eq!(next, self.engine.next_seq());
        other.finish_recovery().expect("complete");
        other
    }

    pub fn assert_sound(&self) {
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

pub fn engine() -> Engine {
    let mut settings = Settings::default();
    if cfg!(miri) {
        // 4,096 sub-tables and 50,400 buckets take seconds per engine.
        settings.dedupe_budget_bytes = 1 << 20;
        settings.dedupe_window_us /= 35;
    }
    Engine::new(settings, StoreKey::new([7; 16]))
}
