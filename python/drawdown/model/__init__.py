"""Words: ids, credits, instants, statuses, commands and results.

Everything here is a value or a pure function: no I/O, no clock except ``instants.now_us``, no
import of another room. Amounts are ``decimal.Decimal`` towards people and integers of the credit
type's smallest unit towards the engine; floats are refused.
"""

from drawdown.model.credits import AmountLike, credits_from_units, decimal_text, units_from_credits
from drawdown.model.entitlement_change import EntitlementChange
from drawdown.model.ids import check_id, new_event_id
from drawdown.model.instants import InstantLike, instant_from_us, now_us, us_from_instant
from drawdown.model.ledger import (
    AppliedRate,
    Explanation,
    GrantDraw,
    IndexProgress,
    LedgerEntry,
    LedgerPage,
    UsageRecord,
)
from drawdown.model.money import Money
from drawdown.model.reservation_results import (
    CorrectionResult,
    OpenReservation,
    ReleaseResult,
    ReservationResult,
    SettleResult,
)
from drawdown.model.results import (
    Account,
    Balance,
    Catalog,
    Change,
    CheckResult,
    CommandResult,
    Conservation,
    CreditType,
    Crossing,
    Grant,
    Meter,
    Rate,
    RateTable,
    UsageResult,
)
from drawdown.model.status import STATUS_NAMES, is_applied, is_refusal

__all__ = [
    "STATUS_NAMES",
    "Account",
    "AmountLike",
    "AppliedRate",
    "Balance",
    "Catalog",
    "Change",
    "CheckResult",
    "CommandResult",
    "Conservation",
    "CorrectionResult",
    "CreditType",
    "Crossing",
    "EntitlementChange",
    "Explanation",
    "Grant",
    "GrantDraw",
    "IndexProgress",
    "InstantLike",
    "LedgerEntry",
    "LedgerPage",
    "Meter",
    "Money",
    "OpenReservation",
    "Rate",
    "RateTable",
    "ReleaseResult",
    "ReservationResult",
    "SettleResult",
    "UsageRecord",
    "UsageResult",
    "check_id",
    "credits_from_units",
    "decimal_text",
    "instant_from_us",
    "is_applied",
    "is_refusal",
    "new_event_id",
    "now_us",
    "units_from_credits",
    "us_from_instant",
]
