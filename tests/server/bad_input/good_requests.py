"""One request of every RPC that the prepared server takes, by name: what bad input is made from.

Each field that can be wrong stands in it, so that it can be made wrong while all others are right.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drawdown.client.interface import Database

START = datetime(2026, 1, 31, tzinfo=UTC)
INSTANT = "2026-02-10T00:00:00Z"
LATER = "2026-02-20T00:00:00Z"

MONEY = {"minor": 100, "currency": "USD"}
PRICE = {"currency": "USD", "country": "US", "model": "per_unit", "amount": "0.10"}
FEE = {"currency": "USD", "amount": "20"}
LIFETIME = {"count": 1, "unit": "month"}
RATE = {"meter": "tokens", "credits": "1", "per": "1000", "match": {"model": "large"}}
TIERED = {"meter": "calls", "tiers": [{"up_to": "10", "credits": "1"}, {"credits": "0.5"}]}
GRANT = {
    "grant_id": "g-new", "credit_type": "credits", "amount": "5", "name": "Gift", "priority": 10,
    "effective_at": INSTANT, "expires_at": LATER, "scope": ["tokens"], "category": "GRANT_CATEGORY_PAID",
    "source": "GRANT_SOURCE_PROMOTION", "source_reference": "r", "cost_minor": 5, "cost_currency": "USD",
    "reason": "why", "metadata": {"k": "v"},
}  # fmt: skip
REPLACEMENT = {**{name: value for name, value in GRANT.items() if name != "amount"}, "grant_id": "g-other"}
PLAN = {
    "plan_id": "p-new", "product_id": "ai", "name": "New", "type": "paid", "billing_model": "recurring",
    "billing_period": "monthly", "base_fee": [FEE], "features": {"seats": "5"}, "metadata": {"k": "v"},
    "credits": {
        "credit_type": "credits", "amount": "100", "cadence": "monthly", "lifetime": LIFETIME, "priority": 40,
        "rollover": {"fraction": "0.5", "amount": "10", "times": 2, "min": "1"},
    },
    "overage": {"prices": [PRICE], "cap": "50"}, "at_zero": {"kind": "overage"},
    "top_up": {"prices": [PRICE], "min": "1", "max": "100", "lifetime": LIFETIME},
    "rates": [RATE, TIERED], "trial": {"days": 7, "credits": "5", "end": "convert"},
    "minimum_spend": [FEE], "proration": "both", "anchor": "subscription_start", "release": "on_payment",
    "change_policy": "void_replace", "signup_grant": {"amount": "5", "lifetime": LIFETIME},
}  # fmt: skip
PACK = {
    "pack_id": "pack-new", "name": "Pack", "credit_type": "credits", "amount": "10", "prices": [FEE],
    "lifetime": LIFETIME, "category": "paid", "priority": 50, "description": "d",
}  # fmt: skip
CARD = {"card_id": "card-new", "credit_type": "credits", "rates": [RATE, TIERED]}
PRODUCT = {"product_id": "product-new", "name": "Product", "description": "d", "signup_plan": "team"}
ORDER = {
    "service_id": "service-new", "pack_id": "pack", "schedule": "weekly", "starts_at": "2026-02-01T00:00:00Z",
    "ends_at": "2026-02-27T00:00:00Z", "quantity": 1,
}  # fmt: skip
CUSTOMER = {
    "customer_id": "c-new", "name": "New", "email": "a@b.example", "currency": "USD", "country": "US",
    "time_zone": "Europe/Berlin", "payment_method": "test_ok", "provider_id": "p", "address": ["Street 1"],
    "tax_id": "T1", "metadata": {"k": "v"},
}  # fmt: skip
CHECK = {"account_id": "acme", "meter": "tokens", "quantity": 1, "dimensions": {"model": "large"}}
PAGE = {"page_size": 10}
LISTED = {"after": "", "limit": 10}


def prepare(db: Database, backup: str) -> dict[str, str]:
    """A world in which the requests below are right; answers names that only it knows."""
    db.create_credit_type("credits", scale=6)
    db.create_meter("tokens", dimensions=["model"])
    db.create_meter("calls")
    for meter in ("tokens", "calls"):
        db.set_rate(meter=meter, credits="1")
    db.create_product("ai", "AI")
    db.create_pack("pack", name="Pack", amount="10", prices=[FEE])
    for plan, fee, credits in (("team", "20", "1000"), ("scale", "80", "5000"), ("old", "9", "5")):
        db.create_plan(
            plan, product="ai", name=plan, base_fee=[{**FEE, "amount": fee}],
            credits={"credit_type": "credits", "amount": credits, "cadence": "monthly"},
            rates=[{"meter": "tokens", "credits": "1"}, {"meter": "calls", "credits": "1"}],
            top_up={"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.10"}]},
        )  # fmt: skip
        db.publish_plan(plan)
    db.create_plan("draft", product="ai", name="Draft", base_fee=[FEE], credits=PLAN["credits"])
    db.put_customer("customer", payment_method="test_ok")
    for account in ("acme", "sister", "bare"):
        db.create_account(account, customer_id="customer", test_clock=START)
    db.create_grant("acme", "credits", amount="50", grant_id="welcome")
    db.create_grant("acme", "credits", amount="50", grant_id="waiting", pending=True)
    db.create_grant("acme", "credits", amount="50", grant_id="spare", pending=True)
    db.subscribe("acme", "team", subscription_id="sub")
    db.add_service("sub", "pack", service_id="service", schedule="weekly", starts_at=START)
    db.record("acme", "tokens", quantity=3, event_id="event")
    db.reserve("acme", "tokens", quantity=5, reservation_id="hold", ttl=86_000)
    db.buy_pack("acme", "pack", purchase_id="purchase")
    db.set_recharge("acme", "credits", threshold="5", to="20", enabled=False)
    db.create_invoice_credit("acme", "credit", amount="5", currency="USD", name="Credit")
    db.create_webhook_endpoint("endpoint", "http://127.0.0.1:9/x")
    invoice = db.invoices("acme")[0]
    return {"invoice": invoice.invoice_id, "line": invoice.lines[0].line_id, "backup": backup}


def requests(names: dict[str, str]) -> dict[str, dict[str, Any]]:
    """By ``Service/Method``, in proto's JSON form with the fields' own names."""
    acme = {"account_id": "acme"}
    return {
        "AccountService/CreateAccount": {
            "account_id": "a-new", "customer_id": "customer", "rate_table": "default", "test_clock": INSTANT,
        },
        "AccountService/GetAccount": acme,
        "AccountService/ListAccounts": {**PAGE, "prefix": "a"},
        "AccountService/UpdateAccount": {**acme, "suspended": False},
        "AccountService/AssignRateTable": {**acme, "rate_table": "default", "valid_from": INSTANT},
        "AccountService/SetPeriodEdge": {"account_id": "bare", "at": "2026-06-01T00:00:00Z"},
        "AccountService/SetPolicy": {
            **acme, "credit_type": "credits", "policy": {"kind": "POLICY_KIND_OVERDRAFT", "limit": "5"},
        },
        "AccountService/SetThresholds": {**acme, "credit_type": "credits", "thresholds": ["5", "1"]},
        "AccountService/GetBalance": {**acme, "credit_type": "credits"},
        "AccountService/ListBalances": acme,
        "AccountService/ListLedgerEntries": {
            **acme, **PAGE, "kinds": ["usage"], "credit_type": "credits",
        },
        "AccountService/ExplainBalance": {**acme, "event_id": "event"},
        "AccountService/PutCustomer": {"customer": CUSTOMER},
        "AccountService/GetCustomer": {"customer_id": "customer"},
        "AccountService/ListCustomers": {"prefix": "cus", **LISTED},
        "AccountService/CloseAccount": {
            "account": "sister", "remainder": "forfeit", "reason": "gone", "confirm": True,
        },
        "AccountService/GetAccountClosing": {"account": "sister"},
        "AccountService/EraseCustomer": {"customer_id": "c-new", "confirm": True},
        "AccountService/ImportOpening": {
            "rows": [{"line": 1, "kind": "customer", "fields": {"customer_id": "i", "name": "I"}}],
            "dry_run": True,
        },
        "GrantService/CreateGrant": {**acme, "grant": GRANT},
        "GrantService/GetGrant": {**acme, "grant_id": "welcome"},
        "GrantService/ListGrants": {**acme, **PAGE, "credit_type": "credits"},
        "GrantService/ReleaseGrant": {
            **acme, "grant_id": "waiting", "effective_at": INSTANT, "expires_at": LATER,
        },
        "GrantService/VoidGrant": {**acme, "grant_id": "spare", "reason": "r", "confirm": True},
        "GrantService/VoidAndReplace": {
            **acme, "void_grant_ids": ["welcome"], "confirm": True,
            "create": [{**REPLACEMENT, "formula": {"of": "welcome", "fraction": "0.5"}}],
        },
        "GrantService/TransferCredits": {
            "transfer_id": "t", "from_account": "acme", "to_account": "bare", "credit_type": "credits",
            "credits": "1",
        },
        "GrantService/GetTransfer": {"transfer_id": "t"},
        "CatalogService/CreateCreditType": {"credit_type": {"name": "minutes", "scale": 2}},
        "CatalogService/ListCreditTypes": {},
        "CatalogService/CreateMeter": {
            "meter": {
                "key": "m-new", "unit": "u", "quantity_scale": 2, "aggregation": "AGGREGATION_UNIQUE",
                "dimensions": ["user"], "unique_of": "user",
            }
        },
        "CatalogService/ListMeters": {},
        "CatalogService/SetRate": {
            "rate_table": "table",
            "rate": {
                "meter": "tokens", "credit_type": "credits", "tiers": TIERED["tiers"], "per": "1000",
                "match": {"model": "large"}, "valid_from": INSTANT,
            },
        },
        "CatalogService/ListRateTables": {"name": "default"},
        "CatalogService/CreateProduct": {"product": PRODUCT},
        "CatalogService/ListProducts": {},
        "CatalogService/CreatePlan": {"plan": PLAN},
        "CatalogService/PublishPlan": {"plan_id": "draft"},
        "CatalogService/ArchivePlan": {"plan_id": "old"},
        "CatalogService/GetPlan": {"plan_id": "team", "version": 1},
        "CatalogService/ListPlans": {"product_id": "ai"},
        "CatalogService/CreatePack": {"pack": PACK},
        "CatalogService/ListPacks": {},
        "CatalogService/PutRateCard": {"rate_card": CARD},
        "CatalogService/ListRateCards": {},
        "CatalogService/LoadCatalog": {
            "content": {
                "credit_types": [{"name": "loaded", "scale": 2}],
                "meters": [{"key": "loaded", "unit": "u", "quantity_scale": 0, "aggregation": "sum"}],
                "rate_cards": [{**CARD, "card_id": "card-loaded"}],
                "products": [{**PRODUCT, "product_id": "product-loaded"}],
                "packs": [{**PACK, "pack_id": "pack-loaded"}],
                "plans": [{**PLAN, "plan_id": "p-loaded"}],
            }
        },
        "CatalogService/DumpCatalog": {},
        "AdminService/SnapshotNow": {},
        "AdminService/Checkpoint": {},
        "AdminService/TakeBackup": {"destination": names["backup"]},
        "AdminService/Verify": acme,
        "AdminService/GetStats": {},
        "AdminService/AdvanceClock": {"account_id": "bare", "to": INSTANT},
        "AdminService/CreateApiKey": {
            "name": "key", "rights": ["read"], "account_prefix": "a", "certificate": "", "calls_per_s": 10,
            "expires_at": "2040-01-01T00:00:00Z",
        },
        "AdminService/ListApiKeys": {},
        "AdminService/RotateApiKey": {"key_id": "k", "overlap_s": 10},
        "AdminService/RevokeApiKey": {"key_id": "k"},
        "AdminService/ExecuteCommands": {"commands_json": "W10="},
        "AdminService/Query": {"query_json": "eyJ0eXBlIjoiYWNjb3VudHMifQ=="},
        "UsageService/RecordUsage": {
            "detail": "RESULT_DETAIL_ALL",
            "events": [{"event_id": "e", "account_id": "acme", "meter": "tokens", "quantity": 1}],
        },
        "UsageService/CorrectUsage": {**acme, "event_id": "event", "quantity": 2, "correction_id": "fix"},
        "UsageService/GetUsageEvent": {**acme, "event_id": "event"},
        "EntitlementService/Check": CHECK,
        "EntitlementService/BatchCheck": {"checks": [CHECK]},
        "EntitlementService/Reserve": {
            **acme, "reservation_id": "r-new", "meter": "tokens", "quantity": 1, "ttl": "60s",
            "dimensions": {"model": "large"},
        },
        "EntitlementService/Settle": {**acme, "reservation_id": "hold", "quantity": 1},
        "EntitlementService/Release": {**acme, "reservation_id": "r-new"},
        "EntitlementService/ListReservations": {**acme, **PAGE},
        "SubscriptionService/Subscribe": {
            "account": "bare", "subscription_id": "s-new", "plan_id": "team", "quantity": 1,
            "payment_method": "test_ok", "currency": "USD", "term": 1, "services": [ORDER],
        },
        "SubscriptionService/GetSubscription": {"subscription_id": "sub"},
        "SubscriptionService/ListSubscriptions": {"account": "acme", **LISTED},
        "SubscriptionService/GetFeature": {"account": "acme", "feature": "seats"},
        "SubscriptionService/ListFeatures": {"account": "acme"},
        "SubscriptionService/PreviewChange": {
            "subscription_id": "sub", "plan_id": "scale", "quantity": 1, "policy": "prorate",
        },
        "SubscriptionService/AddService": {"subscription_id": "sub", "service": ORDER},
        "SubscriptionService/AdjustDelivery": {
            "subscription_id": "sub", "service_id": "service", "number": 1, "amount": "5",
        },
        "SubscriptionService/TerminateService": {"subscription_id": "sub", "service_id": "service"},
        "SubscriptionService/Pause": {"subscription_id": "sub"},
        "SubscriptionService/Resume": {"subscription_id": "sub"},
        "SubscriptionService/ChangePlan": {
            "subscription_id": "sub", "change_id": "up", "plan_id": "scale", "quantity": 1,
            "policy": "void_replace", "when": "period_end", "payment_method": "test_ok",
        },
        "SubscriptionService/SetAutoRenew": {"subscription_id": "sub", "auto_renew": True},
        "SubscriptionService/Cancel": {"subscription_id": "sub", "when": "period_end"},
        "BillingService/ListInvoices": {"account": "acme", "state": "paid", **LISTED},
        "BillingService/GetInvoice": {"invoice_id": names["invoice"]},
        "BillingService/ApproveInvoice": {"invoice_id": names["invoice"]},
        "BillingService/MarkInvoicePaid": {"invoice_id": names["invoice"], "paid_at": "2026-01-31T00:00:00Z"},
        "BillingService/RetryPayment": {
            "invoice_id": names["invoice"], "retry_id": "retry", "payment_method": "test_ok",
        },
        "BillingService/CloseInvoice": {"invoice_id": names["invoice"], "state": "void"},
        "BillingService/PreviewInvoice": {"account": "acme"},
        "BillingService/RenderInvoice": {"invoice_id": names["invoice"], "format": "html", "locale": "en"},
        "BillingService/CreateCreditNote": {
            "note_id": "n", "invoice_id": names["invoice"], "line_id": names["line"], "amount": MONEY,
            "grant_id": "welcome", "reason": "r",
        },
        "BillingService/CreateInvoiceCredit": {
            "credit": {
                "credit_id": "ic-new", "account": "acme", "created_at": INSTANT, "name": "Credit",
                "amount": MONEY, "priority": 5, "expires_at": "2030-01-01T00:00:00Z", "reason": "r",
                "scope": {"classes": ["usage_meters"]},
            }
        },
        "BillingService/ListInvoiceCredits": {"account": "acme"},
        "BillingService/VoidInvoiceCredit": {"credit_id": "credit", "confirm": True},
        "BillingService/CreatePurchase": {
            "purchase_id": "p-new", "account": "acme", "pack_id": "pack", "quantity": 1,
            "payment_method": "test_ok",
        },
        "BillingService/GetPurchase": {"purchase_id": "purchase"},
        "BillingService/ListPurchases": {"account": "acme", **LISTED},
        "BillingService/RefundPurchase": {
            "purchase_id": "purchase", "policy": "take_unspent", "amount": MONEY,
        },
        "BillingService/MarkPurchasePaid": {"purchase_id": "purchase"},
        "BillingService/ProviderCallback": {"body": "{}", "headers": {"k": "v"}},
        "BillingService/SetRecharge": {
            "rule": {
                "account": "acme", "credit_type": "credits", "threshold": "5", "to": "20", "enabled": False,
                "cap_money": MONEY, "cap_count": 3, "expires_after_days": 30,
            }
        },
        "BillingService/GetRecharge": {"account": "acme", "credit_type": "credits"},
        "NoticeService/ListNotices": {"account": "acme", "kinds": ["invoice.paid"], "limit": 10},
        "NoticeService/CreateWebhookEndpoint": {
            "endpoint_id": "w-new", "url": "http://127.0.0.1:9/y", "kinds": ["invoice.paid"],
            "account_prefix": "a", "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        },
        "NoticeService/ListWebhookEndpoints": {},
        "NoticeService/UpdateWebhookEndpoint": {
            "endpoint_id": "endpoint", "url": "http://127.0.0.1:9/z", "kinds": ["invoice.paid"],
            "enabled": True,
        },
        "NoticeService/RotateWebhookSecret": {
            "endpoint_id": "endpoint", "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "overlap_s": 10,
        },
        "NoticeService/ListWebhookDeliveries": {"endpoint_id": "endpoint", "limit": 10},
        "NoticeService/Redeliver": {"endpoint_id": "endpoint", "notice_id": "n"},
        "ReportService/ReportSales": {"since": INSTANT, "until": LATER, "account": "acme"},
        "ReportService/ReportCredits": {"account_prefix": "a", "since": INSTANT, "until": LATER},
        "ReportService/ReportUsage": {
            "since": INSTANT, "until": LATER, "account_prefix": "a", "after": 1, "limit": 10,
        },
        "ReportService/ReportTopAccounts": {
            "since": INSTANT, "until": LATER, "account_prefix": "a", "limit": 10,
        },
        "ReportService/ReportRunway": {"days": 7, "account_prefix": "a", "limit": 10},
    }  # fmt: skip
