"""ASGI and WSGI middleware: checked before, recorded after, refused as problem+json."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client import asgi, wsgi
from drawdown.client.interface import Database
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from .conftest import SMALL, prepare

NewAccount = Callable[..., str]
Answer = tuple[int, dict[str, str], bytes]


def of_header(scope: Any) -> str | None:
    return dict(scope["headers"]).get(b"x-account", b"").decode() or None


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers the status that the path names, and uses what the query says."""
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.startup.complete"})
        return
    if scope.get("query_string"):
        scope["drawdown"].quantity = int(scope["query_string"])
    await send({"type": "http.response.start", "status": int(scope["path"][1:]), "headers": []})
    await send({"type": "http.response.body", "body": b"hel", "more_body": True})
    await send({"type": "http.response.body", "body": b"lo"})


async def get(app: Any, account: str, path: str = "/200", query: bytes = b"") -> Answer:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    headers = [(b"x-account", account.encode())] if account else []
    scope = {"type": "http", "path": path, "headers": headers, "query_string": query}
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    told = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], told, body


@pytest.mark.parametrize("awaited", [False, True])
def test_asgi_checks_before_and_records_after(
    server: ServerProcess, new_account: NewAccount, awaited: bool
) -> None:
    """Paid requests pass until the credits are gone; failures and public paths cost nothing."""
    with drawdown.connect(server.target) as plain:
        account = new_account(plain, "5")

        async def run() -> None:
            async with drawdown.aio.connect(server.target) as aio:
                database = aio if awaited else plain
                app = asgi.EntitlementMiddleware(hello, database, meter="calls", account=of_header)
                assert await get(app, account) == (200, {}, b"hello")
                assert plain.balance(account, "credits").available == 4
                assert (await get(app, account, query=b"3"))[0] == 200
                assert plain.balance(account, "credits").available == 1
                assert (await get(app, account, "/500"))[0] == 500
                assert (await get(app, ""))[0] == 200
                assert plain.balance(account, "credits").available == 1
                assert (await get(app, account))[0] == 200
                status, headers, body = await get(app, account)
                assert (status, headers["content-type"]) == (402, "application/problem+json")
                assert json.loads(body) == {
                    "title": "Not enough credits",
                    "status": 402,
                    "detail": "The account has too few credits for this; buy more and repeat.",
                    "reason": "INSUFFICIENT",
                    "meter": "calls",
                    "available": "0",
                }
                assert int(headers["content-length"]) == len(body)

        asyncio.run(run())


@pytest.mark.parametrize(
    ("prepare_account", "status"),
    [
        (lambda db, account: db.suspend_account(account), 403),
        (lambda db, account: db.set_policy(account, "credits", "overdraft", limit=0), 429),
        (lambda db, account: None, 402),
    ],
)
def test_each_refusal_has_its_status(
    database: Database, new_account: NewAccount, prepare_account: Any, status: int
) -> None:
    """402 without credits, 403 when suspended or unknown, 429 at a limit."""
    account = new_account(database, "1")
    database.record(account, "calls")
    prepare_account(database, account)
    app = asgi.EntitlementMiddleware(hello, database, meter="calls", account=of_header)
    assert asyncio.run(get(app, account))[0] == status
    assert asyncio.run(get(app, "nobody"))[0] == 403


def test_a_refusal_tells_small_amounts_as_plain_text(database: Database, new_account: NewAccount) -> None:
    account = new_account(database, "0.000000004")
    app = asgi.EntitlementMiddleware(
        hello, database, meter="pages", quantity=5, dimensions={"size": "a4"}, account=of_header
    )
    status, _, body = asyncio.run(get(app, account))
    assert (status, json.loads(body)["available"]) == (402, "0.000000004")


def test_a_request_that_its_sender_repeats_counts_once(database: Database, new_account: NewAccount) -> None:
    """By the id that the request carries."""
    account = new_account(database, "5")
    lost: list[Any] = []
    app = asgi.EntitlementMiddleware(
        hello, database, meter="calls", account=of_header, event_id=lambda scope: "key-1",
        on_lost=lambda use, why: lost.append(why),
    )  # fmt: skip
    for _ in range(3):
        assert asyncio.run(get(app, account))[0] == 200
    assert database.balance(account, "credits").available == 4
    assert lost == []
    assert asyncio.run(get(app, account, query=b"2"))[0] == 200
    assert lost == ["CONFLICT"]


def test_a_service_that_cannot_be_asked_refuses_or_lets_through(tmp_path: Path) -> None:
    """503 by default, nothing of the inside in it; with ``fail_open`` the request passes and is reported."""
    database = drawdown.open(tmp_path / "data", **SMALL)
    prepare(database)
    database.create_account("a")
    lost: list[Any] = []
    closed = asgi.EntitlementMiddleware(hello, database, meter="calls", account=of_header)
    opened = asgi.EntitlementMiddleware(
        hello, database, meter="calls", account=of_header, fail_open=True,
        on_lost=lambda use, why: lost.append((use.account, use.quantity)),
    )  # fmt: skip
    database.close()
    status, headers, body = asyncio.run(get(closed, "a"))
    assert (status, headers["retry-after"]) == (503, "1")
    assert set(json.loads(body)) == {"title", "status", "detail", "reason"}
    assert asyncio.run(get(opened, "a"))[0] == 200
    assert lost == [("a", 1)]


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    """Answers the status that the path names and streams; each piece is a use."""
    for number in range(100):
        if not number:
            await send({"type": "http.response.start", "status": int(scope["path"][1:]), "headers": []})
        scope["drawdown"].quantity = number + 1
        await send({"type": "http.response.body", "body": b"x", "more_body": True})


def hanging_up(error: BaseException, after: int) -> Any:
    """A ``send`` whose client goes after so many messages."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > after:
            raise error

    return send


@pytest.mark.parametrize("gone", [OSError("the client hung up"), asyncio.CancelledError()])
@pytest.mark.parametrize(("path", "after", "charged"), [("/200", 5, 5), ("/500", 5, 0)])
def test_what_fails_behind_an_answer_that_was_begun_is_recorded(
    database: Database, new_account: NewAccount, gone: BaseException, path: str, after: int, charged: int
) -> None:
    """Most streams end so: the reader goes, and what it has read was used. The fault stays one."""
    account = new_account(database, "50")
    app = asgi.EntitlementMiddleware(streaming, database, meter="calls", account=of_header)
    scope = {"type": "http", "path": path, "headers": [(b"x-account", account.encode())]}
    with pytest.raises(type(gone)):
        asyncio.run(app(scope, None, hanging_up(gone, after)))  # type: ignore[arg-type]
    assert database.balance(account, "credits").available == 50 - charged


def test_what_fails_behind_an_answer_and_is_not_recorded_is_told(
    database: Database, new_account: NewAccount
) -> None:
    account = new_account(database, "3")
    lost: list[Any] = []
    app = asgi.EntitlementMiddleware(
        streaming, database, meter="calls", account=of_header,
        on_lost=lambda use, why: lost.append((use.quantity, why)),
    )  # fmt: skip
    scope = {"type": "http", "path": "/200", "headers": [(b"x-account", account.encode())]}
    with pytest.raises(OSError, match="hung up"):
        asyncio.run(app(scope, None, hanging_up(OSError("hung up"), 5)))  # type: ignore[arg-type]
    assert lost == [(5, "INSUFFICIENT")]


def test_a_use_is_recorded_by_whom_nobody_awaits_any_more(
    database: Database, new_account: NewAccount
) -> None:
    """A server that cancels a request again and again does not lose what it used."""
    account = new_account(database, "50")
    app = asgi.EntitlementMiddleware(streaming, database, meter="calls", account=of_header)
    scope = {"type": "http", "path": "/200", "headers": [(b"x-account", account.encode())]}

    async def run() -> None:
        begun, never = asyncio.Event(), asyncio.Event()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                begun.set()
                await never.wait()

        request = asyncio.ensure_future(app(scope, None, send))  # type: ignore[arg-type]
        await begun.wait()
        while not request.done():
            request.cancel()
            await asyncio.sleep(0)
        assert request.cancelled()
        while asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(run())
    assert database.balance(account, "credits").available == 49


@pytest.mark.parametrize("quantity", [1.5, 2**63])
@pytest.mark.parametrize("fail_open", [False, True])
def test_a_question_that_is_wrong_is_no_outage(
    database: Database,
    new_account: NewAccount,
    caplog: pytest.LogCaptureFixture,
    quantity: Any,
    fail_open: bool,
) -> None:
    """500 and in the log: nobody is told to send it again, and it does not pass unchecked."""
    account = new_account(database, "5")
    options: Any = {"meter": "calls", "quantity": quantity, "fail_open": fail_open}
    app = asgi.EntitlementMiddleware(hello, database, account=of_header, **options)
    status, headers, body = asyncio.run(get(app, account))
    assert (status, "retry-after" in headers, json.loads(body)["reason"]) == (500, False, "INVALID")
    wrapped = wsgi.EntitlementMiddleware(
        validator(wsgi_hello), database, account=lambda env: env.get("HTTP_X_ACCOUNT"), **options
    )
    status, headers, _ = wsgi_get(wrapped, account)
    assert (status, "retry-after" in headers) == (500, False)
    assert "quantity" in caplog.text


def test_a_key_without_the_right_is_no_outage(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "data")
    _, ingest = keys.create("reports", {Right.INGEST})
    with ServerProcess(tmp_path / "data") as process, drawdown.connect(process.target, api_key=ingest) as db:
        app = asgi.EntitlementMiddleware(hello, db, meter="calls", account=of_header)
        status, headers, body = asyncio.run(get(app, "a"))
    assert (status, "retry-after" in headers) == (500, False)
    assert json.loads(body)["reason"] == "PERMISSION_DENIED"


def test_other_scopes_pass(database: Database) -> None:
    """Lifespan and sockets are not metered."""
    sent: list[Any] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        app = asgi.EntitlementMiddleware(hello, database, meter="calls", account=of_header)
        await app({"type": "lifespan"}, None, send)  # type: ignore[arg-type]

    asyncio.run(run())
    assert sent == [{"type": "lifespan.startup.complete"}]


def wsgi_hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["QUERY_STRING"]:
        environ["drawdown.use"].quantity = int(environ["QUERY_STRING"])
    start_response(f"{environ['PATH_INFO'][1:]} Some", [("Content-Type", "text/plain")])
    yield b"hel"
    yield b"lo"


def wsgi_get(app: Any, account: str, path: str = "/200", query: str = "") -> Answer:
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO()}
    if account:
        environ["HTTP_X_ACCOUNT"] = account
    told: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        told[:] = [int(status[:3]), {key.lower(): value for key, value in headers}]
        return lambda _: None

    # The standard library's checker stands on both sides of the middleware.
    body = validator(app)(environ, start_response)
    try:
        read = b"".join(body)
    finally:
        body.close()  # type: ignore[attr-defined]
    return told[0], told[1], read


def test_wsgi_checks_before_and_records_after_the_last_byte(
    database: Database, new_account: NewAccount
) -> None:
    """As ASGI does, and by the letter of the protocol."""
    account = new_account(database, "5")
    app = wsgi.EntitlementMiddleware(
        validator(wsgi_hello), database, meter="calls", account=lambda env: env.get("HTTP_X_ACCOUNT")
    )
    assert wsgi_get(app, account)[::2] == (200, b"hello")
    assert database.balance(account, "credits").available == 4
    assert wsgi_get(app, account, query="4")[0] == 200
    assert wsgi_get(app, account, "/500")[0] == 402
    status, headers, body = wsgi_get(app, account)
    assert (status, headers["content-type"]) == (402, "application/problem+json")
    assert json.loads(body)["reason"] == "INSUFFICIENT"
    assert database.balance(account, "credits").available == Decimal(0)
    assert wsgi_get(app, "")[0] == 200
