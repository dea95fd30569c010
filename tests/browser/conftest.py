"""One browser for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

import browsing


@pytest.fixture(scope="module")
def page(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing.browser(browser_path, tmp_path_factory.mktemp("profile")) as page:
        yield page
