"""The usual way in PostgreSQL: per event one transaction that inserts it and updates a guarded balance.

The load is ``pgbench``, which comes with PostgreSQL. The server is made for the run, listens on loopback
and belongs to an ordinary user: PostgreSQL does not run as root.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drawdown.cli.server_process import free_port

from benches.figures import WrongAnswer, require

CLIENTS = 16
COST = 3_000_000
BALANCE = 10**16
START_S = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
}
# The primary key is the dedupe: an id that is known ends the transaction.
SCHEMA = """
create table balance (account integer primary key, available bigint not null);
create table event (account integer not null, event_id uuid not null, quantity bigint not null,
                    at timestamptz not null default now(), primary key (account, event_id));
insert into balance select number, {balance} from generate_series(0, {accounts} - 1) number;
vacuum analyze balance;
"""
TRANSACTION = """\
\\set account random(0, {last})
begin;
insert into event (account, event_id, quantity) values (:account, gen_random_uuid(), 1200);
update balance set available = available - {cost} where account = :account and available >= {cost};
commit;
"""


def binaries() -> Path | None:
    """The folder of a complete PostgreSQL (server, ``initdb``, ``pgbench``), the newest first."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0,
        reverse=True,
    )
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.insert(0, Path(on_path).resolve().parent)
    for folder in found:
        if all((folder / name).is_file() for name in ("postgres", "initdb", "pgbench", "psql")):
            return folder
    return None


def _user() -> dict[str, Any]:
    """Whom the server runs as: this user, unless that is root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise WrongAnswer("PostgreSQL does not run as root, and there is no ordinary user to run it as")


class PostgresBaseline:
    """A server of its own with ``accounts`` balances."""

    name = f"PostgreSQL, transaction per event, {CLIENTS} clients, durable"

    def __init__(self, binary: Path, folder: Path, accounts: int) -> None:
        self._binary = binary
        self._folder = folder
        self._accounts = accounts
        self._user = _user()
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, program: str, *arguments: str, text: str | None = None) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [str(self._binary / program), *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            env={"PATH": str(self._binary), "LC_ALL": "C", "HOME": str(self._folder)},
            **self._user,
        )
        if done.returncode != 0:
            raise WrongAnswer(f"{program} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def _sql(self, text: str) -> str:
        target = ("-h", "127.0.0.1", "-p", str(self._port), "-U", "bench", "-d", "postgres")
        return self._run("psql", *target, "-qAt", "-v", "ON_ERROR_STOP=1", text=text)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        if self._user:
            # Its user must reach the folder through the directory that is private to this one.
            self._folder.parent.chmod(0o711)
            os.chown(self._folder, self._user["user"], self._user["group"])
        data = self._folder / "data"
        self._run("initdb", "-D", str(data), "-U", "bench", "-A", "trust", "--encoding=UTF8", "--locale=C")
        command = [str(self._binary / "postgres"), "-D", str(data), "-p", str(self._port)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder, **self._user
        )
        try:
            self._wait()
            self._sql(SCHEMA.format(balance=BALANCE, accounts=self._accounts))
            (self._folder / "transaction.sql").write_text(
                TRANSACTION.format(last=self._accounts - 1, cost=COST), encoding="utf-8"
            )
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        while True:
            try:
                self._sql("select 1;")
                return
            except WrongAnswer:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            # Fast shutdown.
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def round(self, seconds: int) -> float:
        """Transactions per second over ``seconds``; none may fail."""
        before = self._count()
        said = self._run(
            "pgbench",
            *("-h", "127.0.0.1", "-p", str(self._port), "-U", "bench", "-n", "-M", "prepared"),
            *("-c", str(CLIENTS), "-j", "2", "-T", str(seconds)),
            *("-f", str(self._folder / "transaction.sql"), "postgres"),
        )
        rate = re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)
        done = re.search(r"actually processed: (\d+)", said)
        failed = re.search(r"failed transactions: (\d+)", said)
        require(rate is not None and done is not None, f"pgbench said: {said[-300:]}")
        assert rate is not None and done is not None
        require(failed is None or failed[1] == "0", f"pgbench: {said[-300:]}")
        stored = self._count() - before
        require(stored == int(done[1]), f"{done[1]} transactions, {stored} events stored")
        return float(rate[1])

    def _count(self) -> int:
        return int(self._sql("select count(*) from event;"))

    def check(self) -> None:
        """Every credit is accounted for."""
        left = int(self._sql("select sum(available) from balance;"))
        burned = self._accounts * BALANCE - left
        events = self._count()
        require(burned == events * COST, f"{events:,} events burned {burned:,}")
