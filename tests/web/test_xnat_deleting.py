"""Deleting a project through XNAT's clients: what goes, what stays, who may, and what is not deleted so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pyxnat
import xnat
from sqlalchemy import func, select, update
from xnat.exceptions import XNATResponseError

import portal_site
from cohortium.archive import Destination, Kind, Level, datasets, lists, withdrawal
from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.govern import grants, users
from cohortium.govern.roles import Role, Standing, Visibility
from cohortium.store import schema
from foreign_files import npy
from portal_site import PASSWORD, PROTOCOL, Served

LOG = logging.getLogger("xnat")
EMPTY = ("subject", "session", "scan", "instance", "resource", "resource_file", "field", "flag", "scan_list", "grant")
EMPTY += ("prearchive", "garbage")


@pytest.fixture
def site(tmp_path: Path, place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path, place, sections='[serve]\nprojects = "basic"')
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "brain", "Brain study", portal_site.slices(2))
        with served.engine.begin() as connection:
            users.create(connection, "root", Standing.ADMINISTRATOR)
            users.create(connection, "mara")
            for name in ("root", "mara"):
                users.choose_password(connection, users.named(connection, name), PASSWORD)
            for name, role in (("root", Role.OWNER), ("mara", Role.MEMBER)):
                grants.give(connection, users.named(connection, name).id, 1, role)
            connection.execute(update(schema.project).values(admit="trusted"))
        yield served


def connect(site: Served, name: str) -> Any:
    return xnat.connect(site.url, user=name, password=PASSWORD, logger=LOG)


def furnish(site: Served) -> None:
    """A bit of everything that belongs to a project."""
    archive = site.app.state.archive
    with connect(site, "root") as session:
        session.projects["brain"].fields["phase"] = "one"
        session.projects["brain"].subjects["S-0001"].fields["stage"] = "2"
    for level, of in ((Level.PROJECT, None), (Level.SUBJECT, 1)):
        archive.attach(BytesIO(npy(1)), Destination(level, of, Kind.MASK, "m", "one.npy"), "brain", "root")
    archive.put_aside(portal_site.slices(2), "brain", "root", "2026-01-01T00:00:00")
    with site.engine.begin() as connection:
        series = connection.scalars(select(schema.scan.c.SeriesInstanceUID)).all()
        lists.save(connection, 1, "some", series, "root")


def count(site: Served, name: str) -> int:
    with site.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(schema.metadata.tables[name])) or 0


def test_all_of_it_goes_and_nobody_finds_it(site: Served, tmp_path: Path) -> None:
    furnish(site)
    stored = [each for each in (tmp_path / "data" / "objects").rglob("*") if each.is_file()]
    assert len(stored) == 6
    with site.engine.begin() as connection:
        grants.make_visible(connection, 1, Visibility.PUBLIC)
    with connect(site, "mara") as session, pytest.raises(XNATResponseError, match="403"):
        session.delete("/data/projects/brain")
    with connect(site, "root") as session:
        session.projects["brain"].delete(remove_files=True)
        session.clearcache()
        assert "brain" not in session.projects
        for address in ("/data/projects/brain", "/api/v1/projects/brain", "/projects/brain"):
            assert session.get(address, accepted_status=[404, 303, 401]).status_code != 200
        with pytest.raises(XNATResponseError, match="409"):
            session.put("/data/projects/brain")
    assert {name: count(site, name) for name in EMPTY} == dict.fromkeys(EMPTY, 0)
    assert not [each for each in stored if each.exists()]
    with site.engine.connect() as connection:
        stones = connection.execute(select(schema.tombstone.c.level, schema.tombstone.c.name)).all()
        told = connection.execute(
            select(schema.audit.c.who, schema.audit.c.object).where(schema.audit.c.what == "delete project")
        )
        assert told.all() == [("root", "brain")]
    assert ("subject", "S-0001") in stones
    assert sum(each.level == "resource" for each in stones) == 2


def test_nothing_comes_in_again_and_who_withdraws_is_forgotten_in_backups(site: Served) -> None:
    with pyxnat.Interface(server=site.url, user="root", password=PASSWORD) as interface:
        interface.select.project("brain").delete()
        assert not interface.select.project("brain").exists()
    archive = site.app.state.archive
    with pytest.raises(Refused, match="was deleted"):
        archive.admit(portal_site.slices(1)[0], "brain", None, "root")
    with pytest.raises(Refused, match="was deleted"):
        archive.open_project(Project("brain", "", "check"), PROTOCOL)
    assert count(site, "data_key") == 1
    archive.withdraw("brain", "S-0001", who="root", reason="asked for")
    assert count(site, "data_key") == 0
    with site.engine.begin() as connection:
        withdrawal.replay(connection, withdrawal.journal(connection))


def test_a_frozen_version_is_a_promise(site: Served) -> None:
    with site.engine.begin() as connection:
        datasets.freeze(connection, 1, "first", "root")
    with connect(site, "root") as session, pytest.raises(XNATResponseError, match="409") as refusal:
        session.delete("/data/projects/brain")
    assert "dataset versions" in refusal.value.text
    assert count(site, "instance") == 2


def test_a_project_of_the_configuration_is_not_deleted_by_a_client(site: Served, tmp_path: Path) -> None:
    portal_site.fill(site.engine, tmp_path / "data", "lung", "Lung study", portal_site.slices(1, subject="S-0002"))
    with connect(site, "root") as session, pytest.raises(XNATResponseError, match="409") as refusal:
        session.projects["lung"].delete()
    assert "configuration" in refusal.value.text
    assert count(site, "instance") == 3
