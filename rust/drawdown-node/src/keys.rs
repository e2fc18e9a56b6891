//! Runs of dedupe keys: drawn from the journal, written once, never rewritten.
//!
//! ```text
//! keys-<first seq>-<last seq>.dk   a chunk file (chunk_file.rs): keys*, footer
//! keys chunk body                  as `Engine::extract_keys` draws it
//! footer body                      number of key chunks, 8 bytes little endian
//! ```

use crate::checkpoint_file::KeyRunName;
use crate::chunk_file::{ChunkFileReader, ChunkFileWriter, ChunkKind, FileKind};
use crate::disk::Disk;
use crate::error::NodeError;
use crate::journal_reader::JournalReader;
use crate::meta::StoreId;
use std::sync::Arc;

/// A chunk of a run is written when it has grown past this.
const KEY_CHUNK_BYTES: usize = 1 << 20;

/// Write the run `first_seq..` up to the frame that holds `last_seq`; afterwards it is durable.
/// `extract` appends a frame's keys to a run. All of it must be durable in the journal.
pub(crate) fn write_run(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    first_seq: u64,
    last_seq: u64,
    mut extract: impl FnMut(&[u8], u64, &mut Vec<u8>) -> Result<(), NodeError>,
) -> Result<KeyRunName, NodeError> {
    let writing = || NodeError::io("write a key run");
    let mut chunk = Vec::with_capacity(2 * KEY_CHUNK_BYTES);
    let mut chunks = 0_u64;
    let mut journal = JournalReader::open_at(Arc::clone(disk), store, first_seq)?;
    let disk = &**disk;
    // Where the run ends is known only at its end. Chunks are written as they fill: a busy stretch
    // makes hundreds of megabytes.
    let unfinished = KeyRunName { first_seq, last_seq: first_seq - 1 };
    let mut file =
        ChunkFileWriter::create(disk, unfinished.path(), FileKind::KeyRun, store, (first_seq, first_seq - 1))
            .map_err(writing())?;
    while let Some((frame, body)) = journal.next(last_seq)? {
        extract(body, frame.first_seq, &mut chunk)?;
        if chunk.len() >= KEY_CHUNK_BYTES {
            file.write_chunk(ChunkKind::Keys, &chunk).map_err(writing())?;
            chunks += 1;
            chunk.clear();
        }
    }
    if !chunk.is_empty() {
        file.write_chunk(ChunkKind::Keys, &chunk).map_err(writing())?;
        chunks += 1;
    }
    file.write_chunk(ChunkKind::Footer, &chunks.to_le_bytes()).map_err(writing())?;
    let run = KeyRunName { first_seq, last_seq: journal.next_seq() - 1 };
    file.rename(disk, run.path(), (run.first_seq, run.last_seq)).map_err(writing())?;
    file.publish(disk, "keys-rename").map_err(writing())?;
    Ok(run)
}

/// Give `visit` every chunk of a run; the whole file is checked.
pub(crate) fn read_run(
    disk: &dyn Disk,
    store: StoreId,
    run: KeyRunName,
    mut visit: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), NodeError> {
    let mut file = ChunkFileReader::open(disk, &run.path(), FileKind::KeyRun, store)?;
    if file.header.numbers != (run.first_seq, run.last_seq) {
        return Err(file.corrupt("the run covers other seqs than its name says"));
    }
    let footer = file.footer()?;
    let mut chunks = 0_u64;
    let mut body = Vec::new();
    while let Some(kind) = file.next(&mut body)? {
        if kind == ChunkKind::Keys {
            visit(&body).map_err(|what| file.corrupt(format!("in front of here: {what}")))?;
            chunks += 1;
        }
    }
    if footer != chunks.to_le_bytes() {
        return Err(file.corrupt("key chunks are missing"));
    }
    Ok(())
}
