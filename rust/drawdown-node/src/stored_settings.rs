//! SETTINGS: with which settings of the engine a folder was last opened, for what reads it without its server.
//!
//! ```text
//! settings as JSON, of several lines
//! "\ncheck "  CRC32C of all before it, 8 hexadecimal digits   absent in folders of before there was one
//! ```

use crate::disk::{Disk, read_file, replace_file};
use crate::error::NodeError;
use drawdown_core::Settings;
use std::io;

const SETTINGS_NAME: &str = "SETTINGS";
const BYTES_MAX: u64 = 1 << 20;
const CHECK: &str = "\ncheck ";

/// Settings as the last opening left them; those of an engine without any where there are none.
///
/// # Errors
/// `Corrupt`: the file is not as it was written. `Io`.
pub(crate) fn stored_settings(disk: &dyn Disk) -> Result<Settings, NodeError> {
    match read_file(disk, SETTINGS_NAME, BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(NodeError::io("read SETTINGS")(error)),
        Ok(bytes) => decode(&bytes).map_err(|what| NodeError::corrupt(SETTINGS_NAME, 0, what)),
    }
}

/// Event ids are remembered in buckets of time, by number: under another width they would be others' ids.
/// A damaged file vouches for no width; the opening writes it anew.
pub(crate) fn require_same_buckets(disk: &dyn Disk, asked: &Settings) -> Result<(), NodeError> {
    let stored = read_file(disk, SETTINGS_NAME, BYTES_MAX).ok().and_then(|bytes| decode(&bytes).ok());
    let Some(stored) = stored.filter(|stored| stored.dedupe_bucket_us != asked.dedupe_bucket_us) else {
        return Ok(());
    };
    Err(NodeError::Refused(format!(
        "dedupe_bucket_s is {}, but {} was made with dedupe_bucket_s {} (its {SETTINGS_NAME}): start with that, \
         event ids are remembered in buckets of this width",
        seconds(asked.dedupe_bucket_us),
        disk.name(),
        seconds(stored.dedupe_bucket_us),
    )))
}

pub(crate) fn store_settings(disk: &dyn Disk, settings: &Settings) -> io::Result<()> {
    let bytes = encode(settings)?;
    if read_file(disk, SETTINGS_NAME, BYTES_MAX).is_ok_and(|stored| stored == bytes) {
        return Ok(());
    }
    replace_file(disk, SETTINGS_NAME, &bytes)
}

fn encode(settings: &Settings) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(settings).map_err(io::Error::other)?;
    let check = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(format!("{CHECK}{check:08x}").as_bytes());
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Settings, String> {
    let json = match bytes.len().checked_sub(CHECK.len() + 8).map(|at| bytes.split_at(at)) {
        Some((json, check)) if check.starts_with(CHECK.as_bytes()) => {
            if check[CHECK.len()..] != *format!("{:08x}", crc32c::crc32c(json)).as_bytes() {
                return Err("the engine settings are not as they were written".into());
            }
            json
        }
        _ => bytes,
    };
    serde_json::from_slice(json).map_err(|error| format!("no engine settings: {error}"))
}

fn seconds(us: i64) -> String {
    let (whole, rest) = (us / 1_000_000, us % 1_000_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:06}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_and_every_flip_is_found() {
        let settings = Settings { dedupe_bucket_us: 64_000_000, ..Settings::default() };
        let bytes = encode(&settings).unwrap();
        assert_eq!(settings, decode(&bytes).unwrap());
        for at in 0..bytes.len() {
            for pattern in [1 << (at % 8), 0xff] {
                let mut flipped = bytes.clone();
                flipped[at] ^= pattern;
                assert!(decode(&flipped).is_err(), "byte {at} ^ {pattern:#x} was not found");
            }
        }
    }

    #[test]
    fn a_folder_without_a_check_still_opens_in_its_own_width() {
        let settings = Settings { dedupe_bucket_us: 64_000_000, ..Settings::default() };
        assert_eq!(settings, decode(&serde_json::to_vec_pretty(&settings).unwrap()).unwrap());
    }
}
