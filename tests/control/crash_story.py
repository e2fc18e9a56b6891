"""Stories of the control plane, killed at each of their points and told again.

    python -m tests.control.crash_story FOLDER [--story NAME …] [--every N] [--random N] [--postgresql]
                                               [--write FILE]

Each point: a child tells the story and is killed there (kill -9, to itself); another child opens what is
left and tells the same story again, as a caller would repeat its calls. Its end state must be the one of
no crash at all: subscriptions, invoices with their numbers, purchases, grants, balances, notices in their
order, and what the provider was asked for. With ``--random`` the child is killed from outside as well, at
so many moments that have nothing to do with points. With ``--postgresql`` the rows are there, a database
per telling.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import msgspec

from tests.control.crash_stories import STORIES, prepare, state
from tests.control.killed_child import RANDOM, Told, in_child
from tests.control.marked import put_between_marks
from tests.control.postgresql import SKIP_REASON, PostgresqlServer, binaries, new_database

ENGINE = {
    "segment_bytes": 1 << 20,
    "reserve_bytes": 0,
    "scheduler_interval_ms": 3_600_000,
    "payments": "test",
}
PREPARED = "prepared"


RowsOf = Callable[[str], str]
"""The value of ``db`` for the telling of a name: a copy of the prepared rows that stays from then on."""


def rows_beside(name: str) -> str:
    """SQLite: they are copied with the folder."""
    return ""


def tell(folder: Path, story: str, rows: str) -> bytes:
    """The whole story; answers the end state."""
    import drawdown

    with drawdown.open(folder, db=rows, **ENGINE) as db:
        STORIES[story](db)
        assert db.verify("acme")
        return msgspec.json.encode(state(db), order="deterministic")


class Crashes:
    """One story, killed again and again."""

    def __init__(self, base: Path, story: str, prepared: Path, rows_of: RowsOf = rows_beside) -> None:
        self.story = story
        self._rows_of = rows_of
        self.kills: Counter[str] = Counter()
        self._base = base
        self._prepared = prepared
        self._answer = base / f"{story}.json"
        told = self._child("whole", None)
        assert not told.killed_at
        self.seconds = told.seconds
        self._expected = self._answer.read_bytes()

    def _child(self, name: str, point: int | None, kill_after_s: float = 0) -> Told:
        folder = self._base / f"{self.story}-{name}"
        if not folder.exists():
            shutil.copytree(self._prepared, folder)
        return in_child(
            partial(tell, folder, self.story, self._rows_of(folder.name)),
            self._answer,
            point=point,
            kill_after_s=kill_after_s,
        )

    def at_points(self, first: int, every: int) -> None:
        """Killed at each ``every``-th point, until a telling has no such point any more."""
        point = first
        while self._killed_and_told_again(f"point-{point}", point):
            point += every

    def at_random(self, times: int, seed: int) -> None:
        """Killed from outside at moments in the length of the story."""
        moments = random.Random(seed)
        for number in range(times):
            self._killed_and_told_again(f"moment-{number}", None, moments.uniform(0.001, self.seconds))

    def _killed_and_told_again(self, name: str, point: int | None, kill_after_s: float = 0) -> bool:
        told = self._child(name, point, kill_after_s)
        if told.killed_at:
            self.kills[told.killed_at] += 1
            assert not self._child(name, None).killed_at
        if self._answer.read_bytes() != self._expected:
            expected = self._base / f"{self.story}-expected.json"
            expected.write_bytes(self._expected)
            raise SystemExit(
                f"{self.story}, {name} ({told.killed_at}): another end state; {expected}, {self._answer}"
            )
        shutil.rmtree(self._base / f"{self.story}-{name}")
        return bool(told.killed_at)


def prepared_folder(base: Path, rows_of: RowsOf = rows_beside) -> Path:
    """A folder with catalog, customer and account."""
    import drawdown

    def work() -> bytes:
        with drawdown.open(base / PREPARED, db=rows_of(PREPARED), **ENGINE) as db:
            prepare(db)
        return b""

    in_child(work, base / "prepared.json", point=None)
    return base / PREPARED


@contextmanager
def rows_in_postgresql() -> Iterator[RowsOf]:
    """A server with a database per telling, each a copy of the prepared one."""
    folder = binaries()
    if folder is None:
        raise SystemExit(SKIP_REASON)
    with PostgresqlServer(folder) as server:
        made: set[str] = set()

        def rows_of(name: str) -> str:
            if name not in made:
                new_database(server.url, name, like="template1" if name == PREPARED else PREPARED)
                made.add(name)
            return server.url.removesuffix("postgres") + name

        yield rows_of


def table(stories: list[Crashes]) -> str:
    """Kills by point and story, as a Markdown table."""
    from drawdown.runtime.control.fault_points import POINTS

    rows = [
        "| killed | " + " | ".join(each.story for each in stories) + " |",
        "|---|" + "---|" * len(stories),
    ]
    for name, what in {**POINTS, RANDOM: "from outside, whatever the process does"}.items():
        kills = " | ".join(str(each.kills[name] or "–") for each in stories)
        rows.append(f"| `{name}`: {what} | {kills} |")
    rows.append("| same end state | " + " | ".join(f"all {each.kills.total()}" for each in stories) + " |")
    return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--story", nargs="+", choices=list(STORIES), default=list(STORIES))
    parser.add_argument("--every", type=int, default=1, help="only each N-th point")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--random", type=int, default=0, help="kills per story at any moment")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", action="store_true", help="the control plane's rows in PostgreSQL")
    parser.add_argument("--write", type=Path, help="put the table into this document, between its marks")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    stories = []
    with rows_in_postgresql() if given.postgresql else nullcontext(rows_beside) as rows_of:
        prepared = prepared_folder(given.folder, rows_of)
        for name in given.story:
            crashes = Crashes(given.folder, name, prepared, rows_of)
            crashes.at_points(given.first, given.every)
            crashes.at_random(given.random, given.seed)
            stories.append(crashes)
            print(f"{name}: {crashes.kills.total()} kills, one end state", flush=True)
    text = table(stories)
    print(text)
    if given.write:
        put_between_marks(given.write, "crash stories", text)
    return 0 if all(each.kills for each in stories) else 2


if __name__ == "__main__":
    sys.exit(main())
