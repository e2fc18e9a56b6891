"""Open the control plane beside an open engine, with everything delivered that a crash left behind."""

from pathlib import Path

from drawdown.billing.page import Party
from drawdown.billing.totals import tax_rule_from
from drawdown.config import EngineConfig, ProcessConfig
from drawdown.engine import Engine
from drawdown.errors import ConfigError
from drawdown.notices import AddressPolicy
from drawdown.notices.grant_life import lead_times
from drawdown.payments import ManualProvider, PaymentProvider, ScriptedProvider
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.storage.small_file import keep_to_owner
from drawdown.storage.sql import open_sql
from drawdown.storage.sql.elsewhere import note_elsewhere, require_named


def open_control(
    engine: Engine, process: ProcessConfig, limits: EngineConfig, *, recovered_seq: int
) -> ControlPlane:
    """The control plane of this folder.

    Raises ``ConfigError`` (a URL it cannot use, or none or an empty database where the control plane is in
    another), ``UnavailableError`` (the database cannot be reached).
    """
    require_named(process.db, process.data)
    seller = Party(
        name=process.seller_name,
        address=tuple(row.strip() for row in process.seller_address.split(";") if row.strip()),
        note=process.seller_note,
    )
    plane = ControlPlane(
        engine,
        open_sql(process.db, process.data),
        provider=open_provider(process),
        seller=seller,
        tax_rule=tax_rule_from(process.tax_rates, process.tax_home),
        folder=Path(process.data),
        webhook_policy=AddressPolicy(
            allow_http=process.webhook_allow_private, allow_private=process.webhook_allow_private
        ),
        expiring_soon_s=lead_times(process.expiring_soon),
        invoice_grace_s=process.invoice_grace_s,
        invoice_hold_factor=process.invoice_hold_factor,
        dedupe_window_s=limits.dedupe_window_s,
        early_margin_s=limits.early_margin_s,
        payment_retry_days=process.payment_retry_days,
        after_retries=process.after_retries,
        chargeback_policy=process.chargeback_policy,
    )
    note_elsewhere(process.db, process.data)
    plane.recover(recovered_seq)
    return plane


def open_provider(process: ProcessConfig) -> PaymentProvider:
    """The payment provider of the settings; those of this process keep their book in the data folder.

    Raises ``ConfigError`` where a key or Stripe's library is missing.
    """
    if process.payments in ("manual", "test"):
        book = Path(process.data) / f"payments-{process.payments}.jsonl"
        keep_to_owner(book)
        return ManualProvider(book) if process.payments == "manual" else ScriptedProvider(book)
    if not process.stripe_api_key:
        raise ConfigError("payments is stripe, but there is no stripe_api_key", field="stripe_api_key")
    try:
        from drawdown.payments.stripe_provider import StripeProvider
    except ImportError as absent:
        raise ConfigError("Stripe's library is not installed: pip install 'drawdown[stripe]'") from absent
    return StripeProvider(process.stripe_api_key, webhook_secret=process.stripe_webhook_secret)
