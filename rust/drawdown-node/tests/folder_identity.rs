//! META and SETTINGS, what a folder says of itself: which store it is, and in which buckets its event ids lie. Where
//! they are gone, damaged or of another store's making, nothing is begun in their place.

mod support;

use drawdown_core::{Settings, Status};
use drawdown_node::simulation::SimulatedDisk;
use drawdown_node::{Disk, NodeError, NodeSettings, verify_disk};
use support::{START_US, World, record, set_up, small_settings};

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, ..small_settings() }
}

/// A closed folder of one group, of an engine with these settings.
fn folder(engine: Settings) -> World {
    let world = World::new(61).with(engine);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    while node.step_commit() {}
    node.close().unwrap();
    drop(node);
    world.moved_to(world.disk.after_kill())
}

fn contents(disk: &SimulatedDisk) -> Vec<(String, Option<Vec<u8>>)> {
    disk.names().into_iter().map(|name| (name.clone(), disk.bytes_of(&name))).collect()
}

/// Opening is refused and changes nothing.
fn refused(world: &World) -> NodeError {
    let before = contents(&world.disk);
    let refused = world.open(settings()).err().expect("refused");
    assert_eq!(before, contents(&world.disk), "{refused}: a refusal changed the folder");
    refused
}

fn with_check(mut content: Vec<u8>) -> Vec<u8> {
    content.extend_from_slice(&crc32c::crc32c(&content).to_le_bytes());
    content
}

#[test]
fn a_meta_of_another_length_is_damaged_though_its_check_sum_is_right() {
    let world = folder(support::engine_settings());
    let meta = world.disk.bytes_of("META").unwrap();
    for more in [1, 4, 100] {
        let mut longer = meta[..meta.len() - 4].to_vec();
        longer.extend(std::iter::repeat_n(0, more));
        world.disk.plant("META", with_check(longer));
        let found = refused(&world);
        assert!(matches!(&found, NodeError::Corrupt(found) if found.file == "META"), "{found}");
        assert!(found.to_string().contains("the length is wrong"), "{found}");
        assert!(verify_disk(&world.disk).unwrap_err().to_string().contains("META"));
    }
    world.disk.plant("META", meta);
    let node = world.open(settings()).unwrap();
    assert_eq!(Status::Duplicate, record(&node, &[(1, 0, 1)], START_US).unwrap().1[0].status);
}

/// Another store in its place would have the journal of this one behind it.
#[test]
fn a_folder_that_lost_its_meta_is_no_new_store() {
    let world = folder(support::engine_settings());
    world.disk.remove("META").unwrap();
    let said = refused(&world).to_string();
    assert!(said.contains("seg-") && said.contains("no META"), "{said}");
}

#[test]
fn a_folder_without_its_journal_is_not_opened_on_its_checkpoint_alone() {
    let world = World::new(62);
    let node = world.open(settings()).unwrap();
    set_up(&node, 1);
    record(&node, &[(1, 0, 1)], START_US).unwrap();
    node.checkpoint().unwrap();
    drop(node);
    let world = world.moved_to(world.disk.after_kill());
    let journal: Vec<_> = world.disk.names().into_iter().filter(|name| name.contains("seg-")).collect();
    journal.iter().for_each(|name| world.disk.remove(name).unwrap());
    let found = refused(&world);
    assert!(matches!(&found, NodeError::Corrupt(found) if found.file.ends_with("seg-00000000000000000001.dj")));
    assert!(found.to_string().contains("event ids that must be remembered"), "{found}");
}

#[test]
fn buckets_of_another_width_are_refused_in_seconds() {
    const WIDTHS: [(i64, &str); 2] = [(60_000_000, "60"), (1_500_000, "1.500000")];
    let engine =
        |width| Settings { dedupe_window_us: 86_400_000_000, dedupe_bucket_us: width, ..support::engine_settings() };
    for (made, asked) in [(0, 1), (1, 0)] {
        let world = folder(engine(WIDTHS[made].0)).with(engine(WIDTHS[asked].0));
        let said = refused(&world).to_string();
        let words = format!("dedupe_bucket_s is {}, but", WIDTHS[asked].1);
        let made_with = format!("made with dedupe_bucket_s {} ", WIDTHS[made].1);
        assert!(said.contains(&words) && said.contains(&made_with), "{said}");
        let node = world.with(engine(WIDTHS[made].0)).open(settings()).unwrap();
        assert_eq!(Status::Duplicate, record(&node, &[(1, 0, 1)], START_US).unwrap().1[0].status);
    }
}

/// A folder of before there was such a file is looked through with the usual settings; one that has it and cannot
/// show it is not.
#[test]
fn settings_that_cannot_be_read_are_not_taken_for_none() {
    let world = folder(support::engine_settings());
    world.disk.fail_reads("SETTINGS");
    let failed = verify_disk(&world.disk).unwrap_err();
    assert!(matches!(&failed, NodeError::Io { doing, .. } if doing == "read SETTINGS"), "{failed}");
    world.disk.remove("SETTINGS").unwrap();
    verify_disk(&world.disk).unwrap();
}
