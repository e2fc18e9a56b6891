"""The reference's commands: the JSON objects of the engine's ``execute``, one atomic group each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.model.reference_account import Account, Policy, Pool, month_start
from tests.model.reference_corrections import correct
from tests.model.reference_grants import Grant
from tests.model.reference_hold_commands import release, reserve, settle
from tests.model.reference_inputs import Command, Facts, account_of, check_dates, units_of
from tests.model.reference_ledger import Meter, ReferenceLedger, is_id
from tests.model.reference_payment import Refused
from tests.model.reference_prices import I64_MAX, exact_decimal, half_even, rate_from_command


def execute(ledger: ReferenceLedger, group: list[Command]) -> list[Facts]:
    """Apply the whole group or nothing; one object per command, as the engine answers."""
    before = copy.deepcopy(ledger.__dict__)
    outcomes: list[Facts] = []
    for index, command in enumerate(group):
        try:
            outcomes.append(_COMMANDS[command["type"]](ledger, command))
        except Refused as refused:
            ledger.__dict__.update(before)
            outcomes = [{"status": "NOT_APPLIED"} for _ in group]
            outcomes[index] = {"status": refused.status, "field": refused.field, **refused.facts}
            return outcomes
    return outcomes


def sweep(ledger: ReferenceLedger) -> int:
    """Book all breakage that is due; how many grants had any (§4.6)."""
    return sum(account.book_breakage(ledger.settings.late_grace) for account in ledger.accounts.values())


def _create_credit_type(ledger: ReferenceLedger, command: Command) -> Facts:
    scale = command.get("scale", 9)
    if not is_id(command["name"]):
        raise Refused("INVALID", "name")
    if not 0 <= scale <= 12:
        raise Refused("INVALID", "scale")
    if command["name"] in ledger.credit_types:
        return _repeated(ledger.credit_types[command["name"]] == scale)
    ledger.credit_types[command["name"]] = scale
    return {"status": "OK"}


def _repeated(same: bool) -> Facts:
    if not same:
        raise Refused("CONFLICT")
    return {"status": "DUPLICATE"}


def _create_meter(ledger: ReferenceLedger, command: Command) -> Facts:
    meter = Meter(
        command["key"],
        command.get("quantity_scale", 0),
        command.get("aggregation", "sum"),
        frozenset(command.get("dimensions", [])),
        command.get("unique_of"),
    )
    if not is_id(meter.key):
        raise Refused("INVALID", "key")
    if not 0 <= meter.quantity_scale <= 12:
        raise Refused("INVALID", "quantity_scale")
    if meter.key in ledger.meters:
        return _repeated(ledger.meters[meter.key] == meter)
    ledger.meters[meter.key] = meter
    return {"status": "OK"}


def _set_rate(ledger: ReferenceLedger, command: Command) -> Facts:
    check_dates(command, "valid_from")
    if command["meter"] not in ledger.meters:
        raise Refused("METER_UNKNOWN", "meter")
    if command["credit_type"] not in ledger.credit_types:
        raise Refused("INVALID", "credit_type")
    try:
        rate = rate_from_command(command, len(ledger.rates))
    except ValueError as error:
        raise Refused("INVALID") from error
    ledger.rates.append(rate)
    return {"status": "OK"}


def _create_account(ledger: ReferenceLedger, command: Command) -> Facts:
    if not is_id(command["account"]):
        raise Refused("INVALID", "account")
    check_dates(command, "test_clock")
    if command["account"] in ledger.accounts:
        return {"status": "DUPLICATE"}
    table = command.get("rate_table") or "default"
    account = Account(command["account"], command["test_clock"], [(None, table)])
    ledger.accounts[command["account"]] = account
    return {"status": "OK"}


def _assign_rate_table(ledger: ReferenceLedger, command: Command) -> Facts:
    check_dates(command, "valid_from")
    account = account_of(ledger, command)
    since = command.get("valid_from")
    account.rate_tables.append((account.now if since is None else since, command["table"]))
    return {"status": "OK"}


def _set_period_edge(ledger: ReferenceLedger, command: Command) -> Facts:
    check_dates(command, "at")
    account = account_of(ledger, command)
    withdrawn = command.get("withdrawn", False)
    if (command["at"] in account.edges) != withdrawn:
        return {"status": "DUPLICATE"}
    earliest = account.now + ledger.settings.future_margin
    if command["at"] <= earliest:
        raise Refused("INVALID", "at")
    if withdrawn:
        account.edges.remove(command["at"])
        return {"status": "OK"}
    if not account.edges:
        account.edges.append(month_start(earliest))
    account.edges.append(command["at"])
    return {"status": "OK"}


def _advance_clock(ledger: ReferenceLedger, command: Command) -> Facts:
    check_dates(command, "to")
    account = account_of(ledger, command)
    if command["to"] < account.now:
        raise Refused("INVALID", "to")
    account.live_until(command["to"], ledger.settings.late_grace)
    account.book_breakage(ledger.settings.late_grace)
    return {"status": "OK"}


def _suspend_account(ledger: ReferenceLedger, command: Command) -> Facts:
    account_of(ledger, command).is_suspended = True
    return {"status": "OK"}


def _resume_account(ledger: ReferenceLedger, command: Command) -> Facts:
    account_of(ledger, command).is_suspended = False
    return {"status": "OK"}


def _pool(ledger: ReferenceLedger, account: Account, credit_type: str) -> Pool:
    if credit_type not in ledger.credit_types:
        raise Refused("INVALID", "credit_type")
    return account.pool(credit_type)


def _set_policy(ledger: ReferenceLedger, command: Command) -> Facts:
    check_dates(command, "since")
    account = account_of(ledger, command)
    pool = _pool(ledger, account, command["credit_type"])
    limit = units_of(ledger, pool.credit_type, command.get("limit", 0), "limit")
    cap = command.get("cap")
    cap_units = None if cap is None else units_of(ledger, pool.credit_type, cap, "cap")
    if command["kind"] == "overdraft" and ("limit" not in command or limit < 0):
        raise Refused("INVALID", "limit")
    if cap_units is not None and cap_units < 0:
        raise Refused("INVALID", "cap")
    if "since" in command and command["kind"] != "overage":
        raise Refused("INVALID", "since")
    # ``since`` says what is counted apart for an invoice: balances, caps and corrections are as without it.
    pool.policy = Policy(command["kind"], limit, cap_units)
    pool.touched = True
    return {"status": "OK"}


def _check_percentage(given: str) -> None:
    """§12: of what was granted; above 0, at most 100, at most two decimals."""
    try:
        share = exact_decimal(given.removesuffix("%"))
    except ValueError as error:
        raise Refused("INVALID", "thresholds") from error
    if not 0 < share <= 100 or (share * 100).denominator != 1:
        raise Refused("INVALID", "thresholds")


def _set_thresholds(ledger: ReferenceLedger, command: Command) -> Facts:
    account = account_of(ledger, command)
    pool = _pool(ledger, account, command["credit_type"])
    for given in command["thresholds"]:
        if isinstance(given, str) and given.endswith("%"):
            _check_percentage(given)
        else:
            units_of(ledger, pool.credit_type, given, "thresholds")
    pool.touched = True
    return {"status": "OK"}


def _check_content(ledger: ReferenceLedger, sent: dict[str, Any]) -> None:
    """What is wrong with a grant whoever asks and whenever; INVALID stands before all else (§5.3)."""
    if not is_id(sent["grant_id"]):
        raise Refused("INVALID", "grant_id")
    if sent["credit_type"] not in ledger.credit_types:
        raise Refused("INVALID", "credit_type")
    if not 1 <= sent.get("priority", 50) <= 100:
        raise Refused("INVALID", "priority")
    if sent.get("scope") == []:
        raise Refused("INVALID", "scope")
    if (
        not isinstance(sent["amount"], dict)
        and units_of(ledger, sent["credit_type"], sent["amount"], "amount") <= 0
    ):
        raise Refused("INVALID", "amount")
    check_dates(sent, "effective_at", "expires_at")
    begins, ends = sent.get("effective_at"), sent.get("expires_at")
    if begins is not None and ends is not None and ends <= begins:
        raise Refused("INVALID", "expires_at")


def _grant_from(
    ledger: ReferenceLedger, account: Account, sent: dict[str, Any], amount: int
) -> tuple[Pool, Grant]:
    """A grant with this amount, its dates completed from the stamp, which is judged only here."""
    scope = sent.get("scope")
    effective_at = sent.get("effective_at")
    grant = Grant(
        grant_id=sent["grant_id"],
        credit_type=sent["credit_type"],
        amount=amount,
        category=sent.get("category", "paid"),
        priority=sent.get("priority", 50),
        effective_at=account.now if effective_at is None else effective_at,
        expires_at=sent.get("expires_at"),
        scope=None if scope is None else frozenset(scope),
        pending=sent.get("pending", False),
        created=ledger.steps,
        content=_content_of(sent),
    )
    if grant.scope is not None and any(meter not in ledger.meters for meter in grant.scope):
        raise Refused("METER_UNKNOWN", "scope")
    if grant.ends <= grant.effective_at:
        raise Refused("INVALID", "expires_at")
    return account.pool(grant.credit_type), grant


def _content_of(sent: dict[str, Any]) -> dict[str, Any]:
    """What makes it the same grant; a scope is a set."""
    content = copy.deepcopy(sent)
    if content.get("scope") is not None:
        content["scope"] = sorted(set(content["scope"]))
    return content


def _add_grant(ledger: ReferenceLedger, pool: Pool, grant: Grant) -> None:
    if pool.remaining + grant.amount > I64_MAX:
        raise Refused("OVERFLOW", "amount")
    ledger.steps += 1
    grant.created = ledger.steps
    pool.grants[grant.grant_id] = grant
    pool.touched = True


def _create_grant(ledger: ReferenceLedger, command: Command) -> Facts:
    sent = command["grant"]
    _check_content(ledger, sent)
    account = account_of(ledger, command)
    known = account.find_grant_content(sent["grant_id"])
    if known is not None:
        return _repeated(known == _content_of(sent))
    amount = units_of(ledger, sent["credit_type"], sent["amount"], "amount")
    pool, grant = _grant_from(ledger, account, sent, amount)
    _add_grant(ledger, pool, grant)
    pool.settle(account.now)
    return {"status": "OK"}


def _release_grant(ledger: ReferenceLedger, command: Command) -> Facts:
    check_dates(command, "effective_at", "expires_at")
    account = account_of(ledger, command)
    grant = account.find_grant(command["grant_id"])
    if grant is None:
        raise Refused("GRANT_UNKNOWN", "grant_id")
    if not grant.pending or grant.is_void:
        return {"status": "DUPLICATE"}
    effective_at = command.get("effective_at")
    expires_at = command.get("expires_at")
    grant.effective_at = grant.effective_at if effective_at is None else effective_at
    grant.expires_at = grant.expires_at if expires_at is None else expires_at
    if grant.ends <= grant.effective_at:
        raise Refused("INVALID", "expires_at")
    grant.pending = False
    account.pool(grant.credit_type).settle(account.now)
    return {"status": "OK"}


def _void(grant: Grant, moved: int = 0) -> int:
    """Forfeit what is free, less what is carried; the forfeited amount (§4.7)."""
    forfeited = grant.free - moved
    grant.is_void = True
    grant.voided += forfeited
    grant.moved += moved
    grant.remaining = grant.held
    return forfeited


def _void_grant(ledger: ReferenceLedger, command: Command) -> Facts:
    account = account_of(ledger, command)
    grant = account.find_grant(command["grant_id"])
    if grant is None:
        raise Refused("GRANT_UNKNOWN", "grant_id")
    if grant.is_void:
        return {"status": "DUPLICATE"}
    return {"status": "OK", "forfeited": _void(grant)}


def _check_formula(ledger: ReferenceLedger, sent: dict[str, Any], void: list[str]) -> None:
    """One form, over a grant voided in the same command, with a number that means something."""
    formula = sent["amount"]
    if len([form for form in ("min", "fraction", "minus") if formula.get(form) is not None]) != 1:
        raise Refused("INVALID", "amount")
    if formula["of"] not in void:
        raise Refused("INVALID", "amount")
    if formula.get("fraction") is not None:
        try:
            fraction = exact_decimal(formula["fraction"])
        except ValueError as error:
            raise Refused("INVALID", "amount") from error
        if not 0 <= fraction <= 1:
            raise Refused("INVALID", "amount")
        return
    form = "min" if formula.get("min") is not None else "minus"
    if units_of(ledger, sent["credit_type"], formula[form], "amount") < 0 and form == "min":
        raise Refused("INVALID", "amount")


def _formula_amount(ledger: ReferenceLedger, credit_type: str, formula: dict[str, Any], free: int) -> int:
    """§4.10: min(n, free), free × fraction or max(0, free − n)."""
    if formula.get("fraction") is not None:
        return half_even(Fraction(free) * exact_decimal(formula["fraction"]))
    form = "min" if formula.get("min") is not None else "minus"
    number = units_of(ledger, credit_type, formula[form], "amount")
    return min(number, free) if form == "min" else max(0, free - number)


def _void_and_replace(ledger: ReferenceLedger, command: Command) -> Facts:
    for sent in command["create"]:
        _check_content(ledger, sent)
        if isinstance(sent["amount"], dict):
            _check_formula(ledger, sent, command["void"])
    account = account_of(ledger, command)
    olds = {}
    for grant_id in command["void"]:
        old = account.find_grant(grant_id)
        if old is None:
            raise Refused("GRANT_UNKNOWN", "void")
        olds[grant_id] = old
    known = [account.find_grant_content(sent["grant_id"]) for sent in command["create"]]
    if known and all(content is not None for content in known):
        return _repeated(known == [_content_of(sent) for sent in command["create"]])
    if any(content is not None for content in known):
        raise Refused("CONFLICT", "create")
    amounts, moved = _replacement_amounts(ledger, command, olds)
    voided = {i: _void(old, moved.get(i, 0)) for i, old in olds.items() if not old.is_void}
    for sent, amount in zip(command["create"], amounts, strict=True):
        pool, grant = _grant_from(ledger, account, sent, amount)
        if amount == 0:
            pool.unmade_grants[sent["grant_id"]] = _content_of(sent)
        else:
            _add_grant(ledger, pool, grant)
    for pool in account.pools.values():
        pool.settle(account.now)
    return {"status": "OK", "voided": voided}


def _replacement_amounts(
    ledger: ReferenceLedger, command: Command, olds: dict[str, Grant]
) -> tuple[list[int], dict[str, int]]:
    """What each created grant gets, and how much of each replaced grant is carried over."""
    amounts: list[int] = []
    moved: dict[str, int] = {}
    for sent in command["create"]:
        if not isinstance(sent["amount"], dict):
            amounts.append(units_of(ledger, sent["credit_type"], sent["amount"], "amount"))
            continue
        old = olds[sent["amount"]["of"]]
        if old.credit_type != sent["credit_type"]:
            raise Refused("INVALID", "amount")
        amount = _formula_amount(ledger, sent["credit_type"], sent["amount"], old.free)
        moved[old.grant_id] = moved.get(old.grant_id, 0) + min(amount, old.free)
        if moved[old.grant_id] > old.free:
            raise Refused("INVALID", "amount")
        amounts.append(amount)
    return amounts, moved


_COMMANDS: dict[str, Callable[[ReferenceLedger, Command], Facts]] = {
    "create_credit_type": _create_credit_type,
    "create_meter": _create_meter,
    "set_rate": _set_rate,
    "create_account": _create_account,
    "assign_rate_table": _assign_rate_table,
    "set_period_edge": _set_period_edge,
    "advance_clock": _advance_clock,
    "suspend_account": _suspend_account,
    "resume_account": _resume_account,
    "set_policy": _set_policy,
    "set_thresholds": _set_thresholds,
    "create_grant": _create_grant,
    "release_grant": _release_grant,
    "void_grant": _void_grant,
    "void_and_replace": _void_and_replace,
    "reserve": reserve,
    "settle": settle,
    "release": release,
    "correct": correct,
}
