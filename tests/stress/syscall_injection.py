"""Faults of system calls, put by strace into a server: at its start, or into threads of a running one.

strace counts calls per thread, so ``when=N`` is the N-th call of each thread it looks at.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ATTACH_S_MAX = 10.0
KILL_DELAY_US = 300_000

ACTIONS = {
    "EIO": "error=EIO",
    "ENOSPC": "error=ENOSPC",
    # Says that a part was written; of it nothing was. A short write that is believed loses at least as much.
    "short": "retval=512",
    "kill": f"delay_enter={KILL_DELAY_US}:signal=SIGKILL",
}


def missing() -> str | None:
    """Why faults cannot be put into system calls here; ``None`` where they can."""
    if shutil.which("strace") is None:
        return "no strace on this machine"
    if os.geteuid() != 0:
        return "strace may not look at running processes without root"
    tried = subprocess.run(["strace", "-D", "-e", "trace=none", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "strace may not trace processes here"


@dataclass(frozen=True)
class Injection:
    """What the ``nth`` call of ``syscall`` in each thread meets."""

    syscall: str
    action: str
    nth: int

    @property
    def kills(self) -> bool:
        return self.action == "kill"

    def flags(self, log: Path) -> list[str]:
        fault = f"inject={self.syscall}:{ACTIONS[self.action]}:when={self.nth}"
        return ["-o", str(log), "-e", f"trace={self.syscall}", "-e", fault]

    def was_met(self, log: Path) -> bool:
        """Whether a call met the fault, by strace's own account."""
        text = log.read_text(errors="replace") if log.exists() else ""
        marks = ("(INJECTED)", "(DELAYED)", "killed by SIGKILL" if self.kills else "(INJECTED)")
        return any(mark in text for mark in marks)

    def at_start(self, log: Path, paths: list[Path]) -> tuple[str, ...]:
        """The command in front of a server's: calls on these paths count, the process stays our child."""
        # A signal is only delivered without the filter that makes strace quick.
        quick = [] if self.kills else ["--seccomp-bpf"]
        looked_at = [part for path in paths for part in ("-P", str(path))]
        return ("strace", "-D", "-f", "-qq", *quick, *self.flags(log), *looked_at)


class Attached:
    """strace on threads of a running process, until ``detach``."""

    def __init__(self, threads: list[int], injection: Injection, log: Path) -> None:
        self.injection = injection
        self.log = log
        log.unlink(missing_ok=True)
        chosen = [part for thread in threads for part in ("-p", str(thread))]
        self.words = log.with_suffix(".strace")
        with self.words.open("wb") as words:
            command = ["strace", *injection.flags(log), *chosen]
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=words)
        self._await(threads)

    def _await(self, threads: list[int]) -> None:
        deadline = time.monotonic() + ATTACH_S_MAX
        while not all(_is_traced(thread) for thread in threads):
            if self.process.poll() is not None or time.monotonic() > deadline:
                words = self.words.read_text(errors="replace")[-500:]
                self.detach()
                raise RuntimeError(f"strace did not attach: {words}")
            time.sleep(0.005)

    def detach(self) -> bool:
        """Let the process go on by itself; whether a call met the fault."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        return self.injection.was_met(self.log)


def _is_traced(thread: int) -> bool:
    try:
        status = Path(f"/proc/{thread}/status").read_text()
    except OSError:
        # Ended meanwhile: nothing to wait for.
        return True
    return "TracerPid:\t0\n" not in status


def threads_of(process_id: int) -> dict[int, str]:
    """Thread ids of a process with their names."""
    found = {}
    for task in Path(f"/proc/{process_id}/task").iterdir():
        try:
            found[int(task.name)] = (task / "comm").read_text().strip()
        except OSError:
            continue
    return found
