"""Bad input to every call: a clear message that names the field, and nothing changed.

For each RPC of each service one right request (``bad_input/good_requests.py``) is made wrong field by field,
from the schema (``bad_input/bad_values.py``): endless texts, control characters, numbers out of range,
instants that do not exist, unknown words and enum numbers, things left out. A new RPC without a right
request fails here.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import drawdown
import grpc
import pytest
from drawdown.v1 import usage_pb2
from google.protobuf import json_format, message_factory

from tests.server.bad_input.bad_values import Wrong, wrong_ones
from tests.server.bad_input.good_requests import prepare, requests
from tests.server.calls import SERVICES, Calls, error_info
from tests.server.permissions import NEEDED, READ
from tests.server.processes import ServerProcess, eventually, serving

Code = grpc.StatusCode
WRONG_AT_LEAST = 1_300

# Not one answer to one request; their messages are those of calls below, or hold nothing but an id.
STREAMS = {
    "UsageService/StreamUsage", "AccountService/WatchBalances", "EntitlementService/WatchEntitlements",
    "EntitlementService/KeepReservations", "NoticeService/WatchNotices",
}  # fmt: skip

# Right requests, though they look wrong.
RIGHT = {
    ("AccountService/ImportOpening", "rows.line", "negative"): "where a row stands is its writer's to say",
    ("AccountService/ImportOpening", "rows.line", "the smallest number"): "the same",
    ("AccountService/SetThresholds", "thresholds", "negative"): "below zero is where an overdraft is",
    ("BillingService/RenderInvoice", "locale", "an unknown word"): "'no' is Norwegian",
}
# The largest number is one like another where money or a position is meant.
LARGEST_TAKEN = {"cost_minor", "minor", "limit", "page_size", "after", "line"}
# Calls that cannot come to their field here: refused for another reason first.
BEFORE = {
    "BillingService/ProviderCallback": Code.UNAUTHENTICATED,
    "BillingService/MarkPurchasePaid": Code.FAILED_PRECONDITION,
    "AdminService/SnapshotNow": Code.FAILED_PRECONDITION,
}
# Messages that the engine reads itself: it says at which byte.
UNNAMED = {("AdminService/ExecuteCommands", "commands_json"), ("UsageService/RecordUsage", "detail")}
# What a field is called in Python, where that is another name.
ALSO = {
    "account_id": "account",
    "customer_id": "customer",
    "rate_table": "table",
    "cost_currency": "cost_minor",
}
OWN_WORDS = {
    ("CatalogService/LoadCatalog", "product_id"): "name",
    ("GrantService/VoidAndReplace", "fraction"): "amount",
}
# Ids of what a request is about; one that cannot be is of nothing there is.
TEXT_FAULTS = {"empty", "100,000 characters", "a control character", "an unknown word", "the largest number"}


class World:
    """A prepared server, and everything it keeps."""

    def __init__(self, server: ServerProcess, data: Path) -> None:
        self.calls = Calls(server.address)
        with drawdown.connect(server.address) as database:
            self.names = prepare(database, str(data.parent / "backup"))
        self.requests = requests(self.names)
        self._database = drawdown.connect(server.address)
        self._sql = data / "control.sqlite3"
        last: list[Any] = [None]

        def at_rest() -> bool:
            found, last[0] = last[0], self.state()
            return bool(found == last[0])

        eventually(at_rest, "the server is at rest")

    def state(self) -> tuple[Any, ...]:
        """Of the engine and the database. The acceptance floor rises with the clock and is left out."""
        engine = [
            (self._database.balances(each.account), self._database.grants(each.account), each)
            for each in self._database.accounts()
        ]
        unstamped = [_without_seq(each) for each in engine]
        with sqlite3.connect(f"file:{self._sql}?mode=ro", uri=True) as sql:
            tables = [name for (name,) in sql.execute("select name from sqlite_master where type = 'table'")]
            rows = {table: sql.execute(f'select * from "{table}"').fetchall() for table in sorted(tables)}
        keys = self.calls.call("AdminService/ListApiKeys", SERVICES["AdminService"].ListApiKeysRequest())
        catalog = self._database.catalog()
        tables_known = [(each.name, each.rates) for each in catalog.rate_tables]
        return unstamped, rows, str(keys), catalog.credit_types, catalog.meters, tables_known

    def message(self, rpc: str) -> Any:
        service, method = rpc.split("/")
        descriptor = SERVICES[service].DESCRIPTOR.services_by_name[service].methods_by_name[method]
        message = message_factory.GetMessageClass(descriptor.input_type)()
        return json_format.ParseDict(self.requests[rpc], message)

    def close(self) -> None:
        self.calls.close()
        self._database.close()


def _without_seq(found: tuple[Any, ...]) -> str:
    return re.sub(r"seq=\d+", "", str(found))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data = tmp_path_factory.mktemp("bad") / "data"
    # One of the right requests makes a key, which would close a server that is open for want of keys.
    with serving(data, payments="test", webhook_allow_private=True, access="open") as server:
        made = World(server, data)
        yield made
        made.close()


def all_rpcs() -> list[str]:
    return [
        f"{service}/{method.name}"
        for service, module in SERVICES.items()
        for method in module.DESCRIPTOR.services_by_name[service].methods
    ]


RPCS = [rpc for rpc in all_rpcs() if rpc not in STREAMS]
_seen = 0


def test_every_rpc_has_a_right_request(world: World) -> None:
    assert set(world.requests) == set(RPCS)


@pytest.mark.parametrize("rpc", RPCS)
def test_wrong_input_is_named_and_changes_nothing(world: World, rpc: str) -> None:
    global _seen
    before = world.state()
    complaints = []
    for wrong in wrong_ones(world.message(rpc)):
        leaf = wrong.place.rpartition(".")[2]
        if (rpc, wrong.place, wrong.fault) in RIGHT:
            continue
        if wrong.fault == "the largest number" and leaf in LARGEST_TAKEN:
            continue
        _seen += 1
        if complaint := _complaint(world, rpc, wrong):
            complaints.append(f"{wrong.place}, {wrong.fault}: {complaint}")
    assert not complaints, "\n".join(complaints)
    assert world.state() == before


def _complaint(world: World, rpc: str, wrong: Wrong) -> str:
    """What is wrong with how the call took it; empty: nothing."""
    try:
        answer = world.calls.call(rpc, wrong.request)
    except grpc.RpcError as failure:
        code = failure.code()
        if code == BEFORE.get(rpc):
            return ""
        info = error_info(failure)
        if info.metadata["definite"] != "true":
            return f"{code.name} is not definite"
        field = info.metadata["field"]
        if code == Code.INVALID_ARGUMENT:
            return "" if _names(rpc, wrong.place, field) else f"names {field!r}: {failure.details()}"
        # What it is about is not there, for nothing of that name can be.
        if code in (Code.NOT_FOUND, Code.FAILED_PRECONDITION) and wrong.fault in TEXT_FAULTS:
            return ""
        if code == Code.NOT_FOUND and wrong.place == "version":
            return ""
        return f"{code.name}: {failure.details()[:200]}"
    if _refuses(answer) or (_is_read(rpc) and wrong.fault in TEXT_FAULTS):
        return ""
    return f"taken: {str(answer)[:200]}"


def _names(rpc: str, place: str, field: str) -> bool:
    leaf = place.rpartition(".")[2]
    if (rpc, leaf) in UNNAMED:
        return True
    if not field:
        return False
    parts = place.split(".")
    wanted = {leaf, ALSO.get(leaf, leaf), OWN_WORDS.get((rpc, leaf), leaf), *parts[-2:]}
    # What is left out is told by what it would have said.
    return any(each in field for each in wanted) or field in WHOLE.get((rpc, leaf), ())


WHOLE = {
    ("CatalogService/CreateCreditType", "credit_type"): ("name",),
    ("CatalogService/CreateMeter", "meter"): ("key",),
    ("CatalogService/SetRate", "rate"): ("credits", "meter"),
    ("GrantService/CreateGrant", "grant"): ("grant_id", "credit_type"),
    ("GrantService/VoidAndReplace", "formula"): ("grant.amount",),
    ("BillingService/CreatePurchase", "quantity"): ("minor",),
}


def _is_read(rpc: str) -> bool:
    service, method = rpc.split("/")
    return NEEDED[service][method] is READ


def _refuses(answer: Any) -> bool:
    """Whether the answer itself says no: a status, a check, a row with a problem."""
    ok = usage_pb2.STATUS_OK
    fields = answer.DESCRIPTOR.fields_by_name
    if "refused" in fields:
        return bool(answer.refused == 1 and answer.applied == 0)
    if "problems" in fields:
        return bool(answer.problems)
    if "allowed" in fields:
        return answer.reason != ok and not answer.allowed
    if "status" in fields and fields["status"].enum_type is not None:
        return bool(answer.status != ok)
    if "results" in fields:
        return all(_refuses(each) for each in answer.results)
    return False


def test_enough_was_tried() -> None:
    """Runs last: the guard saw the schema."""
    assert _seen >= WRONG_AT_LEAST


@pytest.mark.parametrize("rpc", RPCS)
def test_the_right_request_is_taken(world: World, rpc: str) -> None:
    """What was made wrong was right before, so that each refusal above was for its own fault."""
    try:
        world.calls.call(rpc, world.message(rpc))
    except grpc.RpcError as failure:
        assert failure.code() == REFUSED_RIGHT.get(rpc), f"{failure.code().name}: {failure.details()}"
    else:
        assert rpc not in REFUSED_RIGHT


# There is no such thing in the prepared world, or something else forbids it there.
REFUSED_RIGHT = {
    **BEFORE,
    "AdminService/RotateApiKey": Code.NOT_FOUND,
    "AdminService/RevokeApiKey": Code.NOT_FOUND,
    "NoticeService/Redeliver": Code.NOT_FOUND,
    "BillingService/CloseInvoice": Code.FAILED_PRECONDITION,
    "BillingService/RetryPayment": Code.FAILED_PRECONDITION,
}
