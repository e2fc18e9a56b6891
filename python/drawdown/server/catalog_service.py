"""CatalogService: the credit types, meters and rate tables that the engine prices with."""

from typing import Final

from drawdown.engine import Engine
from drawdown.model import commands
from drawdown.model import results as model
from drawdown.model.credits import require_scale
from drawdown.server import convert
from drawdown.server.access import Principal, Right
from drawdown.server.refusals import apply
from drawdown.v1 import catalog_pb2 as pb


class CatalogService:
    """Methods of ``drawdown.v1.CatalogService``; each runs in a worker thread and may block."""

    DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["CatalogService"]
    RIGHTS: Final = {
        "CreateCreditType": Right.ADMIN,
        "ListCreditTypes": Right.READ,
        "CreateMeter": Right.ADMIN,
        "ListMeters": Right.READ,
        "SetRate": Right.ADMIN,
        "ListRateTables": Right.READ,
    }

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def CreateCreditType(
        self, request: pb.CreateCreditTypeRequest, principal: Principal
    ) -> pb.CreateCreditTypeResponse:
        asked = request.credit_type
        scale = asked.scale if asked.HasField("scale") else 9
        require_scale(scale, "scale")
        result = apply(self._engine, commands.CreateCreditType(name=asked.name, scale=scale), principal)
        return pb.CreateCreditTypeResponse(
            credit_type=pb.CreditType(name=asked.name, scale=scale),
            already_existed=result.status == "DUPLICATE",
            seq=result.seq,
        )

    def ListCreditTypes(self, _: pb.ListCreditTypesRequest, __: Principal) -> pb.ListCreditTypesResponse:
        catalog = self._durable_catalog()
        found = [pb.CreditType(name=each.name, scale=each.scale) for each in catalog.credit_types]
        return pb.ListCreditTypesResponse(credit_types=found, seq=catalog.seq)

    def CreateMeter(self, request: pb.CreateMeterRequest, principal: Principal) -> pb.CreateMeterResponse:
        require_scale(request.meter.quantity_scale, "quantity_scale")
        result = apply(self._engine, convert.create_meter(request.meter), principal)
        return pb.CreateMeterResponse(
            meter=request.meter, already_existed=result.status == "DUPLICATE", seq=result.seq
        )

    def ListMeters(self, _: pb.ListMetersRequest, __: Principal) -> pb.ListMetersResponse:
        catalog = self._durable_catalog()
        return pb.ListMetersResponse(
            meters=[convert.meter_message(each) for each in catalog.meters], seq=catalog.seq
        )

    def SetRate(self, request: pb.SetRateRequest, principal: Principal) -> pb.SetRateResponse:
        result = apply(self._engine, convert.set_rate(request), principal)
        warnings = result.facts.get("warnings") or result.facts.get("warning") or ()
        return pb.SetRateResponse(
            already_existed=result.status == "DUPLICATE",
            warnings=[warnings] if isinstance(warnings, str) else warnings,
            seq=result.seq,
        )

    def ListRateTables(self, request: pb.ListRateTablesRequest, _: Principal) -> pb.ListRateTablesResponse:
        catalog = self._durable_catalog()
        tables = [each for each in catalog.rate_tables if request.name in ("", each.name)]
        return pb.ListRateTablesResponse(rate_tables=convert.rate_table_messages(tables), seq=catalog.seq)

    def _durable_catalog(self) -> model.Catalog:
        catalog = self._engine.catalog()
        self._engine.wait_durable(catalog.seq)
        return catalog
