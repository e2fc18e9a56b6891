//! A remote store for snapshots that can lose, keep old, and be half written.

use super::engine_settings;
use drawdown_node::simulation::{Random, SimulatedDisk};
use drawdown_node::{Disk, Node, NodeError, Restore};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a generation of the store holds.
#[derive(Clone, Default)]
pub struct Snapshot {
    images: BTreeMap<u32, Vec<u8>>,
    runs: Vec<Vec<u8>>,
    global: Vec<u8>,
    manifest: Value,
}

impl Snapshot {
    /// The image of each account that it holds.
    pub fn images(&self) -> impl Iterator<Item = &[u8]> {
        self.images.values().map(Vec::as_slice)
    }

    /// What keeps a snapshot from being restored over a folder in use; `None` if nothing does.
    pub fn refused_over(&self, disk: &SimulatedDisk) -> Option<NodeError> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        Restore::begin_on(shared, &self.manifest.to_string().into_bytes(), engine_settings()).err()
    }

    /// A pass over it was once ended as complete.
    pub fn is_complete(&self) -> bool {
        !self.manifest.is_null()
    }

    /// A folder made of it, and the seq up to which nothing may be missing.
    pub fn restore(&self, seed: u64) -> Result<(SimulatedDisk, u64), NodeError> {
        let disk = SimulatedDisk::new(seed);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let manifest = self.manifest.to_string().into_bytes();
        let mut restore = Restore::begin_on(shared, &manifest, engine_settings())?;
        for image in self.images.values() {
            restore.image(image)?;
        }
        for run in &self.runs {
            restore.keys(run)?;
        }
        let report = restore.finish(&self.global)?;
        Ok((disk, report["recovery_seq"].as_u64().unwrap_or(0)))
    }
}

/// A folder made of what one complete pass handed out.
pub fn restored(begun: &Value, images: &[(u32, Vec<u8>)], runs: &[Vec<u8>], global: &[u8]) -> SimulatedDisk {
    let snapshot = Snapshot {
        images: images.iter().cloned().collect(),
        runs: runs.to_vec(),
        global: global.to_vec(),
        manifest: manifest(begun),
    };
    snapshot.restore(1).expect("a complete pass can be restored").0
}

fn manifest(begun: &Value) -> Value {
    json!({
        "format": 1, "store_id": begun["store_id"], "epoch": begun["epoch"],
        "snapshot_seq": begun["start_seq"], "taken_at_us": begun["start_time_us"], "complete": true,
    })
}

/// The generation in use and the one before it.
#[derive(Default)]
pub struct Remote {
    pub current: Option<Snapshot>,
    pub older: Option<Snapshot>,
}

/// How a pass ended.
#[derive(PartialEq)]
pub enum Ended {
    Full,
    Incremental,
    GivenUp,
    Failed,
}

impl Remote {
    /// One pass, in the order that is asked for; `between` is shown the images of each chunk and lets events
    /// happen among them. It may be given up anywhere: what was written by then stays, in place.
    pub fn pass(
        &mut self,
        node: &Node,
        random: &mut Random,
        mut between: impl FnMut(&mut Random, &[(u32, Vec<u8>)]),
    ) -> Ended {
        // A store that lost everything is filled anew.
        let Ok(begun) = node.snapshot_begin(self.current.is_none() || random.once_in(4)) else { return Ended::Failed };
        let is_full = begun["full"] == true;
        let given_up_after = random.once_in(5).then(|| random.below(3));
        let mut made = if is_full { Snapshot::default() } else { self.current.clone().unwrap_or_default() };
        let written = write(node, &mut made, random, &mut between, given_up_after);
        let done = matches!(written, Ok(true));
        if done {
            made.manifest = manifest(&begun);
        }
        let _ = node.snapshot_end(done);
        if done && is_full {
            self.older = self.current.replace(made);
            return Ended::Full;
        }
        if !is_full {
            self.current = Some(made);
        }
        match (done, written) {
            (true, _) => Ended::Incremental,
            (_, Ok(_)) => Ended::GivenUp,
            (_, Err(())) => Ended::Failed,
        }
    }
}

/// Whether everything was written; `Err` when the node cannot go on.
fn write(
    node: &Node,
    made: &mut Snapshot,
    random: &mut Random,
    between: &mut impl FnMut(&mut Random, &[(u32, Vec<u8>)]),
    given_up_after: Option<u64>,
) -> Result<bool, ()> {
    let mut chunks = 0;
    loop {
        let chunk = node.snapshot_chunk(2).map_err(|_| ())?;
        between(random, chunk.as_ref().map_or(&[], |(_, images)| images));
        // An image may name what the catalog gained during the pass, so both are stored together.
        let (global_seq, global) = node.snapshot_global().map_err(|_| ())?;
        let goal = chunk.as_ref().map_or(global_seq, |(seq, _)| global_seq.max(*seq));
        while node.durable_seq() < goal {
            if !node.step_commit() {
                // Where answers do not wait for the disk, only this makes them durable.
                node.step_seal();
                if node.durable_seq() < goal {
                    return Err(());
                }
            }
        }
        while let Some(run) = node.snapshot_keys().map_err(|_| ())? {
            made.runs.push(run);
        }
        let Some((_, images)) = chunk else {
            made.global = global;
            return Ok(true);
        };
        if given_up_after == Some(chunks) {
            return Ok(false);
        }
        made.images.extend(images);
        made.global = global;
        chunks += 1;
    }
}
