"""A product: the family that plans belong to."""

from drawdown.errors import InvalidRequestError
from drawdown.model.ids import check_id
from drawdown.model.request import Value


class Product(Value, frozen=True):
    """Every plan belongs to exactly one."""

    product_id: str
    name: str
    description: str = ""
    signup_plan: str = ""
    """The plan that new accounts get; empty: none."""


def check_product(product: Product) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    check_id(product.product_id, "product_id")
    if not product.name:
        raise InvalidRequestError("name: a product has a name", field="name")
