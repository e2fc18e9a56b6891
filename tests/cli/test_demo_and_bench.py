"""The short forms of ``drawdown demo`` and ``drawdown bench``: each runs and checks itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import drawdown
import pytest
from drawdown.cli import exit_codes
from drawdown.cli.demo_workload import prepare
from drawdown.cli.server_process import ServerProcess
from drawdown.engine import build_info
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from .conftest import Run


@pytest.mark.behaviour("S3-6", "S3-19")
def test_the_demo_ends_well(run_process: Run, tmp_path: Path) -> None:
    """Plan, workload, cut-off, recharge, kill -9, renewal, upgrade, invoice, books: every check holds."""
    ended = run_process("demo", "--seconds", "6", "--events-per-s", "4000", "--json")
    assert ended.code == 0, ended.out + ended.err
    report = ended.json()
    assert report["holds"]
    assert len(report["checks"]) == 15
    page = (tmp_path / "demo-invoice.html").read_text(encoding="utf-8")
    assert "Litware GmbH" in page
    assert "67.00" in page
    assert (tmp_path / "demo-invoice.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.skipif(build_info()["profile"] != "release", reason="a debug build is never measured")
def test_a_demo_is_kept_in_a_new_folder_only(run: Run, tmp_path: Path) -> None:
    """Its prices and accounts would be among those of the folder that was named."""
    assert run("credit-type", "create", "credits").code == 0
    before = run("catalog", "dump").out, run("account", "list", "--json").out
    refused = run("demo", "--keep", "data", "--seconds", "24")
    assert refused.code == exit_codes.INVALID
    assert "keep: data is not empty" in refused.err
    assert (run("catalog", "dump").out, run("account", "list", "--json").out) == before


def test_a_demo_stops_at_the_first_refusal(tmp_path: Path) -> None:
    with drawdown.open(tmp_path / "data", segment_bytes=1 << 20, reserve_bytes=0) as database:
        database.create_credit_type("credits", scale=2)
        with pytest.raises(drawdown.PreconditionError, match="could not be set up"):
            prepare(database, datetime.now(UTC))
        assert database.catalog().meters == ()
        assert database.accounts() == []


@pytest.mark.parametrize("encoding", ["rows", "columns"])
def test_a_bench_checks_its_answer_and_prints_every_figure(run_process: Run, encoding: str) -> None:
    """A second of load on a few accounts: all applied, all figures there."""
    ended = run_process(
        "bench", "--accounts", 200, "--batch", 100, "--duration", 1, "--warmup", "0.2", "--streams", 2,
        "--encoding", encoding, "--skew", "zipf", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    report = ended.json()
    assert report["applied"] > 0
    assert report["refused"] == report["duplicates"] == 0
    assert report["events_per_s"] > 0
    assert set(report["ack_ms"]) == {"p50", "p99", "max"}
    assert report["bytes_per_event"] > 10
    assert report["server_cpu_s"] > 0
    assert report["client_cpu_s"] > 0


@pytest.mark.skipif(build_info()["profile"] != "release", reason="a debug build is never measured")
def test_a_prepared_folder_is_used_again(run_process: Run, tmp_path: Path) -> None:
    """The second bench on a folder finds its accounts and sends fresh events."""
    arguments = [
        "bench",
        "--data",
        "kept",
        "--accounts",
        50,
        "--batch",
        10,
        "--duration",
        "0.5",
        "--warmup",
        0,
    ]
    for _ in range(2):
        ended = run_process(*arguments, "--pregenerate", 200, "--json")
        assert ended.code == 0, ended.err
        assert ended.json()["duplicates"] == 0
    assert (tmp_path / "kept").is_dir()


@pytest.mark.skipif(build_info()["profile"] != "release", reason="a debug build is never measured")
def test_a_bench_that_has_sent_all_measures_no_longer(run_process: Run) -> None:
    """Batches made beforehand run out before the time does; what follows is no part of the rate."""
    ended = run_process(
        "bench", "--accounts", 50, "--batch", 10, "--warmup", 0, "--duration", 5, "--pregenerate", 5, "--json"
    )
    assert ended.code == 0, ended.err
    report = ended.json()
    assert report["applied"] == 50
    assert report["seconds"] < 4
    assert report["events_per_s"] > 2 * 50 / 5


@pytest.mark.skipif(build_info()["profile"] != "release", reason="a debug build is never measured")
def test_a_bench_of_a_running_server_makes_what_it_needs(run_process: Run, tmp_path: Path) -> None:
    """With ``--target`` accounts are made over gRPC, with the key that it wants; its processor time is
    not known.
    """
    _, key = KeyFile(tmp_path / "served").create("bench", set(Right))
    with ServerProcess(tmp_path / "served") as server:
        ended = run_process(
            "bench", "--target", server.target, "--api-key", key,
            "--accounts", 30, "--grants", 1, "--batch", 10,
            "--duration", "0.5", "--warmup", 0, "--skew", "hot", "--json",
        )  # fmt: skip
        assert ended.code == 0, ended.err
        report = ended.json()
        assert report["applied"] > 0
        assert (report["refused"], report["duplicates"], report["server_cpu_s"]) == (0, 0, 0)
