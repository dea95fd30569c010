"""Queries over a real index: counts, order, paging, and that nobody sees more than was granted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.uid import generate_uid
from sqlalchemy import Engine, update

import portal_site
from cohortium import find, keys
from cohortium.archive import flags
from cohortium.archive.flags import Verdict
from cohortium.govern import users
from cohortium.govern.grants import Role, give
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.store import open_store
from cohortium.store.schema import user

ROOT = User(1, "root", Standing.ADMINISTRATOR, False)
NOBODY = User(2, "guest", Standing.PERSON, False)


@pytest.fixture
def engine(tmp_path: Path, place: Path | str) -> Iterator[Engine]:
    engine = open_store(place)
    with engine.begin() as connection:
        users.create(connection, "root", Standing.ADMINISTRATOR)
        users.create(connection, "guest")
        connection.execute(update(user).values(one_time=False))
    data = tmp_path / "data"
    keys.create(tmp_path / "keys" / "site.key")
    portal_site.fill(engine, data, "lung", "Lung", portal_site.slices(7))
    portal_site.fill(engine, data, "other", "Other", portal_site.slices(2, subject="S-0002"))
    yield engine
    engine.dispose()


def test_projects_are_counted(engine: Engine) -> None:
    with engine.connect() as connection:
        lung, other = find.projects(connection, ROOT)
    assert (lung.subjects, lung.sessions, lung.scans, lung.instances) == (1, 1, 1, 7)
    assert lung.modalities == (find.Bar("CT", 1, 7),)
    assert other.instances == 2
    assert lung.size > 7 * portal_site.EDGE**2 * 2


def test_nothing_is_seen_without_a_grant_and_one_project_with_one(engine: Engine) -> None:
    with engine.begin() as connection:
        assert find.projects(connection, NOBODY) == []
        assert find.project_named(connection, NOBODY, "lung") is None
        assert find.subjects(connection, NOBODY, 1).subjects == ()
        assert find.scan(connection, NOBODY, 1) is None
        assert find.instance(connection, NOBODY, 1) is None
        assert find.siblings(connection, NOBODY, 1) is None
        give(connection, NOBODY.id, 1, Role.COLLABORATOR)
        assert [card.name for card in find.projects(connection, NOBODY)] == ["lung"]
        assert find.scan(connection, NOBODY, 1) is not None
        assert find.scan(connection, NOBODY, 2) is None


def test_frames_come_in_the_order_in_which_they_lie_not_that_of_their_numbers(engine: Engine) -> None:
    with engine.connect() as connection:
        found = find.scan(connection, ROOT, 1)
    assert found is not None
    assert [at.position for at in found.frames] == [2.5 * n for n in range(7)]
    assert [at.number for at in found.frames] == [1000 - n for n in range(7)]
    assert found.attributes["SeriesDescription"] == "Thorax 1.5 B31f"


def test_ties_and_instances_without_a_place_go_by_their_numbers(engine: Engine, tmp_path: Path) -> None:
    contents = []
    for content, number in zip(portal_site.slices(4), (3, 1, 4, 2), strict=True):
        dataset = dcmread(DicomBytesIO(content))
        dataset.InstanceNumber = number
        del dataset.ImagePositionPatient
        contents.append(portal_site.encode(dataset))
    portal_site.fill(engine, tmp_path / "data", "unplaced", "Unplaced", contents)
    with engine.connect() as connection:
        found = find.scan(connection, ROOT, 3)
    assert found is not None
    assert [at.number for at in found.frames] == [1, 2, 3, 4]


def test_every_frame_of_a_multi_frame_object_is_one_to_look_at(engine: Engine, tmp_path: Path) -> None:
    dataset = portal_site.ct_slice(0, "S-0003", generate_uid(), generate_uid())
    dataset.NumberOfFrames = 3
    dataset.PixelData = dataset.PixelData * 3
    portal_site.fill(engine, tmp_path / "data", "multi", "Multi", [portal_site.encode(dataset)])
    with engine.connect() as connection:
        found = find.scan(connection, ROOT, 3)
    assert found is not None
    assert [(at.frame, at.of) for at in found.frames] == [(0, 3), (1, 3), (2, 3)]


def test_pages_meet_without_a_gap_and_words_narrow(engine: Engine, tmp_path: Path) -> None:
    for n in range(5):
        portal_site.fill(engine, tmp_path / "data", "many", "Many", portal_site.slices(1, subject=f"M-{n}"))
    with engine.connect() as connection:
        first = find.subjects(connection, ROOT, 3, limit=3)
        rest = find.subjects(connection, ROOT, 3, after=first.after or "", limit=3)
        assert [row.PatientID for row in (*first.subjects, *rest.subjects)] == [f"M-{n}" for n in range(5)]
        assert rest.after is None
        assert [row.PatientID for row in find.subjects(connection, ROOT, 3, words="m-3 thorax ct").subjects] == ["M-3"]
        assert find.subjects(connection, ROOT, 3, words="100% _").subjects == ()


def test_findings_are_counted_by_severity(engine: Engine, tmp_path: Path) -> None:
    portal_site.fill(engine, tmp_path / "data", "two", "Two", [*portal_site.slices(1), *portal_site.slices(1)])
    with engine.connect() as connection:
        card = find.project_named(connection, ROOT, "two")
        assert card is not None
        rows = [
            scan for row in find.subjects(connection, ROOT, card.id).subjects for s in row.sessions for scan in s.scans
        ]
    assert card.findings == {"warning": 1}
    assert [dict(row.findings) for row in rows] == [{}, {"warning": 1}]


def test_flags_are_counted_and_found(engine: Engine) -> None:
    with engine.begin() as connection:
        flags.put(connection, 1, 1, "", Verdict.QUESTIONABLE, "noise", "root")
        taken_back = flags.put(connection, 2, 2, "", Verdict.QUESTIONABLE, "noise", "root")
        flags.end(connection, 2, taken_back, "root")
        for number, counted in ((1, {"questionable": 1}), (2, {})):
            (subject,) = find.subjects(connection, ROOT, number).subjects
            assert subject.sessions[0].scans[0].flags == counted
            assert bool(find.subjects(connection, ROOT, number, words="questionable").subjects) is bool(counted)
        shown = find.scan(connection, ROOT, 2)
    assert shown is not None
    assert [(each.verdict, each.ended_by) for each in shown.flags] == [(Verdict.QUESTIONABLE, "root")]
