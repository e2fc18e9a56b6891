"""Commands say what was given and leave the rest to the engine's defaults."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from drawdown.errors import InvalidRequestError
from drawdown.model import commands


def as_json(*group: commands.Command) -> object:
    return msgspec.json.decode(commands.encode_group(group))


def test_a_command_carries_its_type_and_only_what_was_given() -> None:
    grant = commands.grant_input("g", "credits", Decimal("1.50"), expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert as_json(commands.CreateGrant(account="acme", grant=grant)) == [
        {
            "type": "create_grant",
            "account": "acme",
            "grant": {
                "grant_id": "g",
                "credit_type": "credits",
                "amount": "1.50",
                "expires_at": 1893456000000000,
            },
        }
    ]


def test_tiers_keep_their_order_and_the_open_end() -> None:
    rate = commands.set_rate(
        table="t", meter="m", credit_type="c", tiers=[(10, "1"), (None, "0.5")], per=1000
    )
    assert as_json(rate) == [
        {
            "type": "set_rate",
            "table": "t",
            "meter": "m",
            "credit_type": "c",
            "tiers": [{"credits": "1", "up_to": "10"}, {"credits": "0.5"}],
            "per": "1000",
        }
    ]


@pytest.mark.parametrize("price", [{}, {"credits": "1", "tiers": [(None, "1")]}])
def test_a_rate_is_flat_or_tiered(price: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError, match="exactly one of credits and tiers"):
        commands.set_rate(table="t", meter="m", credit_type="c", **price)  # type: ignore[arg-type]


@pytest.mark.parametrize("parts", [{}, {"at_most": 1, "minus": 1}])
def test_a_formula_has_one_form(parts: dict[str, int]) -> None:
    with pytest.raises(InvalidRequestError, match="exactly one"):
        commands.formula("old", **parts)


def test_a_scope_is_a_list_not_a_text() -> None:
    with pytest.raises(InvalidRequestError, match="list of meters"):
        commands.grant_input("g", "c", 1, scope="tokens")
