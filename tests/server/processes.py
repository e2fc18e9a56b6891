"""A real server process on loopback, started and ended by its own process id."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LAUNCH = """
import json, sys
from drawdown import config
from drawdown.server import serve
flags = json.loads(sys.argv[1])
file = flags.pop("config", None)
sys.exit(serve.run(config.load(file=file, environment={}, flags=flags)))
"""

START_S = 30.0
END_S = 40.0
LOG_BYTES_MAX = 64 << 20


class ServerProcess:
    """One ``serve.run`` in a process of its own."""

    def __init__(self, **flags: Any) -> None:
        flags.setdefault("listen", "127.0.0.1:0")
        # Small files: a test needs no room for a day's journal.
        flags = {"dedupe_budget_bytes": 8 << 20, "segment_bytes": 1 << 20, "reserve_bytes": 0, **flags}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, json.dumps(flags)],
            stdout=subprocess.PIPE,
            # A pipe that nobody reads would be full some day, and stop the server.
            stderr=self._log,
            text=True,
        )
        self.announced: dict[str, Any] = {}

    def wait_serving(self) -> "ServerProcess":
        """Return when the line of readiness was printed; fail with the log where it never is."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START_S)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.process.kill()
            self.process.communicate(timeout=END_S)
            raise AssertionError(f"the server did not start:\n{self.log()}")
        self.announced = json.loads(line)
        return self

    @property
    def address(self) -> str:
        """HOST:PORT of gRPC."""
        address: str = self.announced["listening"]
        return address

    def send(self, number: int) -> None:
        """Send a signal to this process only."""
        os.kill(self.process.pid, number)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal and wait; answers the exit code and the log."""
        if self.process.poll() is None:
            self.send(number)
        try:
            self.process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"the server did not end:\n{self.log()}") from None
        return self.process.returncode, self.log()

    def wait(self) -> tuple[int, str]:
        """Wait for a process that ends by itself; answers the exit code and the log."""
        self.process.communicate(timeout=START_S)
        return self.process.returncode, self.log()

    def log(self) -> str:
        """All that it has logged so far."""
        # From the beginning, whatever the server is writing: the place in the file is shared.
        return os.pread(self._log.fileno(), LOG_BYTES_MAX, 0).decode()


@contextlib.contextmanager
def serving(data: Path, **flags: Any) -> Iterator[ServerProcess]:
    """A serving process over ``data``; killed at the end if it still runs."""
    server = ServerProcess(data=str(data), **flags)
    try:
        yield server.wait_serving()
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


def eventually(condition: Any, what: str, *, seconds: float = 20.0) -> Any:
    """The first truthy answer of ``condition``; fails with ``what`` when the time is up."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
