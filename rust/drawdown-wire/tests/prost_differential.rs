//! The hand-held decoder and encoders against prost, which knows the messages and nothing else.

mod common;

use common::facts::{row_of, sent_of, sent_of_columns};
use common::messages;
use common::{DecodedEvent, SentEvent, config, decode, detail, events, key};
use drawdown_core::{Outcome, OutcomeSink, Status};
use drawdown_wire::{
    AckBuilder, CheckAnswer, CheckDecoder, ColumnsEncoder, EventResult, ResultDetail, RowsEncoder,
    batch_check_response, check_response, decode_ack,
};
use proptest::prelude::*;
use prost::Message;

fn number_of(detail: ResultDetail) -> i32 {
    match detail {
        ResultDetail::Exceptions => 1,
        ResultDetail::All => 2,
        ResultDetail::None => 3,
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let status = (0..Status::ALL.len()).prop_map(|index| Status::ALL[index]);
    let status = prop_oneof![Just(Status::Ok), status];
    (status, any::<i64>(), any::<i64>(), any::<Option<i64>>(), any::<i64>(), any::<bool>()).prop_map(
        |(status, charged, uncovered, available, shortfall, partly)| Outcome {
            status,
            charged: if status == Status::Ok { charged } else { 0 },
            uncovered: if partly { uncovered } else { 0 },
            available,
            shortfall: matches!(status, Status::Insufficient | Status::LimitReached).then_some(shortfall),
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn rows_written_by_prost_are_read(events in events(), batch_id: u64, detail in detail()) {
        let batch = messages::UsageBatch {
            batch_id,
            detail: number_of(detail),
            events: events.iter().map(row_of).collect(),
            columns: None,
        };
        let expected = events.iter().map(DecodedEvent::expected).collect();
        prop_assert_eq!(decode(&batch.encode_to_vec()), Ok((batch_id, detail, expected)));
    }

    #[test]
    fn rows_written_here_are_read_by_prost(events in events(), batch_id: u64, detail in detail()) {
        let mut encoder = RowsEncoder::new();
        for event in &events {
            encoder.add(&event.input(&event.pairs())).unwrap();
        }
        let batch = messages::UsageBatch::decode(&*encoder.take(batch_id, detail)).unwrap();
        prop_assert_eq!(batch.batch_id, batch_id);
        prop_assert_eq!(batch.detail.max(1), number_of(detail));
        prop_assert_eq!(batch.events.iter().map(sent_of).collect::<Vec<_>>(), events);
    }

    #[test]
    fn columns_written_here_are_read_by_prost_and_back(events in events(), batch_id: u64, detail in detail()) {
        let mut encoder = ColumnsEncoder::new();
        for event in &events {
            encoder.add(&event.input(&event.pairs())).unwrap();
        }
        let batch = messages::UsageBatch::decode(&*encoder.take(batch_id, detail)).unwrap();
        prop_assert!(batch.events.is_empty());
        prop_assert_eq!(sent_of_columns(batch.columns.as_ref().unwrap()), events.clone());
        // Prost writes the columns in its own order of fields.
        let expected = events.iter().map(DecodedEvent::expected).collect();
        prop_assert_eq!(decode(&batch.encode_to_vec()), Ok((batch_id, detail, expected)));
    }

    #[test]
    fn acks_are_read_by_prost_and_by_clients(
        outcomes in prop::collection::vec(outcome(), 0..50), batch_id: u64, seq: u64, durable: bool
    ) {
        let count = |wanted: &dyn Fn(Status) -> bool| outcomes.iter().filter(|o| wanted(o.status)).count() as u32;
        let totals = (
            count(&|status| status == Status::Ok),
            count(&|status| status == Status::Duplicate),
            count(&|status| status.is_refusal()),
        );
        // One builder for all details: nothing of an ack may show in the next.
        let mut builder = AckBuilder::default();
        for detail in [ResultDetail::Exceptions, ResultDetail::All, ResultDetail::None] {
            builder.begin(detail);
            for (index, outcome) in outcomes.iter().enumerate() {
                builder.push(index as u32, outcome);
            }
            prop_assert_eq!(builder.totals(), totals);
            let bytes = builder.finish(batch_id, seq, durable);
            let theirs = messages::UsageAck::decode(&*bytes).unwrap();
            prop_assert_eq!((theirs.batch_id, theirs.seq, theirs.durable), (batch_id, seq, durable));
            prop_assert_eq!((theirs.applied, theirs.duplicates, theirs.refused), totals);
            let listed: Vec<EventResult> = outcomes
                .iter()
                .enumerate()
                .filter(|(_, outcome)| match detail {
                    ResultDetail::Exceptions => outcome.status != Status::Ok || outcome.uncovered != 0,
                    ResultDetail::All => true,
                    ResultDetail::None => false,
                })
                .map(|(index, outcome)| EventResult { index: index as u32, outcome: *outcome })
                .collect();
            check_listed(&theirs, detail, &listed)?;
            let ours = decode_ack(&bytes).unwrap();
            prop_assert_eq!((ours.batch_id, ours.seq, ours.durable), (batch_id, seq, durable));
            prop_assert_eq!((ours.applied, ours.duplicates, ours.refused), totals);
            prop_assert_eq!(&ours.results, &listed);
            prop_assert_eq!(decode_ack(&theirs.encode_to_vec()), Ok(ours));
        }
    }

    #[test]
    fn checks_written_by_prost_are_read(
        events in events(), absent: bool, negative in prop::bool::weighted(0.1)
    ) {
        let checks: Vec<messages::CheckRequest> = events
            .iter()
            .map(|event| messages::CheckRequest {
                account_id: event.account_id.clone(),
                meter: event.subject.clone(),
                quantity: if absent { None } else { Some(if negative { -1 } else { event.quantity }) },
                dimensions: event.dimensions.clone().into_iter().collect(),
            })
            .collect();
        let mut decoder = CheckDecoder::new();
        for (check, event) in checks.iter().zip(&events) {
            let read = decoder.decode_one_with(&check.encode_to_vec(), &key(), |read| is_same(read, check, event));
            prop_assert_eq!(read, Ok(true));
        }
        let bytes = messages::BatchCheckRequest { checks: checks.clone() }.encode_to_vec();
        let read = decoder.decode_batch_with(&bytes, &key(), |read| {
            read.len() == checks.len()
                && read.iter().zip(&checks).zip(&events).all(|((read, check), event)| is_same(read, check, event))
        });
        prop_assert_eq!(read, Ok(true));
    }

    #[test]
    fn check_answers_are_read_by_prost(outcomes in prop::collection::vec(outcome(), 0..20), seq: u64) {
        let answers: Vec<CheckAnswer> = outcomes
            .iter()
            .map(|outcome| CheckAnswer {
                allowed: outcome.status == Status::Ok,
                reason: outcome.status,
                available: outcome.available,
                units: outcome.charged,
                seq,
            })
            .collect();
        let expected: Vec<messages::CheckResponse> = answers
            .iter()
            .map(|answer| messages::CheckResponse {
                allowed: answer.allowed,
                reason: answer.reason as i32,
                available: answer.available,
                units: answer.units,
                seq,
            })
            .collect();
        for (answer, expected) in answers.iter().zip(&expected) {
            prop_assert_eq!(&messages::CheckResponse::decode(&*check_response(answer)).unwrap(), expected);
        }
        let batch = messages::BatchCheckResponse::decode(&*batch_check_response(&answers, seq)).unwrap();
        prop_assert_eq!(batch, messages::BatchCheckResponse { results: expected, seq });
    }
}

fn check_listed(ack: &messages::UsageAck, detail: ResultDetail, listed: &[EventResult]) -> Result<(), TestCaseError> {
    if detail == ResultDetail::All {
        prop_assert!(ack.exceptions.is_empty());
        let results = ack.results.clone().unwrap_or_default();
        let numbers: Vec<u8> = listed.iter().map(|result| result.outcome.status as u8).collect();
        prop_assert_eq!(results.status, numbers);
        prop_assert_eq!(results.charged, listed.iter().map(|result| result.outcome.charged).collect::<Vec<_>>());
        for (index, result) in listed.iter().enumerate() {
            let known = (results.available_known[index] == 1).then_some(results.available[index]);
            prop_assert_eq!(known, result.outcome.available);
            prop_assert_eq!(results.uncovered.get(index).copied().unwrap_or(0), result.outcome.uncovered);
            let shortfall = results.shortfall.get(index).copied().unwrap_or(0);
            prop_assert_eq!(shortfall, result.outcome.shortfall.unwrap_or(0));
        }
        return Ok(());
    }
    prop_assert!(ack.results.is_none());
    let expected: Vec<messages::EventException> = listed
        .iter()
        .map(|result| messages::EventException {
            index: result.index,
            status: result.outcome.status as i32,
            charged: result.outcome.charged,
            uncovered: result.outcome.uncovered,
            available: result.outcome.available,
            shortfall: result.outcome.shortfall,
        })
        .collect();
    prop_assert_eq!(&ack.exceptions, &expected);
    Ok(())
}

fn is_same(read: &drawdown_wire::CheckRequest<'_>, check: &messages::CheckRequest, event: &SentEvent) -> bool {
    read.account_id == check.account_id
        && read.meter == check.meter
        && read.quantity == check.quantity.unwrap_or(1)
        && read.dimensions == event.pairs()
        && read.malformed == (check.quantity == Some(-1))
        && read.account_hash == key().account_hash(check.account_id.as_bytes())
}
