"""The lines of docs/http.md work as typed, one after the other, against a server with its settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import drawdown
import pytest
from drawdown.cli.server_process import free_port

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def prepared(folder: Path) -> None:
    with drawdown.open(folder / "data") as database:
        database.create_credit_type("credits")
        database.create_meter("input_tokens", dimensions=["model"])
        database.create_meter("output_tokens", dimensions=["model"])
        database.create_meter("seconds", quantity_scale=3)
        database.set_rate(meter="input_tokens", credits="2.5", per=1_000_000)
        database.set_rate(meter="input_tokens", credits="10", per=1_000_000, match={"model": "large"})
        database.set_rate(meter="output_tokens", credits="10", per=1_000_000)
        database.set_rate(meter="seconds", credits="0.001")
        database.create_account("acme")
        database.create_grant("acme", "credits", amount="5", grant_id="welcome")


def wait_for(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing at {url}")


def test_the_lines_work_as_typed(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    blocks = BLOCK.findall(TEXT)
    shell = [text for language, text in blocks if language == "sh"]
    assert len(shell) >= 5, "the guard saw too few blocks"
    prepared(tmp_path)
    (tmp_path / "settings.toml").write_text("".join(text for language, text in blocks if language == "toml"))
    grpc, http = str(free_port()), str(free_port())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def typed(text: str) -> list[str]:
        return ["bash", "-eu", "-c", text.replace("7070", grpc).replace("7080", http)]

    def run(text: str) -> list[object]:
        ended = subprocess.run(
            typed(text), cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"{text}\n--- said:\n{ended.stdout}{ended.stderr}"
        return [json.loads(each) for each in re.split(r"(?<=\})(?=\{)", ended.stdout)]

    server = subprocess.Popen(
        typed("exec " + shell[0].rstrip().removesuffix("&")), cwd=tmp_path, env={**os.environ, "PATH": path}
    )
    try:
        wait_for(f"http://127.0.0.1:{http}/health")
        ((first,), (batch,), (binary,), (check, checks, health)) = map(run, shell[1:])
    finally:
        server.terminate()
        assert server.wait(60) == 0
    assert statuses(first) == [("input_tokens", "OK", "0.012")]
    assert statuses(batch) == [
        ("input_tokens", "OK", "0.00225"),
        ("output_tokens", "OK", "0.0025"),
        ("input_tokens", "OK", "0.0001"),
    ]
    assert statuses(binary) == [("seconds", "OK", "0.0015")]
    assert check == {**dict(check), "allowed": True, "reason": "OK", "available": "4.98165"}  # type: ignore[call-overload]
    assert [each["allowed"] for each in checks["results"]] == [True, True]  # type: ignore[index]
    assert health == {"status": "SERVING"}


def statuses(answer: object) -> list[tuple[str, str, str]]:
    assert isinstance(answer, dict)
    return [(each["meter"], each["status"], each["charged"]) for each in answer["results"]]
