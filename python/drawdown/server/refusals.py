"""A command's refusal by rule as an error of a typed call, which has no status to answer it in."""

from typing import Final

from drawdown import errors, model
from drawdown.engine import Engine
from drawdown.model import commands
from drawdown.server.access import Principal

_KINDS: Final[dict[str, type[errors.DrawdownError]]] = {
    "INVALID": errors.InvalidRequestError,
    "ACCOUNT_UNKNOWN": errors.AccountNotFoundError,
    "EVENT_UNKNOWN": errors.EventNotFoundError,
    "GRANT_UNKNOWN": errors.GrantNotFoundError,
    "METER_UNKNOWN": errors.NotFoundError,
    "RESERVATION_UNKNOWN": errors.NotFoundError,
    "CONFLICT": errors.AlreadyExistsError,
}

_SENTENCES: Final[dict[str, str]] = {
    "ACCOUNT_UNKNOWN": "there is no such account; create it first",
    "GRANT_UNKNOWN": "the account has no such grant",
    "METER_UNKNOWN": "there is no such meter; create it first",
    "CONFLICT": "the id is taken with other content; nothing changed, use another id",
    "OVERFLOW": "a total would leave the signed 64-bit range; nothing changed",
}


def applied(result: model.CommandResult) -> model.CommandResult:
    """The result of a command that holds now (``OK`` or ``DUPLICATE``).

    Raises the fault that stands for any other status, with its ``reason`` and ``field``.
    """
    if result.applied:
        return result
    kind = _KINDS.get(result.status, errors.PreconditionError)
    message = result.reason or _SENTENCES.get(result.status, result.status)
    raise kind(message, reason=result.status, field=result.field)


def apply(engine: Engine, command: commands.Command, principal: Principal) -> model.CommandResult:
    """Apply one command for the caller; durable when it returns. Raises as ``applied`` does."""
    (result,) = engine.execute([command], account_prefix=principal.account_prefix)
    return applied(result)


def require_visible(account_id: str, principal: Principal) -> str:
    """The account id if the caller may see it.

    Raises ``AccountNotFoundError`` exactly as for an account that does not exist.
    """
    if not principal.sees(account_id):
        raise unknown_account(account_id)
    return account_id


def unknown_account(account_id: str) -> errors.AccountNotFoundError:
    """What a read of an absent or foreign account answers."""
    return errors.AccountNotFoundError(f"there is no account {account_id[:128]!r}; create it first")
