"""Everything a process needs around one open engine, in the order it starts and stops.

::

    open and recover → control plane → scheduler, sweeper, checkpointer, snapshotter → (serve)
    → stop those → close the control plane → close the engine

What is written to Redis is never waited for, neither at the start nor at the end.
"""

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from drawdown.config import Config
from drawdown.engine import Engine
from drawdown.runtime.background import Background
from drawdown.runtime.checkpointer import Checkpointer
from drawdown.runtime.control.opening import open_control
from drawdown.runtime.control.relay import Relay
from drawdown.runtime.control.retention import retention_of
from drawdown.runtime.control.runway_watch import runway_watch_of
from drawdown.runtime.control.scheduler import Scheduler
from drawdown.runtime.control.webhooks import Webhooks
from drawdown.runtime.sweeper import Sweeper

if TYPE_CHECKING:
    from drawdown.runtime.snapshotter import Snapshotter

_log = logging.getLogger("drawdown.runtime")


class App:
    """One open engine with its background work."""

    def __init__(self, config: Config) -> None:
        """Open the folder and recover; raises what ``Engine.open`` raises, and ``ConfigError``."""
        process = config.process
        if process.redis:
            from drawdown.storage import check_url

            check_url(process.redis)
        began = time.monotonic()
        self.engine = Engine.open(process.data, config.engine_settings())
        self.recovered_seq = self.engine.durable_seq()
        self.recovery_s = time.monotonic() - began
        _log.info(
            "recovered",
            extra={
                "data": os.path.abspath(process.data),
                "store_id": self.engine.store_id(),
                "seq": self.recovered_seq,
                "seconds": round(self.recovery_s, 3),
            },
        )
        if process.redis:
            from drawdown.runtime.snapshotter import require_only_owner

            require_only_owner(self.engine, process)
        if process.fsync != "always":
            _log.warning(
                "answers do not wait for the disk: events since the last flush are lost in a power cut",
                extra={"fsync": process.fsync},
            )
        self.sweeper = Sweeper(
            self.engine,
            interval_s=process.sweep_interval_ms / 1000,
            grants=process.sweep_grants,
            share_percent=process.sweep_share_percent,
            is_held=lambda: self.scheduler.behind,
        )
        self.control = open_control(
            self.engine,
            process,
            config.engine,
            recovered_seq=self.recovered_seq,
        )
        self.scheduler = Scheduler(
            self.control,
            interval_s=process.scheduler_interval_ms / 1000,
            jobs=process.scheduler_jobs,
            share_percent=process.scheduler_share_percent,
        )
        self.relay = Relay(self.control)
        self.webhooks = Webhooks(self.control)
        self.runway_watch = runway_watch_of(self.control, process)
        self.retention = retention_of(self.control, process)
        self.checkpointer = (
            Checkpointer(self.engine, interval_s=process.checkpoint_interval_s)
            if process.checkpoint_interval_s
            else None
        )
        self.snapshotter = _snapshotter_of(self.engine, config) if process.redis else None

    def background(self) -> list[Background]:
        """What runs beside the calls."""
        found = [
            self.relay.background,
            self.webhooks.background,
            self.scheduler.background,
            self.sweeper.background,
        ]
        if self.runway_watch is not None:
            found.append(self.runway_watch.background)
        if self.retention is not None:
            found.append(self.retention.background)
        if self.checkpointer is not None:
            found.append(self.checkpointer.background)
        if self.snapshotter is not None:
            found.append(self.snapshotter.background)
        return found

    def start(self) -> None:
        """Start the background work."""
        for each in self.background():
            each.start()

    def close(self) -> None:
        """Stop the background work, flush, checkpoint, unlock."""
        for each in self.background():
            each.stop()
        self.webhooks.stop()
        if self.snapshotter is not None:
            self.snapshotter.close()
        self.control.close()
        self.engine.close()

    def stats(self) -> dict[str, Any]:
        """Figures of the process, besides the engine's."""
        figures: dict[str, Any] = {
            "pid": os.getpid(),
            "cpu_s": time.process_time(),
            "recovered_seq": self.recovered_seq,
            "recovery_s": self.recovery_s,
            "sweeper_booked": self.sweeper.booked,
            "background": {
                each.name: {"steps": each.steps, "faults": each.faults, "busy_s": each.busy_s}
                for each in self.background()
            },
        }
        figures["control"] = self.control.stats()
        if self.snapshotter is not None:
            figures["snapshot"] = self.snapshotter.stats()
        return figures


def _snapshotter_of(engine: Engine, config: Config) -> "Snapshotter":
    # Not imported before it is wanted: Redis' client is a tenth of a start.
    from drawdown.runtime.snapshotter import Snapshotter
    from drawdown.storage import open_snapshot_store

    store = open_snapshot_store(config.process)
    return Snapshotter(engine, store, config.process, early_margin_s=config.engine.early_margin_s)
