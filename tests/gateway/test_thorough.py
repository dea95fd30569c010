"""A pipeline that asks for it holds a series for what only its files tell; one that does not looks at headers alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from cohortium import gateway, keys
from cohortium.config import load
from cohortium.dicom import conformance
from cohortium.store import open_store
from cohortium.store.schema import finding
from hospital import slice_of

CONFIGURATION = """
[[project]]
name = "study"
[[pipeline]]
name = "all"
source = "incoming"
project = "study"
specification = "own.toml"
thorough = {thorough}
"""
SPECIFICATION = """
name = "own"
version = "1"
title = "Pictures in which something is to be seen"
[quality.constant]
severity = "error"
explanation = "A picture shows something."
mend = "send another"
[conformance.error]
severity = "warning"
explanation = "dciodvfy finds no error."
mend = "mend it"
allowed = ["nothing"]
"""


def worked(folder: Path, thorough: str) -> tuple[dict[str, int], dict[str, str]]:
    """What came of one series of blank pictures, and what was found, by rule."""
    keys.create(folder / "keys" / "site.key")
    (folder / "cohortium.toml").write_text(CONFIGURATION.format(thorough=thorough))
    (folder / "own.toml").write_text(SPECIFICATION)
    (folder / "incoming").mkdir()
    for number in range(3):
        (folder / "incoming" / f"{number}.dcm").write_bytes(slice_of(number))
    site = load(folder / "cohortium.toml")
    summary = gateway.run(site, lambda *_: None)
    with open_store(site).begin() as connection:
        found = connection.execute(select(finding.c.rule, finding.c.severity)).all()
    left = [path for path in (site.site.data / "spool").rglob("*") if "2.25" in path.name]
    assert left == []
    return {state: count for state, count in summary.states.items() if count}, dict(found)


def test_a_fault_of_the_pictures_holds_the_series(tmp_path: Path) -> None:
    states, found = worked(tmp_path, "true")
    assert found["quality.constant"] == "error"
    assert states == {"held": 3}


def test_headers_alone_are_looked_at_unless_it_is_asked_for(tmp_path: Path) -> None:
    states, found = worked(tmp_path, "false")
    assert "quality.constant" not in found
    assert states == {"sent": 3}


def test_a_rule_that_could_not_look_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "OBJECTS", "dciodvfy-that-is-not-there")
    _, found = worked(tmp_path, "true")
    assert found["conformance.error"] == "info"
