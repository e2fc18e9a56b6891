"""A product: the family that plans belong to."""

from drawdown.model.request import Value


class Product(Value, frozen=True):
    """Every plan belongs to exactly one."""

    product_id: str
    name: str
    description: str = ""
    signup_plan: str = ""
    """The plan that new accounts get; empty: none."""
