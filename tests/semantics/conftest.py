"""Worlds for the rules: every rule is asked of the engine, and of the reference that checks it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.engine_world import EngineWorld
from tests.model.worlds import ReferenceWorld, World


@pytest.fixture(params=["reference", "engine"])
def empty_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """No catalog and no account yet."""
    if request.param == "reference":
        yield ReferenceWorld()
        return
    keeper = EngineWorld(tmp_path / "data")
    yield keeper
    keeper.close()
    shutil.rmtree(keeper.side.folder)


@pytest.fixture
def world(empty_world: World) -> World:
    """The small catalog at scale 2, and account ``acme`` at NOON without grants."""
    return empty_world.begin()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineWorld]:
    """The engine alone, for what only it has: batches, restarts, messages."""
    keeper = EngineWorld(tmp_path / "data")
    keeper.begin()
    yield keeper
    keeper.close()
    shutil.rmtree(keeper.side.folder)
