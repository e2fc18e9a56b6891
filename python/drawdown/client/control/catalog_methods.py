"""Products, plans and packs, as methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from drawdown.catalog import requests
from drawdown.catalog.catalog_file import CatalogContent, CatalogDiff
from drawdown.catalog.pack import Pack
from drawdown.catalog.plan import Plan
from drawdown.catalog.product import Product
from drawdown.catalog.rate_card import RateCard
from drawdown.client.control.content import struct_of
from drawdown.client.control.door import ControlDoor


class CatalogMethods(ControlDoor):
    """What is sold."""

    def create_product(
        self, product_id: str, name: str, *, description: str = "", signup_plan: str = ""
    ) -> Product:
        """A product. The same again changes nothing; other content raises ``AlreadyExistsError``."""
        product = Product(product_id=product_id, name=name, description=description, signup_plan=signup_plan)
        answer: Product = self.control(requests.CreateProduct(product=product))
        return answer

    def products(self) -> Sequence[Product]:
        """All products by id."""
        answer: requests.Products = self.control(requests.ListProducts())
        return answer.products

    def create_plan(self, plan_id: str, *, product: str, name: str, **settings: Any) -> Plan:
        """A draft of a plan; for an id that is published, of its next version.

        ``settings`` are the fields of ``Plan``; nested ones may be mappings, prices and amounts decimal
        text. Raises ``InvalidRequestError`` naming the field, ``NotFoundError`` (product).
        """
        plan = struct_of(Plan, {"plan_id": plan_id, "product_id": product, "name": name, **settings})
        answer: Plan = self.control(requests.CreatePlan(plan=plan))
        return answer

    def publish_plan(self, plan_id: str) -> Plan:
        """The draft can be subscribed to and never changes again.

        Raises ``PreconditionError`` naming what a paid plan lacks.
        """
        answer: Plan = self.control(requests.PublishPlan(plan_id=plan_id))
        return answer

    def archive_plan(self, plan_id: str) -> Plan:
        """No new subscriptions; those that exist go on."""
        answer: Plan = self.control(requests.ArchivePlan(plan_id=plan_id))
        return answer

    def plan(self, plan_id: str, version: int = 0) -> Plan:
        """A version, or the one in force. Raises ``NotFoundError``."""
        answer: Plan = self.control(requests.GetPlan(plan_id=plan_id, version=version))
        return answer

    def plans(self, product: str = "") -> Sequence[Plan]:
        """Every version of every plan, or of one product's."""
        answer: requests.Plans = self.control(requests.ListPlans(product_id=product))
        return answer.plans

    def create_pack(
        self,
        pack_id: str,
        *,
        name: str,
        credit_type: str = "credits",
        amount: Decimal | int | str,
        **settings: Any,
    ) -> Pack:
        """A pack of credits. ``settings`` are the fields of ``Pack``."""
        pack = struct_of(
            Pack,
            {"pack_id": pack_id, "name": name, "credit_type": credit_type, "amount": amount, **settings},
        )
        answer: Pack = self.control(requests.CreatePack(pack=pack))
        return answer

    def packs(self) -> Sequence[Pack]:
        """All packs by id."""
        answer: requests.Packs = self.control(requests.ListPacks())
        return answer.packs

    def put_rate_card(self, card_id: str, *, rates: Sequence[Any], credit_type: str = "credits") -> RateCard:
        """Prices of meters under a name; other content than the latest version's is the next version.

        Each rate has ``meter``, ``credits`` or ``tiers``, and perhaps ``per``, ``package``, ``match``.
        """
        card = struct_of(RateCard, {"card_id": card_id, "credit_type": credit_type, "rates": list(rates)})
        answer: RateCard = self.control(requests.PutRateCard(rate_card=card))
        return answer

    def rate_cards(self) -> Sequence[RateCard]:
        """Every version of every rate card."""
        answer: requests.RateCards = self.control(requests.ListRateCards())
        return answer.rate_cards

    def load_catalog(self, content: Mapping[str, Any], *, dry_run: bool = False) -> CatalogDiff:
        """Bring the catalog to what ``content`` says (the fields of ``CatalogContent``).

        What it leaves out stays. With ``dry_run`` nothing changes; the answer says what would.
        """
        wanted = struct_of(CatalogContent, content)
        answer: CatalogDiff = self.control(requests.LoadCatalog(content=wanted, dry_run=dry_run))
        return answer

    def dump_catalog(self) -> CatalogContent:
        """The catalog as a file has it: loading that again changes nothing."""
        answer: CatalogContent = self.control(requests.DumpCatalog())
        return answer
