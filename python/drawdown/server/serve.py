"""``drawdown serve``: recover, listen, serve, drain.

Exit codes: 0 drained · 64 a setting is wrong · 65 stored bytes are damaged, or the snapshot in Redis holds
more than the journal · 69 the port cannot be had · 75 the folder, or its store in Redis, is another
process's · 128 + n a further signal n cut the closing short (nothing acknowledged is lost by that). The
engine itself ends the process with 70 (a fault of this software) and 74 (the disk failed), so that nothing
is answered after either.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import grpc
import msgspec
from google.protobuf import descriptor_pool
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from drawdown import errors
from drawdown.config import Config
from drawdown.runtime.app import App
from drawdown.runtime.logs import start_logging
from drawdown.runtime.memory import keep_message_buffers
from drawdown.runtime.new_store import require_store
from drawdown.server import entitlement_service, usage_service
from drawdown.server.access_control import AccessControl
from drawdown.server.account_service import AccountService
from drawdown.server.admin_service import AdminService
from drawdown.server.arrivals import Arrivals, begun_calls
from drawdown.server.catalog_service import CatalogService
from drawdown.server.context import Handler
from drawdown.server.control_service import control_services
from drawdown.server.durability import Durability
from drawdown.server.entitlement_service import EntitlementService
from drawdown.server.gate import Gate
from drawdown.server.grant_service import GrantService
from drawdown.server.grpc_listener import GrpcListener
from drawdown.server.method_table import MethodTable
from drawdown.server.metrics import serve_metrics
from drawdown.server.notice_watch_service import NoticeWatchService
from drawdown.server.open_calls import OpenCalls
from drawdown.server.options import require_safe
from drawdown.server.receptions import Receptions
from drawdown.server.reservation_service import ReservationKeeper, ReservationService, ReservationSessions
from drawdown.server.tls import server_credentials
from drawdown.server.typed import TypedCalls, TypedService
from drawdown.server.usage_record_service import UsageRecordService
from drawdown.server.usage_service import UsageService
from drawdown.server.watch_service import WatchService
from drawdown.v1 import entitlement_pb2, usage_pb2

if TYPE_CHECKING:
    from drawdown.server.http.listener import HttpListener

_log = logging.getLogger("drawdown.server")

# The loop's thread gets the interpreter back from a background thread within this, not Python's 5 ms:
# it needs it after every batch.
SWITCH_S: Final = 0.0002

# Callers stop sending within this of their stream's end.
FAREWELL_S: Final = 0.3

EXIT_DRAINED: Final = 0
EXIT_USAGE: Final = 64
EXIT_CORRUPT: Final = 65
EXIT_UNAVAILABLE: Final = 69
EXIT_LOCKED: Final = 75


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; answers the exit code.

    Prints one JSON line on stdout when SERVING: ``{"listening": "127.0.0.1:7070", "metrics": …}``.
    """
    start_logging(config.process.log_level)
    keep_message_buffers()
    sys.setswitchinterval(SWITCH_S)
    try:
        require_safe(config.process)
        require_fast_protobuf()
        require_store(config.process)
        tls = server_credentials(config.process)
        control = AccessControl(config.process)
        app = _opened(config, control)
    except (errors.FolderLockedError, errors.SnapshotFencedError) as raised:
        return _refuse(raised, EXIT_LOCKED)
    except (errors.CorruptDataError, errors.SnapshotAheadError) as raised:
        return _refuse(raised, EXIT_CORRUPT)
    except (errors.ConfigError, errors.InvalidRequestError, errors.SnapshotForeignError) as raised:
        return _refuse(raised, EXIT_USAGE)
    except (errors.DrawdownError, OSError) as raised:
        return _refuse(raised, EXIT_UNAVAILABLE)
    try:
        with asyncio.Runner(loop_factory=_loop_factory(config)) as runner:
            return runner.run(Server(app, config, control, tls).serve())
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _exit_at_once)
        app.close()


def _opened(config: Config, control: AccessControl) -> App:
    """Engine, control plane and keys, open; raises what any of them does, and then holds nothing."""
    app = App(config)
    try:
        # Only now: a server that the folder's lock refuses would change the pepper of the one that serves.
        control.begin()
    except BaseException:
        app.close()
        raise
    return app


def _exit_at_once(number: int, _: Any) -> None:
    """A signal while the engine closes: what was acknowledged is on disk already."""
    os._exit(128 + number)


def _refuse(raised: Exception, code: int) -> int:
    _log.error("cannot serve: %s", raised, extra={"exit_code": code})
    return code


def _loop_factory(config: Config) -> Any:
    if config.process.uvloop:
        try:
            import uvloop
        except ImportError:
            _log.info("uvloop is not installed; using asyncio's own loop")
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


def require_fast_protobuf() -> None:
    """Raises ``ConfigError`` under protobuf's pure-Python backend: it is slow and recurses without bound."""
    backend = api_implementation.Type()
    if backend != "upb":
        raise errors.ConfigError(
            f"protobuf runs on its {backend!r} backend; install a protobuf wheel with upb and unset "
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
        )


def _merged(parts: list[tuple[str, dict[str, Handler]]]) -> dict[str, dict[str, Handler]]:
    """Handlers by service. Raises ``RuntimeError`` where a schema's call has none, or two."""
    merged: dict[str, dict[str, Handler]] = {}
    for name, handlers in parts:
        known = merged.setdefault(name, {})
        if twice := known.keys() & handlers.keys():
            raise RuntimeError(f"{name}: two handlers of {sorted(twice)}")
        known.update(handlers)
    pool = descriptor_pool.Default()
    for name, handlers in merged.items():
        wanted = {method.name for method in pool.FindServiceByName(name).methods}
        if wanted != handlers.keys():
            raise RuntimeError(f"{name}: without a handler or unknown: {sorted(wanted ^ handlers.keys())}")
    return merged


class Server:
    """One gRPC server over one open engine."""

    def __init__(
        self, app: App, config: Config, control: AccessControl, tls: grpc.ServerCredentials | None
    ) -> None:
        self._app = app
        self._config = config
        self._control = control
        self._tls = tls
        self._http: HttpListener | None = None
        self._signals = 0
        self._draining = asyncio.Event()
        self._stop_at_once = asyncio.Event()

    async def serve(self) -> int:
        """Serve until told to stop; answers the exit code."""
        app, process = self._app, self._config.process
        loop = asyncio.get_running_loop()
        access = self._control.access
        durability = Durability(app.engine, loop)
        self._arrivals = Arrivals(begun_calls())
        self._receptions = Receptions(loop)
        self._open_calls = OpenCalls()
        self._usage = UsageService(
            app.engine,
            durability,
            access,
            self._arrivals,
            self._receptions,
            window_batches=process.window_batches,
        )
        self._sessions = ReservationSessions(app.engine)
        self._keeper = ReservationKeeper(app.engine, access, self._sessions)
        self._typed = TypedCalls(
            access,
            self._control.audit,
            threads=process.control_threads,
            calls_max=process.control_calls_max,
        )
        self._watches = WatchService(app.engine, durability, access)
        self._notice_watches = NoticeWatchService(app.control, access, loop)
        self._health = health.aio.HealthServicer()
        table, names = self._registered(EntitlementService(app.engine, durability, access))
        self._listener = GrpcListener(process, self._tls, table)
        try:
            listening = self._listener.bind()
            self._http = self._http_listener(durability)
            metrics = self._serve_metrics()
        except errors.ConfigError as raised:
            return _refuse(raised, EXIT_USAGE)
        except OSError as raised:
            return _refuse(raised, EXIT_UNAVAILABLE)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        app.start()
        self._control.start(self._need_keys)
        await self._listener.start()
        if self._http is not None:
            await self._http.start()
        for name in ("", *names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        # What was made so far lives as long as the process: the collector need not walk it again.
        gc.collect()
        gc.freeze()
        self._announce(
            listening=listening, http=None if self._http is None else self._http.address, metrics=metrics
        )
        code = EXIT_DRAINED
        try:
            await self._listener.keep(self._draining)
        except OSError as raised:
            code = _refuse(raised, EXIT_UNAVAILABLE)
        await self._drain()
        durability.close()
        self._notice_watches.close()
        self._control.close()
        return code

    def _registered(self, entitlement: EntitlementService) -> tuple[MethodTable, list[str]]:
        hot: list[tuple[str, Any]] = [
            (usage_service.SERVICE, self._usage.handlers()),
            (entitlement_service.SERVICE, entitlement.handlers()),
        ]
        app = self._app
        typed: tuple[TypedService, ...] = (
            ReservationService(app.engine, self._sessions),
            UsageRecordService(app.engine),
            *control_services(
                app.control,
                AccountService(app.engine),
                GrantService(app.engine),
                CatalogService(app.engine),
                AdminService(
                    app.engine,
                    snapshot_now=None if app.snapshotter is None else app.snapshotter.take_now,
                    server_stats=self.stats,
                    execute=app.control.execute_json,
                    keys=self._control.keys,
                ),
            ),
        )
        streams: list[tuple[str, dict[str, Handler]]] = [
            *self._watches.handlers(),
            self._notice_watches.handlers(),
            (
                entitlement_service.SERVICE,
                {"KeepReservations": grpc.unary_stream_rpc_method_handler(self._keeper.keep_reservations)},
            ),
        ]
        self._handlers = _merged(hot + streams + [self._typed.handler_of(service) for service in typed])
        self._table = MethodTable(self._arrivals, self._open_calls)
        self._fill_table()
        return self._table, list(self._handlers)

    def _fill_table(self) -> None:
        table, gate = self._table, self._gate()
        table.opened = None if gate is None else gate.open
        for name, handlers in self._handlers.items():
            table.add(name, handlers if gate is None else gate.behind(name, handlers))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, table)
        # Reflection reads descriptors of every file from the default pool; importing them fills it.
        assert usage_pb2.DESCRIPTOR.package == entitlement_pb2.DESCRIPTOR.package
        if self._config.process.reflection:
            shown = (*self._handlers, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
                reflection.aio.ReflectionServicer(shown), table
            )

    def _need_keys(self) -> None:
        """The folder's first key was made: methods as if the server had been started with it."""
        self._handlers[usage_service.SERVICE].update(self._usage.handlers())
        self._fill_table()
        self._usage.end_streams()

    def _gate(self) -> Gate | None:
        """``None`` where everybody who can connect may do everything."""
        if self._control.access.is_open:
            return None
        return Gate(
            self._control.access,
            self._receptions,
            asyncio.get_running_loop(),
            streams_max=self._config.process.key_streams_max,
        )

    def _serve_metrics(self) -> str | None:
        if not self._config.process.metrics:
            return None
        _, address = serve_metrics(
            self._config.process.metrics,
            {"engine": self._app.engine.stats, "server": self.stats},
        )
        return address

    def _http_listener(self, durability: Durability) -> "HttpListener | None":
        """The door for callers without gRPC, bound. Raises ``ConfigError`` where its extra is missing."""
        process = self._config.process
        if not process.http:
            return None
        try:
            from drawdown.server.http.callback_calls import CallbackCalls
            from drawdown.server.http.http_calls import HttpCalls
            from drawdown.server.http.listener import HttpListener
        except ModuleNotFoundError as raised:
            raise errors.ConfigError(
                f"http: needs {raised.name}; install the extra: pip install 'drawdown[http]'", field="http"
            ) from raised
        calls = HttpCalls(
            self._app.engine,
            durability,
            self._control.access,
            self._config.event_types,
            self._usage,
            CallbackCalls(self._app.control, self._control.audit),
            body_bytes_max=process.http_body_bytes_max,
        )
        return HttpListener(process, calls)

    def _announce(self, **addresses: str | None) -> None:
        line = {
            **addresses,
            "pid": os.getpid(),
            "recovered_seq": self._app.recovered_seq,
        }
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()
        _log.info("serving", extra=line)

    def _on_signal(self) -> None:
        self._signals += 1
        self._draining.set()
        if self._signals > 1:
            self._stop_at_once.set()

    async def _drain(self) -> None:
        """NOT_SERVING → no further work taken → acks of what was taken go out → calls end.

        At most ``drain_s``; a second signal cuts it short. Nothing acknowledged is lost either way.
        """
        _log.info("draining", extra={"streams": len(self._usage.streams)})
        await self._health.enter_graceful_shutdown()
        self._typed.drain()
        self._usage.drain()
        self._keeper.drain()
        self._watches.drain()
        self._notice_watches.drain()
        doors = [self._stop()] if self._http is None else [self._stop(), self._http.stop()]
        stopping = asyncio.gather(*doors)
        at_once = asyncio.ensure_future(self._stop_at_once.wait())
        await asyncio.wait((stopping, at_once), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            if self._http is not None:
                self._http.stop_at_once()
            await self._listener.stop(None)
        at_once.cancel()
        await stopping
        for close in (self._typed.close, self._usage.close):
            await asyncio.get_running_loop().run_in_executor(None, close)
        _log.info("drained", extra={"durable_seq": self._app.engine.durable_seq()})

    async def _stop(self) -> None:
        """Close connections once streams have ended and their callers had time to see it.

        What such a caller still sends lies unread when its connection is closed; the kernel then resets that,
        and drops acks and status that the caller has not read either.
        """
        left_s: float = self._config.process.drain_s
        if self._usage.streams:
            began = time.monotonic()
            await self._usage.ended(left_s)
            await asyncio.sleep(min(FAREWELL_S, left_s))
            left_s = max(0.0, left_s - (time.monotonic() - began))
        await self._listener.stop(left_s)

    def stats(self) -> dict[str, Any]:
        """Figures of server and process."""
        return {
            **self._app.stats(),
            **({} if self._http is None else self._http.stats()),
            "listener_restarts_total": self._listener.restarts,
            "streams_open": len(self._usage.streams),
            "batches_total": self._usage.batches,
            "batch_bytes_total": self._usage.bytes_in,
            "shed_total": self._usage.shed,
            "calls_refused_queue_total": self._usage.call_queue.refused,
            "calls_refused_open_total": self._open_calls.refused,
            "calls_expired_total": self._usage.expired,
            "calls_seen_total": self._arrivals.seen,
            "calls_unseen": self._arrivals.unseen,
            "call_queue_bytes": self._usage.call_queue.waiting_bytes,
            "call_queue_bytes_per_s": self._usage.call_queue.bytes_per_s,
            "senders_active": self._usage.senders.active,
            "watches_open": self._watches.open_watches,
            "notice_watches_open": self._notice_watches.open_watches,
            "notice_watch_messages_total": self._notice_watches.sent,
            "watch_messages_total": self._watches.sent,
            "reservation_sessions_open": len(self._sessions),
            "reservations_released_total": self._keeper.released,
            "calls_refused_access": self._control.access.refused,
            "typed_calls_open": self._typed.open_calls,
            "typed_calls": {f"{path} {code}": count for (path, code), count in self._typed.calls.items()},
        }
