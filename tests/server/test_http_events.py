"""CloudEvents over HTTP: exactly once, a status for each event, durable before the answer."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.server.call_queue import LARGE_BYTES

from tests.server.calls import Calls, available, batch, set_up
from tests.server.http_calls import BATCH, EVENT, Http, event
from tests.server.processes import ServerProcess, serving

SETTINGS = """
[cloudevents."com.example.completion".input_tokens]
quantity = "usage.prompt"
dimensions = { model = "model" }

[cloudevents."com.example.completion".seconds]
quantity = "$.usage.seconds"
decimals = 3
optional = true

[cloudevents."com.example.request".requests]

[cloudevents."com.example.pause".seconds]
quantity = "$.length"
decimals = 3
optional = true
"""


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with mappings; acme has 100 credits of scale 6 and tokens cost 1."""
    folder: Path = tmp_path_factory.mktemp("http")
    settings = folder / "settings.toml"
    settings.write_text(SETTINGS)
    with serving(folder / "data", http="127.0.0.1:0", config=str(settings)) as server:
        calls = Calls(server.address)
        set_up(calls)
        calls.close()
        with drawdown.connect(server.address) as database:
            database.create_meter("input_tokens", dimensions=["model"])
            database.create_meter("seconds", quantity_scale=3)
            database.create_meter("requests")
            database.set_rate(meter="input_tokens", credits="0.001")
            database.set_rate(meter="input_tokens", credits="0.01", match={"model": "large"})
            database.set_rate(meter="seconds", credits="0.001")
            database.set_rate(meter="requests", credits="0.5")
        yield server


@pytest.fixture
def http(mapped: ServerProcess) -> Http:
    return Http(mapped.announced["http"])


@pytest.fixture
def database(mapped: ServerProcess) -> Iterator[drawdown.Connection]:
    with drawdown.connect(mapped.address) as connected:
        yield connected


def in_headers(identifier: str | bytes) -> dict[str, Any]:
    """Headers of an event in binary mode."""
    return {
        "Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": identifier,
        "ce-source": "/tests", "ce-type": "t", "ce-subject": "acme",
    }  # fmt: skip


def test_an_event_is_a_debit_and_the_same_again_is_a_duplicate(http: Http) -> None:
    first = http.events(event("one", 2))
    assert first.status == 200
    assert first.result["status"] == "OK"
    assert first.result["charged"] == "2"
    again = http.events(event("one", 2))
    assert again.result["status"] == "DUPLICATE"
    assert again.result["charged"] == "0"
    assert again.result["available"] == first.result["available"]
    other = http.events(event("one", 3))
    assert (other.status, other.result["status"]) == (200, "CONFLICT")
    assert other.json["refused"] == 1


def test_id_and_source_together_make_an_event_another_one(http: Http) -> None:
    """A repeat is found by both; neither runs into the other."""
    assert http.events(event("b", 1, source="a")).result["status"] == "OK"
    assert http.events(event("b", 1, source="a#")).result["status"] == "OK"
    assert http.events(event("b c", 1, source="a")).result["status"] == "OK"
    assert http.events(event("b%20c", 1, source="a")).result["status"] == "OK"
    long = http.events(event("x" * 200, 1))
    assert long.result["status"] == "OK"
    assert len(long.result["event_id"]) <= 128
    assert http.events(event("x" * 200, 1)).result["status"] == "DUPLICATE"
    assert http.events(event("x" * 201, 1)).result["status"] == "OK"


def test_it_is_the_same_event_over_grpc(http: Http, database: drawdown.Connection) -> None:
    """The event id in the answer is the ledger's."""
    now = datetime.now(UTC)
    answer = http.events(event("both", 4, time=now.isoformat())).result
    assert answer["status"] == "OK"
    again = database.record("acme", "tokens", quantity=4, event_id=answer["event_id"], time=now)
    assert again.status == "DUPLICATE"
    entry = database.usage_event("acme", answer["event_id"])
    assert entry.event.quantity == 4


def test_time_is_the_events_own(http: Http, database: drawdown.Connection) -> None:
    earlier = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    local = earlier.astimezone().isoformat()
    answer = http.events(event("dated", 1, time=local.replace("+00:00", ".123456789+00:00")))
    assert answer.result["status"] == "OK"
    entry = database.usage_event("acme", answer.result["event_id"]).event
    assert entry.time == earlier + timedelta(microseconds=123456)
    far = http.events(event("ahead", 1, time=(earlier + timedelta(days=2)).isoformat()))
    assert far.result["status"] == "TOO_EARLY"
    late = http.events(event("behind", 1, time="2001-01-01T00:00:00Z"))
    assert late.result["status"] == "TOO_LATE"


def test_a_batch_has_a_status_for_each_event(http: Http) -> None:
    """Refusals and faults of one do nothing to its neighbours."""
    sent = [
        event("batch-1", 1),
        event("batch-2", 1, subject="nobody"),
        event("batch-3", None),
        event("batch-1", 1),
        event("batch-4", 10_000),
        event("batch-5", 1, data={"meter": "unknown", "quantity": 1}),
        "no event",
        event("batch-6", 0),
    ]
    answer = http.events(sent)
    assert answer.status == 200
    told = answer.json
    assert [result["index"] for result in told["results"]] == list(range(8))
    assert [result["status"] for result in told["results"]] == [
        "OK", "ACCOUNT_UNKNOWN", "INVALID", "DUPLICATE", "INSUFFICIENT", "METER_UNKNOWN", "INVALID", "OK",
    ]  # fmt: skip
    assert (told["applied"], told["duplicates"], told["refused"]) == (2, 1, 5)
    assert told["results"][2]["field"] == "data.quantity"
    assert float(told["results"][4]["shortfall"]) > 9_800
    assert told["results"][6]["field"] == "event"
    assert "available" not in told["results"][1]


def test_large_bodies_wait_for_their_turn_and_all_are_applied(
    http: Http, database: drawdown.Connection
) -> None:
    database.create_account("bulk")
    database.create_grant("bulk", "credits", amount="2000", grant_id="bulk")
    parts = [[event(f"bulk-{part}-{n}", subject="bulk") for n in range(200)] for part in range(6)]
    assert min(len(json.dumps(part)) for part in parts) > LARGE_BYTES
    with ThreadPoolExecutor(len(parts)) as senders:
        answers = list(senders.map(http.events, parts))
    assert [(answer.status, answer.json["applied"]) for answer in answers] == [(200, 200)] * 6
    assert database.balance("bulk", "credits").available == Decimal(800)


def test_mapped_types_give_usage_of_several_meters(http: Http, database: drawdown.Connection) -> None:
    data = {"usage": {"prompt": "120", "seconds": 1.5}, "model": "large", "answer": ["anything"]}
    completion = event("c1", type="com.example.completion", data=data)
    before = database.balance("acme", "credits").available
    told = http.events(completion).json
    assert [(each["meter"], each["status"], each["charged"]) for each in told["results"]] == [
        ("input_tokens", "OK", "1.2"),
        ("seconds", "OK", "0.0015"),
    ]
    assert database.balance("acme", "credits").available == before - Decimal("1.2015")
    # Without the optional one, and at the default rate of an undeclared model.
    small = event("c2", type="com.example.completion", data={"usage": {"prompt": 100}})
    assert http.events(small).result["charged"] == "0.1"
    assert http.events(event("c3", type="com.example.request", data=None)).result["charged"] == "0.5"
    again = http.events([completion, small]).json
    assert (again["applied"], again["duplicates"]) == (0, 3)


def test_a_fault_in_one_part_of_a_mapped_event_applies_no_part_of_it(
    http: Http, database: drawdown.Connection
) -> None:
    before = database.balance("acme", "credits").available
    data = {"usage": {"prompt": 1, "seconds": "0.0001"}}
    answer = http.events(event("half", type="com.example.completion", data=data))
    assert (answer.status, answer.json["field"]) == (400, "data.usage.seconds")
    data = {"usage": {"seconds": 1}}
    answer = http.events(event("half", type="com.example.completion", data=data))
    assert (answer.status, answer.json["field"]) == (400, "data.usage.prompt")
    assert database.balance("acme", "credits").available == before


def test_binary_mode_and_base64_and_plain_json(http: Http) -> None:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "ce-specversion": "1.0", "ce-id": "bin%C3%A4r", "ce-source": "/tests", "ce-type": "t",
        "ce-subject": "acme", "ce-time": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    body = json.dumps({"meter": "tokens", "quantity": 3}).encode()
    answer = http.ask("POST", "/v1/events", body, headers)
    assert (answer.status, answer.result["charged"]) == (200, "3")
    assert answer.result["event_id"] == "/tests binär"
    # The same event in another format is the same event.
    data = base64.b64encode(body).decode()
    same = event("binär", data=None, data_base64=data, time=headers["ce-time"], datacontenttype="text/json")
    assert http.events(same).result["status"] == "DUPLICATE"
    assert http.events(event("plain"), "application/json").result["status"] == "OK"
    assert http.events([event("plain")], "application/json").json["duplicates"] == 1


@pytest.mark.parametrize(
    ("changes", "charged"),
    [
        ({"data": {"meter": "tokens", "quantity": 3}}, "3"),
        ({"type": "com.example.pause", "data": {"length": 2}}, "0.002"),
    ],
)
def test_a_whole_event_is_read_from_its_body_whatever_headers_say(
    http: Http, changes: dict[str, Any], charged: str
) -> None:
    """Read as data, an event of our own type was refused, and of one that may lack it the usage was lost."""
    told = {
        "ce-specversion": "1.0",
        "ce-id": "header",
        "ce-source": "/header",
        "ce-type": changes.get("type", "t"),
    }
    told |= {"ce-subject": "acme", "ce-time": datetime.now(UTC).isoformat(), "Content-Type": EVENT}
    whole = event(f"whole-{charged}", **changes)
    answer = http.ask("POST", "/v1/events", json.dumps(whole).encode(), told)
    assert (answer.status, answer.result["status"], answer.result["charged"]) == (200, "OK", charged)
    assert http.events(whole).result["status"] == "DUPLICATE"
    told["Content-Type"] = BATCH
    answer = http.ask("POST", "/v1/events", json.dumps([whole]).encode(), told)
    assert answer.json["duplicates"] == 1


@pytest.mark.parametrize(
    ("header", "identifier"),
    [
        ('"q3"', "q3"),
        (r'"a\"b\\c"', r'a"b\c'),
        ('"q%20x"', "q x"),
        ("a%22b", 'a"b'),
        ("%2522", "%22"),
        ("b'c", "b'c"),
    ],
)
def test_an_event_is_the_same_whichever_way_its_header_is_written(
    http: Http, header: str, identifier: str
) -> None:
    """Quoted strings are read as what they quote, percents once; else one event would be charged twice."""
    at = datetime.now(UTC).isoformat()
    body = json.dumps({"meter": "tokens", "quantity": 1}).encode()
    answer = http.ask("POST", "/v1/events", body, in_headers(header) | {"ce-time": at})
    assert answer.result["status"] == "OK"
    assert http.events(event(identifier, time=at)).result["status"] == "DUPLICATE"


@pytest.mark.parametrize("identifier", ["ü1".encode(), b"\xfc1", b'"open', b'"a"b"', b'"a\\"'])
def test_a_header_that_may_be_read_in_several_ways_is_refused(http: Http, identifier: bytes) -> None:
    body = json.dumps({"meter": "tokens", "quantity": 1}).encode()
    answer = http.ask("POST", "/v1/events", body, in_headers(identifier))
    assert (answer.status, answer.json["field"], answer.json["definite"]) == (400, "id", True)


@pytest.mark.parametrize("again", ["bravo", "acme"])
def test_an_attribute_that_comes_twice_in_headers_is_refused(http: Http, again: str) -> None:
    """Else the last would say whose account pays."""
    body = json.dumps({"meter": "tokens", "quantity": 1}).encode()
    # Names of headers are the same in any case.
    answer = http.ask("POST", "/v1/events", body, in_headers("twice") | {"CE-Subject": again})
    assert (answer.status, answer.json["field"], answer.json["definite"]) == (400, "subject", True)


@pytest.mark.parametrize("identifier", ["%FF", "%FE", "a%C3", "%ED%A0%80"])
def test_a_header_that_is_no_text_is_refused(http: Http, identifier: str) -> None:
    """With a sign in place of what cannot be read two ids would be one, and the usage of one lost."""
    answer = http.ask("POST", "/v1/events", b'{"meter":"tokens","quantity":1}', in_headers(identifier))
    assert (answer.status, answer.json["field"], answer.json["definite"]) == (400, "id", True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "x\n"}, "id"),
        ({"id": "x" * 3000}, "id"),
        ({"source": None}, "source"),
        ({"source": "a b"}, "source"),
        ({"type": ""}, "type"),
        ({"subject": None}, "subject"),
        ({"subject": "x" * 200}, "subject"),
        ({"subject": ["acme"]}, "subject"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-01-31T12:00:00"}, "time"),
        ({"time": "2026-02-30T12:00:00Z"}, "time"),
        ({"time": "2026-01-31T25:00:00Z"}, "time"),
        ({"time": "2026-01-31T12:00:00+99:00"}, "time"),
        ({"time": 1760000000}, "time"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"data": None}, "data"),
        ({"data": [1]}, "data"),
        ({"data": "text"}, "data"),
        ({"data": None, "data_base64": "%%%"}, "data_base64"),
        ({"data": None, "data_base64": "e30"}, "data_base64"),
        ({"data": None, "data_base64": 3}, "data_base64"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"data": {"quantity": 1}}, "data.meter"),
        ({"data": {"meter": 5, "quantity": 1}}, "data.meter"),
        ({"data": {"meter": "x" * 200, "quantity": 1}}, "meter"),
        ({"data": {"meter": "tokens"}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": -1}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": 1.5}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": True}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": None}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": "1e3"}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": "٣"}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": 2**63}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": 10**4000}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": {"x": 1}}}, "data.quantity"),
        ({"data": {"meter": "tokens", "quantity": 1, "quanttiy": 1}}, "data.quanttiy"),
        ({"data": {"meter": "tokens", "quantity": 1, "dimensions": ["model"]}}, "data.dimensions"),
        ({"data": {"meter": "tokens", "quantity": 1, "dimensions": {"model": {}}}}, "data.dimensions.model"),
        ({"data": {"meter": "tokens", "quantity": 1, "dimensions": {"model": 1.5}}}, "data.dimensions.model"),
        ({"data": {"meter": "tokens", "quantity": 1, "dimensions": {"model": "x\0"}}}, "dimensions"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_applied(
    http: Http, database: drawdown.Connection, changes: dict[str, object], field: str
) -> None:
    before = database.balance("acme", "credits")
    wrong = {name: value for name, value in {**event("wrong"), **changes}.items() if value is not None}
    answer = http.events(wrong)
    assert answer.status == 400, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json
    assert (told["field"], told["reason"], told["definite"]) == (field, "INVALID", True)
    # In a batch the same is one of its results, and the next one is taken.
    results = http.events([wrong, event("wrong-neighbour", 0)]).json["results"]
    assert (results[0]["status"], results[0]["field"]) == ("INVALID", field)
    assert results[1]["status"] in ("OK", "DUPLICATE")
    assert database.balance("acme", "credits").available == before.available


def test_nothing_answered_is_lost_by_a_kill(tmp_path: Path) -> None:
    with serving(tmp_path / "data", http="127.0.0.1:0") as server:
        calls = Calls(server.address)
        set_up(calls)
        calls.close()
        http = Http(server.announced["http"])
        for number in range(10):
            assert http.events([event(f"k{number}-{each}") for each in range(3)]).json["applied"] == 3
        server.end(signal.SIGKILL)
    with serving(tmp_path / "data", http="127.0.0.1:0") as again:
        calls = Calls(again.address)
        assert available(calls) == "70"
        http = Http(again.announced["http"])
        repeated = http.events([event(f"k{number}-{each}") for number in range(10) for each in range(3)])
        assert repeated.json["duplicates"] == 30
        assert calls.call("UsageService/RecordUsage", batch(1, ("/tests k0-0", 1))).duplicates == 1
        calls.close()


def test_content_types_that_are_not_events_are_refused(http: Http) -> None:
    body = json.dumps(event("typed")).encode()
    for kind in ("text/plain", "application/xml", "application/cloudevents+avro", ""):
        answer = http.ask("POST", "/v1/events", body, {"Content-Type": kind})
        assert (answer.status, answer.json["field"]) == (415, "content-type"), kind
    assert http.events([event("typed")], EVENT).json["field"] == "body"
    assert http.events(event("typed"), BATCH).json["field"] == "body"
    assert http.events([]).json == {**http.events([]).json, "applied": 0, "results": []}
