"""One site's key and project, as every test of de-identification needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.keys import SiteKey


@pytest.fixture(scope="session")
def basic() -> Deidentifier:
    return Deidentifier(load_protocol("basic"), SiteKey(bytes(32)), "project")


@pytest.fixture(scope="session")
def dragon() -> Deidentifier:
    return Deidentifier(load_protocol("dragon"), SiteKey(bytes(32)), "project")


@pytest.fixture(scope="session")
def cleaning() -> Deidentifier:
    """Clean Descriptors, Structured Content and Graphics, with dates kept."""
    return Deidentifier(load_protocol(Path(__file__).with_name("clean.toml")), SiteKey(bytes(32)), "project")


@pytest.fixture(scope="session")
def clean(basic: Deidentifier) -> Callable[..., bytes]:
    """`clean(content)`: the output under `basic`, which must be made, readable, and free of all that was planted."""

    def run(content: bytes, by: Deidentifier = basic) -> bytes:
        result = by(content)
        assert isinstance(result, Deidentified), result
        output = factory.joined(result.slices)
        assert factory.planted_in(output) == []
        factory.listed(output)
        return output

    return run
