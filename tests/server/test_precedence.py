"""Grants and voids before reads, reads before exports: in worker threads and in what may be open."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from drawdown import errors
from drawdown.server.access import Right
from drawdown.server.precedence import BULK_CALLS, CallThreads, Precedence, precedence_of
from drawdown.v1 import account_pb2, admin_pb2, billing_pb2, report_pb2

PATIENCE_S = 20


def test_grants_and_voids_go_before_reads_and_those_before_exports() -> None:
    assert precedence_of("GrantService/CreateGrant", Right.MANAGE) is Precedence.COMMAND
    assert precedence_of("GrantService/VoidGrant", Right.MANAGE) is Precedence.COMMAND
    assert precedence_of("EntitlementService/Settle", Right.INGEST) is Precedence.COMMAND
    assert precedence_of("AccountService/GetBalance", Right.READ) is Precedence.READ
    assert precedence_of("AccountService/ListLedgerEntries", Right.READ) is Precedence.BULK


def test_what_is_called_bulk_is_served() -> None:
    """No name of the list is left over from a call that was renamed; no report is forgotten."""
    services = {
        service.name: {method.name for method in service.methods}
        for file in (account_pb2, admin_pb2, billing_pb2, report_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    }
    for path in BULK_CALLS:
        service, _, method = path.partition("/")
        assert method in services[service], path
    assert {f"ReportService/{name}" for name in services["ReportService"]} <= BULK_CALLS


def held(threads: CallThreads, until: threading.Event) -> Callable[[], None]:
    return lambda: None if until.wait(PATIENCE_S) else pytest.fail("nobody let it go")


def test_reports_in_any_number_keep_no_grant_waiting() -> None:
    """Calls of a kind hold every thread of theirs and the rest of them queues: the others go on."""

    async def story() -> None:
        threads, let_go = CallThreads(threads=4, calls_max=100), threading.Event()
        try:
            reports = [
                asyncio.ensure_future(threads.run(Precedence.BULK, held(threads, let_go))) for _ in range(49)
            ]
            await asyncio.sleep(0)
            threads.admit(Precedence.BULK)
            reports.append(asyncio.ensure_future(threads.run(Precedence.BULK, held(threads, let_go))))
            await asyncio.sleep(0)
            with pytest.raises(errors.OverloadedError) as refused:
                threads.admit(Precedence.BULK)
            assert refused.value.definite
            reads = [
                asyncio.ensure_future(threads.run(Precedence.READ, held(threads, let_go))) for _ in range(25)
            ]
            await asyncio.sleep(0)
            with pytest.raises(errors.OverloadedError):
                threads.admit(Precedence.READ)
            threads.admit(Precedence.COMMAND)
            granted = await asyncio.wait_for(
                threads.run(Precedence.COMMAND, lambda: "granted"), PATIENCE_S / 2
            )
            assert granted == "granted"
            assert threads.open_calls == 75
        finally:
            let_go.set()
            await asyncio.gather(*reports, *reads)
            threads.close()
        assert threads.open_calls == 0

    asyncio.run(story())


def test_a_call_whose_caller_has_gone_has_its_place_until_its_work_ends() -> None:
    async def story() -> None:
        threads, begun, let_go = CallThreads(threads=1, calls_max=4), threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            assert let_go.wait(PATIENCE_S)

        try:
            running = asyncio.ensure_future(threads.run(Precedence.COMMAND, work))
            waiting = asyncio.ensure_future(threads.run(Precedence.COMMAND, work))
            await asyncio.get_running_loop().run_in_executor(None, begun.wait, PATIENCE_S)
            for call in (running, waiting):
                call.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
            await asyncio.sleep(0.01)
            assert threads.open_calls == 1, "the one that waits is gone, the one that runs is not"
            let_go.set()
            for _ in range(200):
                if threads.open_calls == 0:
                    break
                await asyncio.sleep(0.01)
            assert threads.open_calls == 0
        finally:
            let_go.set()
            threads.close()

    asyncio.run(story())
