"""Making things through XNAT's two clients: labels and values are checked, and what is not kept is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyxnat
import xnat
from sqlalchemy import select
from xnat.exceptions import XNATResponseError

import portal_site
from cohortium.archive import Removable
from cohortium.govern import grants, users
from cohortium.govern.roles import Role, Standing
from cohortium.store import schema
from portal_site import PASSWORD, Served

LOG = logging.getLogger("xnat")
PEOPLE = {"mara": Role.MEMBER, "colin": Role.COLLABORATOR}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    sections = '[serve]\nprojects = "basic"'
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place, sections=sections)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        with served.engine.begin() as connection:
            users.create(connection, "root", Standing.ADMINISTRATOR)
            for name, role in PEOPLE.items():
                users.create(connection, name)
                grants.give(connection, users.named(connection, name).id, 1, role)
            for name in ("root", *PEOPLE):
                users.choose_password(connection, users.named(connection, name), PASSWORD)
        yield served


@pytest.fixture(scope="module")
def mara(site: Served) -> Iterator[Any]:
    with xnat.connect(site.url, user="mara", password=PASSWORD, logger=LOG) as session:
        yield session


def test_a_member_makes_a_subject_a_session_and_a_scan(mara: Any) -> None:
    project = mara.projects["lung"]
    subject = mara.classes.SubjectData(parent=project, label="SUBJ-017")
    session = mara.classes.MrSessionData(parent=subject, label="SUBJ-017_MR1")
    mara.put(f"{session.uri}/scans/4", query={"xsiType": "xnat:mrScanData"})
    mara.clearcache()
    found = mara.projects["lung"].subjects["SUBJ-017"]
    assert list(found.experiments.key_map) == ["SUBJ-017_MR1"]
    (scan,) = found.experiments["SUBJ-017_MR1"].scans.values()
    assert (scan.id, scan.modality, scan.frames) == ("4", "MR", 0)
    again = mara.classes.SubjectData(parent=project, label="SUBJ-017")
    assert again.id == subject.id


def test_fields_are_kept_changed_and_removed(site: Served, mara: Any) -> None:
    subject = mara.projects["lung"].subjects["S-0001"]
    assert dict(subject.fields) == {}
    subject.fields["stage"] = "2"
    subject.fields["group"] = "control"
    subject.clearcache()
    assert dict(subject.fields) == {"group": "control", "stage": "2"}
    subject.fields["stage"] = "3"
    del subject.fields["group"]
    subject.clearcache()
    assert dict(subject.fields) == {"stage": "3"}
    scan = subject.experiments[0].scans["3"]
    scan.fields["quality"] = "good"
    scan.clearcache()
    assert dict(scan.fields) == {"quality": "good"}
    with site.engine.connect() as connection:
        said = connection.scalars(select(schema.audit.c.object).where(schema.audit.c.what == "set fields")).all()
    assert "lung/S-0001: stage" in said
    assert not [each for each in said if "control" in each or "good" in each]


@pytest.mark.parametrize("label", ["Mustermann", "19480312", "12-03-1948", "12345678", "a b", "COHORTIUM_S00009"])
def test_a_label_that_may_tell_who_somebody_is_makes_nothing(site: Served, mara: Any, label: str) -> None:
    for path in ("subjects", "subjects/S-0001/experiments", "subjects/S-0001/experiments/S-0001_1/scans"):
        with pytest.raises(XNATResponseError) as refusal:
            mara.put(f"/data/projects/lung/{path}/{label}", query={"xsiType": "xnat:mrScanData"})
        assert refusal.value.status_code == 409
        assert label not in refusal.value.text
    with site.engine.connect() as connection:
        for table, column in ((schema.subject, "PatientID"), (schema.session, "label"), (schema.scan, "label")):
            assert label not in connection.scalars(select(table.c[column])).all()
        assert not [each for each in connection.scalars(select(schema.audit.c.object)) if label in each]


@pytest.mark.parametrize("value", ["Erika Mustermann", "born 12.03.1948", "+49 351 458 0000"])
def test_a_field_that_may_tell_who_somebody_is_is_refused(site: Served, mara: Any, value: str) -> None:
    subject = mara.projects["lung"].subjects["S-0001"]
    with pytest.raises(XNATResponseError) as refusal:
        subject.fields["remark"] = value
    assert (refusal.value.status_code, value in refusal.value.text) == (409, False)
    with site.engine.connect() as connection:
        assert connection.execute(select(schema.field).where(schema.field.c.name == "remark")).all() == []


def test_what_is_not_kept_is_refused_and_not_dropped(mara: Any) -> None:
    with pytest.raises(XNATResponseError, match="409"):
        mara.projects["lung"].subjects["S-0001"].demographics.gender = "female"
    with pytest.raises(XNATResponseError, match="409"):
        mara.put("/data/projects/lung/experiments/lost")
    for way in ("subjects/S-0001/assessors/one", "subjects/S-0001/projects/lung", "subjects/S-0001/projects/other"):
        with pytest.raises(XNATResponseError, match="501"):
            mara.put(f"/data/projects/lung/{way}")


def test_an_experiment_gets_another_label_and_nothing_else_does(site: Served, mara: Any) -> None:
    subject = mara.projects["lung"].subjects["S-0001"]
    session = subject.experiments["S-0001_1"]
    session.label = "visit_9"
    mara.clearcache()
    assert mara.projects["lung"].experiments["visit_9"].id == session.id
    other = mara.classes.MrSessionData(parent=subject, label="visit_8")
    place = f"/data/projects/lung/subjects/{subject.id}"
    for path, label in (
        (f"/experiments/{other.id}", "visit_9"),
        (f"/experiments/{session.id}", "Mustermann"),
        ("", "S-2"),
    ):
        with pytest.raises(XNATResponseError) as refusal:
            mara.put(place + path, query={"label": label})
        assert refusal.value.status_code == 409
    mara.put(f"{place}/experiments/visit_9", query={"label": "S-0001_1"})
    with site.engine.connect() as connection:
        said = connection.scalars(select(schema.audit.c.object).where(schema.audit.c.what == "rename session")).all()
    assert said == ["lung/S-0001/S-0001_1/visit_9", "lung/S-0001/visit_9/S-0001_1"]


def test_who_may_only_read_makes_nothing(site: Served) -> None:
    with xnat.connect(site.url, user="colin", password=PASSWORD, logger=LOG) as session:
        for path in ("/data/projects/lung/subjects/SUBJ-2", "/data/projects/lung", "/data/projects/other"):
            with pytest.raises(XNATResponseError, match="403"):
                session.put(path, query={"xnat:projectData/fields/field[name=x]/field": "1"})
        with pytest.raises(XNATResponseError, match="403"):
            session.projects["lung"].subjects["S-0001"].fields["stage"] = "1"


def test_an_administrator_makes_a_project_of_the_configured_protocol(site: Served) -> None:
    with xnat.connect(site.url, user="root", password=PASSWORD, logger=LOG) as session:
        session.put("/data/archive/projects/brain", query={"xnat:projectData/name": "Brain study"})
        assert session.projects["brain"].name == "Brain study"
        assert session.access_levels["brain"] == "owner"
        with pytest.raises(XNATResponseError, match="409"):
            session.put("/data/projects/Brain_2")
    with site.engine.connect() as connection:
        row = connection.execute(select(schema.project).where(schema.project.c.name == "brain")).one()
    assert (row.admit, row.visibility) == ("check", "private")
    assert row.protocol.startswith("basic")


def test_without_a_configured_protocol_no_project_is_made(tmp_path: Path) -> None:
    settings = portal_site.configuration(tmp_path)
    with portal_site.served(settings) as served:
        with served.engine.begin() as connection:
            users.create(connection, "root", Standing.ADMINISTRATOR)
            users.choose_password(connection, users.named(connection, "root"), PASSWORD)
        with xnat.connect(served.url, user="root", password=PASSWORD, logger=LOG) as session:
            with pytest.raises(XNATResponseError, match="409") as refusal:
                session.put("/data/archive/projects/brain")
            assert "serve.projects names no protocol" in refusal.value.text


def test_pyxnat_makes_the_same(site: Served, mara: Any) -> None:
    with pyxnat.Interface(server=site.url, user="mara", password=PASSWORD) as interface:
        subject = interface.select.project("lung").subject("SUBJ-020")
        assert not subject.exists()
        subject.create()
        assert subject.exists()
        session = subject.experiment("SUBJ-020_1").create(experiments="xnat:mrSessionData")
        assert session.exists()
        assert subject.label() == "SUBJ-020"


def test_fields_go_with_what_they_are_about(site: Served, mara: Any) -> None:
    subject = mara.classes.SubjectData(parent=mara.projects["lung"], label="SUBJ-030")
    number = int(subject.id[-5:])
    subject.fields["stage"] = "1"
    archive = site.app.state.archive
    archive.remove("lung", Removable.SUBJECT, "SUBJ-030", who="olga", reason="a mistake")
    with site.engine.connect() as connection:
        held = select(schema.field.c.id).where(schema.field.c.subject_id == number)
        assert connection.execute(held).all() == []
    with pytest.raises(XNATResponseError, match="409"):
        mara.put("/data/projects/lung/subjects/SUBJ-030")
