"""The threshold of an enabled recharge stands beside those that others set: who lists levels to be told of
does not switch the recharge off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from drawdown.model.credits import decimal_text
from drawdown.storage.sql import SqlDatabase

_Fields = dict[str, msgspec.Raw]

_KIND: Final = "set_thresholds"
_APPLIED: Final = ("OK", "DUPLICATE")


def with_recharge_thresholds(sql: SqlDatabase, group: bytes) -> bytes:
    """The group from outside, each list in it that replaces a pool's thresholds with that of its recharge.

    What cannot be understood is left as it is, for the engine to refuse.
    """
    # Where there are escapes, any command may be spelled so.
    if _KIND.encode() not in group and b"\\" not in group:
        return group
    try:
        sent = msgspec.json.decode(group, type=list[_Fields])
        lists = list(_lists_in(sent))
    except msgspec.DecodeError:
        return group
    if not lists:
        return group
    with sql.transaction() as work:
        for fields, account, credit_type, thresholds in lists:
            found = work.recharges.get(account=account, credit_type=credit_type)
            if found is not None and found.rule.enabled:
                kept = msgspec.json.encode(decimal_text(found.rule.threshold, "threshold"))
                fields["thresholds"] = msgspec.Raw(msgspec.json.encode([*thresholds, msgspec.Raw(kept)]))
    return msgspec.json.encode(sent)


def note_levels(sql: SqlDatabase, group: bytes, outcomes: bytes) -> None:
    """A level of the recharge that a list names too is the caller's from then on, else the recharge's alone.

    Of the group as ``with_recharge_thresholds`` gave it, and only where the engine took the list.
    """
    if _KIND.encode() not in group:
        return
    applied = [each.get("status") in _APPLIED for each in msgspec.json.decode(outcomes)]
    sent = msgspec.json.decode(group, type=list[_Fields])
    taken = [fields for fields, is_applied in zip(sent, applied, strict=True) if is_applied]
    with sql.transaction() as work:
        for _, account, credit_type, thresholds in _lists_in(taken):
            found = work.recharges.get(account=account, credit_type=credit_type)
            if found is None or not found.rule.enabled:
                continue
            # The recharge's own was added behind the caller's.
            is_callers = _has_level(thresholds[:-1], found.rule.threshold)
            if is_callers != found.standing.level_is_callers:
                standing = msgspec.structs.replace(found.standing, level_is_callers=is_callers)
                work.recharges.put(msgspec.structs.replace(found, standing=standing))


def _has_level(thresholds: Sequence[msgspec.Raw], level: Decimal) -> bool:
    """Whether a list names the level itself, however it is written."""
    for each in thresholds:
        try:
            if Decimal(msgspec.json.decode(each, type=str)) == level:
                return True
        except (msgspec.ValidationError, InvalidOperation):
            # A percentage, or what the engine will refuse.
            continue
    return False


def _lists_in(sent: list[_Fields]) -> Iterator[tuple[_Fields, str, str, list[msgspec.Raw]]]:
    """The commands that set thresholds: their fields, account, credit type and list."""
    for fields in sent:
        if "type" in fields and msgspec.json.decode(fields["type"]) == _KIND:
            names = (fields.get(name, msgspec.Raw(b"null")) for name in ("account", "credit_type"))
            account, credit_type = (msgspec.json.decode(each, type=str) for each in names)
            thresholds = msgspec.json.decode(
                fields.get("thresholds", msgspec.Raw(b"null")), type=list[msgspec.Raw]
            )
            yield fields, account, credit_type, thresholds
