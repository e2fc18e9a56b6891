"""``/v1/check``: may this account use this now? One question in the address, or many as JSON."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.datastructures import QueryParams

from drawdown.engine import Engine
from drawdown.errors import InvalidRequestError
from drawdown.model.credits import credits_from_units
from drawdown.model.status import status_name
from drawdown.server.access import Principal
from drawdown.server.convert import credits_text
from drawdown.server.http.cloud_event import decoded
from drawdown.v1 import entitlement_pb2

QUESTIONS_MAX: Final = 1_000
DIMENSION: Final = "dimension."


class CheckQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question."""

    account: str
    meter: str
    quantity: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] = 1
    """In 10^-quantity_scale of the meter's unit."""
    dimensions: Mapping[str, str] = {}


def from_address(query: QueryParams) -> CheckQuestion:
    """``?account=…&meter=…&quantity=1&dimension.NAME=VALUE``. Raises ``InvalidRequestError``."""
    given: dict[str, Any] = {"dimensions": {}}
    for name, value in query.multi_items():
        is_dimension = name.startswith(DIMENSION)
        taken, named = (given["dimensions"], name.removeprefix(DIMENSION)) if is_dimension else (given, name)
        if named in taken:
            raise InvalidRequestError(f"{name[:64]}: given twice", field=name[:64])
        taken[named] = value
    return _question(given, strict=False)


def from_body(body: bytes) -> tuple[bool, list[CheckQuestion]]:
    """Whether one question came by itself, and the questions. Raises ``InvalidRequestError``."""
    value = decoded(body)
    if not isinstance(value, list):
        return True, [_question(value, strict=True)]
    if not 1 <= len(value) <= QUESTIONS_MAX:
        raise InvalidRequestError(f"body: give 1–{QUESTIONS_MAX} questions", field="body")
    return False, [_question(each, strict=True, place=f"[{index}].") for index, each in enumerate(value)]


def _question(value: Any, *, strict: bool, place: str = "") -> CheckQuestion:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{place or 'body'}: a question is an object", field=place or "body")
    for name in value:
        if name not in CheckQuestion.__struct_fields__:
            raise InvalidRequestError(
                f"{place}{name[:64]}: there is no such field", field=f"{place}{name[:64]}"
            )
    for name in ("account", "meter"):
        if name not in value:
            raise InvalidRequestError(f"{place}{name}: the question has none", field=place + name)
    # Field by field: a message then names its field.
    for field in msgspec.structs.fields(CheckQuestion):
        if field.name in value:
            try:
                msgspec.convert(value[field.name], field.type, strict=strict)
            except msgspec.ValidationError as raised:
                raise InvalidRequestError(
                    f"{place}{field.name}: {raised}", field=place + field.name
                ) from raised
    return msgspec.convert(value, CheckQuestion, strict=strict)


def answered(
    engine: Engine, caller: Principal, alone: bool, questions: Sequence[CheckQuestion]
) -> tuple[int, bytes]:
    """``(seq, JSON)`` of one state; it may go out once ``seq`` is durable."""
    request = entitlement_pb2.BatchCheckRequest()
    for asked in questions:
        request.checks.add(
            account_id=asked.account, meter=asked.meter, quantity=asked.quantity, dimensions=asked.dimensions
        )
    seq, response = engine.submit_checks(request.SerializeToString(), account_prefix=caller.account_prefix)
    answers = entitlement_pb2.BatchCheckResponse.FromString(response).results
    told = [_told(engine, asked, answer) for asked, answer in zip(questions, answers, strict=True)]
    return seq, msgspec.json.encode(told[0] if alone else {"seq": seq, "results": told})


def _told(engine: Engine, asked: CheckQuestion, answer: entitlement_pb2.CheckResponse) -> dict[str, Any]:
    told: dict[str, Any] = {"allowed": answer.allowed, "reason": status_name(answer.reason)}
    if answer.HasField("available"):
        scale = engine.scale_of_use(asked.account, asked.meter, None, tuple(asked.dimensions.items()))
        told["available"] = credits_text(credits_from_units(answer.available, scale))
    return {**told, "units": answer.units, "seq": answer.seq}
