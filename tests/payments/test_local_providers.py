"""The `test` and `manual` providers: scripted outcomes, one charge a key, a book that survives."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from drawdown.errors import (
    CorruptDataError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)
from drawdown.model.money import Money, money_from
from drawdown.payments import (
    ChargeState,
    ManualProvider,
    PaymentProvider,
    PaymentRequest,
    RefundRequest,
    ScriptedProvider,
)

TEN = money_from("10", "EUR")


def request(key: str, method: str = "test_ok", amount: Money = TEN) -> PaymentRequest:
    return PaymentRequest(key=key, amount=amount, customer_reference="cus_1", payment_method=method)


@pytest.mark.parametrize(
    ("method", "state", "reason"),
    [
        ("test_ok", ChargeState.SUCCEEDED, ""),
        ("test_decline", ChargeState.FAILED, "card_declined"),
        ("test_insufficient", ChargeState.FAILED, "insufficient_funds"),
        ("test_action", ChargeState.ACTION_REQUIRED, ""),
        ("test_pending", ChargeState.PENDING, ""),
    ],
)
def test_the_method_says_what_happens(method: str, state: ChargeState, reason: str) -> None:
    charge = ScriptedProvider().charge(request("p1", method))
    assert (charge.state, charge.reason) == (state, reason)
    assert bool(charge.action_url) == (state is ChargeState.ACTION_REQUIRED)


def test_a_lost_answer_is_found_by_asking_again() -> None:
    provider = ScriptedProvider()
    with pytest.raises(UnavailableError):
        provider.charge(request("p1", "test_lost"))
    assert provider.charge(request("p1", "test_lost")).state is ChargeState.SUCCEEDED
    assert len(provider.charges()) == 1
    with pytest.raises(UnavailableError):
        provider.charge(request("p2", "test_unreachable"))
    assert provider.find_charge("p2") is None
    assert provider.charge(request("p3", "visa")).reason == "payment_method_unknown"


def test_one_key_one_charge() -> None:
    provider = ScriptedProvider()
    first = provider.charge(request("p1"))
    assert provider.charge(request("p1")) == first
    with pytest.raises(InvalidRequestError, match="was used for"):
        provider.charge(request("p1", amount=money_from("11", "EUR")))


def test_callbacks_late_twice_and_out_of_order() -> None:
    """A final state stays, whatever is finished afterwards."""
    provider = ScriptedProvider()
    provider.charge(request("p1", "test_action"))
    body, headers = provider.finish("p1")
    assert provider.finish("p1", ChargeState.FAILED)[0] == body
    for _ in range(2):
        callback = provider.callback(body, headers)
        assert callback is not None and callback.charge.state is ChargeState.SUCCEEDED
    with pytest.raises(UnauthenticatedError):
        provider.callback(body + b" ", headers)
    disputed = provider.callback(*provider.dispute("p1"))
    assert disputed is not None and disputed.disputed
    with pytest.raises(NotFoundError):
        provider.finish("p9")


@pytest.mark.parametrize("kind", [ScriptedProvider, ManualProvider])
def test_the_book_survives_a_crash(
    kind: type[ScriptedProvider] | type[ManualProvider], tmp_path: Path
) -> None:
    path = tmp_path / "charges.jsonl"
    provider: PaymentProvider = kind(path)
    made = provider.charge(request("p1"))
    with path.open("ab") as file:
        file.write(b'{"kind":"charge","cha')
    again: PaymentProvider = kind(path)
    assert again.find_charge("p1") == made
    assert again.charge(request("p1")) == made
    again.charge(request("p2"))
    assert kind(path).find_charge("p2") is not None
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    with pytest.raises(CorruptDataError, match="line 1"):
        kind(path)


# Between k1 and k3 the file may grow by 40 bytes only, as on a full disk. In a process of its own: the
# limit is of a whole process.
FULL_DISK = """
import os, resource, sys
from pathlib import Path
from drawdown.payments import ManualProvider
from tests.payments.test_local_providers import request
path = Path(sys.argv[1])
provider = ManualProvider(path)
provider.charge(request("k1"))
free = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, free[1]))
try:
    provider.charge(request("k2"))
    sys.exit("written beyond the limit")
except OSError:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, free)
assert provider.find_charge("k2") is None
assert provider.charge(request("k3")).reference == "ch_000002"
"""


def test_a_line_that_the_disk_took_in_part_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "charges.jsonl"
    subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], check=True)
    again = ManualProvider(path)
    found = [again.find_charge(key) for key in ("k1", "k2", "k3")]
    assert [each and each.reference for each in found] == ["ch_000001", None, "ch_000002"]
    assert again.charge(request("k2")).reference == "ch_000003"


def test_a_line_that_was_not_flushed_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "charges.jsonl"
    provider = ManualProvider(path)
    provider.charge(request("k1"))
    before = path.read_bytes()
    flush, failures = os.fsync, [OSError(errno.EIO, "no flush")]

    def failing_once(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", failing_once)
    with pytest.raises(OSError, match="no flush"):
        provider.charge(request("k2"))
    assert provider.find_charge("k2") is None and path.read_bytes() == before
    assert provider.charge(request("k3")).reference == "ch_000002"
    assert ManualProvider(path).find_charge("k3") is not None


def test_nothing_is_written_behind_a_line_that_could_not_be_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "charges.jsonl"
    provider = ManualProvider(path)
    provider.charge(request("k1"))

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "no flush")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="no flush"):
            provider.charge(request("k2"))
    with pytest.raises(UnavailableError, match=r"charges\.jsonl.*start again"):
        provider.charge(request("k3"))
    assert provider.charge(request("k1")).reference == "ch_000001"
    assert ManualProvider(path).charge(request("k3")).key == "k3"


def test_money_given_back_is_at_most_what_came() -> None:
    provider = ManualProvider()
    charge = provider.charge(request("p1", "", TEN))
    part = RefundRequest(key="r1", charge_reference=charge.reference, amount=money_from("6", "EUR"))
    with pytest.raises(PreconditionError, match="pending"):
        provider.refund(part)
    assert provider.mark_paid("p1").state is ChargeState.SUCCEEDED
    assert provider.mark_failed("p1").state is ChargeState.SUCCEEDED
    assert provider.refund(part) == provider.refund(part)
    with pytest.raises(PreconditionError, match=r"6\.00 EUR of it"):
        provider.refund(RefundRequest(key="r2", charge_reference=charge.reference, amount=part.amount))
    with pytest.raises(UnauthenticatedError):
        provider.callback(b"", {})
