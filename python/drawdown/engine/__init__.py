"""The Rust balance engine, behind typed Python. The only room that imports ``drawdown._engine``.

No rule lives here: arguments become commands, answers become results, exceptions become the tree of
``drawdown.errors``. What is needed at full speed (``submit``, ``submit_check``, ``submit_checks``,
``check``) is handed out as the extension's own bound methods, whose exceptions ``translated`` maps.
"""

from drawdown._engine import (
    BatchEncoder,
    Check,
    LoadGenerator,
    Recorded,
    build_info,
    decode_ack,
    status_names,
)
from drawdown._engine import EngineError as RawEngineError
from drawdown.engine.answers import outcome
from drawdown.engine.facade import Engine
from drawdown.engine.folder import Restore, salvage_folder, verify_folder
from drawdown.engine.translate import translated, translating

__all__ = [
    "BatchEncoder",
    "Check",
    "Engine",
    "LoadGenerator",
    "RawEngineError",
    "Recorded",
    "Restore",
    "build_info",
    "decode_ack",
    "outcome",
    "salvage_folder",
    "status_names",
    "translated",
    "translating",
    "verify_folder",
]
