"""Every operation of the API under requests that nobody thought of: what it answers is what its document says.

Data is made by schemathesis from the OpenAPI document, right and wrong, and sent to the real application as its
administrator. Names in addresses are of things that are there, or of none.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import portal_site
from cohortium.govern import users
from portal_site import PASSWORD, Served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BY_CHANCE = ("/removal",)  # only names that are not there, so that the rest has something to be asked for


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"))
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        with served.engine.begin() as connection:
            users.create(connection, "owner")
            users.create(connection, "admin", users.Standing.ADMINISTRATOR)
            users.choose_password(connection, users.named(connection, "admin"), PASSWORD)
        yield served


def with_names(document: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """The document, its parameters of paths narrowed to a name that is there and one that is not."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    is_number = parameter["schema"].get("type") == "integer"
                    none: str | int = 999 if is_number else "none"
                    known = values.get(parameter["name"], none)
                    there = [int(known) if is_number else known]
                    parameter["schema"]["enum"] = [none] if path.endswith(BY_CHANCE) else [*there, none]
    return document


def test_every_operation_answers_as_its_document_says(site: Served, sample: Callable[[int, int], int]) -> None:
    credentials = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    values = {"name": "lung", "scan_id": "1", "instance_id": "1", "number": "0", **portal_site.furnish(site.engine)}
    document = httpx.get(f"{site.url}/api/v1/openapi.json", headers=headers).json()
    schema = schemathesis.openapi.from_dict(with_names(document, values))
    seen = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        seen += 1

        @settings(
            max_examples=sample(4, 100),
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy())
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=site.url, headers=headers, checks=CHECKS)

        holds()
    assert seen == sum(map(len, document["paths"].values()))
