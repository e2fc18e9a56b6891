"""What the audit log says of calls: a line for each that changes or administers, before its answer, and for
credentials that let nobody in, whatever they were shown for.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from google.protobuf import message

from drawdown.server.access import Credential, Principal, Right
from drawdown.storage.audit_file import AuditFile

AUDITED: Final = frozenset({Right.MANAGE, Right.ADMIN})
# Lines per second of calls refused before any work: a flood of them must not fill the disk.
REFUSALS_PER_S: Final = 10
# Of what one call concerns: so many ids and commands are named, and each so far.
NAMED_MAX: Final = 16
NAME_MAX: Final = 128
# What a call is for, as the engine's calls name it and as the control plane's do.
_ACCOUNTS: Final = ("account_id", "account")
# Fields that name something and are nobody's personal data, besides those that end in _id and _ids.
_NAMES: Final = frozenset({"key", "table", "meter", "credit_type", "account", "from_account", "to_account"})

AuditedCall = Callable[[str], None]


def _not_audited(_: str) -> None:
    return


class Refusals:
    """Lines of one kind of refusals, of which only some are written in a second."""

    def __init__(self, file: AuditFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._second = 0
        self._in_second = 0
        self._left_out = 0

    def append(self, **facts: Any) -> None:
        """A line, or one more that the next line says was left out."""
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._in_second = second, 0
            self._in_second += 1
            if self._in_second > REFUSALS_PER_S:
                self._left_out += 1
                return
            left_out, self._left_out = self._left_out, 0
        if left_out:
            facts["left_out_before"] = left_out
        self._file.append(durable=False, **facts)


class Audit:
    """Writes lines of calls."""

    def __init__(self, file: AuditFile) -> None:
        self._file = file
        # Apart, so that strangers cannot hide what a known caller tried.
        self._refused = Refusals(file)
        self._strangers = Refusals(file)

    def call(
        self, path: str, right: Right, caller: Principal, request: message.Message | None, context: Credential
    ) -> AuditedCall:
        """What a worker thread tells the outcome to, once, when the work is done.

        A call without ``request`` names no account and nothing else that it concerns.
        """
        if right not in AUDITED:
            return _not_audited
        facts = {**_facts(path, context), "caller": caller.name, "account": _account_of(request)}
        if caller.key_id:
            facts["key"] = caller.key_id

        def ended(outcome: str) -> None:
            self._file.append(durable=right is Right.ADMIN, outcome=outcome, **facts, **_subjects(request))

        return ended

    def refused(self, path: str, right: Right, caller: Principal, context: Credential, reason: str) -> None:
        """A call of a known caller that did not come to its work."""
        if right in AUDITED:
            self._refused.append(
                **_facts(path, context), caller=caller.name, key=caller.key_id, outcome=reason
            )

    def stranger(self, call: str, credential: Credential, key_id: str) -> None:
        """A credential that let nobody in; ``key_id`` is of the key its text names, if it names one."""
        named = {"key": key_id} if key_id else {}
        self._strangers.append(**_facts(call, credential), **named, outcome="UNAUTHENTICATED")

    def close(self) -> None:
        """End the use; a later line opens the file again."""
        self._file.close()


def _facts(path: str, context: Credential) -> dict[str, Any]:
    return {"call": path, "peer": context.peer()}


def _account_of(request: message.Message | None) -> str:
    return next((str(getattr(request, each)) for each in _ACCOUNTS if hasattr(request, each)), "")


def _subjects(request: message.Message | None) -> dict[str, Any]:
    """What a call concerns, besides its account."""
    if request is None:
        return {}
    if request.DESCRIPTOR.name == "ExecuteCommandsRequest":
        return _commands(request.commands_json)  # type: ignore[attr-defined]
    found: dict[str, str] = {}
    for place, text in _ids(request):
        if place not in _ACCOUNTS and len(found) < NAMED_MAX:
            found[place] = text[:NAME_MAX]
    return {"subjects": found} if found else {}


def _ids(found: message.Message, path: str = "") -> Iterator[tuple[str, str]]:
    for field, value in found.ListFields():
        place = f"{path}{field.name}"
        if field.message_type is not None:
            if not field.is_repeated:
                yield from _ids(value, f"{place}.")
        elif field.type == field.TYPE_STRING:
            if field.name.endswith("_ids") and field.is_repeated:
                yield place, " ".join(each[:NAME_MAX] for each in value[:NAMED_MAX])
            elif not field.is_repeated and (field.name.endswith("_id") or field.name in _NAMES):
                yield place, value


class _Head(msgspec.Struct):
    """As much of a command as the log says."""

    type: str = ""
    account: str = ""


_HEADS: Final = msgspec.json.Decoder(list[_Head])


def _commands(group: bytes) -> dict[str, Any]:
    try:
        heads = _HEADS.decode(group)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {"commands": ["unreadable"]}
    named = [f"{each.type[:NAME_MAX]} {each.account[:NAME_MAX]}".rstrip() for each in heads[:NAMED_MAX]]
    return {"commands": named, "commands_total": len(heads)}
