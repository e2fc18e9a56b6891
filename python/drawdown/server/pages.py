"""Page sizes and tokens of list calls. A token is the last id of the page before."""

from typing import Final

from drawdown.errors import InvalidRequestError
from drawdown.model.ids import check_id

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1000


def page_size(asked: int) -> int:
    """Entries per page: 0 means 100; more than 1000 are 1000. Raises ``InvalidRequestError`` below 0."""
    if asked < 0:
        raise InvalidRequestError(f"page_size: {asked} is negative", field="page_size")
    return min(asked or PAGE_DEFAULT, PAGE_MAX)


def page_of(token: str) -> str | None:
    """The id that the page begins behind; ``None`` at the start."""
    return check_id(token, "page_token") if token else None
