//! The journal behind the images, replayed: entries on one thread, their event ids on another.

use crate::disk::Disk;
use crate::error::NodeError;
use crate::frame::{FrameHeader, FrameKind};
use crate::meta::Meta;
use crate::recovery::RecoveryReport;
use crate::scan::{JournalEnd, read_journal};
use crate::segment::{segments, seqs_behind};
use crate::segment_feed::WalkedSegment;
use drawdown_core::{CorruptRecord, Engine, TailScan};
use std::panic::resume_unwind;
use std::thread;

/// Replay the journal behind `start_seq`; `end_seq` is the newest seq inside the loaded images.
pub(crate) fn replay(
    disk: &dyn Disk,
    meta: &Meta,
    engine: &mut Engine,
    start_seq: u64,
    end_seq: u64,
    witness_seq: u64,
    report: &mut RecoveryReport,
) -> Result<Option<JournalEnd>, NodeError> {
    let has_segments = !segments(disk).map_err(NodeError::io("list the journal's segments"))?.is_empty();
    if !has_segments {
        if witness_seq >= meta.first_seq {
            let what = format!("{}: the journal is missing, seqs up to {witness_seq} were in it", disk.name());
            return Err(NodeError::Refused(what));
        }
        return Ok(None);
    }
    let from_seq = (start_seq + 1).max(meta.first_seq);
    let behind = seqs_behind(disk, start_seq).map_err(NodeError::io("list the journal's segments"))?;
    let mut scan = engine.begin_tail_scan(behind);
    let end = read_journal(disk, meta.store_id, from_seq, witness_seq, |walked| {
        // Entries move accounts, their ids go into the key table: two threads for two things apart.
        thread::scope(|scope| {
            let keys = scope.spawn(|| remember_keys(&mut scan, walked, start_seq));
            let applied = apply_segment(engine, walked, start_seq, end_seq, report);
            let remembered = keys.join().unwrap_or_else(|panic| resume_unwind(panic));
            applied.and(remembered)
        })
    })?;
    engine.finish_tail_scan(scan);
    if let Some(end) = &end {
        if engine.next_seq() != end.cursor.next_seq {
            let (state, journal) = (engine.next_seq() - 1, end.cursor.next_seq - 1);
            return Err(NodeError::Refused(format!("the state is at seq {state}, the journal at {journal}")));
        }
        report.segments_read = end.segments_read;
        report.frames_read = end.frames;
        report.journal_bytes = end.frame_bytes;
        report.was_clean = end.last_kind == Some(FrameKind::Digest) && end.torn.is_none();
        report.recovery_time_us = end.last_stamp_us.or(report.recovery_time_us);
    }
    Ok(end)
}

/// The frames of a segment that replay wants.
fn wanted(walked: &WalkedSegment, start_seq: u64) -> impl Iterator<Item = (&FrameHeader, &[u8])> {
    let all = walked.frames.iter().map(|(frame, body)| (frame, &walked.bytes.content()[body.clone()]));
    all.filter(move |(frame, _)| frame.kind != FrameKind::Records || frame.last_seq > start_seq)
}

fn misfit(walked: &WalkedSegment, frame: &FrameHeader, corrupt: &CorruptRecord) -> NodeError {
    let what = format!("the frame of seq {}, byte {}: {}", frame.first_seq, corrupt.offset, corrupt.what);
    NodeError::corrupt(&walked.name.path(), 0, what)
}

fn remember_keys(scan: &mut TailScan, walked: &WalkedSegment, start_seq: u64) -> Result<(), NodeError> {
    let records = wanted(walked, start_seq).filter(|(frame, _)| frame.kind == FrameKind::Records);
    for (frame, body) in records {
        scan.scan(body, frame.first_seq).map_err(|corrupt| misfit(walked, frame, &corrupt))?;
    }
    Ok(())
}

/// Apply the entries of a segment, and compare with the digests in it.
fn apply_segment(
    engine: &mut Engine,
    walked: &WalkedSegment,
    start_seq: u64,
    end_seq: u64,
    report: &mut RecoveryReport,
) -> Result<(), NodeError> {
    let corrupt = |what: String| Err(NodeError::corrupt(&walked.name.path(), 0, what));
    for (frame, body) in wanted(walked, start_seq) {
        match frame.kind {
            FrameKind::Seal => {}
            FrameKind::Digest if frame.last_seq >= end_seq && engine.next_seq() == frame.first_seq => {
                if body != engine.digest().to_le_bytes() {
                    return corrupt(format!(
                        "the replayed state differs from the digest journaled at seq {}",
                        frame.last_seq
                    ));
                }
                report.digests_compared += 1;
            }
            FrameKind::Digest => {}
            FrameKind::Records => {
                let next = engine
                    .apply_records_without_keys(body, frame.first_seq)
                    .map_err(|corrupt| misfit(walked, frame, &corrupt))?;
                if next != frame.last_seq + 1 {
                    return corrupt(format!("the frame of seq {} holds {next} as next seq", frame.first_seq));
                }
                report.records_replayed += frame.last_seq + 1 - frame.first_seq;
            }
        }
    }
    Ok(())
}
