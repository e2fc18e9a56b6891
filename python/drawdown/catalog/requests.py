"""Calls on products, plans and packs."""

from drawdown.catalog.catalog_file import CatalogContent, CatalogDiff
from drawdown.catalog.pack import Pack
from drawdown.catalog.plan import Plan
from drawdown.catalog.product import Product
from drawdown.catalog.rate_card import RateCard
from drawdown.model.request import Request, Value


class Products(Value, frozen=True):
    """A page of products."""

    products: tuple[Product, ...] = ()


class Plans(Value, frozen=True):
    """A page of plan versions."""

    plans: tuple[Plan, ...] = ()


class Packs(Value, frozen=True):
    """A page of packs."""

    packs: tuple[Pack, ...] = ()


class RateCards(Value, frozen=True):
    """Every version of rate cards."""

    rate_cards: tuple[RateCard, ...] = ()


class CreateProduct(Request, frozen=True):
    """Same id and content: the original."""

    rpc = "CatalogService/CreateProduct"
    right = "admin"
    answer = Product
    product: Product


class ListProducts(Request, frozen=True):
    rpc = "CatalogService/ListProducts"
    right = "read"
    answer = Products


class CreatePlan(Request, frozen=True):
    """A draft. For an id that is published it is the draft of its next version."""

    rpc = "CatalogService/CreatePlan"
    right = "admin"
    answer = Plan
    plan: Plan


class PublishPlan(Request, frozen=True):
    """The latest draft becomes available, for good."""

    rpc = "CatalogService/PublishPlan"
    right = "admin"
    answer = Plan
    plan_id: str


class ArchivePlan(Request, frozen=True):
    """No new subscriptions; those that exist go on."""

    rpc = "CatalogService/ArchivePlan"
    right = "admin"
    answer = Plan
    plan_id: str


class GetPlan(Request, frozen=True):
    """A version, or the one in force (0)."""

    rpc = "CatalogService/GetPlan"
    right = "read"
    answer = Plan
    plan_id: str
    version: int = 0


class ListPlans(Request, frozen=True):
    rpc = "CatalogService/ListPlans"
    right = "read"
    answer = Plans
    product_id: str = ""


class CreatePack(Request, frozen=True):
    """Same id and content: the original."""

    rpc = "CatalogService/CreatePack"
    right = "admin"
    answer = Pack
    pack: Pack


class ListPacks(Request, frozen=True):
    rpc = "CatalogService/ListPacks"
    right = "read"
    answer = Packs


class PutRateCard(Request, frozen=True):
    """The card's content; other content than the latest version's is the next version."""

    rpc = "CatalogService/PutRateCard"
    right = "admin"
    answer = RateCard
    rate_card: RateCard


class ListRateCards(Request, frozen=True):
    rpc = "CatalogService/ListRateCards"
    right = "read"
    answer = RateCards


class LoadCatalog(Request, frozen=True):
    """Bring the catalog to what a file says; with ``dry_run`` only say what that would change."""

    rpc = "CatalogService/LoadCatalog"
    right = "admin"
    answer = CatalogDiff
    content: CatalogContent
    dry_run: bool = False


class DumpCatalog(Request, frozen=True):
    """The catalog as a file has it: of each plan what is on sale, else its newest version."""

    rpc = "CatalogService/DumpCatalog"
    right = "read"
    answer = CatalogContent
