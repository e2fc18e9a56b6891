//! Events in prost's messages, by the comments of the proto alone.

#![allow(dead_code, reason = "each test file uses its part")]

use super::SentEvent;
use super::messages::{self, Subject};
use std::collections::BTreeMap;

pub fn row_of(sent: &SentEvent) -> messages::UsageEvent {
    let (quantity, credits) = if sent.direct { (0, sent.quantity) } else { (sent.quantity, 0) };
    let subject = sent.subject.clone();
    messages::UsageEvent {
        event_id: sent.event_id.clone(),
        account_id: sent.account_id.clone(),
        subject: Some(if sent.direct { Subject::CreditType(subject) } else { Subject::Meter(subject) }),
        quantity,
        credits,
        time_us: sent.time_us,
        dimensions: sent.dimensions.clone().into_iter().collect(),
        force: sent.force,
    }
}

pub fn sent_of(row: &messages::UsageEvent) -> SentEvent {
    let (direct, subject) = match row.subject.clone() {
        Some(Subject::Meter(meter)) => (false, meter),
        Some(Subject::CreditType(credit_type)) => (true, credit_type),
        None => (false, String::new()),
    };
    SentEvent {
        event_id: row.event_id.clone(),
        account_id: row.account_id.clone(),
        direct,
        subject,
        quantity: if direct { row.credits } else { row.quantity },
        time_us: row.time_us,
        dimensions: row.dimensions.clone().into_iter().collect(),
        force: row.force,
    }
}

/// What the columns mean, by the comments of the proto alone.
pub fn sent_of_columns(columns: &messages::UsageColumns) -> Vec<SentEvent> {
    let mut ids_at = 0;
    let at = |column: &[u32], index: usize| column.get(index).copied().unwrap_or(0) as usize;
    let event = |index: usize| {
        let subject = at(&columns.subject_index, index);
        let direct = subject >= columns.meters.len();
        let event_id = if columns.event_uuids.is_empty() {
            let length = columns.event_id_length.get(index).copied().unwrap_or(columns.event_id_width) as usize;
            ids_at += length;
            String::from_utf8_lossy(&columns.event_ids[ids_at - length..ids_at]).into_owned()
        } else {
            let uuid = &columns.event_uuids[16 * index..16 * index + 16];
            let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        };
        SentEvent {
            event_id,
            account_id: columns.accounts[columns.account_index[index] as usize].clone(),
            direct,
            subject: if direct {
                columns.credit_types[subject - columns.meters.len()].clone()
            } else {
                columns.meters[subject].clone()
            },
            quantity: columns.quantity[index],
            time_us: columns
                .time_base_us
                .map(|base| base.wrapping_add(columns.time_delta_us.get(index).copied().unwrap_or(0))),
            dimensions: match at(&columns.dimension_index, index) {
                0 => BTreeMap::new(),
                place => columns.dimension_sets[place - 1].dimensions.clone().into_iter().collect(),
            },
            force: columns.forced.contains(&(index as u32)),
        }
    };
    (0..columns.account_index.len()).map(event).collect()
}
