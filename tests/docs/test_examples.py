"""The examples in other languages run as they stand, each in a copy of its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
FETCH_S = 400
LATE_WATCH = """
const { PassThrough } = require("node:stream");
const grpc = require("@grpc/grpc-js");
function loadPackageDefinition(definition) {
  const loaded = grpc.loadPackageDefinition(definition);
  const service = loaded.drawdown.v1.AccountService;
  if (!service) return loaded;
  const watch = service.prototype.WatchBalances;
  service.prototype.WatchBalances = function (request) {
    const late = new PassThrough({ objectMode: true });
    let stream;
    setTimeout(() => {
      stream = watch.call(this, request);
      stream.on("error", (error) => late.destroy(error));
      stream.pipe(late);
    }, 2000);
    late.cancel = () => stream.cancel();
    return late;
  };
  return loaded;
}
require.cache[require.resolve("@grpc/grpc-js")].exports = { ...grpc, loadPackageDefinition };
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data") as process:
        with drawdown.connect(process.target) as database:
            database.create_credit_type("credits")
            database.create_meter("calls")
            database.set_rate(meter="calls", credits="1")
            database.create_account("acme")
            database.create_grant("acme", "credits", amount="100", grant_id="welcome")
        yield process


def copied(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / name, tmp_path / name))


def fetched(command: list[str], folder: Path, **environment: str) -> None:
    """Run what fetches packages; a machine without them or their index skips."""
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    if ended.returncode:
        pytest.skip(f"packages of the example cannot be had here: {ended.stderr.strip()[-300:]}")


def check_said(said: str, server: ServerProcess, end: int = 95) -> None:
    assert "allowed" in said
    assert "record: applied 1; the same again: duplicates 1" in said
    assert "held 5" in said
    assert f"settle: charged 2, returned 3, available {end}" in said
    assert f"watched: ends at {end}" in said
    with drawdown.connect(server.target) as database:
        assert database.balance("acme", "credits").available == end
        assert database.verify()


@pytest.mark.timeout(900)
def test_the_node_example_runs(server: ServerProcess, tmp_path: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node toolchain on this machine")
    folder = copied("node", tmp_path)
    fetched(["npm", "install", "--no-audit", "--no-fund", "--silent"], folder)
    # A watch that hears of nothing until all is over: it is then told the end, and only that.
    (folder / "late.js").write_text(LATE_WATCH)
    for preload in ([], ["--require", "./late.js"]):
        ended = subprocess.run(
            ["node", *preload, "example.js", server.target, str(ROOT / "proto")],
            cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        check_said(ended.stdout, server, end=90 if preload else 95)


@pytest.mark.timeout(900)
def test_the_go_example_runs(server: ServerProcess, tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain on this machine")
    folder = copied("go", tmp_path)
    fetched(["sh", "generate.sh", str(ROOT / "proto")], folder, PYTHON=sys.executable)
    fetched(["go", "mod", "tidy"], folder)
    ended = subprocess.run(
        ["go", "run", ".", server.target],
        cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    check_said(ended.stdout, server)
