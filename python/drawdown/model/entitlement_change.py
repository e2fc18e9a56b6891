"""What a watch of entitlements tells."""

import msgspec

from drawdown.model.results import CheckResult


class EntitlementChange(msgspec.Struct, frozen=True, kw_only=True):
    """One question's answer, new or changed."""

    index: int
    """Position of the question, from 0."""
    account: str
    meter: str
    check: CheckResult
