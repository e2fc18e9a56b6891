"""One thing of a catalog file, and what it may name."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from drawdown import errors
from drawdown.catalog.catalog_file import CatalogChange, CatalogDifference, differences, differing
from drawdown.catalog.plan import Plan
from drawdown.catalog.rate_card import RateCard
from drawdown.model.commands import Command
from drawdown.runtime.control.catalog_calls import as_written, priced_by, unknown_card


class Entry(NamedTuple):
    """One thing of a file: what becomes of it, what the engine is told, and what is stored with that."""

    change: CatalogChange
    commands: Sequence[Command] = ()
    store: Callable[[], object] = bool


class Known(NamedTuple):
    """What plans and packs may name: what there is, and what the file brings."""

    scales: dict[str, int]
    cards: dict[str, RateCard]
    """Every version by ``card@2``, and the newest by its name too."""
    products: set[str]

    def scale_of(self, credit_type: str) -> int:
        """Decimals of a credit type. Raises ``NotFoundError``."""
        if credit_type not in self.scales:
            raise errors.NotFoundError(
                f"there is no credit type {credit_type[:128]!r}; name it under credit_types",
                reason="CREDIT_TYPE_UNKNOWN",
                field="credit_type",
            )
        return self.scales[credit_type]

    def card_of(self, name: str) -> RateCard:
        """The newest version of a card, or the one that ``card@2`` says. Raises ``NotFoundError``."""
        if name not in self.cards:
            raise unknown_card(name)
        return self.cards[name]

    def priced(self, plan: Plan) -> Plan:
        """The plan with the prices that it has or would be published with."""
        if plan.rate_card in self.cards and not plan.rate_table:
            return priced_by(self.cards[plan.rate_card], plan)
        return plan

    def shown(self, plan: Plan) -> Plan:
        """The plan as written, and its prices."""
        priced = self.priced(plan)
        return msgspec.structs.replace(
            as_written(plan),
            rate_card=priced.rate_card,
            rates=priced.rates,
            rate_credit_type=priced.rate_credit_type,
        )


def compared(there: Any, wanted: Any) -> tuple[tuple[str, ...], tuple[CatalogDifference, ...]]:
    """Fields and values that differ; of what is new, none."""
    return ((), ()) if there is None else (differing(there, wanted), differences(there, wanted))
