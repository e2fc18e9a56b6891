"""The feed of notices, as methods."""

from __future__ import annotations

from collections.abc import Iterable

from drawdown.client.control.door import ControlDoor
from drawdown.notices import requests


class NoticeMethods(ControlDoor):
    """What changed."""

    def notices(
        self, account: str = "", *, kinds: Iterable[str] = (), after: int = 0, limit: int = 100
    ) -> requests.NoticePage:
        """A page of notices, oldest first; ask again with ``after=page.next``.

        ``kinds`` like ``balance.low`` or ``balance.*``. Raises ``InvalidRequestError`` for an unknown one.
        """
        answer: requests.NoticePage = self.control(
            requests.ListNotices(account=account, kinds=tuple(kinds), after=after, limit=limit)
        )
        return answer
