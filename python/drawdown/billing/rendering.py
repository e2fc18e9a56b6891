"""The page as HTML and as PDF. Templates lie in ``templates/``; every text is escaped by the engine."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from drawdown.billing.page import InvoicePage
from drawdown.errors import PreconditionError


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("drawdown.billing", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _html_template() -> Template:
    return _environment().get_template("invoice.html")


@lru_cache(maxsize=1)
def _typst_source() -> bytes:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, "invoice.typ")[0].encode()


def html_of(page: InvoicePage) -> str:
    """One self-contained document: no scripts, nothing fetched from elsewhere."""
    return _html_template().render(page=page)


def pdf_of(page: InvoicePage) -> bytes:
    """A PDF of A4 pages. Letters that its own font lacks (Japanese, Arabic, …) come from the machine's fonts.

    Raises ``PreconditionError`` where the extra ``drawdown[pdf]`` is not installed.
    """
    try:
        import typst
    except ImportError as absent:
        raise PreconditionError(
            "PDF needs typst: pip install 'drawdown[pdf]'; HTML works without", reason="PDF_UNAVAILABLE"
        ) from absent
    rendered = typst.compile(
        _typst_source(),
        format="pdf",
        sys_inputs={"page": msgspec.json.encode(page).decode()},
    )
    assert isinstance(rendered, bytes)
    return rendered
