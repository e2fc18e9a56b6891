"""WatchBalances and WatchEntitlements: the present state, then what changes, pushed after each commit group.

One coroutine per stream. Marks come from the engine through the hub; the coroutine reads the marked
accounts, waits until what it read is durable, and sends what differs from what it sent last. While a
client is slow to read, its marks gather in a set: memory is bounded by what it watches.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from google.protobuf import message as messages

from drawdown import errors
from drawdown.engine import Engine, RawEngineError
from drawdown.model.ids import ID_BYTES_MAX, check_id
from drawdown.runtime.watch_hub import ACCOUNTS_MAX, Watcher, WatchHub
from drawdown.server import convert, status
from drawdown.server.access import Access, Principal, Right
from drawdown.server.context import Context, Handler
from drawdown.server.durability import Durability
from drawdown.server.typed import parsed_to_keep
from drawdown.server.usage_service import draining
from drawdown.v1 import account_pb2, entitlement_pb2

# The first change goes out at once; those that follow it within this are sent together.
PAUSE_S: Final = 0.002
# Accounts read in one go; then the loop does other work.
READ_AT_ONCE: Final = 16
# Of one question, as the engine takes them.
DIMENSIONS_MAX: Final = 16

Read = Callable[[Sequence[str]], tuple[int, Any]]
"""Reads accounts: ``(seq, message of what differs)``; ``None`` where nothing does."""


class WatchService:
    """The two watch streams, on the event loop."""

    def __init__(self, engine: Engine, durability: Durability, access: Access) -> None:
        self._engine = engine
        self._durability = durability
        self._access = access
        self._hub = WatchHub(engine)
        self._woken: set[asyncio.Event] = set()
        self._draining = False
        self.sent = 0
        durability.add(self)

    def durable_up_to(self, _: int) -> None:
        """A commit group is durable: what changed in it is told."""
        self._hub.look()

    @property
    def open_watches(self) -> int:
        return len(self._hub)

    def handlers(self) -> list[tuple[str, dict[str, Handler]]]:
        """Handlers by service."""
        return [
            (
                "drawdown.v1.AccountService",
                {"WatchBalances": grpc.unary_stream_rpc_method_handler(self.watch_balances)},
            ),
            (
                "drawdown.v1.EntitlementService",
                {"WatchEntitlements": grpc.unary_stream_rpc_method_handler(self.watch_entitlements)},
            ),
        ]

    async def watch_balances(self, body: bytes, context: Context) -> None:
        """``WatchBalances``."""

        def begin(principal: Principal) -> tuple[list[str], Read]:
            request = parsed_to_keep(account_pb2.WatchBalancesRequest, body)
            accounts = [check_id(each, "account_ids") for each in request.account_ids]
            # A foreign account is watched like one that never comes.
            return accounts, _Balances(self._engine, request.credit_type, principal).read

        await self._serve("AccountService/WatchBalances", context, begin)

    async def watch_entitlements(self, body: bytes, context: Context) -> None:
        """``WatchEntitlements``."""

        def begin(principal: Principal) -> tuple[list[str], Read]:
            request = parsed_to_keep(entitlement_pb2.WatchEntitlementsRequest, body)
            if not 1 <= len(request.checks) <= ACCOUNTS_MAX:
                raise errors.InvalidRequestError(
                    f"checks: a watch has 1–{ACCOUNTS_MAX} questions, not {len(request.checks)}",
                    field="checks",
                )
            for each in request.checks:
                _check_question(each)
            reader = _Entitlements(self._engine, request, principal.account_prefix)
            return [each.account_id for each in request.checks], reader.read

        await self._serve("EntitlementService/WatchEntitlements", context, begin)

    async def _serve(
        self, call: str, context: Context, begin: Callable[[Principal], tuple[list[str], Read]]
    ) -> None:
        woken = asyncio.Event()
        watcher: Watcher | None = None
        try:
            principal = self._access.principal(context, Right.READ, call)
            if self._draining:
                raise draining()
            accounts, read = begin(principal)
            # The hub looks on the loop's thread alone, where an event may be set.
            watcher = Watcher(self._engine, accounts, woken.set)
            # One account may have been named any number of times.
            del accounts
            self._hub.add(watcher)
            self._woken.add(woken)
            await self._push(context, principal, watcher, read, woken)
        except (errors.DrawdownError, RawEngineError) as raised:
            await status.abort(context, raised)
        finally:
            self._woken.discard(woken)
            if watcher is not None:
                self._hub.discard(watcher)

    async def _push(
        self, context: Context, principal: Principal, watcher: Watcher, read: Read, woken: asyncio.Event
    ) -> None:
        is_first = True
        while not self._draining:
            # A revoked key sees nothing more, however long its stream has been open.
            self._access.require_live(principal)
            woken.clear()
            await self._send(context, watcher, read, is_first)
            is_first = False
            await asyncio.sleep(PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(watcher.wait_s()):
                    await woken.wait()

    async def _send(self, context: Context, watcher: Watcher, read: Read, is_first: bool) -> None:
        taken = watcher.take()
        whole: messages.Message | None = None
        seq = 0
        for start in range(0, len(taken), READ_AT_ONCE):
            some = taken[start : start + READ_AT_ONCE]
            for account in some:
                watcher.looked_at(account)
            read_seq, part = read(some)
            seq = max(seq, read_seq)
            if whole is None:
                whole = part
            else:
                whole.MergeFrom(part)
            await asyncio.sleep(0)
        if whole is None or not (is_first or whole.ByteSize()):
            return
        await self._durability.reached(seq)
        whole.seq = seq  # type: ignore[attr-defined]
        await context.write(whole.SerializeToString())
        self.sent += 1

    def drain(self) -> None:
        """End every watch with OK; its client asks again elsewhere or later."""
        self._draining = True
        for woken in self._woken:
            woken.set()


def _check_question(question: entitlement_pb2.CheckRequest) -> None:
    """Raises ``InvalidRequestError`` where the stream would keep more than a question can hold."""
    check_id(question.account_id, "account_id")
    check_id(question.meter, "meter")
    pairs = question.dimensions.items()
    if len(pairs) > DIMENSIONS_MAX or any(
        len(text.encode()) > ID_BYTES_MAX for pair in pairs for text in pair
    ):
        raise errors.InvalidRequestError(
            f"dimensions: at most {DIMENSIONS_MAX}, keys and values of at most {ID_BYTES_MAX} bytes",
            field="dimensions",
        )


class _Balances:
    """What one ``WatchBalances`` stream sent last."""

    def __init__(self, engine: Engine, credit_type: str, principal: Principal) -> None:
        self._engine = engine
        self._credit_type = credit_type
        self._principal = principal
        self._sent: dict[tuple[str, str], bytes] = {}

    def read(self, accounts: Sequence[str]) -> tuple[int, account_pb2.WatchBalancesResponse]:
        """Pools of these accounts that are not as they were sent."""
        response = account_pb2.WatchBalancesResponse()
        seq = 0
        for account in filter(self._principal.sees, accounts):
            try:
                balances = self._engine.balances(account)
            except errors.AccountNotFoundError:
                continue
            for balance in balances:
                seq = max(seq, balance.seq)
                if self._credit_type and balance.credit_type != self._credit_type:
                    continue
                message = convert.balance_message(balance)
                encoded = message.SerializeToString(deterministic=True)
                key = (account, balance.credit_type)
                if self._sent.get(key) != encoded:
                    self._sent[key] = encoded
                    response.balances.append(message)
        return seq, response


class _Entitlements:
    """What one ``WatchEntitlements`` stream sent last."""

    def __init__(
        self, engine: Engine, request: entitlement_pb2.WatchEntitlementsRequest, account_prefix: str
    ) -> None:
        self._engine = engine
        self._account_prefix = account_prefix
        self._questions = list(request.checks)
        self._of_account: dict[str, list[int]] = {}
        for index, question in enumerate(self._questions):
            self._of_account.setdefault(question.account_id, []).append(index)
        self._sent: dict[int, bytes] = {}

    def read(self, accounts: Sequence[str]) -> tuple[int, entitlement_pb2.WatchEntitlementsResponse]:
        """Answers of these accounts' questions that are not as they were sent."""
        indices = [index for account in accounts for index in self._of_account.get(account, ())]
        asked = entitlement_pb2.BatchCheckRequest(checks=[self._questions[index] for index in indices])
        seq, answered = self._engine.submit_checks(
            asked.SerializeToString(), account_prefix=self._account_prefix
        )
        answers = entitlement_pb2.BatchCheckResponse.FromString(answered).results
        response = entitlement_pb2.WatchEntitlementsResponse()
        for index, answer in zip(indices, answers, strict=True):
            at = answer.seq
            answer.ClearField("seq")
            encoded = answer.SerializeToString(deterministic=True)
            if self._sent.get(index) != encoded:
                self._sent[index] = encoded
                answer.seq = at
                response.changes.add(index=index, answer=answer)
        return seq, response
