"""A real server in a process of its own: started, asked, and ended without warning."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
from drawdown.v1 import admin_pb2, admin_pb2_grpc

START_SECONDS_MAX = 60.0


class ServerProcess:
    """``drawdown serve`` over one data folder; every start takes a free port of its own.

    ``under`` is a command in front of it that must leave the process to us (``strace -D``).
    """

    def __init__(self, folder: Path, *flags: str, under: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.flags = flags
        self.under = under
        self.process: subprocess.Popen[bytes] | None = None
        self.target = ""
        self.exit_code = 0
        """Of the last end."""
        self.was_killed = False
        """Whether we ended it, not itself."""
        self.log = folder.parent / f"{folder.name}.log"

    def start(self) -> float:
        """Serving when this returns; the seconds it took.

        Raises ``RuntimeError`` with the end of the server's log when it does not come up.
        """
        began = time.monotonic()
        self.was_killed = False
        command = [*self.under, sys.executable, "-m", "drawdown", "serve", "--data", str(self.folder)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0", *self.flags], stdout=subprocess.PIPE, stderr=log
            )
        self.target = json.loads(self._first_line())["listening"]
        return time.monotonic() - began

    def _first_line(self) -> bytes:
        assert self.process is not None and self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + START_SECONDS_MAX
        line = b""
        while b"\n" not in line:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(descriptor, 4096) if ready else b""
            if not piece:
                self.kill()
                tail = self.log.read_text(errors="replace")[-2_000:]
                raise RuntimeError(f"the server did not come up: {tail}")
            line += piece
        return line.split(b"\n", 1)[0]

    def kill(self) -> None:
        """kill -9: no handler runs, nothing is flushed."""
        assert self.process is not None
        self.was_killed = self.process.poll() is None
        self.process.send_signal(signal.SIGKILL)
        self.exit_code = self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> int:
        """SIGTERM, a full drain, and the exit code."""
        assert self.process is not None
        self.process.terminate()
        self.exit_code = self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.exit_code

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def execute(self, *group: dict[str, Any]) -> list[str]:
        """One atomic group of commands; the statuses, once durable."""
        with grpc.insecure_channel(self.target) as channel:
            request = admin_pb2.ExecuteCommandsRequest(commands_json=json.dumps(group).encode())
            answer = admin_pb2_grpc.AdminServiceStub(channel).ExecuteCommands(request, timeout=30)
        return [outcome["status"] for outcome in json.loads(answer.outcomes_json)]

    def query(self, **request: Any) -> Any:
        with grpc.insecure_channel(self.target) as channel:
            message = admin_pb2.QueryRequest(query_json=json.dumps(request).encode())
            answer = admin_pb2_grpc.AdminServiceStub(channel).Query(message, timeout=60)
        return json.loads(answer.answer_json)
