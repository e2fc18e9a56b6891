//! What a process knows about forks it came from: a child has the memory of an open node, and neither its
//! threads nor whoever was to let go of its locks.
//!
//! Nothing of such a node may be used there: a record would wait for ever, a close would write into the
//! parent's journal. And no other node may be opened: waiting threads stand in lists of the whole process
//! (`parking_lot`), whose entries lay on the stacks of threads that the child does not have.

use crate::error::NodeError;
use crate::os;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

/// Forks between the process that first opened a node and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Nodes of this process that have threads.
static RUNNING: AtomicU32 = AtomicU32::new(0);
/// The child was forked while nodes ran, or from such a child.
static INHERITED: AtomicU32 = AtomicU32::new(0);

const FORKED_WHILE_OPEN: &str = "this process was forked while an engine was open and lacks the threads of its parent; open \
    engines in processes that were started anew (multiprocessing: start method 'spawn' or 'forkserver')";

/// Runs in the child, before anything else there: nothing but these numbers may be touched.
extern "C" fn note_fork() {
    FORKS.fetch_add(1, SeqCst);
    INHERITED.fetch_add(RUNNING.swap(0, SeqCst), SeqCst);
}

/// The process a node was opened in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Birthplace(u32);

impl Birthplace {
    /// This process; forks are noted from now on.
    ///
    /// # Errors
    /// `Refused` where this process was forked while a node ran in its parent, `Io`.
    pub(crate) fn here() -> Result<Birthplace, NodeError> {
        static NOTED: OnceLock<Result<(), i32>> = OnceLock::new();
        let noted = NOTED.get_or_init(|| os::in_forked_children(note_fork).map_err(|e| e.raw_os_error().unwrap_or(0)));
        noted.map_err(io::Error::from_raw_os_error).map_err(NodeError::io("be told of forks"))?;
        if INHERITED.load(SeqCst) > 0 {
            return Err(NodeError::Refused(FORKED_WHILE_OPEN.into()));
        }
        Ok(Birthplace(FORKS.load(SeqCst)))
    }

    pub(crate) fn is_here(self) -> bool {
        FORKS.load(SeqCst) == self.0
    }
}

/// A node of this process has threads while this lives.
pub(crate) struct Running(Birthplace);

impl Running {
    pub(crate) fn begin(birthplace: Birthplace) -> Running {
        RUNNING.fetch_add(1, SeqCst);
        Running(birthplace)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child counted those of its parent away when it was forked.
        if self.0.is_here() {
            RUNNING.fetch_sub(1, SeqCst);
        }
    }
}
