"""Local checkpoints by time, beside the journal's own by size, so that a restart stays quick.

Budget: one checkpoint per interval, none where nothing was written since the last. After each, memory that
it and the messages since the last left free goes back to the system.
"""

from drawdown.engine import Engine
from drawdown.runtime.background import Background
from drawdown.runtime.memory import give_back_free_memory


class Checkpointer:
    """The background checkpoint by time."""

    def __init__(self, engine: Engine, *, interval_s: float) -> None:
        self._engine = engine
        self._interval_s = interval_s
        self._covered = engine.applied_seq()
        self._began = False
        self.background = Background("checkpointer", self.step, fault_pause_s=interval_s)

    def step(self) -> float:
        """One checkpoint if anything was written; answers the pause until the next."""
        if not self._began:
            self._began = True
            return self._interval_s
        applied = self._engine.applied_seq()
        if applied != self._covered:
            self._engine.checkpoint()
            self._covered = applied
            give_back_free_memory()
        return self._interval_s
