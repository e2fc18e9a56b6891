"""A figure beside its goal, the facts of the machine it is of, and the report that holds both."""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from drawdown.engine import build_info

RESULTS = Path(__file__).parent / "results"


class WrongAnswer(Exception):
    """What was measured did not do what it should: the figure means nothing."""


def require(holds: bool, what: str) -> None:
    """Raise ``WrongAnswer`` unless the answer is right."""
    if not holds:
        raise WrongAnswer(what)


def require_release() -> None:
    """End with a message where the extension is a debug build."""
    profile = build_info()["profile"]
    if profile != "release":
        raise SystemExit(f"the extension is a {profile} build; measure a release build: make setup")


class Goal(msgspec.Struct, frozen=True):
    """What a figure is to reach."""

    value: float
    at_least: bool = True

    def met_by(self, figure: float) -> bool:
        return figure >= self.value if self.at_least else figure <= self.value


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """The median of some samples, with what it is to be read beside."""

    name: str
    layer: str
    value: float | None
    """None: not measured, ``note`` says why."""
    unit: str
    goal: Goal | None = None
    samples: int = 1
    spread: tuple[float, float] | None = None
    """Least and largest sample."""
    note: str = ""

    @property
    def met(self) -> str:
        """``yes``, ``no``, or nothing where there is no goal or no figure."""
        if self.goal is None:
            return ""
        if self.value is None:
            return "not measured"
        return "yes" if self.goal.met_by(self.value) else "no"


def figure_of(
    name: str, layer: str, samples: Sequence[float], unit: str, goal: Goal | None = None, note: str = ""
) -> Figure:
    """The figure of these samples; ``samples`` is not empty."""
    return Figure(
        name=name,
        layer=layer,
        value=statistics.median(samples),
        unit=unit,
        goal=goal,
        samples=len(samples),
        spread=(min(samples), max(samples)),
        note=note,
    )


def absent(name: str, layer: str, unit: str, note: str, goal: Goal | None = None) -> Figure:
    """A figure that was not measured, and why."""
    return Figure(name=name, layer=layer, value=None, unit=unit, goal=goal, samples=0, note=note)


def shown(value: float | None, unit: str = "") -> str:
    """A figure for people: thousands apart, three digits that matter."""
    if value is None:
        return "–"
    if value >= 1000:
        text = f"{value:,.0f}"
    elif value >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.3g}"
    return f"{text} {unit}".strip()


def goal_shown(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.goal.at_least else '≤'} {shown(figure.goal.value, figure.unit)}"


def line(figure: Figure) -> str:
    """One figure as a line of a terminal."""
    spread = (
        ""
        if figure.spread is None or figure.samples < 2
        else " ({}–{})".format(*(shown(each) for each in figure.spread))
    )
    goal = f" | goal {goal_shown(figure)} | {figure.met}" if figure.goal else ""
    note = f" | {figure.note}" if figure.note else ""
    return f"{figure.name}: {shown(figure.value, figure.unit)}{spread}{goal}{note}"


def _said_by(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _first_of(path: str, beginning: str) -> str:
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((each.partition(":")[2].strip() for each in lines if each.startswith(beginning)), "unknown")


def machine_facts() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    changed = _said_by("git", "status", "--porcelain", "--untracked-files=no", "--", "..")
    return {
        "processor": _first_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": _first_of("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "rustc": _said_by("rustc", "--version") or "unknown",
        "commit": (_said_by("git", "rev-parse", "--short", "HEAD") or "unknown")
        + (" with changes" if changed else ""),
        "build": build_info(),
        "load_before": list(os.getloadavg()),
        "command": shlex.join(["python", "-m", *_module_and_arguments()]),
    }


def _module_and_arguments() -> list[str]:
    script = Path(sys.argv[0])
    module = f"benches.{script.stem}" if script.parent.name == "benches" else script.name
    return [module, *sys.argv[1:]]


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = ["| Measure | Layer | Figure | Spread | Goal | Met? | Note |", "|---|---|---|---|---|---|---|"]
    for each in figures:
        spread = ""
        if each.spread is not None and each.samples > 1:
            spread = f"{shown(each.spread[0])}–{shown(each.spread[1])} of {each.samples}"
        note = each.note.replace("|", "/")
        rows.append(
            f"| {each.name} | {each.layer} | {shown(each.value, each.unit)} | {spread} "
            f"| {goal_shown(each)} | {each.met} | {note} |"
        )
    return "\n".join(rows) + "\n"


def facts_table(facts: dict[str, Any]) -> str:
    """The machine's facts as a Markdown table."""
    rows = ["| | |", "|---|---|"]
    for name, value in facts.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        rows.append(f"| {name.replace('_', ' ')} | {text} |")
    return "\n".join(rows) + "\n"


def _unused(folder: Path, stem: str) -> Path:
    """``stem.md``, or ``stem-2.md`` and so on: a report never replaces another."""
    number = 1
    path = folder / f"{stem}.md"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.md"
    return path


def write_report(title: str, form: Any, facts: dict[str, Any], figures: list[Figure], folder: Path) -> Path:
    """Write ``<date>-<commit>-<title>.md`` and ``.json`` into ``folder``; answers the Markdown's path."""
    folder.mkdir(parents=True, exist_ok=True)
    commit = str(facts["commit"]).partition(" ")[0]
    path = _unused(folder, f"{datetime.now(UTC).date()}-{commit}-{title}")
    settings = ", ".join(f"{name} {value}" for name, value in msgspec.to_builtins(form).items())
    path.write_text(
        f"# {title.capitalize()}, {datetime.now(UTC).date()}, commit {facts['commit']}\n\n"
        f"{facts_table(facts)}\nSettings: {settings}.\n\n{table(figures)}",
        encoding="utf-8",
    )
    report = {"title": title, "machine": facts, "form": form, "figures": figures}
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path
