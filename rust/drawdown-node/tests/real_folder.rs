//! The node on a real file system, with its threads.

mod support;

use drawdown_core::Status;
use drawdown_node::{Access, Disk, FsyncPolicy, Node, NodeError, NodeSettings, RealDisk};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use support::{GRANTED, available, engine_settings, record, set_up, small_settings};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("drawdown-node-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(folder: &Folder, settings: NodeSettings) -> Result<Node, NodeError> {
    Node::open(&folder.0, settings, engine_settings())
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn balances_and_event_ids_survive_close_and_reopen() {
    for policy in [FsyncPolicy::Always, FsyncPolicy::Interval { ms: 5 }, FsyncPolicy::Os] {
        let folder = Folder::new("reopen");
        let settings = NodeSettings { fsync: policy, ..small_settings() };
        let time = now_us();
        let mut expected = GRANTED;
        for round in 0..4_u64 {
            let node = open(&folder, settings.clone()).unwrap();
            if round == 0 {
                assert!(node.report().created);
                set_up(&node, 3);
            } else {
                assert!(node.report().was_clean, "{:?}", node.report());
                assert_eq!(1, node.report().digests_compared, "{:?}", node.report());
                let (_, outcomes) = record(&node, &[((round - 1) * 100, 1, 7)], time).unwrap();
                assert_eq!(Status::Duplicate, outcomes[0].status);
            }
            assert_eq!(expected, node.read(|engine, _| available(engine, 1)).unwrap());
            for batch in 0..20 {
                let (seq, outcomes) = record(&node, &[(round * 100 + batch, 1, 7)], time).unwrap();
                assert_eq!(Status::Ok, outcomes[0].status);
                assert!(node.wait_durable(seq, PATIENCE));
                expected -= 7;
            }
            node.close().unwrap();
            node.close().unwrap();
        }
    }
}

#[test]
fn an_unclosed_node_recovers_everything_acknowledged() {
    let folder = Folder::new("unclosed");
    let time = now_us();
    let mut applied = 0;
    for round in 0..5_u64 {
        let node = open(&folder, small_settings()).unwrap();
        if round == 0 {
            set_up(&node, 3);
        }
        assert_eq!(GRANTED - applied, node.read(|engine, _| available(engine, 0)).unwrap());
        let mut last = 0;
        for batch in 0..50 {
            let events: Vec<_> = (0..20).map(|i| (round * 10_000 + batch * 20 + i, 0, 1)).collect();
            last = record(&node, &events, time).unwrap().0;
            applied += 20;
        }
        assert!(node.wait_durable(last, PATIENCE));
        assert!(node.stats().checkpoint_error.is_none(), "{:?}", node.stats().checkpoint_error);
        drop(node);
    }
}

#[test]
fn a_folder_has_one_owner() {
    let folder = Folder::new("owner");
    let node = open(&folder, small_settings()).unwrap();
    assert!(matches!(open(&folder, small_settings()), Err(NodeError::FolderLocked { .. })));
    node.close().unwrap();
    open(&folder, small_settings()).unwrap();
}

#[test]
fn checkpoints_shorten_replay_and_keep_the_meaning() {
    let folder = Folder::new("checkpoints");
    let time = now_us();
    let settings = NodeSettings { checkpoint_on_close: false, ..small_settings() };
    let node = open(&folder, settings.clone()).unwrap();
    set_up(&node, 50);
    for round in 0..12_u64 {
        let events: Vec<_> = (0..200).map(|i| (round * 1000 + i, (round * 7 + i) % 50, 1)).collect();
        record(&node, &events, time).unwrap();
        assert!(node.checkpoint().unwrap() > 0);
    }
    let digest = node.read(|engine, _| engine.digest()).unwrap();
    node.close().unwrap();
    let node = open(&folder, settings).unwrap();
    assert_eq!(digest, node.read(|engine, _| engine.digest()).unwrap());
    assert_eq!(0, node.report().records_replayed, "{:?}", node.report());
    let (_, outcomes) = record(&node, &[(11_003, (77 + 3) % 50, 1)], time).unwrap();
    assert_eq!(Status::Duplicate, outcomes[0].status);
}

#[test]
fn checkpoints_beside_running_ingest_agree_with_replay_from_the_beginning() {
    let folder = Folder::new("beside");
    let time = now_us();
    let node = open(&folder, small_settings()).unwrap();
    set_up(&node, 2000);
    let mut next = 0_u64;
    for round in 0..6_u64 {
        // A full pass over 2000 accounts takes several holdings of the lock; events fall between.
        std::thread::scope(|scope| {
            let checkpoint = scope.spawn(|| node.checkpoint().unwrap());
            while !checkpoint.is_finished() || next < round * 500 {
                let events: Vec<_> = (0..50).map(|i| (next + i, (next + i) * 17 % 2000, 1)).collect();
                next += 50;
                match record(&node, &events, time) {
                    Ok((seq, _)) => assert!(node.wait_durable(seq, PATIENCE)),
                    Err(refused) => panic!("{refused}"),
                }
            }
        });
    }
    let digest = node.read(|engine, _| engine.digest()).unwrap();
    drop(node);
    let report = drawdown_node::verify_folder(&folder.0).unwrap();
    assert_eq!(format!("{digest:032x}"), report["digest"].as_str().unwrap());
    assert_eq!(Some(true), report["replayed_from_genesis"].as_bool());
    let node = open(&folder, small_settings()).unwrap();
    assert!(node.report().checkpoint_seq > 0);
    let events: Vec<_> = (0..next).map(|id| (id, id * 17 % 2000, 1)).collect();
    let outcomes = record(&node, &events, time).unwrap().1;
    let others: Vec<_> =
        outcomes.iter().enumerate().filter(|(_, outcome)| outcome.status != Status::Duplicate).collect();
    assert!(others.is_empty(), "{} of {next} are no duplicates, first {:?}", others.len(), others.first());
}

/// Past the page cache the device takes whole blocks out of memory that begins on a block's border. What lies elsewhere
/// is copied there; what is no whole block is refused and never filled up with other bytes.
#[test]
fn bytes_from_anywhere_in_memory_are_written_and_read_as_they_are() {
    const BLOCK: usize = 4096;
    let folder = Folder::new("anywhere");
    let disk = RealDisk::new(&folder.0).unwrap();
    let file = disk.create("blocks", Access::Direct).unwrap();
    let written: Vec<u8> = (0..2 * BLOCK).map(|at| (at / 7 % 251) as u8).collect();
    for shift in [0, 1, 511, 2_048] {
        let mut memory = vec![0xaa; 4 * BLOCK];
        let from = memory.as_ptr().align_offset(BLOCK) + shift;
        memory[from..from + 2 * BLOCK].copy_from_slice(&written);
        file.write_all_at(&memory[from..from + 2 * BLOCK], BLOCK as u64).unwrap();
        for (start, length) in [(0, 2 * BLOCK), (1, 100), (BLOCK - 1, 2), (513, BLOCK)] {
            memory.fill(0x55);
            file.read_exact_at(&mut memory[from..from + length], (BLOCK + start) as u64).unwrap();
            assert_eq!(written[start..start + length], memory[from..from + length], "{shift}, {start}, {length}");
            assert!(memory[..from].iter().chain(&memory[from + length..]).all(|byte| *byte == 0x55));
        }
    }
    for (bytes, offset) in [(&written[..100], BLOCK as u64), (&written[..BLOCK], BLOCK as u64 + 512)] {
        // Where the file system knows no direct access any bytes are as good.
        let Err(refused) = file.write_all_at(bytes, offset) else { continue };
        assert_eq!(ErrorKind::InvalidInput, refused.kind(), "{refused}");
        let mut kept = vec![0; 2 * BLOCK];
        file.read_exact_at(&mut kept, BLOCK as u64).unwrap();
        assert_eq!(written, kept);
    }
}
