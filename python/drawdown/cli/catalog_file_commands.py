"""``drawdown catalog``: the catalog from and to a TOML or YAML file, and ``drawdown plan``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from drawdown.catalog.catalog_file import CatalogChange
from drawdown.catalog.toml_text import toml_text
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import DatabaseOptions, JsonOption
from drawdown.cli.output import console, print_json, print_table, print_value
from drawdown.errors import InvalidRequestError
from drawdown.model.plain_json import plain_builtins

catalogs = CommandGroup(help="The catalog as a file.")
products = CommandGroup(help="Families of plans; made by a catalog file.")
rate_cards = CommandGroup(help="Prices of meters under a name, by version.")
plans = CommandGroup(help="What is sold.")

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)


def content_of(path: Path) -> dict[str, Any]:
    """What a catalog file says. Raises ``InvalidRequestError`` with the line that cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as raised:
        raise InvalidRequestError(f"file: {path}: {raised}", field="file") from raised
    if path.suffix in (".yaml", ".yml"):
        found = _from_yaml(text, path)
    else:
        try:
            found = tomllib.loads(text, parse_float=str)
        except (tomllib.TOMLDecodeError, RecursionError) as raised:
            raise InvalidRequestError(f"file: {path}: not TOML: {raised}", field="file") from raised
    return found


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise InvalidRequestError(
            "file: YAML needs the extra: pip install 'drawdown[yaml]', or use TOML", field="file"
        ) from None
    return yaml


def _from_yaml(text: str, path: Path) -> dict[str, Any]:
    yaml = _yaml()
    try:
        # Scalars stay text where they look like floats: a price is not a float.
        found = yaml.load(text, Loader=_exact_loader(yaml))
    except (yaml.YAMLError, ValueError, RecursionError) as raised:
        # A date that no calendar has is a ValueError of its own.
        raise InvalidRequestError(f"file: {path}: not YAML: {raised}", field="file") from raised
    if not isinstance(found, dict):
        raise InvalidRequestError(f"file: {path}: a catalog is a mapping", field="file")
    return found


def _exact_loader(yaml: Any) -> Any:
    class ExactLoader(yaml.SafeLoader):  # type: ignore[misc]
        """Plain data only, numbers as they are written, and each key once."""

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key.value, str) and key.value != "<<"):
                if key.value in seen:
                    raise yaml.composer.ComposerError(
                        None, None, f"key {key.value!r} occurs twice; keep one of them", key.start_mark
                    )
                seen.add(key.value)
            return node

    ExactLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: node.value)
    ExactLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _whole(node.value))
    return ExactLoader


def _whole(text: str) -> int | str:
    """YAML reads 010 as 8, and 1:30 as 90; whoever writes a price means neither."""
    return int(text) if _WHOLE.fullmatch(text) else text


def text_of(content: msgspec.Struct, form: str) -> str:
    """A catalog as TOML or YAML."""
    plain: dict[str, Any] = plain_builtins(content)
    if form == "toml":
        return toml_text(plain)
    if form == "yaml":
        text: str = _yaml().safe_dump(plain, sort_keys=False, allow_unicode=True)
        return text
    raise InvalidRequestError("format: toml or yaml", field="format")


@catalogs.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="A .toml, .yaml or .yml file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Change the catalog to what a file says; what the file leaves out stays."""
    content = content_of(file)
    with options.open_to(dry_run=dry_run) as database:
        diff = database.load_catalog(content, dry_run=dry_run)
    if json:
        print_json(diff)
        return
    changed = [each for each in diff.changes if each.action != "keep"]
    if not changed:
        console.print("nothing to change")
        return
    print_table(
        "Would change" if dry_run else "Changed",
        ["what", "id", "action", "where", "before", "after"],
        [row for each in changed for row in _change_rows(each)],
        if_any=("where", "before", "after"),
    )


def _change_rows(change: CatalogChange) -> list[tuple[str | None, ...]]:
    """A row for each value that differs; what stands on the first holds for all."""
    first = (change.kind, change.id, change.action)
    if not change.differences:
        return [(*first, None, None, None)]
    return [
        (*(first if number == 0 else ("", "", "")), each.place, each.before or None, each.after or None)
        for number, each in enumerate(change.differences)
    ]


@catalogs.command("dump")
def dump(
    form: Annotated[str, typer.Option("--format", help="toml or yaml.")] = "toml",
    *,
    options: DatabaseOptions,
) -> None:
    """Print the catalog as a file that ``load`` takes; drafts of a next version stay behind."""
    with options.open() as database:
        content = database.dump_catalog()
    typer.echo(text_of(content, form), nl=False)


@plans.command("list")
def list_plans(
    product: Annotated[str, typer.Option(help="Only of this product.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List plans and their versions."""
    with options.open() as database:
        found = database.plans(product)
    if json:
        print_json(found)
        return
    print_table(
        "Plans",
        ["plan", "version", "product", "state", "type", "billed", "credits", "cadence"],
        [
            (
                each.plan_id,
                each.version,
                each.product_id,
                each.state,
                each.type,
                each.billing_period,
                None if each.credits is None else each.credits.amount,
                None if each.credits is None else each.credits.cadence,
            )
            for each in found
        ],
    )


@plans.command("show")
def show_plan(
    plan: Annotated[str, typer.Argument(help="Plan id.")],
    version: Annotated[int, typer.Option(help="0: the one in force.")] = 0,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show every setting of a plan."""
    with options.open() as database:
        found = database.plan(plan, version)
    if json:
        print_json(found)
    else:
        typer.echo(toml_text(plain_builtins(found)), nl=False)


@plans.command("publish")
def publish_plan(
    plan: Annotated[str, typer.Argument(help="Plan id.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Make the draft available; this cannot be undone."""
    with options.open() as database:
        found = database.publish_plan(plan)
    print_value(found, f"plan {found.plan_id} version {found.version} is published", json)


@plans.command("archive")
def archive_plan(
    plan: Annotated[str, typer.Argument(help="Plan id.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Accept no new subscriptions; existing ones continue."""
    with options.open() as database:
        found = database.archive_plan(plan)
    print_value(found, f"plan {found.plan_id} is archived", json)


@products.command("list")
def list_products(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the families that plans belong to."""
    with options.open() as database:
        found = database.products()
    if json:
        print_json(found)
        return
    print_table(
        "Products",
        ["product", "name", "description", "plan of new accounts"],
        [(e.product_id, e.name, e.description or None, e.signup_plan or None) for e in found],
    )


@rate_cards.command("list")
def list_rate_cards(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List rate cards and their versions."""
    with options.open() as database:
        found = database.rate_cards()
    if json:
        print_json(found)
        return
    print_table(
        "Rate cards",
        ["card", "version", "credit type", "rates", "rate table"],
        [(e.card_id, e.version, e.credit_type, len(e.rates), e.rate_table) for e in found],
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(catalogs, name="catalog")
    app.add_typer(products, name="product")
    app.add_typer(rate_cards, name="rate-card")
    app.add_typer(plans, name="plan")
