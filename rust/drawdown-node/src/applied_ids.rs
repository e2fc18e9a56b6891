//! Whether any id of the journal was applied twice: an id comes with one time, and for that time once.
//!
//! Of each applied id 8 bytes are kept, of a large journal in several parts, each with a reading of its own. What
//! looks alike there is compared in full.

use crate::disk::Disk;
use crate::error::NodeError;
use crate::frame::FrameKind;
use crate::meta::Meta;
use crate::scan::read_journal;
use drawdown_core::KeyExtractor;
use drawdown_core::key_run::{KEY_RECORD_BYTES, id_of_record};
use std::collections::{HashMap, HashSet};

/// Ids whose 8 bytes are in memory at once.
const IDS_PER_PART: u64 = 32 << 20;

/// How many ids the journal holds applied; each once.
///
/// # Errors
/// `Refused` names both seqs of an id that was applied twice; what reading the journal can meet.
pub(crate) fn count_applied_ids(
    disk: &dyn Disk,
    meta: &Meta,
    last_seq: u64,
    extractor: &KeyExtractor,
) -> Result<u64, NodeError> {
    let parts = (last_seq + 1).saturating_sub(meta.first_seq).div_ceil(IDS_PER_PART).max(1);
    let mut count = 0;
    for part in 0..parts {
        let mut shorts = Vec::new();
        each_id(disk, meta, extractor, |_, key, time| {
            let short = shortened(key, time);
            if short % parts == part {
                shorts.push(short);
            }
        })?;
        count += shorts.len() as u64;
        let alike = seen_twice(shorts);
        if !alike.is_empty() {
            require_distinct(disk, meta, extractor, &alike)?;
        }
    }
    Ok(count)
}

/// Keys are keyed hashes: nobody can choose two that shorten to the same.
fn shortened(key: u128, time: i64) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    (key as u64) ^ ((key >> 64) as u64).rotate_left(29) ^ (time as u64).wrapping_mul(SPREAD)
}

fn seen_twice(mut shorts: Vec<u64>) -> HashSet<u64> {
    shorts.sort_unstable();
    shorts.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}

fn require_distinct(
    disk: &dyn Disk,
    meta: &Meta,
    extractor: &KeyExtractor,
    alike: &HashSet<u64>,
) -> Result<(), NodeError> {
    let mut first: HashMap<(u128, i64), u64> = HashMap::new();
    let mut twice = None;
    each_id(disk, meta, extractor, |seq, key, time| {
        if twice.is_none() && alike.contains(&shortened(key, time)) {
            twice = first.insert((key, time), seq).map(|earlier| (earlier, seq));
        }
    })?;
    match twice {
        None => Ok(()),
        Some((earlier, later)) => Err(NodeError::Refused(format!(
            "one id was applied twice, at seq {earlier} and again at seq {later} of the journal: keep the folder and report it"
        ))),
    }
}

/// Seq, key and time of every id in the journal.
fn each_id(
    disk: &dyn Disk,
    meta: &Meta,
    extractor: &KeyExtractor,
    mut visit: impl FnMut(u64, u128, i64),
) -> Result<(), NodeError> {
    let mut run = Vec::new();
    read_journal(disk, meta.store_id, meta.first_seq, meta.durable_seq, |walked| {
        let records = walked.frames.iter().filter(|(frame, _)| frame.kind == FrameKind::Records);
        for (frame, body) in records {
            run.clear();
            let body = &walked.bytes.content()[body.clone()];
            extractor.extract(body, frame.first_seq, &mut run).map_err(|corrupt| {
                let what = format!("the frame of seq {}, byte {}: {}", frame.first_seq, corrupt.offset, corrupt.what);
                NodeError::corrupt(&walked.name.path(), 0, what)
            })?;
            for record in run.chunks_exact(KEY_RECORD_BYTES) {
                let (seq, key, time) = id_of_record(record);
                visit(seq, key, time);
            }
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::SimulatedDisk;
    use crate::{Clock, Drive, Environment, Node, NodeSettings, SimulatedClock, verify_disk};
    use drawdown_core::{Command, Rights, Settings};
    use std::sync::Arc;

    #[test]
    fn what_was_there_twice_is_seen_twice() {
        assert_eq!(HashSet::from([7]), seen_twice(vec![7, 3, 9, 7, 7]));
        assert!(seen_twice(vec![1, 2, 3]).is_empty());
        assert_ne!(shortened(5, 1), shortened(5, 2), "the same id at another time is another event");
    }

    fn opened(disk: &SimulatedDisk) -> Node {
        let environment = Environment {
            disk: Arc::new(disk.clone()),
            clock: Arc::new(SimulatedClock::new(1_790_000_000_000_000)) as Arc<dyn Clock>,
            on_fatal: Arc::new(|fatal| panic!("{fatal:?}")),
        };
        let settings = NodeSettings { segment_bytes: 64 << 10, reserve_bytes: 0, ..NodeSettings::default() };
        let engine = Settings { dedupe_budget_bytes: 4 << 20, ..Settings::default() };
        Node::open_in(environment, settings, engine, Drive::Steps).unwrap()
    }

    fn run(node: &Node, commands: &str) {
        let commands: Vec<Command> = serde_json::from_str(commands).unwrap();
        node.execute(&commands, &Rights::ALL).unwrap();
        while node.step_commit() {}
    }

    /// Two reserves; what the second wrote is then written and applied once more, as a decision that had lost
    /// the id would.
    #[test]
    fn verify_names_an_id_that_was_applied_twice() {
        let disk = SimulatedDisk::new(1);
        let node = opened(&disk);
        run(
            &node,
            r#"[{"type": "create_credit_type", "name": "credits", "scale": 0},
                {"type": "create_account", "account": "a"},
                {"type": "create_grant", "account": "a",
                 "grant": {"grant_id": "g", "credit_type": "credits", "amount": 100}},
                {"type": "reserve", "account": "a", "reservation_id": "one", "credit_type": "credits", "credits": 1,
                 "ttl_us": 60000000}]"#,
        );
        let first_seq = node.applied_seq() + 1;
        run(
            &node,
            r#"[{"type": "reserve", "account": "a", "reservation_id": "two", "credit_type": "credits", "credits": 1,
                 "ttl_us": 60000000},
                {"type": "release", "account": "a", "reservation_id": "two"}]"#,
        );
        let report = verify_disk(&disk.after_kill()).unwrap();
        assert_eq!(2, report["applied_ids"]);
        let mut body = Vec::new();
        node.read_records(first_seq, |_, _, records| {
            body = records.to_vec();
            true
        })
        .unwrap();
        let again = node.shared.change(|engine, _, journal| {
            let next_seq = engine.next_seq();
            journal.extend_from_slice(&body);
            engine.apply_records_without_keys(&body, next_seq)
        });
        again.unwrap().1.unwrap();
        while node.step_commit() {}
        let refused = verify_disk(&disk.after_kill()).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("applied twice, at seq {first_seq} and again at seq {}", first_seq + 2)),
            "{refused}"
        );
    }
}
