from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Product(_message.Message):
    __slots__ = ("product_id", "name", "description", "signup_plan")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SIGNUP_PLAN_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    name: str
    description: str
    signup_plan: str
    def __init__(self, product_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., signup_plan: _Optional[str] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("plan_id", "product_id", "name", "description", "type", "billing_model", "billing_period", "base_fee", "credits", "overage", "top_up", "packs", "rates", "rate_card", "features", "trial", "minimum_spend", "proration", "anchor", "auto_renew", "release", "change_policy", "at_zero", "signup_grant", "metadata", "version", "state", "rate_table", "credit_scale", "rate_credit_type")
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BILLING_MODEL_FIELD_NUMBER: _ClassVar[int]
    BILLING_PERIOD_FIELD_NUMBER: _ClassVar[int]
    BASE_FEE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    OVERAGE_FIELD_NUMBER: _ClassVar[int]
    TOP_UP_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    RATE_CARD_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_SPEND_FIELD_NUMBER: _ClassVar[int]
    PRORATION_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_FIELD_NUMBER: _ClassVar[int]
    AUTO_RENEW_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_POLICY_FIELD_NUMBER: _ClassVar[int]
    AT_ZERO_FIELD_NUMBER: _ClassVar[int]
    SIGNUP_GRANT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RATE_TABLE_FIELD_NUMBER: _ClassVar[int]
    CREDIT_SCALE_FIELD_NUMBER: _ClassVar[int]
    RATE_CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    plan_id: str
    product_id: str
    name: str
    description: str
    type: str
    billing_model: str
    billing_period: str
    base_fee: _containers.RepeatedCompositeFieldContainer[Price]
    credits: CreditsCharge
    overage: OverageCharge
    top_up: TopUpCharge
    packs: _containers.RepeatedScalarFieldContainer[str]
    rates: _containers.RepeatedCompositeFieldContainer[MeterRate]
    rate_card: str
    features: _containers.ScalarMap[str, str]
    trial: Trial
    minimum_spend: _containers.RepeatedCompositeFieldContainer[Price]
    proration: str
    anchor: str
    auto_renew: bool
    release: str
    change_policy: str
    at_zero: AtZero
    signup_grant: SignupGrant
    metadata: _containers.ScalarMap[str, str]
    version: int
    state: str
    rate_table: str
    credit_scale: int
    rate_credit_type: str
    def __init__(self, plan_id: _Optional[str] = ..., product_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., type: _Optional[str] = ..., billing_model: _Optional[str] = ..., billing_period: _Optional[str] = ..., base_fee: _Optional[_Iterable[_Union[Price, _Mapping]]] = ..., credits: _Optional[_Union[CreditsCharge, _Mapping]] = ..., overage: _Optional[_Union[OverageCharge, _Mapping]] = ..., top_up: _Optional[_Union[TopUpCharge, _Mapping]] = ..., packs: _Optional[_Iterable[str]] = ..., rates: _Optional[_Iterable[_Union[MeterRate, _Mapping]]] = ..., rate_card: _Optional[str] = ..., features: _Optional[_Mapping[str, str]] = ..., trial: _Optional[_Union[Trial, _Mapping]] = ..., minimum_spend: _Optional[_Iterable[_Union[Price, _Mapping]]] = ..., proration: _Optional[str] = ..., anchor: _Optional[str] = ..., auto_renew: _Optional[bool] = ..., release: _Optional[str] = ..., change_policy: _Optional[str] = ..., at_zero: _Optional[_Union[AtZero, _Mapping]] = ..., signup_grant: _Optional[_Union[SignupGrant, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., version: _Optional[int] = ..., state: _Optional[str] = ..., rate_table: _Optional[str] = ..., credit_scale: _Optional[int] = ..., rate_credit_type: _Optional[str] = ...) -> None: ...

class Price(_message.Message):
    __slots__ = ("currency", "country", "model", "amount", "package_size", "tiers")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    currency: str
    country: str
    model: str
    amount: str
    package_size: str
    tiers: _containers.RepeatedCompositeFieldContainer[PriceTier]
    def __init__(self, currency: _Optional[str] = ..., country: _Optional[str] = ..., model: _Optional[str] = ..., amount: _Optional[str] = ..., package_size: _Optional[str] = ..., tiers: _Optional[_Iterable[_Union[PriceTier, _Mapping]]] = ...) -> None: ...

class PriceTier(_message.Message):
    __slots__ = ("up_to", "unit_price", "flat")
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    FLAT_FIELD_NUMBER: _ClassVar[int]
    up_to: str
    unit_price: str
    flat: str
    def __init__(self, up_to: _Optional[str] = ..., unit_price: _Optional[str] = ..., flat: _Optional[str] = ...) -> None: ...

class CreditsCharge(_message.Message):
    __slots__ = ("credit_type", "amount", "cadence", "prices", "lifetime", "rollover", "priority")
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CADENCE_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_FIELD_NUMBER: _ClassVar[int]
    ROLLOVER_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    credit_type: str
    amount: str
    cadence: str
    prices: _containers.RepeatedCompositeFieldContainer[Price]
    lifetime: Lifetime
    rollover: Rollover
    priority: int
    def __init__(self, credit_type: _Optional[str] = ..., amount: _Optional[str] = ..., cadence: _Optional[str] = ..., prices: _Optional[_Iterable[_Union[Price, _Mapping]]] = ..., lifetime: _Optional[_Union[Lifetime, _Mapping]] = ..., rollover: _Optional[_Union[Rollover, _Mapping]] = ..., priority: _Optional[int] = ...) -> None: ...

class Lifetime(_message.Message):
    __slots__ = ("count", "unit")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    count: int
    unit: str
    def __init__(self, count: _Optional[int] = ..., unit: _Optional[str] = ...) -> None: ...

class Rollover(_message.Message):
    __slots__ = ("fraction", "amount", "times", "min")
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    fraction: str
    amount: str
    times: int
    min: str
    def __init__(self, fraction: _Optional[str] = ..., amount: _Optional[str] = ..., times: _Optional[int] = ..., min: _Optional[str] = ...) -> None: ...

class OverageCharge(_message.Message):
    __slots__ = ("prices", "cap")
    PRICES_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    prices: _containers.RepeatedCompositeFieldContainer[Price]
    cap: str
    def __init__(self, prices: _Optional[_Iterable[_Union[Price, _Mapping]]] = ..., cap: _Optional[str] = ...) -> None: ...

class TopUpCharge(_message.Message):
    __slots__ = ("prices", "min", "max", "lifetime")
    PRICES_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_FIELD_NUMBER: _ClassVar[int]
    prices: _containers.RepeatedCompositeFieldContainer[Price]
    min: str
    max: str
    lifetime: Lifetime
    def __init__(self, prices: _Optional[_Iterable[_Union[Price, _Mapping]]] = ..., min: _Optional[str] = ..., max: _Optional[str] = ..., lifetime: _Optional[_Union[Lifetime, _Mapping]] = ...) -> None: ...

class MeterRate(_message.Message):
    __slots__ = ("meter", "credits", "tiers", "per", "package", "match")
    class MatchEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METER_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    meter: str
    credits: str
    tiers: _containers.RepeatedCompositeFieldContainer[CreditTier]
    per: str
    package: bool
    match: _containers.ScalarMap[str, str]
    def __init__(self, meter: _Optional[str] = ..., credits: _Optional[str] = ..., tiers: _Optional[_Iterable[_Union[CreditTier, _Mapping]]] = ..., per: _Optional[str] = ..., package: _Optional[bool] = ..., match: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreditTier(_message.Message):
    __slots__ = ("credits", "up_to")
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    credits: str
    up_to: str
    def __init__(self, credits: _Optional[str] = ..., up_to: _Optional[str] = ...) -> None: ...

class Trial(_message.Message):
    __slots__ = ("days", "credits", "survives", "end")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    SURVIVES_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    days: int
    credits: str
    survives: bool
    end: str
    def __init__(self, days: _Optional[int] = ..., credits: _Optional[str] = ..., survives: _Optional[bool] = ..., end: _Optional[str] = ...) -> None: ...

class AtZero(_message.Message):
    __slots__ = ("kind", "limit")
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    limit: str
    def __init__(self, kind: _Optional[str] = ..., limit: _Optional[str] = ...) -> None: ...

class SignupGrant(_message.Message):
    __slots__ = ("amount", "lifetime")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_FIELD_NUMBER: _ClassVar[int]
    amount: str
    lifetime: Lifetime
    def __init__(self, amount: _Optional[str] = ..., lifetime: _Optional[_Union[Lifetime, _Mapping]] = ...) -> None: ...

class Pack(_message.Message):
    __slots__ = ("pack_id", "name", "credit_type", "amount", "prices", "lifetime", "category", "priority", "description", "state")
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    pack_id: str
    name: str
    credit_type: str
    amount: str
    prices: _containers.RepeatedCompositeFieldContainer[Price]
    lifetime: Lifetime
    category: str
    priority: int
    description: str
    state: str
    def __init__(self, pack_id: _Optional[str] = ..., name: _Optional[str] = ..., credit_type: _Optional[str] = ..., amount: _Optional[str] = ..., prices: _Optional[_Iterable[_Union[Price, _Mapping]]] = ..., lifetime: _Optional[_Union[Lifetime, _Mapping]] = ..., category: _Optional[str] = ..., priority: _Optional[int] = ..., description: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...
