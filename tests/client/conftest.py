"""The archive that the client's tests ask, set right again after each."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from client_archive import Archive, archived


@pytest.fixture(scope="module")
def _archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with archived(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def archive(_archive: Archive) -> Iterator[Archive]:
    yield _archive
    road = _archive.road
    road.before, road.cuts, road.open_for, road.spoil, road.asked = [], 0, sys.maxsize, False, []
