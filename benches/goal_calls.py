"""Questions and unary calls: ``check()`` in process, Check and RecordUsage over gRPC, batched checks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from drawdown import embedded
from drawdown.cli.bench_preparation import METER, QUANTITY, account_id
from drawdown.cli.server_process import ServerProcess
from drawdown.client.channel import BATCH_CHECK, RECORD_USAGE
from drawdown.engine import decode_ack
from drawdown.v1 import entitlement_pb2, usage_pb2

from benches.empty_server import METHOD
from benches.figures import Figure, Goal, figure_of, require
from benches.folders import Folders
from benches.form import Form
from benches.in_process import batches_of
from benches.unary_calls import call_all, empty_server
from tests.storage.valkey import ValkeyProcess

CHECK = "/drawdown.v1.EntitlementService/Check"
GRANTS = 3
CHECKS_PER_CALL = 1000
BATCH_CALLERS = 4
SAMPLES = 31
OF_EMPTY = Goal(0.9)


def _ns_per_call(call: Callable[[str, str], object], accounts: list[str], samples: int) -> list[float]:
    """Nanoseconds per call of each pass over the accounts, the loop's own cost included."""
    clock, meter = time.perf_counter_ns, METER
    found = []
    # The first pass warms and is left out.
    for sample in range(samples + 1):
        began = clock()
        for account in accounts:
            call(account, meter)
        if sample:
            found.append((clock() - began) / len(accounts))
    return found


def check_in_process(form: Form, folders: Folders) -> list[Figure]:
    """``check()`` on an open engine, and redis-py GET on loopback in the same run."""
    number = max(1, form.checks // 10)
    step = max(1, form.accounts // number)
    accounts = [account_id(index * step % form.accounts) for index in range(number)]
    valkey = ValkeyProcess(folders.new("valkey")).start()
    try:
        with embedded.open(folders.prepared(form.accounts, GRANTS)) as database:
            check_units = database.engine.check_units
            for account in accounts[:10]:
                require(bool(check_units(account, METER, QUANTITY)), f"{account} may not use {METER}")
                require(bool(database.check(account, METER, quantity=QUANTITY)), f"{account} may not")
            require(not check_units("nobody", METER, QUANTITY), "an unknown account may use something")
            raw = _ns_per_call(check_units, accounts, SAMPLES)
            typed = _ns_per_call(database.check, accounts, SAMPLES)
        client = valkey.client()
        client.set("balance", 1)
        require(client.get("balance") == b"1", "Redis does not answer")
        get = _ns_per_call(lambda *_: client.get("balance"), accounts[: max(1, number // 10)], SAMPLES)
        client.close()
    finally:
        valkey.kill()
    ratios = [theirs / ours for ours, theirs in zip(raw, get, strict=True)]
    layer = "Python call into an open engine"
    note = f"{len(accounts):,} accounts of {form.accounts:,} in turn; the loop included"
    limit = Goal(200, at_least=False)
    return [
        figure_of("check(), the engine's own call (engine.check_units)", layer, raw, "ns", limit, note),
        figure_of("check(), typed answer (database.check)", layer, typed, "ns", limit, note),
        figure_of(
            "redis-py GET on loopback ÷ check()",
            layer,
            ratios,
            "×",
            Goal(200),
            f"GET {statistics.median(get) / 1000:.1f} µs",
        ),
    ]


def unary_calls(form: Form, folders: Folders) -> list[Figure]:
    """Unary RecordUsage and Check beside an empty raw-bytes handler, in turn."""
    questions = [
        entitlement_pb2.CheckRequest(
            account_id=account_id(n % form.accounts), meter=METER
        ).SerializeToString()
        for n in range(form.calls)
    ]
    rates: dict[str, list[float]] = {"empty": [], "Check": [], "RecordUsage": []}
    folder = folders.prepared(form.accounts, GRANTS)
    with ServerProcess(folder) as server, empty_server() as empty:
        for _ in range(form.rounds):
            seconds, _ = call_all(empty, METHOD, questions, form.callers)
            rates["empty"].append(form.calls / seconds)
            seconds, answers = call_all(server.target, CHECK, questions, form.callers)
            rates["Check"].append(form.calls / seconds)
            allowed = sum(entitlement_pb2.CheckResponse.FromString(answer).allowed for answer in answers)
            require(allowed == form.calls, f"{form.calls:,} checks, {allowed:,} allowed")
            events = batches_of(accounts=form.accounts, batch=1, count=form.calls)
            seconds, answers = call_all(server.target, RECORD_USAGE, events, form.callers)
            rates["RecordUsage"].append(form.calls / seconds)
            applied = sum(decode_ack(answer)[2] for answer in answers)
            require(applied == form.calls, f"{form.calls:,} calls, {applied:,} events applied")
    layer = "client process over gRPC, unary"
    note = f"{form.callers} callers on one connection"
    figures = [figure_of("unary, empty handler", layer, rates["empty"], "calls/s", note=note)]
    for name in ("Check", "RecordUsage"):
        shares = [ours / empty for ours, empty in zip(rates[name], rates["empty"], strict=True)]
        figures.append(figure_of(f"unary {name}", layer, rates[name], "calls/s"))
        figures.append(figure_of(f"unary {name} ÷ empty handler", layer, shares, "×", OF_EMPTY, note))
    return figures


def batched_checks(form: Form, folders: Folders) -> list[Figure]:
    """BatchCheck, 1,000 checks per call."""
    requests = []
    for start in range(8):
        request = entitlement_pb2.BatchCheckRequest()
        for n in range(CHECKS_PER_CALL):
            account = account_id((start * CHECKS_PER_CALL + n) % form.accounts)
            request.checks.add(account_id=account, meter=METER, quantity=QUANTITY)
        requests.append(request.SerializeToString())
    sent = [requests[n % len(requests)] for n in range(form.batch_checks)]
    rates = []
    with ServerProcess(folders.prepared(form.accounts, GRANTS)) as server:
        for _ in range(form.rounds):
            seconds, answers = call_all(server.target, BATCH_CHECK, sent, BATCH_CALLERS)
            rates.append(len(sent) * CHECKS_PER_CALL / seconds)
            for answer in answers[:: max(1, len(answers) // 20)]:
                results = entitlement_pb2.BatchCheckResponse.FromString(answer).results
                right = sum(each.allowed and each.reason == usage_pb2.STATUS_OK for each in results)
                require(right == CHECKS_PER_CALL, f"{right} of {CHECKS_PER_CALL} checks allowed")
    return [
        figure_of(
            "BatchCheck, 1,000 per call",
            "client process over gRPC, unary",
            rates,
            "checks/s",
            Goal(3_000_000),
            f"{BATCH_CALLERS} callers; answers of every twentieth part are decoded and checked afterwards",
        )
    ]
