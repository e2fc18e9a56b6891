//! Folders of a later version: refused by name, and not touched, by opening and by verify alike.

mod support;

use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{NodeError, verify_disk};
use support::{World, golden, small_settings};

const TIME_US: i64 = 1_795_220_515_000_000;

fn files_of(disk: &SimulatedDisk) -> Vec<(String, Option<Vec<u8>>)> {
    disk.names().into_iter().filter(|name| name != "LOCK").map(|name| (name.clone(), disk.bytes_of(&name))).collect()
}

/// Raise the format number at `offset` and the check sum of all before `check`, as a later version would.
fn raised(mut bytes: Vec<u8>, offset: usize, check: usize) -> Vec<u8> {
    bytes[offset] = 99;
    let sum = crc32c::crc32c(&bytes[..check]);
    bytes[check..check + 4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The folder has every kind of file: META, segments, an archive, checkpoints and key runs.
#[test]
fn a_file_of_a_later_format_is_refused_by_name_and_nothing_is_touched() {
    let newest_checkpoint = "ckpt-00000000000000000035.dc";
    let files = [
        ("META", 8, 72),
        ("seg-00000000000000000034.dj", 12, 72),
        (newest_checkpoint, 8, 60),
        ("keys-00000000000000000028-00000000000000000035.dk", 8, 60),
    ];
    for (name, offset, check) in files {
        let disk = golden("key-runs");
        let bytes = disk.bytes_of(name).unwrap();
        disk.plant(name, raised(bytes, offset, check));
        let before = files_of(&disk);
        let world = World::on(disk, TIME_US);
        let refused =
            world.open(small_settings()).err().unwrap_or_else(|| panic!("{name} of a later format was opened"));
        assert!(matches!(refused, NodeError::Refused(_)), "{name}: it is not damaged: {refused}");
        let text = refused.to_string();
        assert!(text.contains(name) && text.contains("newer version"), "{name}: {text}");
        assert_eq!(before, files_of(&world.disk), "{name}: a refusal changed the folder");
        let verified = verify_disk(&world.disk).unwrap_err().to_string();
        assert!(verified.contains(name) && verified.contains("newer version"), "{name}: {verified}");
    }
}

/// A changed format number without its check sum is damage, not a later version.
#[test]
fn a_damaged_format_number_is_damage() {
    let disk = golden("key-runs");
    let mut bytes = disk.bytes_of("META").unwrap();
    bytes[8] += 1;
    disk.plant("META", bytes);
    let refused = World::on(disk, TIME_US).open(small_settings()).map(|_| ()).unwrap_err();
    assert!(matches!(&refused, NodeError::Corrupt(found) if found.file == "META"), "{refused}");
}
