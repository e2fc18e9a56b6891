"""A database belongs to the process that opened it: forks of that are refused, and harm nothing.

Each story is a script of its own: a process with threads, like the one of these tests, must not be forked.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import drawdown
import pytest

SMALL = {"segment_bytes": 1 << 20, "reserve_bytes": 0}

HEAD = """
import os, sys, threading
import drawdown

folder = sys.argv[1]
SMALL = {"segment_bytes": 1 << 20, "reserve_bytes": 0}


def end_of(child):
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 7, f"the child ended with {code}"


def refused(call, *given, **named):
    try:
        call(*given, **named)
    except drawdown.EngineHaltedError as raised:
        assert raised.definite and "forked" in str(raised), raised
    else:
        raise AssertionError(f"{call} was taken")


def begin(db):
    db.create_credit_type("credits")
    db.create_meter("calls")
    db.set_rate(meter="calls", credit_type="credits", credits="1")
    db.create_account("acme")
    db.create_grant("acme", "credits", amount="10", grant_id="g")
"""


def told(script: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("end", ["sys.exit(7)", "os._exit(7)"])
def test_a_child_is_refused_and_its_end_leaves_the_parents_folder_alone(tmp_path: Path, end: str) -> None:
    """Its way out of the ``with`` closes nothing: a record of the parent goes on before and after it."""
    told(
        """
with drawdown.open(folder, **SMALL) as db:
    begin(db)
    db.products()
    assert db.record("acme", "calls", quantity=1, event_id="before").status == "OK"
    child = os.fork()
    if child == 0:
        for call, given in (
            (db.record, ("acme", "calls")),
            (db.record_batch, ([{"account": "acme", "meter": "calls", "quantity": 1}],)),
            (db.check, ("acme", "calls")),
            (db.balance, ("acme", "credits")),
            (db.grants, ("acme",)),
            (db.create_account, ("b",)),
            (db.create_product, ("p", "P")),
            (db.products, ()),
            (db.stats, ()),
            (db.digest, ()),
            (db.checkpoint, ()),
            (db.verify, ()),
        ):
            refused(call, *given)
        END
    end_of(child)
    assert db.record("acme", "calls", quantity=2, event_id="after").status == "OK"
    assert db.create_product("p", "P").name == "P"
    digest = db.digest()
with drawdown.open(folder, **SMALL) as db:
    assert db.digest() == digest
    assert db.record("acme", "calls", quantity=2, event_id="after").status == "DUPLICATE"
    assert db.verify() and [each.name for each in db.products()] == ["P"]
""".replace("END", end),
        tmp_path / "data",
    )
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        assert database.balance("acme", "credits").available == 7


def test_a_child_of_a_process_with_an_open_engine_opens_none(tmp_path: Path) -> None:
    """Whoever waited there stands in lists that the child has, on stacks that it has not."""
    told(
        """
with drawdown.open(folder, **SMALL) as db:
    begin(db)
    waiting = [
        threading.Thread(target=db.engine.wait_group, args=(10**9, 1.0), daemon=True) for _ in range(8)
    ]
    for each in waiting:
        each.start()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        try:
            drawdown.open(folder + "-other", **SMALL)
        except drawdown.InvalidRequestError as raised:
            assert "was forked while an engine was open" in str(raised), raised
            if grandchild:
                end_of(grandchild)
            os._exit(7)
        os._exit(1)
    end_of(child)
    for each in waiting:
        each.join()
""",
        tmp_path / "data",
    )


def test_a_process_that_closed_its_engines_may_be_forked(tmp_path: Path) -> None:
    told(
        """
with drawdown.open(folder, **SMALL) as db:
    begin(db)
for _ in range(2):
    child = os.fork()
    if child == 0:
        with drawdown.open(folder, **SMALL) as db:
            assert db.record("acme", "calls", quantity=1).status == "OK"
        os._exit(7)
    end_of(child)
with drawdown.open(folder, **SMALL) as db:
    assert db.balance("acme", "credits").available == 8
""",
        tmp_path / "data",
    )
