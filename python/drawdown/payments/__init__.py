"""Payment providers: one port, three adapters (``manual``, ``test``, ``stripe``).

A provider moves money and nothing else; who gets credits for it is decided elsewhere. Every request
carries a key of ours, and the same key never moves money twice: after a crash the request is simply
made again.
"""

from drawdown.payments.manual import ManualProvider
from drawdown.payments.provider import (
    Charge,
    ChargeState,
    PaymentCallback,
    PaymentMethod,
    PaymentProvider,
    PaymentRequest,
    Refund,
    RefundRequest,
)
from drawdown.payments.scripted import ScriptedProvider

__all__ = [
    "Charge",
    "ChargeState",
    "ManualProvider",
    "PaymentCallback",
    "PaymentMethod",
    "PaymentProvider",
    "PaymentRequest",
    "Refund",
    "RefundRequest",
    "ScriptedProvider",
]
