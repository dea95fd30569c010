"""What RSNA CTP itself wrote for each of 51 expressions, and what we write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydicom
import pytest

from cohortium.deidentify import ctp

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict[str, Any]:
    return json.loads((shared_data / "ctp" / "ctp_golden.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def dataset(shared_data: Path) -> pydicom.Dataset:
    return pydicom.dcmread(shared_data / "ctp" / "input.dcm")


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def test_every_expression_gives_what_ctp_gave(golden: dict[str, Any], dataset: pydicom.Dataset) -> None:
    parameters = "".join(f'<p t="{name}">{value}</p>' for name, value in golden["params"].items())
    rules = "".join(
        f'<e en="T" t="{each["tag"]}" n="{each["name"]}">{escaped(expression)}</e>\n'
        for expression, each in golden["results"].items()
    )
    script = ctp.read(f"<script>{parameters}{rules}</script>")
    assert not script.problems
    result = ctp.apply(script, dataset, ctp.Tables(lookup=ctp.read_lookup(golden["lut"])))
    assert isinstance(result, pydicom.Dataset), result
    wrong = {}
    for expression, each in golden["results"].items():
        tag = int(each["tag"], 16)
        value = result[tag].value if tag in result else "<absent>"
        found = "" if value is None else "\\".join(value) if isinstance(value, pydicom.multival.MultiValue) else value
        if found != each["result"]:
            wrong[expression] = found, each["result"]
    assert not wrong
    assert len(golden["results"]) == 51
