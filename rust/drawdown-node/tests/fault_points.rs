//! Kill -9 and errors at every named point, in a process of its own (feature `fault-points`).
#![cfg(feature = "fault-points")]

mod support;

use drawdown_node::{FAULT_POINTS, Fatal, Node, NodeError, NodeSettings, end_process_on_panic};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{GRANTED, available, engine_settings, record, set_up, small_settings};

const CHILD_FOLDER: &str = "DRAWDOWN_FAULT_TEST_FOLDER";
const ROUNDS: u64 = 60;

fn settings() -> NodeSettings {
    NodeSettings { checkpoint_on_close: false, ..small_settings() }
}

fn time_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap() / 3_600_000_000 * 3_600_000_000
}

/// The child's work; writes the number of each acknowledged round to a file beside the folder.
#[test]
fn child_process() {
    let Ok(folder) = std::env::var(CHILD_FOLDER) else { return };
    end_process_on_panic();
    let log = PathBuf::from(format!("{folder}.acknowledged"));
    let node = match Node::open(&folder, settings(), engine_settings()) {
        Ok(node) => node,
        // One thread too many for this process: those before it are gone, and so is the lock.
        Err(NodeError::Io { doing, .. }) if doing == "start a thread" => {
            let running =
                || std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("comm"));
            let ours =
                running().filter(|comm| std::fs::read_to_string(comm).unwrap_or_default().starts_with("drawdown-"));
            assert_eq!(0, ours.count(), "threads at work in a folder that nobody owns");
            Node::open(&folder, settings(), engine_settings()).unwrap()
        }
        Err(other) => panic!("{other}"),
    };
    set_up(&node, 2);
    for round in 0..ROUNDS {
        let events: Vec<_> = (0..10).map(|i| (round * 10 + i, 0, 1)).collect();
        let Ok((seq, _)) = record(&node, &events, time_us()) else { break };
        if !node.wait_durable(seq, Duration::from_secs(10)) {
            break;
        }
        std::fs::write(&log, (round + 1).to_string()).unwrap();
        if round % 6 == 5 {
            let _ = node.checkpoint();
        }
    }
    let _ = node.close();
}

fn run(folder: &Path, fault: &str) -> i32 {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process"])
        .env(CHILD_FOLDER, folder)
        .env("DRAWDOWN_FAULT", fault)
        .output()
        .unwrap()
        .status;
    status.code().unwrap_or(-9)
}

#[test]
fn nothing_acknowledged_is_lost_at_any_fault_point() {
    let base = std::env::temp_dir().join(format!("drawdown-fault-points-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&base);
    std::fs::create_dir_all(&base).unwrap();
    let (mut killed, mut ended, mut panicked) = (0, 0, 0);
    for (index, point) in FAULT_POINTS.iter().enumerate() {
        for (nth, action) in
            [(1, "kill"), (2, "kill"), (5, "kill"), (3, "error"), (4, "no-space"), (6, "panic"), (7, "panic")]
        {
            let folder = base.join(format!("{index}-{nth}"));
            let code = run(&folder, &format!("{point}:{nth}:{action}"));
            killed += u32::from(code == -9);
            ended += u32::from(code == 74);
            panicked += u32::from(code == Fatal::PANIC);
            assert!(action != "panic" || code == 0 || code == Fatal::PANIC, "{point} {nth}: {code}");
            let log = std::fs::read_to_string(format!("{}.acknowledged", folder.display())).unwrap_or_default();
            let acknowledged: i64 = log.parse().unwrap_or(0);
            let node = Node::open(&folder, settings(), engine_settings()).unwrap();
            if acknowledged > 0 {
                let burned = GRANTED - node.read(|engine, _| available(engine, 0)).unwrap();
                assert!(burned >= acknowledged * 10, "{point} {nth} {action}: {burned} of {acknowledged} rounds");
                assert_eq!(0, burned % 10, "{point} {nth} {action}: half a batch");
            }
            node.close().unwrap();
        }
    }
    let _ = std::fs::remove_dir_all(&base);
    assert!(killed >= 20 && ended >= 4, "{killed} killed, {ended} ended by a failed disk");
    // In whatever thread: of the commit, of segments made ahead, of checkpoints.
    assert!(panicked >= 10, "{panicked} ended by a panic");
}

#[test]
fn a_failed_disk_ends_with_its_code_though_nobody_reads_what_is_said() {
    let folder = std::env::temp_dir().join(format!("drawdown-unread-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--nocapture"])
        .env(CHILD_FOLDER, &folder)
        .env("DRAWDOWN_FAULT", "journal-sync:3:error")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(Some(74), child.wait().unwrap().code());
    let _ = std::fs::remove_dir_all(&folder);
    let _ = std::fs::remove_file(format!("{}.acknowledged", folder.display()));
}
