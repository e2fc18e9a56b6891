"""Amounts of a few 10^-9 credits leave both doors as plain decimal text."""

from __future__ import annotations

import json
from collections.abc import Iterator

import drawdown
import pytest
from drawdown.v1 import account_pb2, grant_pb2

from tests.server.calls import Calls
from tests.server.http_calls import Http, event
from tests.server.processes import ServerProcess, serving


@pytest.fixture(scope="module")
def crumbs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server where acme has 50 smallest units and a token costs one."""
    with serving(tmp_path_factory.mktemp("crumbs") / "data", http="127.0.0.1:0") as server:
        with drawdown.connect(server.address) as database:
            database.create_credit_type("credits")
            database.create_meter("tokens")
            database.set_rate(meter="tokens", credits="0.000000001")
            database.create_account("acme")
            database.create_grant("acme", "credits", amount="0.00000005", grant_id="first")
        yield server


def test_an_events_amounts_over_http_have_no_exponent(crumbs: ServerProcess) -> None:
    http = Http(crumbs.announced["http"])
    found = http.events(event("one", 41)).result
    assert (found["charged"], found["available"]) == ("0.000000041", "0.000000009")
    refused = http.events(event("two", 12)).result
    assert (refused["status"], refused["shortfall"]) == ("INSUFFICIENT", "0.000000003")


def test_a_check_over_http_has_no_exponent(crumbs: ServerProcess) -> None:
    assert Http(crumbs.announced["http"]).check({"account": "acme", "meter": "tokens"}).json["available"] == (
        "0.000000009"
    )


def test_what_a_void_forfeits_has_no_exponent(crumbs: ServerProcess) -> None:
    calls = Calls(crumbs.address)
    with drawdown.connect(crumbs.address) as database:
        database.create_grant("acme", "credits", amount="0.000000004", grant_id="void")
    request = grant_pb2.VoidGrantRequest(account_id="acme", grant_id="void", confirm=True)
    answer = calls.call("GrantService/VoidGrant", request)
    assert (answer.forfeited, answer.grant.voided) == ("0.000000004", "0.000000004")
    assert calls.call("GrantService/VoidGrant", request).forfeited == "0"
    calls.close()


def test_amounts_among_the_facts_of_an_entry_have_no_exponent(crumbs: ServerProcess) -> None:
    calls = Calls(crumbs.address)
    with drawdown.connect(crumbs.address) as database:
        database.create_grant("acme", "credits", amount="0.000000007", grant_id="fact")
    request = account_pb2.ListLedgerEntriesRequest(account_id="acme")
    entries = calls.call("AccountService/ListLedgerEntries", request).entries
    facts = [json.loads(each.facts_json) for each in entries if each.kind == "granted"]
    assert "0.000000007" in [each["amount"] for each in facts]
    calls.close()
