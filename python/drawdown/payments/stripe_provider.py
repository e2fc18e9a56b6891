"""``stripe``: payment intents of Stripe, through its own library (extra ``drawdown[stripe]``).

One charge is one payment intent, confirmed off session. Our key is its idempotency key, which Stripe
keeps for at least a day, and stands in its metadata, where ``find_charge`` looks for older ones.
Callbacks are Stripe's webhooks about payment intents and disputes, verified by its library with the
endpoint's secret; the charge in them is fetched anew, so that an old word never undoes a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import stripe

from drawdown.errors import (
    ConfigError,
    InvalidRequestError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)
from drawdown.model.money import Money
from drawdown.payments.provider import (
    Charge,
    ChargeState,
    PaymentCallback,
    PaymentMethod,
    PaymentRequest,
    Refund,
    RefundRequest,
)

KEY = "drawdown_key"
_STATES = {
    "succeeded": ChargeState.SUCCEEDED,
    "processing": ChargeState.PENDING,
    "requires_action": ChargeState.ACTION_REQUIRED,
    "requires_confirmation": ChargeState.PENDING,
    "requires_capture": ChargeState.PENDING,
    "requires_payment_method": ChargeState.FAILED,
    "canceled": ChargeState.FAILED,
}
# Stripe keeps two decimals for these although ISO 4217 has none, and wants the last of three to be 0.
_TWO_DECIMALS_AT_STRIPE = {"ISK", "UGX"}
_THREE_DECIMALS = {"BHD", "JOD", "KWD", "OMR", "TND"}


def stripe_amount(amount: Money) -> int:
    """The integer Stripe wants. Raises ``InvalidRequestError`` for what it can't charge exactly."""
    if amount.minor <= 0:
        raise InvalidRequestError("amount: a charge is above zero", field="amount")
    if amount.currency in _TWO_DECIMALS_AT_STRIPE:
        return amount.minor * 100
    if amount.currency in _THREE_DECIMALS and amount.minor % 10:
        raise InvalidRequestError(
            f"amount: Stripe charges {amount.currency} in steps of 0.010, not {amount}", field="amount"
        )
    return amount.minor


def money_of(amount: int, currency: str) -> Money:
    """Money out of Stripe's integer and lower-case code."""
    code = currency.upper()
    return Money(amount // 100 if code in _TWO_DECIMALS_AT_STRIPE else amount, code)


class StripeProvider:
    """Charges through one Stripe account. Calls block on the network, with two repeats of the library."""

    name = "stripe"

    def __init__(
        self, api_key: str, *, webhook_secret: str = "", api_base: str | None = None, tolerance_s: int = 300
    ) -> None:
        addresses: Any = {} if api_base is None else {"api": api_base}
        self._client = stripe.StripeClient(api_key, base_addresses=addresses, max_network_retries=2)
        self._webhook_secret = webhook_secret
        self._tolerance_s = tolerance_s

    def charge(self, request: PaymentRequest) -> Charge:
        """Create and confirm a payment intent; a declined card is ``failed`` with Stripe's code."""
        parameters: Any = {
            "amount": stripe_amount(request.amount),
            "currency": request.amount.currency.lower(),
            "customer": request.customer_reference,
            "payment_method": request.payment_method,
            "description": request.description,
            "metadata": {**request.metadata, KEY: request.key},
            "confirm": True,
            "off_session": True,
        }
        try:
            intent = self._client.v1.payment_intents.create(
                parameters, options={"idempotency_key": request.key}
            )
        except stripe.CardError as declined:
            return _declined(request, declined)
        except stripe.StripeError as error:
            _raise(error)
        return _charge_of(intent, request.key)

    def find_charge(self, key: str) -> Charge | None:
        """By the key in the metadata. Stripe's search lags by up to a minute behind a charge."""
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")
        try:
            found = self._client.v1.payment_intents.search({"query": f"metadata['{KEY}']:'{quoted}'"})
        except stripe.StripeError as error:
            _raise(error)
        return _charge_of(found.data[0], key) if found.data else None

    def refund(self, request: RefundRequest) -> Refund:
        """Give back part or all of a payment intent."""
        parameters: Any = {
            "payment_intent": request.charge_reference,
            "amount": stripe_amount(request.amount),
            "metadata": {KEY: request.key, "reason": request.reason},
        }
        try:
            made = self._client.v1.refunds.create(parameters, options={"idempotency_key": request.key})
        except stripe.InvalidRequestError as error:
            raise PreconditionError(f"Stripe refuses the refund: {error.user_message}") from error
        except stripe.StripeError as error:
            _raise(error)
        return Refund(key=request.key, reference=made.id, amount=money_of(made.amount, made.currency))

    def payment_method(self, reference: str) -> PaymentMethod | None:
        try:
            found = self._client.v1.payment_methods.retrieve(reference)
        except stripe.InvalidRequestError:
            return None
        except stripe.StripeError as error:
            _raise(error)
        card = getattr(found, "card", None)
        label = f"{card.brand} •••• {card.last4}" if card is not None else found.type
        return PaymentMethod(reference=found.id, kind=found.type, label=label)

    def callback(self, body: bytes, headers: Mapping[str, str]) -> PaymentCallback | None:
        """A webhook about a payment intent or a dispute of ours; others answer ``None``."""
        signature = {name.lower(): value for name, value in headers.items()}.get("stripe-signature")
        if not self._webhook_secret:
            raise ConfigError("there is no webhook secret for Stripe; set it, or nothing can be believed")
        try:
            event = self._client.construct_event(body, signature, self._webhook_secret, self._tolerance_s)
        except (stripe.SignatureVerificationError, ValueError) as error:
            raise UnauthenticatedError(f"the webhook's signature is not Stripe's: {error}") from error
        is_dispute = event.type == "charge.dispute.created"
        if not is_dispute and not event.type.startswith("payment_intent."):
            return None
        about: Any = event.data.object
        try:
            intent = self._client.v1.payment_intents.retrieve(
                about.payment_intent if is_dispute else about.id
            )
        except stripe.StripeError as error:
            _raise(error)
        metadata = intent.metadata.to_dict() if intent.metadata else {}
        key = metadata.get(KEY)
        if key is None:
            # A payment of the same Stripe account that somebody else made.
            return None
        return PaymentCallback(callback_id=event.id, charge=_charge_of(intent, key), disputed=is_dispute)


def _charge_of(intent: stripe.PaymentIntent, key: str) -> Charge:
    problem = intent.last_payment_error
    action = intent.next_action
    redirect = getattr(action, "redirect_to_url", None) if action is not None else None
    return Charge(
        key=key,
        reference=intent.id,
        state=_STATES.get(intent.status, ChargeState.PENDING),
        amount=money_of(intent.amount, intent.currency),
        reason=(problem.decline_code or problem.code or "") if problem is not None else "",
        action_url=(redirect.url or "") if redirect is not None else "",
    )


def _declined(request: PaymentRequest, declined: stripe.CardError) -> Charge:
    """The bank said no, or wants the customer to confirm in person."""
    body: Any = declined.json_body or {}
    error = body.get("error", {})
    intent = error.get("payment_intent") or {}
    needs_action = declined.code == "authentication_required"
    return Charge(
        key=request.key,
        reference=intent.get("id", ""),
        state=ChargeState.ACTION_REQUIRED if needs_action else ChargeState.FAILED,
        amount=request.amount,
        reason=error.get("decline_code") or declined.code or "card_declined",
    )


def _raise(error: stripe.StripeError) -> NoReturn:
    """Stripe's errors as ours: what a repeat with the same key can mend is ``UnavailableError``."""
    if isinstance(error, stripe.IdempotencyError):
        raise InvalidRequestError(f"key: used before for another charge: {error}", field="key") from error
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        raise ConfigError(f"Stripe refuses the API key: {error}") from error
    if isinstance(error, stripe.InvalidRequestError):
        raise InvalidRequestError(f"Stripe can't take the request: {error}", field=error.param) from error
    raise UnavailableError(f"Stripe did not answer ({error}); ask again with the same key") from error
