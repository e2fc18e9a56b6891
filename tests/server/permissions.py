"""Who may call what: every method of every service, written down by hand and compared with what happens."""

from drawdown.model.rights import Right

# Anybody may ask, with or without a key: nothing of any account shows there.
OPEN = {
    "grpc.health.v1.Health": {"Check", "Watch", "List"},
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo"},
}

INGEST, READ, MANAGE, ADMIN = Right.INGEST, Right.READ, Right.MANAGE, Right.ADMIN

NEEDED: dict[str, dict[str, Right]] = {
    "UsageService": {
        "StreamUsage": INGEST,
        "RecordUsage": INGEST,
        "CorrectUsage": MANAGE,
        "GetUsageEvent": READ,
    },
    "EntitlementService": {
        "Check": READ,
        "BatchCheck": READ,
        "Reserve": INGEST,
        "Settle": INGEST,
        "Release": INGEST,
        "ListReservations": READ,
        "KeepReservations": INGEST,
    },
    "AccountService": {
        "CreateAccount": MANAGE,
        "GetAccount": READ,
        "ListAccounts": READ,
        "UpdateAccount": MANAGE,
        "AssignRateTable": MANAGE,
        "SetPeriodEdge": MANAGE,
        "SetPolicy": MANAGE,
        "SetThresholds": MANAGE,
        "GetBalance": READ,
        "ListBalances": READ,
        "ListLedgerEntries": READ,
        "ExplainBalance": READ,
        "PutCustomer": MANAGE,
        "GetCustomer": READ,
    },
    "GrantService": {
        "CreateGrant": MANAGE,
        "GetGrant": READ,
        "ListGrants": READ,
        "VoidGrant": MANAGE,
        "ReleaseGrant": MANAGE,
        "VoidAndReplace": MANAGE,
    },
    "CatalogService": {
        "CreateCreditType": ADMIN,
        "ListCreditTypes": READ,
        "CreateMeter": ADMIN,
        "ListMeters": READ,
        "SetRate": ADMIN,
        "ListRateTables": READ,
        "CreateProduct": ADMIN,
        "ListProducts": READ,
        "CreatePlan": ADMIN,
        "PublishPlan": ADMIN,
        "ArchivePlan": ADMIN,
        "GetPlan": READ,
        "ListPlans": READ,
        "CreatePack": ADMIN,
        "ListPacks": READ,
    },
    "SubscriptionService": {
        "Subscribe": MANAGE,
        "GetSubscription": READ,
        "ListSubscriptions": READ,
        "PreviewChange": READ,
        "ChangePlan": MANAGE,
        "Cancel": MANAGE,
        "Pause": MANAGE,
        "Resume": MANAGE,
        "SetAutoRenew": MANAGE,
        "AddService": MANAGE,
        "TerminateService": MANAGE,
        "AdjustDelivery": MANAGE,
    },
    "BillingService": {
        "ListInvoices": READ,
        "GetInvoice": READ,
        "ApproveInvoice": MANAGE,
        "MarkInvoicePaid": MANAGE,
    },
    "AdminService": {
        "SnapshotNow": ADMIN,
        "Checkpoint": ADMIN,
        "Verify": ADMIN,
        "GetStats": ADMIN,
        "AdvanceClock": MANAGE,
        "CreateApiKey": ADMIN,
        "ListApiKeys": ADMIN,
        "RotateApiKey": ADMIN,
        "RevokeApiKey": ADMIN,
        "ExecuteCommands": MANAGE,
        "Query": READ,
    },
}
