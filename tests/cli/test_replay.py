"""``drawdown replay``: totals equal to the file's, a second run applies nothing, bad rows are named."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from drawdown.cli import exit_codes
from drawdown.cli.replay_offsets import MARGIN_US, YOUNG_US, ReplayOffsets, offset_for
from drawdown.cli.server_process import ServerProcess
from drawdown.cli.trace_file import TraceFile
from drawdown.errors import CorruptDataError, InvalidRequestError
from drawdown.model import now_us

from .conftest import Run

REAL_TRACE = Path(__file__).resolve().parents[3] / "shared" / "data" / "azure_llm_conv.csv"
INPUT, OUTPUT = "input_tokens", "output_tokens"


def arguments_for(file: Path, *more: str) -> list[str]:
    return [
        "replay", str(file), "--time", "TIMESTAMP", "--meter", f"ContextTokens={INPUT}",
        "--meter", f"GeneratedTokens={OUTPUT}", "--json", *more,
    ]  # fmt: skip


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Three hundred requests of long ago, in the form of public LLM traces."""
    file = tmp_path / "trace.csv"
    start = datetime(2023, 11, 16, 18, 15, tzinfo=UTC)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["TIMESTAMP", "ContextTokens", "GeneratedTokens"])
        for number in range(300):
            instant = (start + timedelta(milliseconds=137 * number)).strftime("%Y-%m-%d %H:%M:%S.%f")
            writer.writerow([f"{instant}7", 100 + number * 3, number % 50])
    return file


def sums(file: Path) -> tuple[int, int, Decimal]:
    """Tokens in, tokens out, and their price at 2.50 and 10.00 per million, read from the file alone."""
    with file.open() as rows:
        read = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(rows)]
    tokens_in, tokens_out = sum(row[0] for row in read), sum(row[1] for row in read)
    return tokens_in, tokens_out, (Decimal("2.50") * tokens_in + 10 * tokens_out) / 1_000_000


def burned(run: Run, *where: str) -> Decimal:
    total = Decimal(0)
    for account in run("account", "list", "--prefix", "trace-", "--limit", 1000, "--json", *where).json():
        for grant in run("grants", account["account"], "--json", *where).json():
            total += Decimal(grant["burned"])
    return total


@pytest.mark.behaviour("S2-1")
def test_a_replay_burns_what_the_file_says_and_only_once(run: Run, trace: Path) -> None:
    """Quantities and credits equal those computed from the file; again, everything is a duplicate."""
    tokens_in, tokens_out, credits = sums(trace)
    first = run(*arguments_for(trace, "--accounts", "7"))
    assert first.code == 0, first.err
    report = first.json()
    assert (report["rows"], report["applied"], report["refused"]) == (300, 600, 0)
    assert report["quantity"] == {INPUT: tokens_in, OUTPUT: tokens_out}
    assert Decimal(report["credits_burned"]) == credits
    assert burned(run) == credits
    again = run(*arguments_for(trace, "--accounts", "7")).json()
    assert (again["applied"], again["duplicates"], again["refused"]) == (0, 600, 0)
    assert burned(run) == credits
    assert run("verify", "data").code == 0


def test_a_replay_into_a_server_keeps_its_offset_beside(run: Run, trace: Path, tmp_path: Path) -> None:
    """Over gRPC the offset is kept where ``--offsets`` says, and a repeat applies nothing."""
    with ServerProcess(tmp_path / "served") as server:
        where = ["--target", server.target]
        first = run(
            *arguments_for(trace, "--accounts", "3", "--offsets", str(tmp_path / "kept"), *where)
        ).json()
        again = run(
            *arguments_for(trace, "--accounts", "3", "--offsets", str(tmp_path / "kept"), *where)
        ).json()
        assert (first["applied"], again["applied"], again["duplicates"]) == (600, 0, 600)
        assert list((tmp_path / "kept").iterdir()) == [tmp_path / "kept" / "replay.json"]


def test_accounts_come_from_a_column_of_json_lines(run: Run, tmp_path: Path) -> None:
    """JSON lines, epoch seconds, account by column, a price of one's own."""
    file = tmp_path / "use.jsonl"
    rows = [{"at": 1_700_000_000 + n, "who": f"team-{n % 2}", "n": n} for n in range(10)]
    # With a byte order mark, as files of some systems have.
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8-sig")
    ended = run(
        "replay",
        file,
        "--time",
        "at",
        "--account",
        "who",
        "--meter",
        "n=calls",
        "--rate",
        "calls=1/2",
        "--json",
    )
    assert ended.code == 0, ended.err
    report = ended.json()
    assert (report["accounts"], report["accounts_created"], report["applied"]) == (2, 2, 10)
    assert (report["quantity"], report["credits_burned"]) == ({"calls": 45}, "22.5")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1,x\n",
            "row 1, column 'GeneratedTokens'",
        ),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n", "row 1, column 'TIMESTAMP'"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,-1,2\n", "'-1' is not a whole number"),
        ("TIMESTAMP,ContextTokens\n2023-11-16 18:15:46,1\n", "no value in column 'GeneratedTokens'"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "has no rows"),
    ],
)
def test_a_bad_row_is_named_before_anything_is_applied(
    run: Run, tmp_path: Path, content: str, said: str
) -> None:
    """The whole file is read first; nothing exists after a refusal."""
    file = tmp_path / "bad.csv"
    file.write_text(content)
    ended = run(*arguments_for(file, "--accounts", "1"))
    assert ended.code == exit_codes.INVALID
    assert said in ended.err
    assert not (tmp_path / "data").exists()


def test_nanoseconds_of_parquet_are_cut_off_as_those_of_text_are(tmp_path: Path) -> None:
    """With a zone and without; a finer time than a datetime holds ended the command."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    text = tmp_path / "text.csv"
    text.write_text("t,q\n2023-11-14T22:13:20.123456789Z,1\n")
    nanoseconds = [1_700_000_000_123_456_789]

    def times(file: Path) -> list[int]:
        trace = TraceFile(file, time_column="t", account_column=None, quantity_columns=["q"])
        return [row.time_us for row in trace.rows()]

    for zone in (None, "Europe/Berlin"):
        file = tmp_path / f"{zone is None}.parquet"
        column = pyarrow.array(nanoseconds, pyarrow.timestamp("ns", tz=zone))
        parquet.write_table(pyarrow.table({"t": column, "q": [1]}), file)
        assert times(file) == times(text)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"1700002600,ann,{2**63}", f"row 2501, column 'prompt': {2**63} is more than"),
        ("1700002600,,1", "row 2501: account: "),
        (f"1700002600,{'x' * 129},1", "row 2501: account: "),
        (f"{'9' * 5000},ann,1", "row 2501, column 'when': '9999"),
        ("0001-01-01T00:00:00+05:00,ann,1", "is outside the years 1–9999"),
        ("0001-01-02T00:00:00Z,ann,1\n9999-12-30T00:00:00Z,ann,1", "is outside the years 1–9999"),
    ],
    ids=["quantity", "no account", "long account", "far time", "time before the first", "too many centuries"],
)
def test_a_row_that_no_engine_takes_is_named_before_anything_is_applied(
    run: Run, tmp_path: Path, row: str, said: str
) -> None:
    """Behind 2,500 good ones, of which a batch was applied before it was met."""
    good = "".join(f"{1_700_000_000 + number},ann,1\n" for number in range(2500))
    file = tmp_path / "bad.csv"
    file.write_text(f"when,who,prompt\n{good}{row}\n")
    ended = run("replay", file, "--time", "when", "--account", "who", "--meter", f"prompt={INPUT}")
    assert ended.code == exit_codes.INVALID, ended.err
    assert said in ended.err
    assert not (tmp_path / "data").exists()


def test_a_meter_whose_events_would_have_too_long_an_id_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "use.csv"
    file.write_text("when,prompt\n1700000000,3\n")
    long = "m" * 100
    ended = run(
        "replay", file, "--time", "when", "--accounts", 1, "--meter", f"prompt={long}", "--rate", f"{long}=1"
    )
    assert ended.code == exit_codes.INVALID
    assert "row 1: event_id: " in ended.err
    assert not (tmp_path / "data").exists()


def test_a_meter_without_a_price_is_refused(run: Run, trace: Path) -> None:
    """A price is never made up for a meter that has none."""
    ended = run("replay", trace, "--time", "TIMESTAMP", "--accounts", "1", "--meter", "ContextTokens=widgets")
    assert ended.code == exit_codes.INVALID
    assert "--rate widgets=" in ended.err


def test_a_replay_may_burn_another_credit_type(run: Run, trace: Path) -> None:
    """It is made where it is missing; grants and prices are in it."""
    ended = run(*arguments_for(trace, "--accounts", "3", "--credit-type", "tokens"))
    assert ended.code == 0, ended.err
    assert (ended.json()["applied"], ended.json()["refused"]) == (600, 0)
    assert burned(run) == sums(trace)[2]
    assert [each["credit_type"] for each in run("balance", "trace-0001", "--json").json()] == ["tokens"]


def test_a_refused_replay_is_dated_anew_when_it_is_tried_again(
    run: Run, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two months later the offset of then would put every row before the acceptance window."""
    command = ["replay", trace, "--time", "TIMESTAMP", "--meter", "ContextTokens=chars", "--accounts", 1]
    with monkeypatch.context() as then:
        then.setattr("drawdown.cli.replay_command.now_us", lambda: now_us() - 60 * 86_400 * 1_000_000)
        assert "chars has no price" in run(*command).err
    assert not (tmp_path / "data" / "replay.json").exists()
    ended = run(*command, "--rate", "chars=1/1000", "--json")
    assert ended.json()["applied"] == 300, ended.err


def test_two_columns_of_one_meter_are_refused_before_anything_is_made(
    run: Run, trace: Path, tmp_path: Path
) -> None:
    columns = ["--meter", f"ContextTokens={INPUT}", "--meter", f"GeneratedTokens={INPUT}"]
    refused = run("replay", trace, "--time", "TIMESTAMP", "--accounts", 1, *columns)
    assert refused.code == exit_codes.INVALID
    assert not (tmp_path / "data").exists()


def test_recent_traces_keep_their_times_and_old_ones_move() -> None:
    """A recent trace stays where it is; an old one ends a minute before now."""
    now = 1_800_000_000_000_000
    assert offset_for(now - 5, now, now) == 0
    assert offset_for(now - YOUNG_US - 1, now - YOUNG_US, now) == YOUNG_US - MARGIN_US
    assert offset_for(now, now + 1, now) == -MARGIN_US - 1


def test_offsets_are_kept_by_content_and_damage_is_refused(tmp_path: Path) -> None:
    """What was written is read back; an unreadable file stops the replay."""
    offsets = ReplayOffsets(tmp_path)
    assert offsets.read("a") is None
    offsets.write("a", -5)
    offsets.write("b", 7)
    assert (offsets.read("a"), offsets.read("b")) == (-5, 7)
    (tmp_path / "replay.json").write_text('{"a": 5}')
    with pytest.raises(CorruptDataError):
        offsets.read("a")


def test_parquet_without_pyarrow_says_so(tmp_path: Path) -> None:
    """Parquet is read where pyarrow is installed; elsewhere the message says what to do."""
    file = tmp_path / "trace.parquet"
    file.write_bytes(b"PAR1")
    trace = TraceFile(file, time_column="t", account_column=None, quantity_columns=["q"])
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        with pytest.raises(InvalidRequestError, match="pyarrow"):
            next(trace.rows())
    else:
        with pytest.raises(Exception, match=r"(?i)parquet"):
            next(trace.rows())


@pytest.mark.skipif(not REAL_TRACE.is_file(), reason="the public LLM trace is not beside this checkout")
def test_the_public_conversation_trace_comes_out_to_the_token(run: Run) -> None:
    """19,366 requests over 500 accounts: tokens and credits of the file, and nothing the second time."""
    tokens_in, tokens_out, credits = sums(REAL_TRACE)
    report = run(*arguments_for(REAL_TRACE, "--accounts", "500")).json()
    assert report["quantity"] == {INPUT: tokens_in, OUTPUT: tokens_out}
    assert (tokens_in, tokens_out) == (22_361_870, 4_088_665)
    assert Decimal(report["credits_burned"]) == credits
    again = run(*arguments_for(REAL_TRACE, "--accounts", "500")).json()
    assert (again["applied"], again["duplicates"]) == (0, 2 * 19_366)
