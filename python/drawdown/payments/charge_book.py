"""The book of a provider that lives in this process: charges and refunds in one file of JSON lines.

An outside provider remembers what it was asked, whatever happens to us; so must these. A line is
written and flushed to disk before it is answered, and the last line about a key is the truth::

    {"kind":"charge","key":"purchase:p1","reference":"ch_1","state":"succeeded","amount":{…}, …}
    {"kind":"refund","key":"refund:p1","reference":"re_1","charge":"ch_1","amount":{…}}
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import msgspec

from drawdown.errors import (
    CorruptDataError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from drawdown.model.money import zero
from drawdown.payments.provider import Charge, ChargeState, PaymentRequest, Refund, RefundRequest


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    kind: str
    charge: Charge | None = None
    refund: Refund | None = None
    of_charge: str = ""


class ChargeBook:
    """Charges by our key. Safe to use from any thread; without a path it is kept in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._charges: dict[str, Charge] = {}
        self._by_reference: dict[str, str] = {}
        self._refunds: dict[str, Refund] = {}
        self._may_end_torn = False
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        written = path.read_bytes()
        whole, _, torn = written.rpartition(b"\n")
        for number, text in enumerate(whole.splitlines(), 1):
            try:
                self._remember(msgspec.json.decode(text, type=_Line))
            except (msgspec.MsgspecError, ValueError, RecursionError, InvalidRequestError) as error:
                raise CorruptDataError(f"{path.name}, line {number} can't be read: {error}") from error
        if torn:
            # Cut by a crash before it was answered: nobody was told of it.
            os.truncate(path, len(whole) + 1 if whole else 0)

    def _remember(self, line: _Line) -> None:
        if line.charge is not None:
            self._charges[line.charge.key] = line.charge
            self._by_reference[line.charge.reference] = line.charge.key
        if line.refund is not None:
            self._refunds[line.refund.key] = line.refund

    def _write(self, line: _Line) -> None:
        if self._path is not None:
            self._append(self._path, msgspec.json.encode(line) + b"\n")
        self._remember(line)

    def _append(self, path: Path, text: bytes) -> None:
        """The text is on disk, or, with ``OSError``, the file is as long as it was.

        Raises ``UnavailableError`` where an earlier line could not be taken back: none is readable behind it.
        """
        if self._may_end_torn:
            raise UnavailableError(
                f"{path.name}: an earlier line failed and could not be taken back from the file; see to its "
                "disk, then start again"
            )
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            try:
                left = memoryview(text)
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
            except BaseException:
                self._take_back(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def _take_back(self, descriptor: int, size: int) -> None:
        # Also a whole line that was not flushed: nobody was told of it, so memory does without it, and the
        # file must too, or the next charge would get its reference. A crash before this is flushed may bring
        # it back; then the same key, asked again, is answered with it.
        self._may_end_torn = True
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
            self._may_end_torn = False

    def charge(
        self, request: PaymentRequest, state: ChargeState, reason: str = "", action_url: str = ""
    ) -> Charge:
        """The charge under this key: made now with ``state``, or the one made earlier.

        Raises ``InvalidRequestError`` for another amount under a key that is used.
        """
        with self._lock:
            found = self._charges.get(request.key)
            if found is not None:
                if found.amount != request.amount:
                    raise InvalidRequestError(
                        f"key: '{request.key}' was used for {found.amount}, not {request.amount}", field="key"
                    )
                return found
            made = Charge(
                key=request.key,
                reference=f"ch_{len(self._charges) + 1:06d}",
                state=state,
                amount=request.amount,
                reason=reason,
                action_url=action_url,
            )
            self._write(_Line(kind="charge", charge=made))
            return made

    def find(self, key: str) -> Charge | None:
        with self._lock:
            return self._charges.get(key)

    def settle(self, key: str, state: ChargeState, reason: str = "") -> Charge:
        """Move an open charge to its end; a charge that has ended stays as it is.

        Raises ``NotFoundError`` for a key without a charge.
        """
        with self._lock:
            found = self._charges.get(key)
            if found is None:
                raise NotFoundError(f"there is no charge under the key '{key}'")
            if found.state.is_final or found.state == state:
                return found
            moved = msgspec.structs.replace(found, state=state, reason=reason, action_url="")
            self._write(_Line(kind="charge", charge=moved))
            return moved

    def refund(self, request: RefundRequest) -> Refund:
        """Book a refund once per key. Raises ``PreconditionError`` beyond what was taken."""
        with self._lock:
            earlier = self._refunds.get(request.key)
            if earlier is not None:
                return earlier
            key = self._by_reference.get(request.charge_reference)
            if key is None:
                raise NotFoundError(f"there is no charge '{request.charge_reference}'")
            charge = self._charges[key]
            given = charge.refunded or zero(charge.amount.currency)
            if (
                charge.state is not ChargeState.SUCCEEDED
                or charge.amount.minor < (given + request.amount).minor
            ):
                raise PreconditionError(
                    f"{request.amount} can't be given back of {charge.amount} ({charge.state}), "
                    f"{given} of it given back already",
                    reason="REFUND_TOO_LARGE",
                )
            made = Refund(
                key=request.key, reference=f"re_{len(self._refunds) + 1:06d}", amount=request.amount
            )
            updated = msgspec.structs.replace(charge, refunded=given + request.amount)
            self._write(
                _Line(kind="refund", refund=made, charge=updated, of_charge=charge.reference),
            )
            return made

    def charges(self) -> list[Charge]:
        """All charges in the order they were first asked for."""
        with self._lock:
            return list(self._charges.values())
