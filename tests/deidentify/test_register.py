"""The register of subjects: it knows where one project undoes what another did to dates, and not who anybody is."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.register import Register
from cohortium.keys import SiteKey
from cohortium.values import DateRule

KEY = SiteKey(bytes(32))
KEEP, SHIFT, REMOVE, ANCHOR = (DateRule(rule) for rule in ("keep", "shift", "remove", "anchor"))


def person(project: str, **changes: object) -> str:
    made = Deidentifier(load_protocol("basic"), KEY, project)(factory.ct(**changes))
    assert isinstance(made, Deidentified)
    return made.person


def test_a_patient_is_one_person_in_all_projects_and_nowhere_else() -> None:
    assert person("one") == person("two") == person("one", PatientID=f" {factory.ID}")
    assert person("one") != person("one", PatientID="other")
    assert person("one") != person("one", IssuerOfPatientID="WEST")
    other = Deidentifier(load_protocol("basic"), SiteKey(b"\1" * 32), "one")(factory.ct())
    assert isinstance(other, Deidentified)
    assert other.person != person("one")


def test_keeping_what_another_shifts_is_found_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "subjects.sqlite"
    assert Register(path, KEY).enter(["a", "b"], "shifting", SHIFT) == {}
    found = Register(path, KEY).enter(["a", "c"], "keeping", KEEP)
    assert list(found) == ["a"]
    assert found["a"].rule == "subject.overlap"
    assert "shifting" in found["a"].message
    again = Register(path, KEY)
    assert list(again.enter(["a"], "shifting", SHIFT)) == list(again.enter(["a"], "shifting", SHIFT)) == ["a"]
    assert list(again.enter(["c"], "anchoring", ANCHOR)) == ["c"]


def test_what_tells_nothing_of_dates_is_not_noted(tmp_path: Path) -> None:
    register = Register(tmp_path / "subjects.sqlite", KEY)
    assert register.enter(["a"], "removing", REMOVE) == {}
    assert not (tmp_path / "subjects.sqlite").exists()
    assert register.enter(["a"], "one", KEEP) == register.enter(["a"], "two", KEEP) == {}


def test_two_pipelines_of_one_project_overlap_as_well(tmp_path: Path) -> None:
    register = Register(tmp_path / "subjects.sqlite", KEY)
    assert register.enter(["a"], "one", KEEP) == {}
    assert list(register.enter(["a"], "one", SHIFT)) == ["a"]


def test_the_file_alone_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "subjects.sqlite"
    mark = person("one")
    Register(path, KEY).enter([mark], "shifting", SHIFT)
    content = path.read_bytes()
    assert factory.planted_in(content, [*factory.PLANTED, mark, "shifting", "moved"]) == []
    assert bytes.fromhex(mark) not in content
    with sqlite3.connect(path) as connection:
        ((who, sealed),) = connection.execute("SELECT who, sealed FROM register")
    assert who.hex() not in mark
    assert json.dumps("shifting").encode() not in sealed
