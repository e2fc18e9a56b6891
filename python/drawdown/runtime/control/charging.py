"""Asking the payment provider for money, so that it moves once however late the asking is repeated.

A provider takes a key again as the same charge, but it may forget keys (Stripe does, after a day at least)
while it still has the charge. So where the key may have been used that long ago, its charge is looked for
first: in every attempt that may be another look at one on its way, and in whatever was left unanswered by
a downtime.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from drawdown.payments import Charge, ChargeState, PaymentRequest
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.jobs import StoredJob

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

# Well below the time for which any provider knows a key, well above what its search lags behind.
KEY_LIVES: Final = timedelta(hours=12)


class Asking(msgspec.Struct, frozen=True):
    """What is asked for, and whether it may have been before."""

    request: PaymentRequest
    may_be_known: bool


def asking(step: Step, job: StoredJob, request: PaymentRequest, *, again: bool = False) -> Asking:
    """The question of a job; ``again``: another job may have asked it, at any time."""
    # An account's own clock says nothing about when the provider was asked.
    is_old = job.attempts > 0 if job.clock else step.real_now() - job.due_at > KEY_LIVES
    return Asking(request, again or is_old)


def ask_for_money(plane: ControlPlane, asked: Asking) -> Charge:
    """What became of the charge, made now where there was none; once per key, however often this runs."""
    request = asked.request
    if request.amount.minor == 0:
        return Charge(key=request.key, reference="", state=ChargeState.SUCCEEDED, amount=request.amount)
    found = plane.provider.find_charge(request.key) if asked.may_be_known else None
    return found or plane.provider.charge(request)
