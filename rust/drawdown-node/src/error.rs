//! What can go wrong around the engine, in words for whoever has to act on it.

use std::fmt;
use std::io;

/// A place in a stored file that cannot be trusted. Nothing was changed when this is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// Name inside the data folder.
    pub file: String,
    /// First byte of the damaged part.
    pub offset: u64,
    /// First and last seq known to be touched, where the journal tells.
    pub seqs: Option<(u64, u64)>,
    pub what: String,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)?;
        match self.seqs {
            Some((first, last)) if last >= first => write!(f, " (seqs {first} to {last})"),
            Some((first, _)) => write!(f, " (from seq {first} on)"),
            None => Ok(()),
        }
    }
}

/// Opening, checking or restoring a folder failed.
#[derive(Debug)]
pub enum NodeError {
    /// Another process owns the folder. A retry helps once it has ended.
    FolderLocked { folder: String },
    /// Stored bytes are damaged; nothing was changed, a retry does not help.
    Corrupt(Corruption),
    /// A setting or the state of the folder does not allow what was asked; the text says why.
    Refused(String),
    /// The node was closed or has failed.
    Halted(String),
    /// Not now: the same may be asked again.
    Unavailable(String),
    /// A journal segment is not there. Retention may have let it go since it was listed.
    Gone { first_seq: u64 },
    /// The operating system refused; a retry may help once its cause is gone.
    Io { doing: String, source: io::Error },
}

impl NodeError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> NodeError {
        let doing = doing.into();
        move |source| NodeError::Io { doing, source }
    }

    /// A failed read of a file that others may stand in for: where the device or the file system says that the
    /// bytes are gone, that is damage as a wrong check sum is.
    pub(crate) fn unread(file: &str, offset: u64) -> impl FnOnce(io::Error) -> NodeError {
        move |source| {
            if is_damage(&source) {
                return NodeError::corrupt(file, offset, format!("it can't be read: {source}"));
            }
            NodeError::Io { doing: format!("read {file}"), source }
        }
    }

    pub(crate) fn is_out_of_space(&self) -> bool {
        matches!(self, NodeError::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    pub(crate) fn corrupt(file: &str, offset: u64, what: impl Into<String>) -> NodeError {
        NodeError::Corrupt(Corruption { file: file.into(), offset, seqs: None, what: what.into() })
    }

    /// A whole file of a later version: no damage, and nothing that this program may touch.
    pub(crate) fn newer(file: &str, format: u32, known: u32) -> NodeError {
        NodeError::Refused(format!(
            "{file} has format {format}, this program knows formats up to {known}: it was written by a newer \
             version, start that one; nothing was changed"
        ))
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeError::FolderLocked { folder } => {
                write!(
                    f,
                    "data folder {folder} is in use by another process, or open twice in this one; \
                     stop that first, or ask it as a server"
                )
            }
            NodeError::Corrupt(corruption) => write!(f, "damaged data, nothing was changed: {corruption}"),
            NodeError::Refused(why) | NodeError::Halted(why) | NodeError::Unavailable(why) => f.write_str(why),
            NodeError::Gone { first_seq } => {
                write!(f, "the journal segment that begins with seq {first_seq} is missing: restore it from a backup")
            }
            NodeError::Io { doing, source } => write!(f, "could not {doing}: {source}"),
        }
    }
}

impl std::error::Error for NodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NodeError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Whether a read failed because of what stands there, and would fail again.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
        || matches!(error.raw_os_error(), Some(libc::EIO | libc::EBADMSG | libc::EUCLEAN | libc::ENODATA))
}

/// A call on an open node could not be taken. Only `Halted` leaves it open whether it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// Too much waits for the disk. Nothing applied; retry after back-off with the same ids.
    Overloaded { pending_bytes: u64, limit_bytes: u64 },
    /// The engine sheds new event ids. Nothing applied; retry after back-off with the same ids.
    Shed(String),
    /// No space for the journal. Nothing applied; reads go on; resumes when space is free.
    ReadOnly(String),
    /// Closed or failed. Whether the call was applied is unknown.
    Halted(String),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::Overloaded { pending_bytes, limit_bytes } => write!(
                f,
                "{pending_bytes} bytes wait for the disk, the limit is {limit_bytes}: nothing applied, \
                 retry later with the same ids"
            ),
            SubmitError::Shed(why) => write!(f, "shed before anything was written: {why}"),
            SubmitError::ReadOnly(why) => write!(f, "read-only, nothing applied: {why}"),
            SubmitError::Halted(why) => write!(f, "the engine has stopped: {why}"),
        }
    }
}

impl std::error::Error for SubmitError {}

/// Why a node stopped for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    /// The exit code of the process: 74 for the disk, 70 for a panic inside the engine.
    pub exit_code: i32,
    pub what: String,
}

impl Fatal {
    pub const DISK: i32 = 74;
    pub const PANIC: i32 = 70;
}
