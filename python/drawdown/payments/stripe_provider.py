"""``stripe``: payment intents of Stripe, through its own library (extra ``drawdown[stripe]``).

One charge is one payment intent, confirmed off session. Our key is its idempotency key, which Stripe
keeps for at least a day, and stands in its metadata, where ``find_charge`` looks for older ones. A definite
no of Stripe, whatever its reason, is a charge that ``failed``: only what a repeat can mend is an error.
Callbacks are Stripe's webhooks about payment intents and disputes, verified by its library with the
endpoint's secret; the charge in them is fetched anew, so that an old word never undoes a newer one.
"""

from __future__ import annotations

import hashlib
import itertools
import time
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
# Where Stripe's decimals are not those of ISO 4217: it keeps two for these although they have none, none for
# the ariary, which has two (its fifths), and wants the last of three to be 0.
_TWO_DECIMALS_AT_STRIPE = {"ISK", "UGX"}
_NO_DECIMALS_AT_STRIPE = {"MGA"}
_THREE_DECIMALS = {"BHD", "JOD", "KWD", "OMR", "TND"}
# Longer ones are refused as idempotency keys.
HEADER_MAX = 255
# Of the API key, of another request under way with the same key, and of too many at once.
NO_ANSWER = frozenset({401, 403, 409, 429})
# Bank debits take two weeks at most; whoever has to confirm has a while.
ON_ITS_WAY_S = 40 * 86_400


def stripe_amount(amount: Money) -> int:
    """The integer Stripe wants. Raises ``InvalidRequestError`` for what it can't charge exactly."""
    if amount.minor <= 0:
        raise InvalidRequestError("amount: a charge is above zero", field="amount")
    if amount.currency in _TWO_DECIMALS_AT_STRIPE:
        return amount.minor * 100
    if amount.currency in _NO_DECIMALS_AT_STRIPE:
        if amount.minor % 100:
            raise InvalidRequestError(
                f"amount: Stripe charges {amount.currency} in steps of 1, not {amount}", field="amount"
            )
        return amount.minor // 100
    if amount.currency in _THREE_DECIMALS and amount.minor % 10:
        raise InvalidRequestError(
            f"amount: Stripe charges {amount.currency} in steps of 0.010, not {amount}", field="amount"
        )
    return amount.minor


def _whole_steps(amount: Money) -> Money:
    """As much of it as Stripe can move exactly."""
    step = 100 if amount.currency in _NO_DECIMALS_AT_STRIPE else 1
    if amount.currency in _THREE_DECIMALS:
        step = 10
    return Money(amount.minor - amount.minor % step, amount.currency)


def money_of(amount: int, currency: str) -> Money:
    """Money out of Stripe's integer and lower-case code."""
    code = currency.upper()
    if code in _TWO_DECIMALS_AT_STRIPE:
        return Money(amount // 100, code)
    return Money(amount * 100 if code in _NO_DECIMALS_AT_STRIPE else amount, code)


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
        try:
            amount = stripe_amount(request.amount)
        except InvalidRequestError:
            return _failed(request, "invalid_charge_amount")
        parameters: Any = {
            "amount": amount,
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
                parameters, options={"idempotency_key": _header_of(request.key)}
            )
        except stripe.CardError as declined:
            return _declined(request, declined)
        except stripe.IdempotencyError as error:
            return self._made_otherwise(request, error)
        except stripe.StripeError as error:
            if _is_no(error):
                return _failed(request, error.code or "invalid_request")
            _raise(error)
        return _charge_of(intent, request.key)

    def _made_otherwise(self, request: PaymentRequest, error: stripe.IdempotencyError) -> Charge:
        """The charge that the key was used for, with another payment method perhaps.

        Raises ``InvalidRequestError`` where it is for another amount, ``UnavailableError`` where it
        cannot be found yet.
        """
        made = self.find_charge(request.key)
        if made is None:
            raise UnavailableError(
                f"Stripe knows the key, but does not find its charge yet: {error}"
            ) from error
        if made.amount != request.amount:
            _raise(error)
        return made

    def find_charge(self, key: str) -> Charge | None:
        """By the key in the metadata. Stripe's search lags by up to a minute behind a charge."""
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")
        try:
            found = self._client.v1.payment_intents.search({"query": f"metadata['{KEY}']:'{quoted}'"}).data
        except stripe.InvalidRequestError:
            # In some countries accounts have no search.
            found = self._newest(key)
        except stripe.StripeError as error:
            _raise(error)
        return _charge_of(found[0], key) if found else None

    def _newest(self, key: str) -> list[stripe.PaymentIntent]:
        """The newest intent under the key, read out of all that may still be on their way."""
        since = int(time.time()) - ON_ITS_WAY_S
        listed: Any = {"created": {"gte": since}, "limit": 100}
        try:
            every = self._client.v1.payment_intents.list(listed).auto_paging_iter()
            return list(itertools.islice((each for each in every if _key_of(each) == key), 1))
        except stripe.StripeError as error:
            _raise(error)

    def cancel(self, key: str, reference: str) -> Charge:
        """Cancel a payment intent; one that Stripe does not cancel any more is answered as it is."""
        try:
            return _charge_of(self._client.v1.payment_intents.cancel(reference), key)
        except stripe.StripeError as error:
            if not _is_no(error):
                _raise(error)
        try:
            return _charge_of(self._client.v1.payment_intents.retrieve(reference), key)
        except stripe.StripeError as error:
            _raise(error)

    def refund(self, request: RefundRequest) -> Refund:
        """Give back part or all of a payment intent, in whole steps of Stripe's."""
        amount = _whole_steps(request.amount)
        if amount.minor <= 0:
            return Refund(key=request.key, reference="", amount=amount)
        parameters: Any = {
            "payment_intent": request.charge_reference,
            "amount": stripe_amount(amount),
            "metadata": {KEY: request.key, "reason": request.reason},
        }
        try:
            made = self._client.v1.refunds.create(
                parameters, options={"idempotency_key": _header_of(request.key)}
            )
        except stripe.StripeError as error:
            # Another refund under the same key may have gone through.
            if _is_no(error) and not isinstance(error, stripe.IdempotencyError):
                raise PreconditionError(f"Stripe refuses the refund: {error.user_message}") from error
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
        reference = getattr(about, "payment_intent", None) if is_dispute else about.id
        if not reference:
            # A charge of before there were intents, or made past them: ours never are.
            return None
        try:
            intent = self._client.v1.payment_intents.retrieve(reference)
        except stripe.StripeError as error:
            _raise(error)
        key = _key_of(intent)
        if key is None:
            return None
        return PaymentCallback(callback_id=event.id, charge=_charge_of(intent, key), disputed=is_dispute)


def _header_of(key: str) -> str:
    """Our key as the header has it: itself where it can stand there, else its hash."""
    if key.isascii() and key == key.strip() and len(key) <= HEADER_MAX:
        return key
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _key_of(intent: stripe.PaymentIntent) -> str | None:
    """Ours; none on a payment of the same Stripe account that somebody else made."""
    metadata = intent.metadata.to_dict() if intent.metadata else {}
    return metadata.get(KEY)


def _charge_of(intent: stripe.PaymentIntent, key: str) -> Charge:
    problem = intent.last_payment_error
    reason = (problem.decline_code or problem.code or "") if problem is not None else ""
    action = intent.next_action
    redirect = getattr(action, "redirect_to_url", None) if action is not None else None
    return Charge(
        key=key,
        reference=intent.id,
        state=_STATES.get(intent.status, ChargeState.PENDING),
        amount=money_of(intent.amount, intent.currency),
        # What went wrong before it was cancelled is over.
        reason="canceled" if intent.status == "canceled" else reason,
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


def _failed(request: PaymentRequest, reason: str) -> Charge:
    """Nothing was made, and nothing ever will be of this request."""
    return Charge(
        key=request.key, reference="", state=ChargeState.FAILED, amount=request.amount, reason=reason
    )


def _is_no(error: stripe.StripeError) -> bool:
    """Whether Stripe refuses this request for good: no matter of our key, of haste or of its own trouble."""
    status = error.http_status or 0
    return 400 <= status < 500 and status not in NO_ANSWER


def _raise(error: stripe.StripeError) -> NoReturn:
    """Stripe's errors as ours: what a repeat with the same key can mend is ``UnavailableError``."""
    if isinstance(error, stripe.IdempotencyError):
        raise InvalidRequestError(f"key: used before for another charge: {error}", field="key") from error
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        raise ConfigError(f"Stripe refuses the API key: {error}") from error
    if isinstance(error, stripe.InvalidRequestError):
        raise InvalidRequestError(f"Stripe can't take the request: {error}", field=error.param) from error
    raise UnavailableError(f"Stripe did not answer ({error}); ask again with the same key") from error
