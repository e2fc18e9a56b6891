"""Prometheus metrics over HTTP: one collector reads all figures when scraped; nothing counts per event.

Names: ``drawdown_engine_…`` from the engine and its journal, ``drawdown_server_…`` from this process.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from drawdown.model.address import host_and_port

PREFIX: Final = "drawdown_"

Figures = Callable[[], Mapping[str, Any]]

# Figures of the engine that only grow; the others are gauges.
_COUNTERS: Final = frozenset(
    {
        "batches_shed",
        "checkpoint_failures",
        "checkpoints",
        "events_applied",
        "groups",
        "journal_bytes",
        "record_bytes",
        "seals",
        "segments_begun",
    }
)

# Nested figures that are one metric with a label.
_LABELLED: Final = {
    "events_by_status": "status",
    "typed_calls": "call",
    "http_calls": "call",
    "background": "work",
}

# Parts of the histogram below, and texts.
_ELSEWHERE: Final = frozenset({"fsync_buckets_us", "fsync_counts", "fsync_total_us", "store_id"})


class FiguresCollector(Collector):
    """Turns figures of the engine and the server into metrics."""

    def __init__(self, sources: Mapping[str, Figures]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """All metrics, read now."""
        for section, figures in self._sources.items():
            values = figures()
            yield from _metrics(f"{PREFIX}{section}_", values)
            if "fsync_counts" in values:
                yield fsync_histogram(f"{PREFIX}{section}_fsync_seconds", values)


def _metrics(prefix: str, values: Mapping[str, Any]) -> Iterator[Metric]:
    for key, value in values.items():
        name = prefix + key
        if key in _ELSEWHERE:
            continue
        if isinstance(value, bool | int | float):
            yield _single(name, key, value)
        elif isinstance(value, Mapping):
            if key in _LABELLED:
                yield from _labelled(name, _LABELLED[key], value)
            else:
                yield from _metrics(f"{name}_", value)
        elif key in ("halted", "read_only", "checkpoint_error", "trouble"):
            # Texts that say what is wrong: 1 while there is one.
            yield _single(name, key, bool(value))


def _single(name: str, key: str, value: float) -> Metric:
    described = key.replace("_", " ")
    if key.endswith("_total") or key in _COUNTERS:
        return CounterMetricFamily(name.removesuffix("_total"), described, value=float(value))
    return GaugeMetricFamily(name, described, value=float(value))


def _labelled(name: str, label: str, values: Mapping[str, Any]) -> Iterator[Metric]:
    if all(isinstance(value, Mapping) for value in values.values()):
        for part in {part for value in values.values() for part in value}:
            inner = {key: value[part] for key, value in values.items() if part in value}
            yield from _labelled(f"{name}_{part}", label, inner)
        return
    family = CounterMetricFamily(name, name.removeprefix(PREFIX).replace("_", " "), labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], float(value))
    yield family


def fsync_histogram(name: str, values: Mapping[str, Any]) -> HistogramMetricFamily:
    """How long flushes of the journal took; the engine counts them in buckets of microseconds."""
    bounds = [f"{bound / 1_000_000:g}" for bound in values["fsync_buckets_us"]] + ["+Inf"]
    counted = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip(bounds, values["fsync_counts"], strict=True):
        counted += count
        buckets.append((bound, float(counted)))
    total_s = values["fsync_total_us"] / 1_000_000
    return HistogramMetricFamily(name, "duration of journal flushes", buckets=buckets, sum_value=total_s)


def serve_metrics(address: str, sources: Mapping[str, Figures]) -> tuple[WSGIServer, str]:
    """Serve ``/metrics`` from a thread of its own; answers the HTTP server and its address.

    Raises ``OSError`` where the port is taken.
    """
    host, port = host_and_port(address, "metrics")
    registry = CollectorRegistry()
    registry.register(FiguresCollector(sources))
    server, _ = start_http_server(port, addr=host, registry=registry)
    bound_host, bound_port = server.server_address[:2]
    return server, f"{bound_host!s}:{bound_port}"
