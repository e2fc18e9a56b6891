"""The Stripe adapter against a loopback server with recorded shapes, through Stripe's own library."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from drawdown.errors import (
    ConfigError,
    InvalidRequestError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)
from drawdown.model.money import Money, money_from, zero
from drawdown.payments import ChargeState, PaymentRequest, RefundRequest
from drawdown.payments.stripe_provider import StripeProvider, money_of, stripe_amount

from tests.payments.stripe_stub import StripeStub

SECRET = "whsec_of_the_stub"


@pytest.fixture
def stub() -> Iterator[StripeStub]:
    with StripeStub() as running:
        yield running


@pytest.fixture
def provider(stub: StripeStub) -> StripeProvider:
    return StripeProvider("sk_test_stub", webhook_secret=SECRET, api_base=stub.url)


def request(key: str = "purchase:1", method: str = "pm_card", amount: Money | None = None) -> PaymentRequest:
    return PaymentRequest(
        key=key,
        amount=amount or money_from("60", "USD"),
        customer_reference="cus_1",
        payment_method=method,
    )


def signed(body: bytes, *, at: int | None = None, secret: str = SECRET) -> dict[str, str]:
    stamp = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={digest}"}


def event(kind: str, about: dict[str, Any]) -> bytes:
    shape = {"id": "evt_1", "object": "event", "type": kind, "data": {"object": about}}
    return json.dumps(shape).encode()


def test_the_same_key_charges_once(provider: StripeProvider, stub: StripeStub) -> None:
    first = provider.charge(request())
    assert first.state is ChargeState.SUCCEEDED
    assert first.amount == Money(6000, "USD")
    assert provider.charge(request()) == first
    assert len(stub.intents) == 1
    assert provider.find_charge("purchase:1") == first
    assert provider.find_charge("purchase:2") is None
    with pytest.raises(InvalidRequestError, match="used before"):
        provider.charge(request(amount=money_from("61", "USD")))


def test_a_lost_answer_is_repeated_by_the_library_with_the_same_key(
    provider: StripeProvider, stub: StripeStub
) -> None:
    stub.fail_next = [500, 503]
    assert provider.charge(request()).state is ChargeState.SUCCEEDED
    stub.fail_next = [500, 500, 500]
    with pytest.raises(UnavailableError, match="same key"):
        provider.charge(request("purchase:2"))
    assert len(stub.intents) == 1


@pytest.mark.parametrize(
    ("method", "state", "reason"),
    [
        ("pm_declined", ChargeState.FAILED, "insufficient_funds"),
        ("pm_authenticate", ChargeState.ACTION_REQUIRED, "authentication_required"),
        ("pm_processing", ChargeState.PENDING, ""),
    ],
)
def test_what_is_no_success_is_an_answer(
    provider: StripeProvider, method: str, state: ChargeState, reason: str
) -> None:
    charge = provider.charge(request(method=method))
    assert (charge.state, charge.reason) == (state, reason)
    assert charge.reference.startswith("pi_")


@pytest.mark.parametrize(
    ("method", "amount", "reason"),
    [
        ("pm_detached", "60", "resource_missing"),
        ("pm_card", "0.30", "amount_too_small"),
    ],
)
def test_a_refusal_for_good_is_an_answer(
    provider: StripeProvider, stub: StripeStub, method: str, amount: str, reason: str
) -> None:
    """Asked for ever it would be refused for ever, and whatever waits for it would wait."""
    charge = provider.charge(request(method=method, amount=money_from(amount, "USD")))
    assert (charge.state, charge.reason) == (ChargeState.FAILED, reason)
    assert stub.intents == {}


def test_an_amount_that_stripe_cannot_charge_is_declined(provider: StripeProvider, stub: StripeStub) -> None:
    charge = provider.charge(request(amount=money_from("1.234", "KWD")))
    assert (charge.state, charge.reason) == (ChargeState.FAILED, "invalid_charge_amount")
    assert stub.requests == 0


@pytest.mark.parametrize(
    ("status", "fault"),
    [(401, ConfigError), (403, ConfigError), (409, UnavailableError), (429, UnavailableError)],
)
def test_what_may_be_mended_is_no_refusal(
    provider: StripeProvider, stub: StripeStub, status: int, fault: type[Exception]
) -> None:
    """The API key, haste, and another request under way: the money may still be taken."""
    stub.fail_next = [status] * 3
    with pytest.raises(fault):
        provider.charge(request())
    stub.fail_next = []
    assert provider.charge(request()).state is ChargeState.SUCCEEDED


@pytest.mark.parametrize(
    "key", ["purchase:日本-1", "purchase:" + "é" * 120, f"purchase:{'x' * 300}", "purchase:with a space "]
)
def test_any_id_can_be_charged_and_given_back(provider: StripeProvider, stub: StripeStub, key: str) -> None:
    """What cannot stand in the header is hashed there, and whole in the metadata."""
    first = provider.charge(request(key))
    assert (first.state, first.key) == (ChargeState.SUCCEEDED, key)
    assert provider.charge(request(key)) == first == provider.find_charge(key)
    assert len(stub.intents) == 1
    back = RefundRequest(key=f"refund:{key}", charge_reference=first.reference, amount=first.amount)
    assert provider.refund(back).amount == first.amount


def test_keys_that_can_stand_in_the_header_do(provider: StripeProvider, stub: StripeStub) -> None:
    """Those that were on their way when others came to be hashed are the same still."""
    provider.charge(request("retry.1:inv:acme:20260131T000000.000000Z:USD"))
    assert list(stub.by_key) == ["retry.1:inv:acme:20260131T000000.000000Z:USD"]


def test_another_method_under_the_same_key_answers_what_was_charged(
    provider: StripeProvider, stub: StripeStub
) -> None:
    first = provider.charge(request(method="pm_processing"))
    assert provider.charge(request(method="pm_card")) == first
    stub.intents.clear()
    with pytest.raises(UnavailableError, match="not find"):
        provider.charge(request(method="pm_card"))


def test_a_charge_is_found_where_accounts_cannot_search(provider: StripeProvider, stub: StripeStub) -> None:
    stub.has_search = False
    first = provider.charge(request())
    provider.charge(request("purchase:2"))
    assert provider.find_charge("purchase:1") == first
    assert provider.find_charge("purchase:3") is None


def test_an_open_charge_is_stopped_and_another_is_answered_as_it_is(
    provider: StripeProvider, stub: StripeStub
) -> None:
    """What was wrong with it before is no reason any more."""
    ends = [("pm_authenticate", "failed", "canceled"), ("pm_processing", "pending", "")]
    for method, state, reason in [*ends, ("pm_card", "succeeded", "")]:
        charge = provider.charge(request(method, method))
        for _ in range(2):
            stopped = provider.cancel(charge.key, charge.reference)
            assert (stopped.state, stopped.reason) == (state, reason)


def test_refunds_end_at_what_was_taken(provider: StripeProvider) -> None:
    charge = provider.charge(request())
    half = RefundRequest(key="refund:1", charge_reference=charge.reference, amount=money_from("30", "USD"))
    assert provider.refund(half).amount == money_from("30", "USD")
    more = RefundRequest(key="refund:2", charge_reference=charge.reference, amount=money_from("31", "USD"))
    with pytest.raises(PreconditionError, match="greater than charge"):
        provider.refund(more)


def test_a_webhook_is_believed_only_when_signed(provider: StripeProvider, stub: StripeStub) -> None:
    charge = provider.charge(request(method="pm_processing"))
    intent = stub.intents[charge.reference]
    intent["status"] = "succeeded"
    body = event("payment_intent.succeeded", intent)
    callback = provider.callback(body, signed(body))
    assert callback is not None
    assert callback.charge.state is ChargeState.SUCCEEDED
    assert (callback.callback_id, callback.charge.key, callback.disputed) == ("evt_1", "purchase:1", False)
    for headers in (
        {},
        signed(body, secret="whsec_other"),
        signed(body, at=int(time.time()) - 3600),
        signed(body + b" "),
    ):
        with pytest.raises(UnauthenticatedError):
            provider.callback(body, headers)


def test_an_old_word_says_what_holds_now(provider: StripeProvider, stub: StripeStub) -> None:
    charge = provider.charge(request(method="pm_processing"))
    old = event("payment_intent.processing", dict(stub.intents[charge.reference]))
    stub.intents[charge.reference]["status"] = "succeeded"
    callback = provider.callback(old, signed(old))
    assert callback is not None and callback.charge.state is ChargeState.SUCCEEDED


def test_disputes_and_what_is_not_ours(provider: StripeProvider, stub: StripeStub) -> None:
    charge = provider.charge(request())
    body = event("charge.dispute.created", {"object": "dispute", "payment_intent": charge.reference})
    callback = provider.callback(body, signed(body))
    assert callback is not None and callback.disputed
    older = event("charge.dispute.created", {"object": "dispute", "payment_intent": None})
    assert provider.callback(older, signed(older)) is None
    other = event("customer.created", {"object": "customer", "id": "cus_1"})
    assert provider.callback(other, signed(other)) is None
    stub.intents[charge.reference]["metadata"] = {}
    foreign = event("payment_intent.succeeded", {"object": "payment_intent", "id": charge.reference})
    assert provider.callback(foreign, signed(foreign)) is None
    with pytest.raises(ConfigError, match="webhook secret"):
        StripeProvider("sk_test_stub").callback(body, signed(body))


def test_methods_are_shown_without_their_number(provider: StripeProvider) -> None:
    shown = provider.payment_method("pm_card")
    assert shown is not None and shown.label == "visa •••• 4242"
    assert provider.payment_method("pm_none") is None


# As Stripe's page on currencies lists them; the two that it keeps two decimals for are special cases there.
ZERO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
ZERO_WITH_TWO = "ISK UGX"
THREE_DECIMALS = "BHD JOD KWD OMR TND"


@pytest.mark.parametrize(
    ("currencies", "integer"),
    [
        (ZERO_DECIMALS, 500),
        (ZERO_WITH_TWO, 50_000),
        (THREE_DECIMALS, 500_000),
        # Special cases of payouts only.
        ("USD EUR HUF TWD", 50_000),
    ],
)
def test_minor_units_are_those_of_stripe(currencies: str, integer: int) -> None:
    """500 of each, there and back."""
    for code in currencies.split():
        amount = money_from("500", code)
        assert (stripe_amount(amount), money_of(integer, code.lower())) == (integer, amount), code


def test_an_amount_between_the_steps_of_stripe_is_refused() -> None:
    assert stripe_amount(money_from("1.230", "KWD")) == 1230
    with pytest.raises(InvalidRequestError, match=r"steps of 0\.010"):
        stripe_amount(money_from("1.234", "KWD"))
    with pytest.raises(InvalidRequestError, match="steps of 1, not"):
        stripe_amount(money_from("100.20", "MGA"))
    with pytest.raises(InvalidRequestError, match="above zero"):
        stripe_amount(zero("USD"))
