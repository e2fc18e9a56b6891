"""Pictures of reports: bars that can be compared, as SVG that any browser shows.

::

    title
    label      ██████████▌ 12.50
    longer la… ████▎       5

Lengths are whole thousandths of a pixel, computed from the exact figures; the figure stands beside its bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import Final

import msgspec

WIDTH: Final = 960
LABEL_WIDTH: Final = 300
FIGURE_WIDTH: Final = 180
ROW: Final = 26
BAR: Final = 18
TOP: Final = 56
COLOURS: Final = ("#2a6f97", "#e07a5f", "#81b29a", "#f2cc8f", "#6d597a", "#9a9a9a", "#3d405b", "#b56576")
_LABEL_LETTERS: Final = 40


class Bar(msgspec.Struct, frozen=True):
    """One row: its parts in order, none below 0, and the figure beside it."""

    label: str
    parts: tuple[tuple[str, Decimal], ...]
    """Name and length; one part of an empty name is a plain bar."""
    figure: str = ""

    @property
    def length(self) -> Decimal:
        return sum((length for _, length in self.parts), Decimal(0))


class Panel(msgspec.Struct, frozen=True):
    """Bars of one unit under one title; their lengths can be compared."""

    title: str
    bars: tuple[Bar, ...]


def bar_chart(title: str, panels: Sequence[Panel]) -> str:
    """An SVG document. What is absent is said, not drawn."""
    drawn: list[str] = [_text(16, 30, title, size=20, bold=True)]
    y = TOP
    for panel in panels:
        y = _draw_panel(drawn, panel, y)
    if not any(panel.bars for panel in panels):
        drawn.append(_text(16, y + 20, "nothing in this report"))
        y += 40
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 16}" width="{WIDTH}" '
        f'font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _draw_panel(drawn: list[str], panel: Panel, y: int) -> int:
    if not panel.bars:
        return y
    drawn.append(_text(16, y + 14, panel.title, bold=True))
    names = list(dict.fromkeys(name for bar in panel.bars for name, _ in bar.parts if name))
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}
    y = _draw_legend(drawn, colours, y + ROW)
    longest = max(bar.length for bar in panel.bars) or Decimal(1)
    for bar in panel.bars:
        _draw_bar(drawn, bar, colours, longest, y)
        y += ROW
    return y + ROW // 2


def _draw_legend(drawn: list[str], colours: dict[str, str], y: int) -> int:
    if not colours:
        return y
    x = 16
    for name, colour in colours.items():
        width = 26 + 8 * len(name)
        if x + width > WIDTH:
            x, y = 16, y + ROW
        drawn.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        drawn.append(_text(x + 18, y + 11, name))
        x += width + 12
    return y + ROW


def _draw_bar(drawn: list[str], bar: Bar, colours: dict[str, str], longest: Decimal, y: int) -> None:
    drawn.append(_text(LABEL_WIDTH - 10, y + BAR - 4, _cut(bar.label), anchor="end"))
    room = WIDTH - LABEL_WIDTH - FIGURE_WIDTH
    reached = Decimal(0)
    for name, length in bar.parts:
        begins, ends = (_thousandths(point, longest, room) for point in (reached, reached + length))
        reached += length
        if ends == begins:
            continue
        told = f"{bar.label}{', ' + name if name else ''}: {length:,f}"
        drawn.append(
            f'<rect x="{_pixels(LABEL_WIDTH * 1000 + begins)}" y="{y}" width="{_pixels(ends - begins)}" '
            f'height="{BAR}" fill="{colours.get(name, COLOURS[0])}"><title>{escape(told)}</title></rect>'
        )
    end = LABEL_WIDTH * 1000 + _thousandths(reached, longest, room)
    drawn.append(_text(end // 1000 + 8, y + BAR - 4, bar.figure or f"{bar.length:,f}"))


def _thousandths(length: Decimal, longest: Decimal, room: int) -> int:
    return int(length * room * 1000 / longest)


def _pixels(thousandths: int) -> str:
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def _cut(label: str) -> str:
    return label if len(label) <= _LABEL_LETTERS else label[: _LABEL_LETTERS - 1] + "…"


def _text(x: int, y: int, text: str, *, size: int = 13, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="#222222"{weight}>'
        f"{escape(text)}</text>"
    )
