//! Settings of the node, and the bounds they must keep.

use crate::aligned::BLOCK_BYTES;
use crate::error::NodeError;
use serde::{Deserialize, Serialize};

/// When a group counts as safe to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FsyncPolicy {
    /// After its fdatasync: survives power loss. The default.
    Always,
    /// When written; synced every so many milliseconds. A power cut loses at most that and one
    /// flush, a killed process nothing.
    Interval { ms: u32 },
    /// When written; synced when the system likes. For tests.
    Os,
}

impl TryFrom<String> for FsyncPolicy {
    type Error = String;

    fn try_from(text: String) -> Result<FsyncPolicy, String> {
        let refused = || format!("fsync is `always`, `interval=<milliseconds from 1 to 60000>` or `os`, not `{text}`");
        match text.as_str() {
            "always" => Ok(FsyncPolicy::Always),
            "os" => Ok(FsyncPolicy::Os),
            other => {
                let ms = other.strip_prefix("interval=").and_then(|ms| ms.parse().ok());
                match ms {
                    Some(ms @ 1..=60_000) => Ok(FsyncPolicy::Interval { ms }),
                    _ => Err(refused()),
                }
            }
        }
    }
}

impl From<FsyncPolicy> for String {
    fn from(policy: FsyncPolicy) -> String {
        match policy {
            FsyncPolicy::Always => "always".into(),
            FsyncPolicy::Interval { ms } => format!("interval={ms}"),
            FsyncPolicy::Os => "os".into(),
        }
    }
}

/// Settings of files and threads; what shapes balances is in the engine's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    pub fsync: FsyncPolicy,
    /// Full size of a journal segment; a multiple of 4096. The first ones are smaller.
    pub segment_bytes: u64,
    /// Segments made ahead of need.
    pub segments_ahead: u32,
    /// A group closes when it holds this much; never inside a batch.
    pub group_bytes_max: u64,
    /// With more than this waiting for the disk, new work is refused (`Overloaded`).
    pub pending_bytes_max: u64,
    /// After this long without traffic a seal proves the last group durable.
    pub seal_idle_ms: u32,
    /// A checkpoint is due after max(this, 2 × the last image) bytes of journal.
    pub checkpoint_journal_bytes_min: u64,
    /// Deltas on one full checkpoint before the next full one.
    pub checkpoint_deltas_max: u32,
    /// Write a checkpoint when closing, so that the next start is quick.
    pub checkpoint_on_close: bool,
    /// Ballast freed when the disk is full, so that closing still works; made once segments have
    /// their full size.
    pub reserve_bytes: u64,
    /// Follow the wall clock at start however far it is from the journal's last stamp.
    pub accept_clock: bool,
    /// Journal is kept at least this long for the ledger; 0: for ever. Never less than event ids
    /// are remembered.
    pub retention_s: u64,
    /// Make indexes of closed segments beside other work; else only questions make them.
    pub index_in_background: bool,
    /// At start a longer gap than this is followed only with a synchronised or accepted clock.
    pub start_gap_max_s: u64,
}

impl Default for NodeSettings {
    fn default() -> NodeSettings {
        NodeSettings {
            fsync: FsyncPolicy::Always,
            segment_bytes: 64 << 20,
            segments_ahead: 2,
            group_bytes_max: 4 << 20,
            pending_bytes_max: 64 << 20,
            seal_idle_ms: 20,
            checkpoint_journal_bytes_min: 256 << 20,
            checkpoint_deltas_max: 8,
            checkpoint_on_close: true,
            reserve_bytes: 64 << 20,
            accept_clock: false,
            retention_s: 0,
            index_in_background: true,
            start_gap_max_s: 35 * 24 * 3600,
        }
    }
}

impl NodeSettings {
    /// # Errors
    /// `Refused`, naming the setting and the bound it passes.
    pub fn validate(&self) -> Result<(), NodeError> {
        let bounds = [
            ("segment_bytes", self.segment_bytes, 4 * BLOCK_BYTES as u64, 1 << 30),
            ("segments_ahead", self.segments_ahead.into(), 1, 16),
            ("group_bytes_max", self.group_bytes_max, 1, 64 << 20),
            ("pending_bytes_max", self.pending_bytes_max, self.group_bytes_max, 1 << 32),
            ("seal_idle_ms", self.seal_idle_ms.into(), 1, 60_000),
            ("checkpoint_journal_bytes_min", self.checkpoint_journal_bytes_min, 1, 1 << 50),
            ("checkpoint_deltas_max", self.checkpoint_deltas_max.into(), 0, 64),
            ("reserve_bytes", self.reserve_bytes, 0, 1 << 32),
            ("retention_s", self.retention_s, 0, 1 << 38),
            ("start_gap_max_s", self.start_gap_max_s, 0, 1 << 32),
        ];
        for (name, value, least, most) in bounds {
            if value < least || value > most {
                return Err(NodeError::Refused(format!(
                    "setting {name} is {value}, it must be from {least} to {most}"
                )));
            }
        }
        if !self.segment_bytes.is_multiple_of(BLOCK_BYTES as u64) {
            return Err(NodeError::Refused(format!("setting segment_bytes must be a multiple of {BLOCK_BYTES}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fsync_policies_read_and_refuse() {
        let read = |text: &str| FsyncPolicy::try_from(text.to_owned());
        assert_eq!(Ok(FsyncPolicy::Interval { ms: 5 }), read("interval=5"));
        assert_eq!(Ok(FsyncPolicy::Always), read("always"));
        assert!(read("interval=0").unwrap_err().contains("interval=0"));
        assert!(read("sometimes").is_err());
    }

    #[test]
    fn unknown_and_impossible_settings_are_refused_by_name() {
        let unknown = serde_json::from_str::<NodeSettings>(r#"{"segment_size": 1}"#).unwrap_err();
        assert!(unknown.to_string().contains("segment_size"));
        let small = NodeSettings { segment_bytes: 4096, ..NodeSettings::default() };
        assert!(small.validate().unwrap_err().to_string().contains("segment_bytes"));
        NodeSettings::default().validate().unwrap();
    }
}
