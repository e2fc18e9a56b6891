//! What a node stands on, and who moves its journal on.

use crate::clock::{Clock, SystemClock};
use crate::disk::Disk;
use crate::error::{Fatal, NodeError};
use crate::os;
use crate::real_disk::RealDisk;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// What the node stands on; the simulator puts its own in.
#[derive(Clone)]
pub struct Environment {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    /// Called once when the node must not go on. The default ends the process.
    pub on_fatal: Arc<dyn Fn(&Fatal) + Send + Sync>,
}

/// A folder of the real file system, made if it is absent. `Refused` for something that is no folder, `Io`.
pub(crate) fn open_folder(folder: PathBuf) -> Result<RealDisk, NodeError> {
    if folder.exists() && !folder.is_dir() {
        return Err(NodeError::Refused(format!("{} is a file; the data need a folder", folder.display())));
    }
    RealDisk::new(&folder).map_err(NodeError::io(format!("create the data folder {}", folder.display())))
}

impl Environment {
    /// A folder of the real file system, the machine's clocks, and an end of the process on a
    /// fatal failure.
    pub fn real(folder: impl Into<PathBuf>) -> Result<Environment, NodeError> {
        let disk = open_folder(folder.into())?;
        Ok(Environment::on(Arc::new(disk)))
    }

    pub(crate) fn on(disk: Arc<dyn Disk>) -> Environment {
        Environment {
            disk,
            clock: Arc::new(SystemClock::default()),
            on_fatal: Arc::new(|fatal| {
                // Whether anybody reads it or not: the code says what happened.
                let _ = writeln!(io::stderr(), "drawdown: {}; ending with code {}", fatal.what, fatal.exit_code);
                os::exit_now(fatal.exit_code)
            }),
        }
    }
}

/// Who moves the journal on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// Threads of the node. The usual way.
    Threads,
    /// The caller, by `step_commit` and `step_prepare`: every run of a simulation is the same.
    Steps,
}
