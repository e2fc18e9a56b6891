"""A server in a process of its own, for ``demo`` and ``bench``: started, measured, stopped, killed."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from drawdown.errors import UnavailableError

READY_S = 60.0
STOP_S = 60.0


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """``drawdown serve`` on a folder. Leaving the ``with`` block stops it."""

    def __init__(
        self,
        data: Path,
        *,
        listen: str = "127.0.0.1:0",
        settings: dict[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "drawdown"),
    ) -> None:
        self._data = data
        self._listen = listen
        self._settings = settings or {}
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.target = ""

    @property
    def pid(self) -> int:
        """Process id; raises ``UnavailableError`` while it does not run."""
        if self._process is None:
            raise UnavailableError("the server is not running", definite=True)
        return self._process.pid

    def start(self) -> dict[str, Any]:
        """Start and wait until it serves; answers what it says about itself.

        Raises ``UnavailableError`` with the end of its log when it does not come up.
        """
        command = [*self._program, "serve", "--data", str(self._data)]
        command += ["--listen", self._listen]
        for name, value in self._settings.items():
            command += ["--set", f"{name}={value}"]
        self._log = (self._data.parent / f"{self._data.name}.log").open("ab")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log)
        line = self._first_line(READY_S)
        if not line:
            self.kill()
            raise UnavailableError(f"the server did not come up: {self._log_tail()}", definite=True)
        said: dict[str, Any] = json.loads(line)
        self.target = said["listening"]
        return said

    def _first_line(self, within_s: float) -> bytes:
        process = self._process
        assert process is not None and process.stdout is not None
        deadline = time.monotonic() + within_s
        collected = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in collected and (left := deadline - time.monotonic()) > 0:
                if not selector.select(left):
                    break
                chunk = os.read(process.stdout.fileno(), 4096)
                if not chunk:
                    return b""
                collected += chunk
        return collected.partition(b"\n")[0] if b"\n" in collected else b""

    def _log_tail(self) -> str:
        log = self._data.parent / f"{self._data.name}.log"
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        return " | ".join(lines[-5:]) or "it said nothing"

    def cpu_s(self) -> float:
        """Seconds of processor time that all its threads have used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Memory that it holds now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """kill -9: nothing is flushed, nothing is said."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM: drain, checkpoint, exit; answers the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        process.send_signal(how)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait(STOP_S)
        if process.stdout is not None:
            process.stdout.close()
        if self._log is not None:
            self._log.close()
        self._process = None
        return code

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
