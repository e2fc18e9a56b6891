//! The few system calls the standard library does not offer. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

/// Take the whole-file lock of `file` without waiting; `false` if another process has it.
/// It is released when the last descriptor of this opening is closed, so also at any process end.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: flock takes a descriptor that `file` keeps open and no pointer.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(error) }
}

/// Bytes free for this process's user in the file system that holds `file`.
pub(crate) fn free_bytes(file: &File) -> io::Result<u64> {
    // SAFETY: an all-zero statvfs is a valid value (plain integers).
    let mut told: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `file` keeps the descriptor open, and `told` is a live, exclusive statvfs for the length of the call.
    if unsafe { libc::fstatvfs(file.as_raw_fd(), &mut told) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// A fresh non-blocking eventfd, closed on exec.
pub(crate) fn eventfd() -> io::Result<File> {
    // SAFETY: eventfd takes two integers; a non-negative result is a descriptor we alone own.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `descriptor` was just returned to us and nobody else closes it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Whether the kernel says its clock is disciplined (NTP or the like).
pub(crate) fn clock_is_synchronised() -> bool {
    // SAFETY: an all-zero timex is a valid value (plain integers) and asks to read only.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a live, exclusive timex for the length of the call.
    let answer = unsafe { libc::adjtimex(&mut state) };
    answer >= 0 && answer != libc::TIME_ERROR
}

/// Microseconds since the machine was started, suspended or not.
pub(crate) fn since_boot_us() -> io::Result<i64> {
    let mut told = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `told` is a live, exclusive timespec for the length of the call.
    if unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut told) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(told.tv_sec * 1_000_000 + told.tv_nsec / 1_000)
}

/// Have `note` run in every child that is forked from now on, before `fork` returns there. It may touch
/// nothing that a thread of the parent could have held.
pub(crate) fn in_forked_children(note: extern "C" fn()) -> io::Result<()> {
    // SAFETY: `note` is a function of this library, which is never unloaded, and takes nothing.
    match unsafe { libc::pthread_atfork(None, None, Some(note)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// End the process now, without running exit handlers that might touch a halted engine.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit never returns and needs nothing of the caller.
    unsafe { libc::_exit(code) }
}

/// End the process as kill -9 does: nothing runs any more.
#[cfg(feature = "fault-points")]
pub(crate) fn kill_now() -> ! {
    // SAFETY: both calls take integers only.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGKILL);
        libc::_exit(137)
    }
}
