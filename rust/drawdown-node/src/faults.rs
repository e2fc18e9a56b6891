//! Named places where a test may make the node fail (feature `fault-points`).
//!
//! `DRAWDOWN_FAULT=name:n:action[,…]`: at the n-th passage of the point, `kill` ends the process
//! like kill -9, `error` fails the step with EIO, `no-space` with ENOSPC, `delay` waits 300 ms,
//! `panic` panics.

/// Every point, for those who want to try them all.
pub const FAULT_POINTS: [&str; 13] = [
    "journal-write",
    "journal-written",
    "journal-sync",
    "journal-synced",
    "segment-prepare",
    "segment-begin",
    "checkpoint-write",
    "checkpoint-sync",
    "checkpoint-rename",
    "keys-rename",
    "archive-rename",
    "meta-write",
    "thread-start",
];

#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn point(_name: &'static str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "fault-points")]
pub(crate) use planned::point;

#[cfg(feature = "fault-points")]
mod planned {
    use parking_lot::Mutex;
    use std::io;
    use std::sync::OnceLock;
    use std::time::Duration;

    struct Fault {
        name: String,
        countdown: u64,
        action: String,
    }

    static PLAN: OnceLock<Mutex<Vec<Fault>>> = OnceLock::new();

    fn read_plan() -> Mutex<Vec<Fault>> {
        let text = std::env::var("DRAWDOWN_FAULT").unwrap_or_default();
        let mut plan = Vec::new();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let parts: Vec<&str> = item.split(':').collect();
            let known = parts.len() == 3 && super::FAULT_POINTS.contains(&parts[0]);
            let count = parts.get(1).and_then(|count| count.parse().ok());
            let (true, Some(countdown @ 1..)) = (known, count) else {
                panic!("DRAWDOWN_FAULT holds `{item}`, expected name:n:action with a known name and n from 1 on");
            };
            plan.push(Fault { name: parts[0].into(), countdown, action: parts[2].into() });
        }
        Mutex::new(plan)
    }

    /// Fails if the plan says so for this passage.
    pub(crate) fn point(name: &'static str) -> io::Result<()> {
        let mut due = None;
        for fault in PLAN.get_or_init(read_plan).lock().iter_mut().filter(|fault| fault.name == name) {
            fault.countdown = fault.countdown.saturating_sub(1);
            if fault.countdown == 0 && !fault.action.is_empty() {
                due = Some(std::mem::take(&mut fault.action));
            }
        }
        match due.as_deref() {
            None => Ok(()),
            Some("kill") => crate::os::kill_now(),
            Some("error") => Err(io::Error::from_raw_os_error(libc::EIO)),
            Some("no-space") => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            Some("delay") => {
                std::thread::sleep(Duration::from_millis(300));
                Ok(())
            }
            Some("panic") => panic!("planted failure"),
            Some(other) => panic!("DRAWDOWN_FAULT asks for the unknown action `{other}`"),
        }
    }
}
