"""Open the control plane beside an open engine, with everything delivered that a crash left behind."""

from drawdown.config import ProcessConfig
from drawdown.engine import Engine
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.storage.sql import open_sql


def open_control(engine: Engine, process: ProcessConfig, *, recovered_seq: int) -> ControlPlane:
    """The control plane of this folder.

    Raises ``ConfigError`` (a URL it cannot use), ``UnavailableError`` (the database cannot be reached).
    """
    plane = ControlPlane(engine, open_sql(process.db, process.data))
    plane.recover(recovered_seq)
    return plane
