"""A question that no message can hold: which of its values is at fault."""

from __future__ import annotations

from drawdown.errors import InvalidRequestError


def wrong_question(
    account: object, meter: object, quantity: object, raised: Exception
) -> InvalidRequestError:
    """The error to raise for a check that could not be put into a message; ``raised`` says how that ended."""
    for field, value in (("account", account), ("meter", meter)):
        if not isinstance(value, str):
            return InvalidRequestError(f"{field}: an id is text, not {type(value).__name__}", field=field)
        if not is_utf8(value):
            return InvalidRequestError(f"{field}: {not_utf8(value)}", field=field)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not -(2**63) <= quantity < 2**63:
        return InvalidRequestError(
            f"quantity: {quantity!r} is not a whole number of 64 bits", field="quantity"
        )
    return InvalidRequestError(f"dimensions: {raised}", field="dimensions")


def is_utf8(text: str) -> bool:
    """Whether a message or a journal could hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def not_utf8(text: str) -> str:
    """What to say of a text that is not."""
    return f"{text!r} has no form in UTF-8: it holds one half of a surrogate pair"
