"""Usage metering and prepaid credits: durable, exactly-once, atomic debits at millions per second.

``drawdown.open(path)`` embeds the engine in this process; ``drawdown.connect("host:port")`` gives
the same interface over gRPC, ``drawdown.aio.connect`` the same awaited. Nothing heavy is imported
until one of them is used.
"""

from typing import TYPE_CHECKING, Any

from drawdown.errors import (
    AccountNotFoundError,
    AlreadyExistsError,
    ConfigError,
    CorruptDataError,
    DrawdownError,
    EngineHaltedError,
    EventNotFoundError,
    FolderLockedError,
    GrantNotFoundError,
    InternalError,
    InvalidRequestError,
    NotEntitledError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    PreconditionError,
    ReadOnlyError,
    SnapshotError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from drawdown.client.entitled import requires, use
    from drawdown.client.sync import connect
    from drawdown.client.tls import Tls
    from drawdown.embedded import open

_LAZY = {
    "open": ("drawdown.embedded", "open"),
    "connect": ("drawdown.client.sync", "connect"),
    "requires": ("drawdown.client.entitled", "requires"),
    "use": ("drawdown.client.entitled", "use"),
    "Tls": ("drawdown.client.tls", "Tls"),
    "aio": ("drawdown.aio", None),
    "model": ("drawdown.model", None),
    "commands": ("drawdown.model.commands", None),
}

__all__ = [
    "AccountNotFoundError",
    "AlreadyExistsError",
    "ConfigError",
    "CorruptDataError",
    "DrawdownError",
    "EngineHaltedError",
    "EventNotFoundError",
    "FolderLockedError",
    "GrantNotFoundError",
    "InternalError",
    "InvalidRequestError",
    "NotEntitledError",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "PreconditionError",
    "ReadOnlyError",
    "SnapshotError",
    "Tls",
    "UnauthenticatedError",
    "UnavailableError",
    "connect",
    "open",
    "requires",
    "use",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("drawdown")
    if name not in _LAZY:
        raise AttributeError(f"module 'drawdown' has no attribute {name!r}")
    import importlib

    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    value = loaded if attribute is None else getattr(loaded, attribute)
    globals()[name] = value
    return value
