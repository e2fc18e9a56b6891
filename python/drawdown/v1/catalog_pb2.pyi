import datetime

from drawdown.v1 import plan_pb2 as _plan_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_UNSPECIFIED: _ClassVar[Aggregation]
    AGGREGATION_SUM: _ClassVar[Aggregation]
    AGGREGATION_COUNT: _ClassVar[Aggregation]
    AGGREGATION_MAX: _ClassVar[Aggregation]
    AGGREGATION_LAST: _ClassVar[Aggregation]
    AGGREGATION_UNIQUE: _ClassVar[Aggregation]
AGGREGATION_UNSPECIFIED: Aggregation
AGGREGATION_SUM: Aggregation
AGGREGATION_COUNT: Aggregation
AGGREGATION_MAX: Aggregation
AGGREGATION_LAST: Aggregation
AGGREGATION_UNIQUE: Aggregation

class CreditType(_message.Message):
    __slots__ = ("name", "scale")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    name: str
    scale: int
    def __init__(self, name: _Optional[str] = ..., scale: _Optional[int] = ...) -> None: ...

class Meter(_message.Message):
    __slots__ = ("key", "unit", "quantity_scale", "aggregation", "dimensions", "unique_of")
    KEY_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_SCALE_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_OF_FIELD_NUMBER: _ClassVar[int]
    key: str
    unit: str
    quantity_scale: int
    aggregation: Aggregation
    dimensions: _containers.RepeatedScalarFieldContainer[str]
    unique_of: str
    def __init__(self, key: _Optional[str] = ..., unit: _Optional[str] = ..., quantity_scale: _Optional[int] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ..., dimensions: _Optional[_Iterable[str]] = ..., unique_of: _Optional[str] = ...) -> None: ...

class Tier(_message.Message):
    __slots__ = ("up_to", "credits")
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    up_to: str
    credits: str
    def __init__(self, up_to: _Optional[str] = ..., credits: _Optional[str] = ...) -> None: ...

class Rate(_message.Message):
    __slots__ = ("meter", "credit_type", "credits", "tiers", "per", "package", "match", "valid_from")
    class MatchEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METER_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    meter: str
    credit_type: str
    credits: str
    tiers: _containers.RepeatedCompositeFieldContainer[Tier]
    per: str
    package: bool
    match: _containers.ScalarMap[str, str]
    valid_from: _timestamp_pb2.Timestamp
    def __init__(self, meter: _Optional[str] = ..., credit_type: _Optional[str] = ..., credits: _Optional[str] = ..., tiers: _Optional[_Iterable[_Union[Tier, _Mapping]]] = ..., per: _Optional[str] = ..., package: _Optional[bool] = ..., match: _Optional[_Mapping[str, str]] = ..., valid_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RateTable(_message.Message):
    __slots__ = ("name", "rates")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    name: str
    rates: _containers.RepeatedCompositeFieldContainer[Rate]
    def __init__(self, name: _Optional[str] = ..., rates: _Optional[_Iterable[_Union[Rate, _Mapping]]] = ...) -> None: ...

class CreateCreditTypeRequest(_message.Message):
    __slots__ = ("credit_type",)
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    credit_type: CreditType
    def __init__(self, credit_type: _Optional[_Union[CreditType, _Mapping]] = ...) -> None: ...

class CreateCreditTypeResponse(_message.Message):
    __slots__ = ("credit_type", "already_existed", "seq")
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    credit_type: CreditType
    already_existed: bool
    seq: int
    def __init__(self, credit_type: _Optional[_Union[CreditType, _Mapping]] = ..., already_existed: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...

class ListCreditTypesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCreditTypesResponse(_message.Message):
    __slots__ = ("credit_types", "seq")
    CREDIT_TYPES_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    credit_types: _containers.RepeatedCompositeFieldContainer[CreditType]
    seq: int
    def __init__(self, credit_types: _Optional[_Iterable[_Union[CreditType, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class CreateMeterRequest(_message.Message):
    __slots__ = ("meter",)
    METER_FIELD_NUMBER: _ClassVar[int]
    meter: Meter
    def __init__(self, meter: _Optional[_Union[Meter, _Mapping]] = ...) -> None: ...

class CreateMeterResponse(_message.Message):
    __slots__ = ("meter", "already_existed", "seq")
    METER_FIELD_NUMBER: _ClassVar[int]
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    meter: Meter
    already_existed: bool
    seq: int
    def __init__(self, meter: _Optional[_Union[Meter, _Mapping]] = ..., already_existed: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...

class ListMetersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListMetersResponse(_message.Message):
    __slots__ = ("meters", "seq")
    METERS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    meters: _containers.RepeatedCompositeFieldContainer[Meter]
    seq: int
    def __init__(self, meters: _Optional[_Iterable[_Union[Meter, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class SetRateRequest(_message.Message):
    __slots__ = ("rate_table", "rate")
    RATE_TABLE_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    rate_table: str
    rate: Rate
    def __init__(self, rate_table: _Optional[str] = ..., rate: _Optional[_Union[Rate, _Mapping]] = ...) -> None: ...

class SetRateResponse(_message.Message):
    __slots__ = ("already_existed", "warnings", "seq")
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    already_existed: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    seq: int
    def __init__(self, already_existed: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ..., seq: _Optional[int] = ...) -> None: ...

class ListRateTablesRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListRateTablesResponse(_message.Message):
    __slots__ = ("rate_tables", "seq")
    RATE_TABLES_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    rate_tables: _containers.RepeatedCompositeFieldContainer[RateTable]
    seq: int
    def __init__(self, rate_tables: _Optional[_Iterable[_Union[RateTable, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class CreateProductRequest(_message.Message):
    __slots__ = ("product",)
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    product: _plan_pb2.Product
    def __init__(self, product: _Optional[_Union[_plan_pb2.Product, _Mapping]] = ...) -> None: ...

class ListProductsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Products(_message.Message):
    __slots__ = ("products",)
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Product]
    def __init__(self, products: _Optional[_Iterable[_Union[_plan_pb2.Product, _Mapping]]] = ...) -> None: ...

class CreatePlanRequest(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: _plan_pb2.Plan
    def __init__(self, plan: _Optional[_Union[_plan_pb2.Plan, _Mapping]] = ...) -> None: ...

class PublishPlanRequest(_message.Message):
    __slots__ = ("plan_id",)
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    def __init__(self, plan_id: _Optional[str] = ...) -> None: ...

class ArchivePlanRequest(_message.Message):
    __slots__ = ("plan_id",)
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    def __init__(self, plan_id: _Optional[str] = ...) -> None: ...

class GetPlanRequest(_message.Message):
    __slots__ = ("plan_id", "version")
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    version: int
    def __init__(self, plan_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ListPlansRequest(_message.Message):
    __slots__ = ("product_id",)
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    def __init__(self, product_id: _Optional[str] = ...) -> None: ...

class Plans(_message.Message):
    __slots__ = ("plans",)
    PLANS_FIELD_NUMBER: _ClassVar[int]
    plans: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Plan]
    def __init__(self, plans: _Optional[_Iterable[_Union[_plan_pb2.Plan, _Mapping]]] = ...) -> None: ...

class CreatePackRequest(_message.Message):
    __slots__ = ("pack",)
    PACK_FIELD_NUMBER: _ClassVar[int]
    pack: _plan_pb2.Pack
    def __init__(self, pack: _Optional[_Union[_plan_pb2.Pack, _Mapping]] = ...) -> None: ...

class ListPacksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Packs(_message.Message):
    __slots__ = ("packs",)
    PACKS_FIELD_NUMBER: _ClassVar[int]
    packs: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Pack]
    def __init__(self, packs: _Optional[_Iterable[_Union[_plan_pb2.Pack, _Mapping]]] = ...) -> None: ...

class PutRateCardRequest(_message.Message):
    __slots__ = ("rate_card",)
    RATE_CARD_FIELD_NUMBER: _ClassVar[int]
    rate_card: RateCard
    def __init__(self, rate_card: _Optional[_Union[RateCard, _Mapping]] = ...) -> None: ...

class RateCard(_message.Message):
    __slots__ = ("card_id", "credit_type", "rates", "version", "rate_table")
    CARD_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RATE_TABLE_FIELD_NUMBER: _ClassVar[int]
    card_id: str
    credit_type: str
    rates: _containers.RepeatedCompositeFieldContainer[_plan_pb2.MeterRate]
    version: int
    rate_table: str
    def __init__(self, card_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., rates: _Optional[_Iterable[_Union[_plan_pb2.MeterRate, _Mapping]]] = ..., version: _Optional[int] = ..., rate_table: _Optional[str] = ...) -> None: ...

class ListRateCardsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RateCards(_message.Message):
    __slots__ = ("rate_cards",)
    RATE_CARDS_FIELD_NUMBER: _ClassVar[int]
    rate_cards: _containers.RepeatedCompositeFieldContainer[RateCard]
    def __init__(self, rate_cards: _Optional[_Iterable[_Union[RateCard, _Mapping]]] = ...) -> None: ...

class LoadCatalogRequest(_message.Message):
    __slots__ = ("content", "dry_run")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    content: CatalogContent
    dry_run: bool
    def __init__(self, content: _Optional[_Union[CatalogContent, _Mapping]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class CatalogContent(_message.Message):
    __slots__ = ("credit_types", "meters", "rate_cards", "products", "packs", "plans")
    CREDIT_TYPES_FIELD_NUMBER: _ClassVar[int]
    METERS_FIELD_NUMBER: _ClassVar[int]
    RATE_CARDS_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    PLANS_FIELD_NUMBER: _ClassVar[int]
    credit_types: _containers.RepeatedCompositeFieldContainer[CreditTypeEntry]
    meters: _containers.RepeatedCompositeFieldContainer[MeterEntry]
    rate_cards: _containers.RepeatedCompositeFieldContainer[RateCard]
    products: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Product]
    packs: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Pack]
    plans: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Plan]
    def __init__(self, credit_types: _Optional[_Iterable[_Union[CreditTypeEntry, _Mapping]]] = ..., meters: _Optional[_Iterable[_Union[MeterEntry, _Mapping]]] = ..., rate_cards: _Optional[_Iterable[_Union[RateCard, _Mapping]]] = ..., products: _Optional[_Iterable[_Union[_plan_pb2.Product, _Mapping]]] = ..., packs: _Optional[_Iterable[_Union[_plan_pb2.Pack, _Mapping]]] = ..., plans: _Optional[_Iterable[_Union[_plan_pb2.Plan, _Mapping]]] = ...) -> None: ...

class CreditTypeEntry(_message.Message):
    __slots__ = ("name", "scale")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    name: str
    scale: int
    def __init__(self, name: _Optional[str] = ..., scale: _Optional[int] = ...) -> None: ...

class MeterEntry(_message.Message):
    __slots__ = ("key", "unit", "quantity_scale", "aggregation", "dimensions", "unique_of")
    KEY_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_SCALE_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_OF_FIELD_NUMBER: _ClassVar[int]
    key: str
    unit: str
    quantity_scale: int
    aggregation: str
    dimensions: _containers.RepeatedScalarFieldContainer[str]
    unique_of: str
    def __init__(self, key: _Optional[str] = ..., unit: _Optional[str] = ..., quantity_scale: _Optional[int] = ..., aggregation: _Optional[str] = ..., dimensions: _Optional[_Iterable[str]] = ..., unique_of: _Optional[str] = ...) -> None: ...

class DumpCatalogRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CatalogDiff(_message.Message):
    __slots__ = ("changes", "applied")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[CatalogChange]
    applied: bool
    def __init__(self, changes: _Optional[_Iterable[_Union[CatalogChange, _Mapping]]] = ..., applied: _Optional[bool] = ...) -> None: ...

class CatalogChange(_message.Message):
    __slots__ = ("kind", "id", "action", "fields", "differences")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    action: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    differences: _containers.RepeatedCompositeFieldContainer[CatalogDifference]
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., action: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., differences: _Optional[_Iterable[_Union[CatalogDifference, _Mapping]]] = ...) -> None: ...

class CatalogDifference(_message.Message):
    __slots__ = ("place", "before", "after")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    place: str
    before: str
    after: str
    def __init__(self, place: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...
