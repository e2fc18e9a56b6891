//! Keeping indexes of closed segments: made when a question needs them, and beside that whenever
//! there is little to do.

use crate::disk::{Access, Disk};
use crate::error::{NodeError, is_damage};
use crate::ledger_index::{INDEX, LedgerIndex, index_path};
use crate::ledger_index_builder::build;
use crate::ledger_reader::LedgerReader;
use crate::node::{Node, Shared};
use crate::segment::{SegmentName, number_between, segments};
use crate::segment_records::SegmentRecords;
use drawdown_core::AccountReplay;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering::SeqCst;

/// How far the indexes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexProgress {
    pub(crate) closed_segments: usize,
    pub(crate) indexed_segments: usize,
    /// The journal's last segment is always gone through.
    pub(crate) open_segments: usize,
}

impl Node {
    /// Make the index of one closed segment that has none; how far the indexes are afterwards.
    ///
    /// # Errors
    /// `Corrupt`, `Io`: questions are then answered without that index.
    pub fn index_step(&self) -> Result<Value, NodeError> {
        let progress = index_next(&self.shared)?;
        Ok(json!({
            "closed_segments": progress.closed_segments,
            "indexed_segments": progress.indexed_segments,
            "open_segments": progress.open_segments,
            "done": progress.indexed_segments == progress.closed_segments,
        }))
    }
}

/// What a question of the journal failed for.
pub(crate) trait Failure: From<NodeError> {
    fn node_error(&self) -> Option<&NodeError>;
}

impl Failure for NodeError {
    fn node_error(&self) -> Option<&NodeError> {
        Some(self)
    }
}

/// A question that meets retention so often in a row waits for nobody any more.
const MEETINGS_MAX: u32 = 16;

/// Ask a question of the journal; once more where retention let go of a segment between the look at what there is
/// and the reading of it.
///
/// # Errors
/// `Unavailable` if that happened again and again; what the question fails for.
pub(crate) fn beside_retention<R, E: Failure>(
    shared: &Shared,
    mut question: impl FnMut() -> Result<R, E>,
) -> Result<R, E> {
    for _ in 0..MEETINGS_MAX {
        let answer = question();
        match answer.as_ref().err().and_then(Failure::node_error) {
            Some(NodeError::Gone { first_seq }) if *first_seq < shared.first_kept_seq.load(SeqCst) => {}
            _ => return answer,
        }
    }
    let first = shared.first_kept_seq.load(SeqCst);
    let what = format!("older journal went while it was read, it begins at seq {first} now: ask again");
    Err(NodeError::Unavailable(what).into())
}

/// Ask a question of the journal with every index there can be. An index found damaged is made
/// anew, and the question asked again.
pub(crate) fn with_indexes<R, E: Failure>(shared: &Shared, mut question: impl FnMut() -> Result<R, E>) -> Result<R, E> {
    let mut mended = BTreeSet::new();
    loop {
        index_all(shared);
        let answer = beside_retention(shared, &mut question);
        let damaged = match answer.as_ref().err().and_then(Failure::node_error) {
            Some(NodeError::Corrupt(corruption)) => Some(corruption.file.clone()),
            _ => None,
        };
        // Damaged once more right after it was made: the disk is to blame, and the caller told.
        let Some(file) = damaged.filter(|file| file.starts_with(INDEX) && mended.insert(file.clone())) else {
            return answer;
        };
        if shared.environment.disk.remove(&file).is_err() {
            return answer;
        }
        *shared.indexed.lock() = Indexed::default();
    }
}

/// Make every index that is missing. What can't be indexed is gone through instead.
fn index_all(shared: &Shared) {
    let mut before = None;
    while let Ok(progress) = index_next(shared) {
        if progress.indexed_segments == progress.closed_segments || before == Some(progress) {
            return;
        }
        before = Some(progress);
    }
}

/// Segments by their first seqs.
#[derive(Default)]
pub(crate) struct Indexed {
    /// They have an index.
    pub(crate) made: BTreeSet<u64>,
    /// None can be made of what is in them: each try would go through all of it.
    hopeless: BTreeSet<u64>,
}

/// Make the first index that is missing and can be made, if any.
///
/// # Errors
/// Why none was made: once for a segment that none can be made of, and each time the disk refuses.
pub(crate) fn index_next(shared: &Shared) -> Result<IndexProgress, NodeError> {
    let mut known = shared.indexed.lock();
    let disk = &*shared.environment.disk;
    let all = segments(disk).map_err(NodeError::io("list the journal's segments"))?;
    let closed = all.len().saturating_sub(1);
    let mut progress =
        IndexProgress { closed_segments: closed, open_segments: all.len() - closed, indexed_segments: 0 };
    let mut is_made = false;
    let mut failure = None;
    for pair in all.windows(2) {
        let [name, next] = pair else { continue };
        if known.made.contains(&name.first_seq) {
            progress.indexed_segments += 1;
            continue;
        }
        if !has_index(shared, name, next)? {
            if is_made || known.hopeless.contains(&name.first_seq) {
                continue;
            }
            match make(shared, name, next) {
                Ok(()) => is_made = true,
                Err(error) if is_hopeless(&error) => {
                    known.hopeless.insert(name.first_seq);
                    failure.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        known.made.insert(name.first_seq);
        progress.indexed_segments += 1;
    }
    match failure {
        Some(error) if !is_made => Err(error),
        _ => Ok(progress),
    }
}

/// Whether the next try would fail as well. An index that another is made from is made anew when it is damaged.
fn is_hopeless(error: &NodeError) -> bool {
    match error {
        NodeError::Corrupt(corruption) => !corruption.file.starts_with(INDEX),
        NodeError::Refused(_) => true,
        NodeError::Io { source, .. } => is_damage(source),
        _ => false,
    }
}

/// Remove indexes that may tell of records the journal lost: those of its last segment, which goes
/// on being written, and of any behind it. For an opening, before the first write.
pub(crate) fn remove_stale(disk: &dyn Disk, last_first_seq: u64) -> io::Result<()> {
    for name in disk.list(INDEX)? {
        let first_seq = number_between(&name, "idx-", ".di");
        if first_seq.is_none_or(|first_seq| first_seq >= last_first_seq) {
            disk.remove(&format!("{INDEX}/{name}"))?;
        }
    }
    Ok(())
}

/// Whether a segment has an index that fits it; a damaged one is removed.
fn has_index(shared: &Shared, name: &SegmentName, next: &SegmentName) -> Result<bool, NodeError> {
    let disk = &*shared.environment.disk;
    match LedgerIndex::open(disk, shared.meta.store_id, name.first_seq, next.first_seq) {
        Ok(found) => Ok(found.is_some()),
        Err(NodeError::Corrupt(_)) => {
            disk.remove(&index_path(name.first_seq)).map_err(NodeError::io("remove a damaged index"))?;
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

fn make(shared: &Shared, name: &SegmentName, next: &SegmentName) -> Result<(), NodeError> {
    // An index is smaller than its segment: what has no room for one is not gone through in vain, again and again.
    require_room(shared, SegmentRecords::open(&*shared.environment.disk, name)?.bytes()?)?;
    let reader = LedgerReader::new(shared, next.first_seq - 1)?;
    let at = reader.segment(name.first_seq);
    let mut replay: AccountReplay = shared.writer.lock().engine.account_replay(u32::MAX);
    let bytes = build(shared, &reader, at, name, &mut replay)?;
    let disk = &*shared.environment.disk;
    let path = index_path(name.first_seq);
    write(disk, &path, &bytes).map_err(NodeError::io(format!("write {path}")))?;
    if name.first_seq < shared.first_kept_seq.load(SeqCst) {
        // Retention let go of the segment meanwhile, and may have looked for its index before it was there.
        let _ = disk.remove(&path);
    }
    Ok(())
}

/// An index only makes questions quicker: what the journal will want next is left to it.
fn require_room(shared: &Shared, bytes: u64) -> Result<(), NodeError> {
    if !shared.supply.is_short() && shared.supply.has_room_beside(bytes) {
        return Ok(());
    }
    let source = io::Error::new(io::ErrorKind::StorageFull, "the room left is for the journal");
    Err(NodeError::Io { doing: "make an index".into(), source })
}

/// Under a temporary name first: a file of the final name is complete.
fn write(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    disk.create_folder(INDEX)?;
    let temporary = format!("{path}.tmp");
    let written = write_whole(disk, &temporary, bytes).and_then(|()| disk.rename(&temporary, path));
    if written.is_err() {
        // What was written of it only takes room.
        let _ = disk.remove(&temporary);
    }
    written?;
    disk.sync_folder(INDEX)
}

fn write_whole(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    const STEP_BYTES: usize = 1 << 20;
    let file = disk.create(path, Access::Cached)?;
    for (at, step) in bytes.chunks(STEP_BYTES).enumerate() {
        file.write_all_at(step, (at * STEP_BYTES) as u64)?;
        // Small syncs: a long one would stand in front of the journal's.
        file.sync_data()?;
    }
    Ok(())
}
