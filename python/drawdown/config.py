"""Every setting once: name, unit, default, range, environment variable.

Precedence: flags, then environment, then the TOML file, then the default. Unknown keys are errors,
and so are values out of range; the message names the setting and where it came from.

Two Structs by what disagreement costs: ``EngineConfig`` shapes what is remembered and answered and
is checked by the engine against the folder; ``ProcessConfig`` may differ at every start.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from drawdown.errors import ConfigError
from drawdown.model.address import host_and_port
from drawdown.model.choice import choice_in_words
from drawdown.model.event_mapping import SECTION, EventTypes, event_types_from
from drawdown.model.setting import PREFIX, Setting, settings_of, without_secrets

SectionT = TypeVar("SectionT", bound=msgspec.Struct)


def _kept(what: str) -> Meta:
    return Meta(ge=0, le=100 * 366 * 86_400, description=f"Kept at least this long: {what}; 0: for ever")


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shapes answers and memory of the engine."""

    dedupe_window_s: Annotated[
        int, Meta(ge=1, le=3_660 * 86_400, description="Events dated earlier than this are TOO_LATE")
    ] = 35 * 86_400
    guaranteed_window_s: Annotated[
        int, Meta(ge=1, le=35 * 86_400, description="The key budget never shrinks the window below this")
    ] = 30
    dedupe_bucket_s: Annotated[
        int, Meta(ge=1, le=86_400, description="Event ids are forgotten in buckets of event time this wide")
    ] = 60
    dedupe_budget_bytes: Annotated[
        int, Meta(ge=4 << 20, le=1 << 42, description="Memory for remembered event ids")
    ] = 1 << 30
    early_margin_s: Annotated[
        int, Meta(ge=0, le=86_400, description="Events further ahead than this are TOO_EARLY")
    ] = 300
    late_grace_s: Annotated[
        int,
        Meta(ge=0, le=35 * 86_400, description="An expired grant still pays for earlier usage this long"),
    ] = 3_600
    reservations_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Open reservations an account may have")
    ] = 1_000
    unique_values_max: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Values one counter of a unique meter tells apart in a period"),
    ] = 65_536


class ProcessConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may differ per process and restart."""

    data: Annotated[str, Meta(min_length=1, description="Data folder; created if absent or empty")] = "./data"
    create: Annotated[
        bool, Meta(description="Begin a new store where the data folder holds none; off: refuse to start")
    ] = True
    listen: Annotated[str, Meta(description="HOST:PORT of gRPC; port 0 picks a free one")] = "127.0.0.1:7070"
    http: Annotated[
        str,
        Meta(description="HOST:PORT of CloudEvents and checks over HTTP; empty: none"),
    ] = ""
    http_body_bytes_max: Annotated[
        int, Meta(ge=4 << 10, le=64 << 20, description="Largest body of an HTTP request")
    ] = 1 << 20
    insecure_listen: Annotated[
        bool, Meta(description="Allow plaintext off loopback (behind a proxy that ends TLS)")
    ] = False
    access: Annotated[
        str,
        Meta(
            pattern="^(auto|keys|open)$",
            description="keys: every call needs an API key or a known client certificate; open: none, on "
            "loopback only; auto: keys off loopback, and once the folder has had a key",
        ),
    ] = "auto"
    api_key_pepper_file: Annotated[
        str, Meta(description="32 bytes or more that go into the hashes of keys; empty: in the data folder")
    ] = ""
    tls_certificate: Annotated[
        str, Meta(description="PEM file of the server's certificate chain; empty: plaintext")
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file of the private key of tls_certificate")] = ""
    tls_client_ca: Annotated[
        str,
        Meta(description="PEM file of authorities; given, every client must show a certificate of theirs"),
    ] = ""
    metrics: Annotated[str, Meta(description="HOST:PORT of Prometheus metrics over HTTP; empty: none")] = ""
    fsync: Annotated[
        str,
        Meta(
            pattern=r"^(always|os|interval=[1-9][0-9]{0,3}(ms)?)$",
            description="always: durable when answered; interval=20ms or os: written, not yet on disk",
        ),
    ] = "always"
    accept_clock: Annotated[
        bool, Meta(description="Follow the wall clock across a gap longer than the dedupe window")
    ] = False
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="Least severe level that is logged")
    ] = "info"
    reflection: Annotated[bool, Meta(description="Serve gRPC reflection")] = True
    uvloop: Annotated[bool, Meta(description="Use uvloop where it is installed")] = True

    message_bytes_max: Annotated[
        int, Meta(ge=64 << 10, le=64 << 20, description="Largest gRPC message taken")
    ] = 8 << 20
    streams_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Concurrent calls and streams per connection")
    ] = 256
    key_streams_max: Annotated[
        int, Meta(ge=1, le=20_000, description="Open streams of one key, over all of its connections")
    ] = 1_000
    connection_idle_s: Annotated[
        int,
        Meta(ge=0, le=7 * 86_400, description="A connection without a call for so long is ended; 0: never"),
    ] = 900
    connection_age_s: Annotated[
        int,
        Meta(
            ge=0,
            le=365 * 86_400,
            description="A connection takes no new calls after so long, and ends drain_s later; 0: never",
        ),
    ] = 0
    window_batches: Annotated[
        int, Meta(ge=1, le=65_536, description="Un-acked batches per usage stream before reading stops")
    ] = 256
    control_threads: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Threads for typed calls that change things, as many for reads, a fourth for exports",
        ),
    ] = 8
    control_calls_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Typed calls waiting or running before they are shed")
    ] = 1_000
    drain_s: Annotated[int, Meta(ge=0, le=600, description="Longest wait for streams after SIGTERM")] = 10

    segment_bytes: Annotated[
        int, Meta(ge=64 << 10, le=1 << 30, description="Size of a journal segment; a multiple of 4096")
    ] = 64 << 20
    reserve_bytes: Annotated[
        int, Meta(ge=0, le=1 << 32, description="Ballast freed on a full disk, so that closing still works")
    ] = 64 << 20
    retention_s: Annotated[int, _kept("journal for the ledger, and while event ids are remembered")] = 0
    checkpoint_interval_s: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="Local checkpoint at least this often while written to; 0: by size only",
        ),
    ] = 600
    sweep_interval_ms: Annotated[
        int, Meta(ge=10, le=3_600_000, description="Pause between sweeps for due expiries")
    ] = 1_000
    sweep_grants: Annotated[
        int,
        Meta(ge=1, le=65_536, description="Grants booked or let go per sweep step; bounds ingest pauses"),
    ] = 512
    sweep_share_percent: Annotated[
        int, Meta(ge=1, le=100, description="Share of one processor a sweep with work may take")
    ] = 25

    db: Annotated[
        str,
        Meta(description="Control plane's database: postgresql://…; empty: SQLite in the data folder"),
    ] = ""
    payments: Annotated[
        str,
        Meta(
            pattern="^(manual|test|stripe)$",
            description="Payment provider: manual (an operator says what was paid), stripe, test (no money)",
        ),
    ] = "manual"
    stripe_api_key: Annotated[
        str, Meta(description="Secret key of the Stripe account; better in the environment than in a file")
    ] = ""
    stripe_webhook_secret: Annotated[
        str, Meta(description="Secret of Stripe's webhook endpoint: what its calls are verified with")
    ] = ""
    webhook_allow_private: Annotated[
        bool, Meta(description="Webhooks may go to private addresses and over plain HTTP: for development")
    ] = False
    expiring_soon: Annotated[
        str,
        Meta(
            pattern=r"^([1-9][0-9]{0,4}[mhd](,[1-9][0-9]{0,4}[mhd])*)?$",
            description="How long before its end a grant with credits left is told of; empty: never",
        ),
    ] = "7d,1d"
    runway_days: Annotated[
        int,
        Meta(
            ge=0,
            le=366,
            description="A balance that lasts for fewer days at the rate of the last 7 is told of; 0: never",
        ),
    ] = 0
    runway_interval_s: Annotated[
        int, Meta(ge=1, le=7 * 86_400, description="Pause between looks for such balances")
    ] = 3_600
    invoice_grace_s: Annotated[
        int, Meta(ge=0, le=35 * 86_400, description="Usage noted so long after its period is on its invoice")
    ] = 3_600
    invoice_hold_factor: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="An invoice whose usage is more than so many times the account's usual bill waits for"
            " approval; 0: none",
        ),
    ] = 100
    payment_retry_days: Annotated[
        str,
        Meta(
            pattern=r"^([1-9][0-9]{0,2}(,[1-9][0-9]{0,2})*)?$",
            description="Days after it failed on which a renewal's payment is tried again; empty: never",
        ),
    ] = "1,3,5,7"
    after_retries: Annotated[
        str,
        Meta(
            pattern="^(cancel|stay)$",
            description="What a subscription does that was never paid for: end (cancel), or stay past due",
        ),
    ] = "cancel"
    chargeback_policy: Annotated[
        str,
        Meta(
            pattern="^(freeze|take_unspent|into_debt)$",
            description="Where the bank takes a payment back: the account is suspended (freeze), or the"
            " purchase's credits go as in a refund; an invoice's only by a credit note",
        ),
    ] = "freeze"
    seller_name: Annotated[str, Meta(description="Who issues the invoices, as printed on them")] = ""
    seller_address: Annotated[str, Meta(description="Its address, rows separated by ';'")] = ""
    seller_note: Annotated[str, Meta(description="At the foot of invoices: tax id, bank account")] = ""
    tax_rates: Annotated[
        str,
        Meta(description="Per country of the customer: 'DE 19 VAT; CH 8.1 MWST', in percent; empty: none"),
    ] = ""
    tax_home: Annotated[
        str, Meta(description="Country of the seller: customers with a tax id elsewhere are charged no tax")
    ] = ""
    scheduler_interval_ms: Annotated[
        int,
        Meta(
            ge=10,
            le=3_600_000,
            description="Longest pause between looks for due jobs; a job put down or falling due wakes",
        ),
    ] = 5_000
    scheduler_jobs: Annotated[
        int, Meta(ge=1, le=10_000, description="Jobs done per step of the scheduler")
    ] = 640
    scheduler_share_percent: Annotated[
        int, Meta(ge=1, le=100, description="Share of time the scheduler may take while jobs are due")
    ] = 50
    finished_retention_s: Annotated[int, _kept("jobs done, webhooks and commands delivered")] = 90 * 86_400
    notice_retention_s: Annotated[int, _kept("notices in the feed, with their parked deliveries")] = 0

    redis: Annotated[
        str,
        Meta(
            description="Snapshot store: redis://, rediss://, unix://, redis+sentinel://host:port,host:port/"
            "SERVICE, redis+cluster://host:port,host:port; empty: none"
        ),
    ] = ""
    redis_namespace: Annotated[
        str,
        Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$", description="Prefix of every key"),
    ] = "drawdown"
    redis_takeover: Annotated[
        bool, Meta(description="Replace the snapshot of another store found in the namespace")
    ] = False
    redis_timeout_ms: Annotated[
        int, Meta(ge=50, le=600_000, description="Connect and answer time-out per command")
    ] = 2_000
    snapshot_interval_s: Annotated[
        int, Meta(ge=1, le=86_400, description="Pause between passes of the remote snapshot")
    ] = 5
    snapshot_chunk_accounts: Annotated[
        int, Meta(ge=1, le=10_000, description="Most accounts per transaction of a pass")
    ] = 500
    snapshot_share_percent: Annotated[
        int, Meta(ge=1, le=100, description="Share of one processor that a pass may take")
    ] = 30


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one process."""

    process: ProcessConfig = msgspec.field(default_factory=ProcessConfig)
    engine: EngineConfig = msgspec.field(default_factory=EngineConfig)
    event_types: EventTypes = {}
    """What CloudEvents of which type mean; from the settings file alone."""

    def engine_settings(self) -> dict[str, Any]:
        """What the extension is opened with; its times are microseconds."""
        second = 1_000_000
        engine = self.engine
        return {
            "fsync": self.process.fsync.removesuffix("ms"),
            "accept_clock": self.process.accept_clock,
            "start_gap_max_s": engine.dedupe_window_s,
            "segment_bytes": self.process.segment_bytes,
            "reserve_bytes": self.process.reserve_bytes,
            "retention_s": self.process.retention_s,
            "dedupe_window_us": engine.dedupe_window_s * second,
            "guaranteed_window_us": engine.guaranteed_window_s * second,
            "dedupe_bucket_us": engine.dedupe_bucket_s * second,
            "dedupe_budget_bytes": engine.dedupe_budget_bytes,
            "early_margin_us": engine.early_margin_s * second,
            "late_grace_us": engine.late_grace_s * second,
            "reservations_max": engine.reservations_max,
            "unique_values_max": engine.unique_values_max,
        }


_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {"process": ProcessConfig, "engine": EngineConfig}

SETTINGS: Final[dict[str, Setting]] = {
    setting.name: setting for section in _SECTIONS.values() for setting in settings_of(section)
}


def load(
    *,
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """The settings in force.

    ``flags`` are by setting name; a flag that is ``None`` was not given. ``environment`` is this
    process's unless given. Raises ``ConfigError`` naming the setting and its source.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    in_file = _from_file(file) if file else {}
    event_types = event_types_from(in_file.pop(SECTION, {}), f"file {file}")
    for source, given in (
        (f"file {file}", in_file),
        ("environment", _from_environment(os.environ if environment is None else environment)),
        ("flags", {key: value for key, value in (flags or {}).items() if value is not None}),
    ):
        for name, value in given.items():
            if name not in SETTINGS:
                raise ConfigError(f"{source}: there is no setting {name!r}{_nearest(name)}", field=name)
            values[name] = value
            sources[name] = source
    config = Config(
        process=_convert(ProcessConfig, values, sources),
        engine=_convert(EngineConfig, values, sources),
        event_types=event_types,
    )
    _check_relations(config)
    return config


def _from_file(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as raised:
        raise ConfigError(f"file {path}: {raised.strerror}", field="config") from raised
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as raised:
        raise ConfigError(f"file {path}: not TOML: {raised}", field="config") from raised


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and variable == PREFIX + name.upper():
            if name in SETTINGS:
                given[name] = text
            elif name not in OTHER_VARIABLES:
                raise ConfigError(f"environment: there is no setting {variable}{_nearest(name)}", field=name)
    return given


OTHER_VARIABLES: Final[Mapping[str, str]] = {
    "api_key": "Credential for `--target`",
    "target_ca": "PEM file of the authority that `--target` is verified with",
    "target_certificate": "PEM file of this client's certificate, for servers that want one",
    "target_key": "PEM file of its private key",
    "fault": "Where a build of the extension with fault points fails; others ignore it",
}
"""Read by the command line and by test builds; not settings of a server."""


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, SETTINGS, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _convert(section: type[SectionT], values: Mapping[str, Any], sources: Mapping[str, str]) -> SectionT:
    converted: dict[str, Any] = {}
    for field in msgspec.structs.fields(section):
        if field.name not in values:
            continue
        value = values[field.name]
        # Text may stand for a number or a truth value where text is all there is.
        lax = sources[field.name] == "environment"
        try:
            converted[field.name] = msgspec.convert(value, field.type, strict=not lax)
        except msgspec.ValidationError as raised:
            pattern = SETTINGS[field.name].range if field.type.__metadata__[0].pattern else ""
            why = f"{raised}" if not pattern else f"give {choice_in_words(pattern)}"
            raise ConfigError(
                f"{sources[field.name]}: {field.name} is {without_secrets(field.name, repr(value))}: {why} "
                f"({field.type.__metadata__[0].description})",
                field=field.name,
            ) from raised
    return section(**converted)


def _check_relations(config: Config) -> None:
    """Raises ``ConfigError`` with both numbers where two limits contradict each other."""
    engine = config.engine
    if engine.guaranteed_window_s > engine.dedupe_window_s:
        raise ConfigError(
            f"guaranteed_window_s ({engine.guaranteed_window_s}) is more than "
            f"dedupe_window_s ({engine.dedupe_window_s})",
            field="guaranteed_window_s",
        )
    for name in ("listen", "http", "metrics"):
        address = getattr(config.process, name)
        if address:
            host_and_port(address, name)
