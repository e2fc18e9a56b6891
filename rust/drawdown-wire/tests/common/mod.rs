//! Events to send and events as decoded, owned, so that tests can compare them.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod facts;
pub mod messages;

use drawdown_core::{StoreKey, Subject, UsageEvent};
use drawdown_wire::{EventInput, ResultDetail, UsageBatchDecoder, WireError};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub const KEY_BYTES: [u8; 16] = *b"0123456789abcdef";

/// 512 cases; as many as `PROPTEST_CASES` says where it is set.
pub fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 512 };
    ProptestConfig { cases, ..asked }
}

pub fn key() -> StoreKey {
    StoreKey::new(KEY_BYTES)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEvent {
    pub event_id: String,
    pub account_id: String,
    pub direct: bool,
    pub subject: String,
    pub quantity: i64,
    pub time_us: Option<i64>,
    pub dimensions: BTreeMap<String, String>,
    pub force: bool,
}

impl SentEvent {
    pub fn plain(event_id: &str) -> SentEvent {
        SentEvent {
            event_id: event_id.into(),
            account_id: "acct-1".into(),
            direct: false,
            subject: "input_tokens".into(),
            quantity: 12,
            time_us: Some(1_767_225_600_000_000),
            dimensions: BTreeMap::new(),
            force: false,
        }
    }

    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub fn input<'a>(&'a self, dimensions: &'a [(&'a str, &'a str)]) -> EventInput<'a> {
        EventInput {
            event_id: &self.event_id,
            account_id: &self.account_id,
            subject: if self.direct { Subject::CreditType(&self.subject) } else { Subject::Meter(&self.subject) },
            quantity: self.quantity,
            time_us: self.time_us,
            dimensions,
            force: self.force,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedEvent {
    pub event: SentEvent,
    pub malformed: bool,
    pub hashes: (u64, u128, u64),
}

impl DecodedEvent {
    pub fn of(event: &UsageEvent<'_>) -> DecodedEvent {
        let (direct, subject) = match event.subject {
            Subject::Meter(meter) => (false, meter),
            Subject::CreditType(credit_type) => (true, credit_type),
        };
        assert!(event.dimensions.windows(2).all(|two| two[0].0 < two[1].0), "sorted, unique keys");
        DecodedEvent {
            event: SentEvent {
                event_id: event.event_id.into(),
                account_id: event.account_id.into(),
                direct,
                subject: subject.into(),
                quantity: event.quantity,
                time_us: event.time_us,
                dimensions: event.dimensions.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
                force: event.force,
            },
            malformed: event.malformed,
            hashes: (event.account_hash, event.event_hash, event.fingerprint),
        }
    }

    /// What `sent` must be decoded to: the hashes are made by the core's own `seal`.
    pub fn expected(sent: &SentEvent) -> DecodedEvent {
        let pairs = sent.pairs();
        let input = sent.input(&pairs);
        let event = UsageEvent {
            event_id: input.event_id,
            account_id: input.account_id,
            subject: input.subject,
            quantity: input.quantity,
            time_us: input.time_us,
            dimensions: input.dimensions,
            force: input.force,
            malformed: false,
            account_hash: 0,
            event_hash: 0,
            fingerprint: 0,
        };
        DecodedEvent::of(&event.seal(&key()))
    }
}

pub type Decoded = (u64, ResultDetail, Vec<DecodedEvent>);

pub fn decode_by(decoder: &mut UsageBatchDecoder, bytes: &[u8]) -> Result<Decoded, WireError> {
    decoder.decode_with(bytes, &key(), |batch| {
        (batch.batch_id, batch.detail, batch.events.iter().map(DecodedEvent::of).collect())
    })
}

pub fn decode(bytes: &[u8]) -> Result<Decoded, WireError> {
    decode_by(&mut UsageBatchDecoder::new(), bytes)
}

/// Text with the shape of an id; few of them, so that dictionaries and neighbours repeat.
pub fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-d]",
        4 => "[a-z0-9_.-]{1,20}",
        1 => "[ -~äß日🙂]{1,30}",
        1 => "[a-z]{128}",
    ]
}

fn uuid() -> impl Strategy<Value = String> {
    any::<u128>().prop_map(|value| {
        let digits = format!("{value:032x}");
        format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
    })
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![0..1000i64, 0..i64::MAX, Just(i64::MAX)]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1_767_225_600_000_000..1_767_225_601_000_000i64,
        1 => i64::MIN / 4..i64::MAX / 4,
    ]
}

/// Events of one batch: all with a time or all without, ids all UUIDs or of any kind.
pub fn events() -> impl Strategy<Value = Vec<SentEvent>> {
    (any::<bool>(), any::<bool>()).prop_flat_map(|(timed, uuids)| {
        let event_id = if uuids { uuid().boxed() } else { prop_oneof![id(), uuid()].boxed() };
        let time_us = if timed { time().prop_map(Some).boxed() } else { Just(None).boxed() };
        let dimensions = prop_oneof![
            3 => Just(BTreeMap::new()),
            1 => prop::collection::btree_map("[a-c]|[a-z]{0,8}", "[a-c]|[a-zé]{0,12}", 0..=4),
            1 => prop::collection::btree_map("[a-z]{1,3}", id(), 0..=16),
        ];
        let event = (event_id, id(), any::<bool>(), id(), amount(), time_us, dimensions, prop::bool::weighted(0.1));
        let event = event.prop_map(|(event_id, account_id, direct, subject, quantity, time_us, dimensions, force)| {
            SentEvent { event_id, account_id, direct, subject, quantity, time_us, dimensions, force }
        });
        prop::collection::vec(event, 1..40)
    })
}

pub fn detail() -> impl Strategy<Value = ResultDetail> {
    prop_oneof![Just(ResultDetail::Exceptions), Just(ResultDetail::All), Just(ResultDetail::None)]
}
