//! Runs of dedupe keys whose journal is not here: a restored folder begins with one. Version 0.1
//! wrote them beside every checkpoint too.
//!
//! ```text
//! keys-<first seq>-<last seq>.dk   a chunk file (chunk_file.rs): keys*, footer
//! keys chunk body                  as `KeyExtractor::extract` draws it
//! footer body                      number of key chunks, 8 bytes little endian
//! ```

use crate::checkpoint_file::KeyRunName;
use crate::chunk_file::{ChunkKind, FileKind};
use crate::chunk_reader::ChunkFileReader;
use crate::disk::Disk;
use crate::error::NodeError;
use crate::meta::StoreId;

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
