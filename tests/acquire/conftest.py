"""A folder to take from, and a spool to take into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import databases
from cohortium.keys import SiteKey
from cohortium.spool import Spool
from cohortium.store import open_store


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "in"
    source.mkdir()
    return source


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    data = tmp_path / "data"
    databases.put_sqlite(data)
    with Spool(open_store(data), data / "spool", SiteKey(bytes(32))) as spool:
        yield spool
