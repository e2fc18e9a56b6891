"""Rights of the JSON surface, which are those of what is asked.

Whatever is not listed here needs more rights, not fewer: a new kind of command or read is closed until
somebody says otherwise.
"""

from typing import Any, Final

import msgspec

from drawdown import errors
from drawdown.server.access import Principal, Right
from drawdown.server.scale_facts import SCALE_QUERIES, scale_facts

# Kinds that change what all accounts share.
CATALOG_COMMANDS: Final = frozenset({"create_credit_type", "create_meter", "set_rate", "set_feature"})
# Reads that show nothing of any account.
CATALOG_QUERIES: Final = frozenset({"catalog"})
# Reads of one account: they answer of the account they name, and of no other.
ACCOUNT_QUERIES: Final = frozenset(
    {
        "account",
        "balance",
        "balances",
        "conservation",
        "explain",
        "grant",
        "grants",
        "ledger",
        "reservations",
        "usage_event",
    }
)
ACCOUNT_LISTS: Final = frozenset({"accounts"})

# No account has it: an id is printable.
NOBODY: Final = "\x00"
_NOBODY_JSON: Final = b'"\\u0000"'


# What a decoder says of bytes that are no JSON: also of text that is no UTF-8, and of nests too deep.
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def require_commands(group: bytes, caller: Principal) -> None:
    """Raises ``PermissionDeniedError`` where a command of the group needs more than the caller has.

    So does what cannot be read here: only an administrator may send the engine what nobody has judged.
    """
    if Right.ADMIN in caller.rights:
        return
    try:
        found: Any = msgspec.json.decode(group)
    except _UNREADABLE:
        found = None
    if not isinstance(found, list) or not all(_concerns_one_account(command) for command in found):
        caller.require(Right.ADMIN)


def _concerns_one_account(command: Any) -> bool:
    if not isinstance(command, dict):
        return False
    kind, account = command.get("type"), command.get("account")
    return (
        isinstance(kind, str) and kind not in CATALOG_COMMANDS and isinstance(account, str) and account != ""
    )


def permitted_query(query: bytes, caller: Principal) -> bytes:
    """The query as this caller may ask it; a foreign account becomes one that is not there.

    Raises ``PermissionDeniedError``, and ``InvalidRequestError`` for what is no JSON object with a ``type``.
    """
    if Right.READ not in caller.rights and _kind_of(query) not in SCALE_QUERIES:
        caller.require(Right.READ)
    try:
        asked: Any = msgspec.json.decode(query)
    except _UNREADABLE as raised:
        raise errors.InvalidRequestError("query_json: cannot be read as JSON", field="query_json") from raised
    if not isinstance(asked, dict):
        raise errors.InvalidRequestError("query_json: not a JSON object", field="query_json")
    kind, account = asked.get("type"), asked.get("account")
    if not isinstance(kind, str):
        caller.require(Right.ADMIN)
        raise errors.InvalidRequestError(
            "query_json: the query needs a text field 'type'", field="query_json"
        )
    if kind in ACCOUNT_QUERIES and isinstance(account, str) and account:
        # Encoded anew: what was judged is what is asked, whatever a key given twice would have meant.
        return msgspec.json.encode(asked if caller.sees(account) else asked | {"account": NOBODY})
    if kind in CATALOG_QUERIES:
        return msgspec.json.encode(asked)
    if kind not in ACCOUNT_LISTS:
        caller.require(Right.ADMIN)
        return msgspec.json.encode(asked)
    return _within(asked, caller.account_prefix)


def shown_answer(answer: bytes, query: bytes, caller: Principal) -> bytes:
    """As much of the answer to a permitted query as this caller may see, with the name that was asked for."""
    named = with_its_name(answer, query)
    return named if Right.READ in caller.rights else scale_facts(_kind_of(query), named)


def _kind_of(query: bytes) -> str:
    """What a query asks for; empty where that cannot be read."""
    try:
        asked: Any = msgspec.json.decode(query)
    except _UNREADABLE:
        return ""
    kind = asked.get("type") if isinstance(asked, dict) else None
    return kind if isinstance(kind, str) else ""


def with_its_name(answer: bytes, query: bytes) -> bytes:
    """The answer about nobody as the one about the account that was asked for."""
    if _NOBODY_JSON not in answer:
        return answer
    account = msgspec.json.decode(query).get("account")
    return answer.replace(_NOBODY_JSON, msgspec.json.encode(account)) if account else answer


def _within(asked: dict[str, Any], prefix: str) -> bytes:
    """The list of accounts cut down to the caller's prefix."""
    wanted = asked.get("prefix") or ""
    if not isinstance(wanted, str):
        raise errors.InvalidRequestError("prefix: give text", field="prefix")
    if prefix.startswith(wanted):
        asked["prefix"] = prefix
    elif not wanted.startswith(prefix):
        # Nothing can match both.
        asked["prefix"] = NOBODY
    return msgspec.json.encode(asked)
