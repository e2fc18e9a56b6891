"""What carries decisions out: outbox to the engine, jobs, notices, cursors, and calls seen."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from drawdown.storage.sql.metadata import RowNumber, body, index_of, instant, metadata
from drawdown.storage.sql.stored_keys import KEY_CHARACTERS_MAX

# Groups of engine commands, kept after delivery: what lies above a restored engine's recovery point is
# issued again from here. `seq` is the journal position of the delivery.
outbox = Table(
    "outbox",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("account", String(128), nullable=False),
    Column("commands", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("seq", BigInteger, nullable=True),
    Column("outcomes", Text, nullable=True),
    instant("delivered_at", nullable=True),
    index_of("ix_outbox_waiting", "row", where="state = 'waiting'"),
    Index("ix_outbox_seq", "seq"),
)

job = Table(
    "job",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("key", String(KEY_CHARACTERS_MAX), nullable=False, unique=True),
    Column("kind", String(64), nullable=False),
    Column("lane", String(160), nullable=False),
    # Account whose own clock says when it is due; empty: real time.
    Column("clock", String(128), nullable=False),
    instant("due_at"),
    Column("rank", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    # Real time before which a failed attempt is not repeated.
    instant("not_before"),
    Column("failure", Text, nullable=False),
    instant("finished_at", nullable=True),
    body(),
    # What is done stays for a long time: a look at what is due does not meet it.
    index_of("ix_job_due_clock", "clock", "due_at", "rank", "row", where="state = 'due'"),
    index_of("ix_job_due_lane", "lane", "due_at", "rank", "row", where="state = 'due'"),
    index_of("ix_job_tried", "clock", "not_before", where="state = 'due' AND not_before > 0"),
    index_of("ix_job_parked", "row", where="state = 'parked'"),
    index_of("ix_job_done", "finished_at", where="state = 'done'"),
)

notice = Table(
    "notice",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("account", String(128), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("key", String(KEY_CHARACTERS_MAX), nullable=True, unique=True),
    instant("at"),
    body(),
    UniqueConstraint("account", "sequence"),
)

cursor = Table(
    "cursor",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

# Calls by the id that the caller chose: the same content again answers the original.
call_seen = Table(
    "call_seen",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("id", String(300), primary_key=True),
    Column("content", Text, nullable=False),
)
