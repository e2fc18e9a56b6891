"""A PostgreSQL server for the tests, of the machine's own binaries; it belongs to an ordinary user."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy
from drawdown.cli.server_process import free_port
from drawdown.storage.sql.database import url_of

SKIP_REASON = "there is no PostgreSQL on this machine"
START_S = 60.0
SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB")


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, the newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.insert(0, Path(on_path).resolve().parent)
    for folder in found:
        if all((folder / name).is_file() for name in ("postgres", "initdb", "pg_isready")):
            return folder
    return None


def _user() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no ordinary user to run PostgreSQL as")


_schemas = itertools.count(1)


def empty_schema(url: str) -> str:
    """The URL of a new schema of the server's: a database that nobody else has."""
    name = f"rows_{next(_schemas)}"
    engine = sqlalchemy.create_engine(url_of(url, ""))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create schema {name}")
    engine.dispose()
    return f"{url}?options=-csearch_path%3D{name}"


def new_database(url: str, name: str, *, like: str) -> None:
    """Another database of the server's, a copy of one that nobody is connected to any more."""
    engine = sqlalchemy.create_engine(url_of(url, ""), isolation_level="AUTOCOMMIT")
    end = time.monotonic() + START_S
    with engine.connect() as connection:
        # Who was killed is connected until the server sees it.
        others = sqlalchemy.text("select count(*) from pg_stat_activity where datname = :name")
        while connection.execute(others, {"name": like}).scalar_one():
            assert time.monotonic() < end, f"somebody is still connected to {like}"
            time.sleep(0.02)
        connection.exec_driver_sql(f'create database "{name}" template "{like}"')
    engine.dispose()


class PostgresqlServer:
    """Runs until the ``with`` block ends."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self._user = _user()
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For ``--db``."""
        return f"postgresql://tests@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> int:
        return subprocess.run(
            [str(self._binary / program), *arguments],
            capture_output=True,
            check=False,
            cwd=self._folder,
            env={"PATH": str(self._binary), "LC_ALL": "C", "HOME": str(self._folder)},
            **self._user,
        ).returncode

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        if self._user:
            os.chown(self._folder, self._user["user"], self._user["group"])
        data = str(self._folder / "data")
        made = self._run("initdb", "-D", data, "-U", "tests", "-A", "trust", "--encoding=UTF8", "-N")
        assert made == 0, "initdb failed"
        command = [str(self._binary / "postgres"), "-D", data, "-p", str(self._port)]
        for setting in SETTINGS:
            command += ["-c", setting]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder, **self._user
        )
        end = time.monotonic() + START_S
        while self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self._port)) != 0:
            if time.monotonic() > end:
                self.__exit__(None, None, None)
                raise AssertionError("PostgreSQL did not start")
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
