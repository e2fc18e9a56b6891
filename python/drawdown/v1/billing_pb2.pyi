import datetime

from drawdown.v1 import invoice_credit_pb2 as _invoice_credit_pb2
from drawdown.v1 import purchase_pb2 as _purchase_pb2
from drawdown.v1 import values_pb2 as _values_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListInvoicesRequest(_message.Message):
    __slots__ = ("account", "after", "limit", "state")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    account: str
    after: str
    limit: int
    state: str
    def __init__(self, account: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ..., state: _Optional[str] = ...) -> None: ...

class GetInvoiceRequest(_message.Message):
    __slots__ = ("invoice_id",)
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    def __init__(self, invoice_id: _Optional[str] = ...) -> None: ...

class ApproveInvoiceRequest(_message.Message):
    __slots__ = ("invoice_id",)
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    def __init__(self, invoice_id: _Optional[str] = ...) -> None: ...

class MarkInvoicePaidRequest(_message.Message):
    __slots__ = ("invoice_id", "paid_at")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    PAID_AT_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    paid_at: _timestamp_pb2.Timestamp
    def __init__(self, invoice_id: _Optional[str] = ..., paid_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RetryPaymentRequest(_message.Message):
    __slots__ = ("invoice_id", "retry_id", "payment_method")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    RETRY_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    retry_id: str
    payment_method: str
    def __init__(self, invoice_id: _Optional[str] = ..., retry_id: _Optional[str] = ..., payment_method: _Optional[str] = ...) -> None: ...

class Invoices(_message.Message):
    __slots__ = ("invoices",)
    INVOICES_FIELD_NUMBER: _ClassVar[int]
    invoices: _containers.RepeatedCompositeFieldContainer[Invoice]
    def __init__(self, invoices: _Optional[_Iterable[_Union[Invoice, _Mapping]]] = ...) -> None: ...

class Invoice(_message.Message):
    __slots__ = ("invoice_id", "account", "customer_id", "currency", "state", "created_at", "period", "lines", "releases", "number", "test_clock", "due", "paid", "finalized_at", "paid_at", "payment_failure", "applications", "totals", "corrects", "note", "seller", "buyer", "time_zone", "closes_at", "advance", "advance_state", "arrears", "purchase_id", "attempts", "failed_at", "retry_at", "held", "notes_waiting")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEST_CLOCK_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    PAID_FIELD_NUMBER: _ClassVar[int]
    FINALIZED_AT_FIELD_NUMBER: _ClassVar[int]
    PAID_AT_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_FAILURE_FIELD_NUMBER: _ClassVar[int]
    APPLICATIONS_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    CORRECTS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    SELLER_FIELD_NUMBER: _ClassVar[int]
    BUYER_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    CLOSES_AT_FIELD_NUMBER: _ClassVar[int]
    ADVANCE_FIELD_NUMBER: _ClassVar[int]
    ADVANCE_STATE_FIELD_NUMBER: _ClassVar[int]
    ARREARS_FIELD_NUMBER: _ClassVar[int]
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_AT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AT_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    NOTES_WAITING_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    account: str
    customer_id: str
    currency: str
    state: str
    created_at: _timestamp_pb2.Timestamp
    period: _values_pb2.Period
    lines: _containers.RepeatedCompositeFieldContainer[InvoiceLine]
    releases: _containers.RepeatedCompositeFieldContainer[GrantRelease]
    number: str
    test_clock: bool
    due: _values_pb2.Money
    paid: _values_pb2.Money
    finalized_at: _timestamp_pb2.Timestamp
    paid_at: _timestamp_pb2.Timestamp
    payment_failure: str
    applications: _containers.RepeatedCompositeFieldContainer[_invoice_credit_pb2.CreditApplication]
    totals: _invoice_credit_pb2.Totals
    corrects: str
    note: str
    seller: InvoiceParty
    buyer: InvoiceParty
    time_zone: str
    closes_at: _timestamp_pb2.Timestamp
    advance: _values_pb2.Money
    advance_state: str
    arrears: _containers.RepeatedCompositeFieldContainer[Arrears]
    purchase_id: str
    attempts: int
    failed_at: _timestamp_pb2.Timestamp
    retry_at: _timestamp_pb2.Timestamp
    held: str
    notes_waiting: _values_pb2.Money
    def __init__(self, invoice_id: _Optional[str] = ..., account: _Optional[str] = ..., customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., state: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period: _Optional[_Union[_values_pb2.Period, _Mapping]] = ..., lines: _Optional[_Iterable[_Union[InvoiceLine, _Mapping]]] = ..., releases: _Optional[_Iterable[_Union[GrantRelease, _Mapping]]] = ..., number: _Optional[str] = ..., test_clock: _Optional[bool] = ..., due: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., paid: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., finalized_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paid_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., payment_failure: _Optional[str] = ..., applications: _Optional[_Iterable[_Union[_invoice_credit_pb2.CreditApplication, _Mapping]]] = ..., totals: _Optional[_Union[_invoice_credit_pb2.Totals, _Mapping]] = ..., corrects: _Optional[str] = ..., note: _Optional[str] = ..., seller: _Optional[_Union[InvoiceParty, _Mapping]] = ..., buyer: _Optional[_Union[InvoiceParty, _Mapping]] = ..., time_zone: _Optional[str] = ..., closes_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., advance: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., advance_state: _Optional[str] = ..., arrears: _Optional[_Iterable[_Union[Arrears, _Mapping]]] = ..., purchase_id: _Optional[str] = ..., attempts: _Optional[int] = ..., failed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retry_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., held: _Optional[str] = ..., notes_waiting: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...

class InvoiceParty(_message.Message):
    __slots__ = ("name", "address", "email", "tax_id", "note")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    TAX_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: _containers.RepeatedScalarFieldContainer[str]
    email: str
    tax_id: str
    note: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[_Iterable[str]] = ..., email: _Optional[str] = ..., tax_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class Arrears(_message.Message):
    __slots__ = ("arrears_id", "subscription_id", "plan_id", "version", "credit_type", "period", "until", "cut", "spent", "minimum", "since", "part")
    ARREARS_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    arrears_id: str
    subscription_id: str
    plan_id: str
    version: int
    credit_type: str
    period: _values_pb2.Period
    until: _timestamp_pb2.Timestamp
    cut: bool
    spent: _values_pb2.Money
    minimum: _values_pb2.Money
    since: _timestamp_pb2.Timestamp
    part: str
    def __init__(self, arrears_id: _Optional[str] = ..., subscription_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., version: _Optional[int] = ..., credit_type: _Optional[str] = ..., period: _Optional[_Union[_values_pb2.Period, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cut: _Optional[bool] = ..., spent: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., minimum: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., part: _Optional[str] = ...) -> None: ...

class InvoiceLine(_message.Message):
    __slots__ = ("line_id", "kind", "description", "amount", "quantity", "period", "subscription_id", "plan_key", "reference", "in_advance")
    LINE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_KEY_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    IN_ADVANCE_FIELD_NUMBER: _ClassVar[int]
    line_id: str
    kind: str
    description: str
    amount: _values_pb2.Money
    quantity: str
    period: _values_pb2.Period
    subscription_id: str
    plan_key: str
    reference: str
    in_advance: bool
    def __init__(self, line_id: _Optional[str] = ..., kind: _Optional[str] = ..., description: _Optional[str] = ..., amount: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., quantity: _Optional[str] = ..., period: _Optional[_Union[_values_pb2.Period, _Mapping]] = ..., subscription_id: _Optional[str] = ..., plan_key: _Optional[str] = ..., reference: _Optional[str] = ..., in_advance: _Optional[bool] = ...) -> None: ...

class GrantRelease(_message.Message):
    __slots__ = ("account", "grant_id", "on")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    ON_FIELD_NUMBER: _ClassVar[int]
    account: str
    grant_id: str
    on: str
    def __init__(self, account: _Optional[str] = ..., grant_id: _Optional[str] = ..., on: _Optional[str] = ...) -> None: ...
