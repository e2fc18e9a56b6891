import datetime

from drawdown.v1 import values_pb2 as _values_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateInvoiceCreditRequest(_message.Message):
    __slots__ = ("credit",)
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    credit: InvoiceCredit
    def __init__(self, credit: _Optional[_Union[InvoiceCredit, _Mapping]] = ...) -> None: ...

class InvoiceCredit(_message.Message):
    __slots__ = ("credit_id", "account", "name", "amount", "created_at", "expires_at", "priority", "scope", "reason", "paid", "applied", "voided_at", "forfeited")
    CREDIT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PAID_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    VOIDED_AT_FIELD_NUMBER: _ClassVar[int]
    FORFEITED_FIELD_NUMBER: _ClassVar[int]
    credit_id: str
    account: str
    name: str
    amount: _values_pb2.Money
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    priority: int
    scope: CreditScope
    reason: str
    paid: _values_pb2.Money
    applied: _values_pb2.Money
    voided_at: _timestamp_pb2.Timestamp
    forfeited: _values_pb2.Money
    def __init__(self, credit_id: _Optional[str] = ..., account: _Optional[str] = ..., name: _Optional[str] = ..., amount: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., priority: _Optional[int] = ..., scope: _Optional[_Union[CreditScope, _Mapping]] = ..., reason: _Optional[str] = ..., paid: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., applied: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., voided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., forfeited: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...

class CreditScope(_message.Message):
    __slots__ = ("classes", "lines")
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    classes: _containers.RepeatedScalarFieldContainer[str]
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, classes: _Optional[_Iterable[str]] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class ListInvoiceCreditsRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class VoidInvoiceCreditRequest(_message.Message):
    __slots__ = ("credit_id", "confirm")
    CREDIT_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    credit_id: str
    confirm: bool
    def __init__(self, credit_id: _Optional[str] = ..., confirm: _Optional[bool] = ...) -> None: ...

class PreviewInvoiceRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class RenderInvoiceRequest(_message.Message):
    __slots__ = ("invoice_id", "format", "locale")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    format: str
    locale: str
    def __init__(self, invoice_id: _Optional[str] = ..., format: _Optional[str] = ..., locale: _Optional[str] = ...) -> None: ...

class CreateCreditNoteRequest(_message.Message):
    __slots__ = ("note_id", "invoice_id", "line_id", "amount", "grant_id", "reason")
    NOTE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    note_id: str
    invoice_id: str
    line_id: str
    amount: _values_pb2.Money
    grant_id: str
    reason: str
    def __init__(self, note_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., line_id: _Optional[str] = ..., amount: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., grant_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CloseInvoiceRequest(_message.Message):
    __slots__ = ("invoice_id", "state")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    state: str
    def __init__(self, invoice_id: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class InvoiceCredits(_message.Message):
    __slots__ = ("credits",)
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    credits: _containers.RepeatedCompositeFieldContainer[InvoiceCredit]
    def __init__(self, credits: _Optional[_Iterable[_Union[InvoiceCredit, _Mapping]]] = ...) -> None: ...

class RenderedInvoice(_message.Message):
    __slots__ = ("content_type", "content")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    content: str
    def __init__(self, content_type: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class CreditApplication(_message.Message):
    __slots__ = ("credit_id", "line_id", "amount")
    CREDIT_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    credit_id: str
    line_id: str
    amount: _values_pb2.Money
    def __init__(self, credit_id: _Optional[str] = ..., line_id: _Optional[str] = ..., amount: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...

class TaxLine(_message.Message):
    __slots__ = ("name", "rate", "base", "amount")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    rate: str
    base: _values_pb2.Money
    amount: _values_pb2.Money
    def __init__(self, name: _Optional[str] = ..., rate: _Optional[str] = ..., base: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., amount: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...

class Totals(_message.Message):
    __slots__ = ("gross", "credited", "subtotal", "taxes", "tax", "total", "balance_used", "due")
    GROSS_FIELD_NUMBER: _ClassVar[int]
    CREDITED_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_FIELD_NUMBER: _ClassVar[int]
    TAXES_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BALANCE_USED_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    gross: _values_pb2.Money
    credited: _values_pb2.Money
    subtotal: _values_pb2.Money
    taxes: _containers.RepeatedCompositeFieldContainer[TaxLine]
    tax: _values_pb2.Money
    total: _values_pb2.Money
    balance_used: _values_pb2.Money
    due: _values_pb2.Money
    def __init__(self, gross: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., credited: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., subtotal: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., taxes: _Optional[_Iterable[_Union[TaxLine, _Mapping]]] = ..., tax: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., total: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., balance_used: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., due: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...
