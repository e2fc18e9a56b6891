"""``@requires``: runs only what is entitled, records what was used, in every form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database

NewAccount = Callable[..., str]


@pytest.fixture(autouse=True)
def nothing_in_use() -> Iterator[None]:
    yield
    drawdown.use(None)


def test_a_function_runs_while_the_account_may_and_its_use_is_recorded(
    database: Database, new_account: NewAccount
) -> None:
    """The third call finds too little and does not run."""
    account = new_account(database, "5")
    ran: list[str] = []
    drawdown.use(database)

    @drawdown.requires("calls", quantity=2)
    def draw(account: str, prompt: str = "cat") -> str:
        """Draws."""
        ran.append(prompt)
        return prompt.upper()

    assert draw(account, "dog") == "DOG"
    assert draw(prompt="cow", account=account) == "COW"
    with pytest.raises(drawdown.NotEntitledError) as refused:
        draw(account)
    assert refused.value.reason == "INSUFFICIENT"
    assert ran == ["dog", "cow"]
    assert database.balance(account, "credits").available == 1
    assert (draw.__name__, draw.__doc__) == ("draw", "Draws.")


def test_what_raises_has_used_nothing(database: Database, new_account: NewAccount) -> None:
    account = new_account(database, "5")

    @drawdown.requires("calls", database=database)
    def fail(account: str) -> None:
        raise KeyError("no")

    @drawdown.requires("calls", quantity=4, hold=True, database=database)
    def fail_held(account: str) -> None:
        assert database.balance(account, "credits").available == 1
        raise KeyError("no")

    for function in (fail, fail_held):
        with pytest.raises(KeyError):
            function(account)
    assert database.balance(account, "credits").available == 5


def test_a_hold_is_settled_with_what_was_used(database: Database, new_account: NewAccount) -> None:
    """While the function runs its quantity is set aside; the result says what it took."""
    account = new_account(database, "10")

    @drawdown.requires("calls", quantity=8, hold=True, used=len, database=database)
    def work(account: str, size: int) -> list[int]:
        assert not database.check(account, "calls", quantity=3)
        return [0] * size

    assert work(account, 3) == [0, 0, 0]
    assert database.balance(account, "credits").available == 7
    with pytest.raises(drawdown.NotEntitledError):
        work(account, 1)


def test_arguments_say_account_quantity_and_dimensions(database: Database, new_account: NewAccount) -> None:
    """Functions of the call's arguments."""
    account = new_account(database, "1")

    @drawdown.requires(
        "tokens",
        account=lambda request: request["who"],
        quantity=lambda request: request["tokens"],
        dimensions=lambda request: {"model": request["model"]},
        database=database,
    )
    def complete(request: dict[str, object]) -> str:
        return "done"

    assert complete({"who": account, "tokens": 1000, "model": "large"}) == "done"
    assert str(database.balance(account, "credits").available) == "0.99"


def test_mistakes_are_named_when_the_function_is_made(database: Database) -> None:
    with pytest.raises(drawdown.InvalidRequestError, match="no argument 'account'"):

        @drawdown.requires("calls")
        def draw(who: str) -> None: ...

    with pytest.raises(drawdown.InvalidRequestError, match="generator"):

        @drawdown.requires("calls")
        def stream(account: str) -> Iterator[int]:
            yield 1

    @drawdown.requires("calls")
    def alone(account: str) -> None: ...

    with pytest.raises(drawdown.PreconditionError) as missing:
        alone("a")
    assert missing.value.reason == "DATABASE_MISSING"


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("awaited", [False, True])
def test_the_async_form_checks_and_records(
    server: ServerProcess, new_account: NewAccount, hold: bool, awaited: bool
) -> None:
    """With an awaited database and with a plain one; a cancelled call has used nothing."""
    with drawdown.connect(server.target) as plain:
        account = new_account(plain, "10")

        async def run() -> None:
            async with drawdown.aio.connect(server.target) as aio:
                database = aio if awaited else plain

                @drawdown.requires("calls", quantity=4, used=len, hold=hold, database=database)
                async def work(account: str, text: str, wait: float = 0) -> str:
                    await asyncio.sleep(wait)
                    return text

                assert await work(account, "abc") == "abc"
                assert plain.balance(account, "credits").available == 7
                slow = asyncio.ensure_future(work(account, "abc", 60))
                await asyncio.sleep(0.1)
                slow.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await slow
                assert plain.balance(account, "credits").available == 7
                assert await work(account, "abcd") == "abcd"
                with pytest.raises(drawdown.NotEntitledError):
                    await work(account, "abcd")

        asyncio.run(run())
        assert plain.balance(account, "credits").available == 3
        assert plain.balance(account, "credits").held == 0


def losses(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.getMessage().startswith("used and not")]


def test_what_was_held_is_charged_also_where_more_was_used_than_the_balance_has(
    database: Database, new_account: NewAccount, caplog: pytest.LogCaptureFixture
) -> None:
    """The extra is refused whole; the log names what is lost."""
    account = new_account(database, "10")

    @drawdown.requires("calls", quantity=10, hold=True, used=lambda answer: answer, database=database)
    def work(account: str, used: int) -> int:
        return used

    assert work(account, 11) == 11
    pool = database.balance(account, "credits")
    assert (pool.available, pool.held) == (0, 0)
    (lost,) = losses(caplog)
    assert f"account {account}, 1 × calls" in lost and "INSUFFICIENT" in lost


@pytest.mark.parametrize("awaited", [False, True])
def test_the_async_form_charges_what_was_held_too(
    server: ServerProcess, new_account: NewAccount, caplog: pytest.LogCaptureFixture, awaited: bool
) -> None:
    with drawdown.connect(server.target) as plain:
        account = new_account(plain, "10")

        async def run() -> int:
            async with drawdown.aio.connect(server.target) as aio:

                @drawdown.requires(
                    "calls", quantity=10, hold=True, used=len, database=aio if awaited else plain
                )
                async def work(account: str) -> str:
                    return "x" * 11

                return len(await work(account))

        assert asyncio.run(run()) == 11
        pool = plain.balance(account, "credits")
        assert (pool.available, pool.held) == (0, 0)
    assert ["1 × calls" in each for each in losses(caplog)] == [True]


def test_a_use_that_is_refused_after_the_call_is_logged(
    database: Database, new_account: NewAccount, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a hold another may have taken the credits meanwhile, or more was used than was asked for."""
    account = new_account(database, "10")

    @drawdown.requires("calls", quantity=4, used=lambda answer: answer, database=database)
    def work(account: str, used: int) -> int:
        return used

    assert work(account, 11) == 11
    (lost,) = losses(caplog)
    assert "11 × calls" in lost and "INSUFFICIENT" in lost
    assert work(account, 10) == 10
    assert len(losses(caplog)) == 1
