"""A pytest plugin: what xnatpy's own functional tests ask for, at the site that the environment names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xnat


def pytest_configure(config: pytest.Config) -> None:
    for name in ("docker_test", "functional_test"):
        config.addinivalue_line("markers", f"{name}: needs a site")


@pytest.fixture
def xnat4tests_connection() -> Iterator[Any]:
    with xnat.connect(os.environ["SITE"], user=os.environ["SITE_USER"], password=os.environ["SITE_PASSWORD"]) as site:
        yield site


@pytest.fixture
def test_resource_dir() -> Path:
    return Path(os.environ["SITE_RESOURCES"])
