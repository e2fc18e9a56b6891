"""A rate card: prices of meters in credits under a name, one version after the other.

A plan that names a card pins the version of the day on which it is published, or the one that it names as
``card@2``; later versions are for plans published later.
"""

from drawdown.catalog.plan import MeterRate, check_meter_rates
from drawdown.errors import InvalidRequestError
from drawdown.model.ids import check_id
from drawdown.model.request import Value


class RateCard(Value, frozen=True):
    """One version of a rate card."""

    card_id: str
    credit_type: str
    rates: tuple[MeterRate, ...] = ()
    version: int = 1
    rate_table: str = ""
    """The engine's rate table of this version; accounts can be assigned to it directly."""

    @property
    def key(self) -> str:
        """Id and version, as a plan names it."""
        return f"{self.card_id}@{self.version}"


def check_card(card: RateCard) -> None:
    """Raises ``InvalidRequestError`` naming the field; two rates of one meter and match are one too many."""
    check_id(card.card_id, "card_id")
    if "@" in card.card_id:
        raise InvalidRequestError("card_id: '@' separates id and version", field="card_id")
    if not card.rates:
        raise InvalidRequestError("rates: a card needs at least one", field="rates")
    check_meter_rates(card.rates, "rates")
