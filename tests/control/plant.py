"""One planted change of a rule, and the test that must notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plant:
    """One changed rule: in ``file`` ``old`` becomes ``new``; ``tests`` must notice."""

    name: str
    section: str
    file: str
    old: str
    new: str
    tests: str
    door: str = "embedded"
    """Of the doors that the tests go through, the one in which they run on the copy."""
