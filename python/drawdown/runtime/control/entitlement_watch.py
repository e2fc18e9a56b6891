"""What an account may use, compared with what it could use before: ``entitlement.changed``.

A meter may be used where a check of quantity 1 at its default price says so; a feature where a live plan
has it. Flips between two looks are one change, or none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from drawdown import errors
from drawdown.runtime.control.feature_calls import features_of
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.change_book import Usable

# With more meters than this, a look at each of them on every change would cost too much.
METERS_MAX: Final = 256


def look_again(step: Step, accounts: Iterable[str]) -> None:
    """Tell of the accounts that may use something else than when they were last looked at."""
    wanted = sorted(set(accounts))
    if not wanted:
        return
    meters = [each.key for each in step.engine.catalog().meters][:METERS_MAX]
    known = step.work.changes.usable(wanted)
    subscribed = step.work.changes.subscribed(wanted)
    changed: dict[str, Usable] = {}
    for account in wanted:
        before = known.get(account, Usable())
        now = _usable(step, account, meters, has_plans=account in subscribed)
        if now == before:
            continue
        changed[account] = now
        _tell(step, account, before, now)
    step.work.changes.put_usable(changed)


def _usable(step: Step, account: str, meters: list[str], *, has_plans: bool) -> Usable:
    allowed = tuple(meter for meter in meters if step.engine.check(account, meter).allowed)
    if not has_plans:
        return Usable(meters=allowed)
    try:
        features = features_of(step, account)
    except errors.NotFoundError:
        return Usable(meters=allowed)
    return Usable(
        meters=allowed,
        features={name: each.value for name, each in sorted(features.items()) if each.allowed},
    )


def _tell(step: Step, account: str, before: Usable, now: Usable) -> None:
    parts: dict[str, Any] = {
        "meters_gained": sorted(set(now.meters) - set(before.meters)),
        "meters_lost": sorted(set(before.meters) - set(now.meters)),
        "features_gained": sorted(now.features.keys() - before.features.keys()),
        "features_lost": sorted(before.features.keys() - now.features.keys()),
        "features_changed": sorted(
            name
            for name in now.features.keys() & before.features.keys()
            if now.features[name] != before.features[name]
        ),
    }
    step.decision.notice(
        "entitlement.changed", account, **{key: names for key, names in parts.items() if names}
    )
