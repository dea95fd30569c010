"""A researcher pulls a version whose images are in cold storage, on a real server that speaks S3, and waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import update

import portal_site
import s3
from cohortium.archive import Archive, cold, packs
from cohortium.archive.objects import FETCH
from cohortium.client import Client
from cohortium.config import Project
from cohortium.govern import tokens, users
from cohortium.govern.roles import Scope
from cohortium.store import jobs, schema

STUDY, SERIES = "2.25.81", "2.25.82"
LATER = datetime.now(UTC) + timedelta(days=2)


def slice_of(number: int) -> bytes:
    dataset = portal_site.ct_slice(number, "S-0001", STUDY, SERIES)
    dataset.SOPInstanceUID, dataset.PatientIdentityRemoved = generate_uid(), "YES"
    dataset.DeidentificationMethod = ["Cohortium", f"sha256:{portal_site.PROTOCOL.digest[:48]}"]
    return portal_site.encode(dataset)


@pytest.fixture
def served(s3_server: s3.Server, tmp_path: Path) -> Iterator[portal_site.Served]:
    """Three slices in a pack that is cold."""
    store = s3_server.settings(tmp_path)
    lines = [f'{key} = "{getattr(store, key)}"' for key in ("objects", "endpoint", "credentials_file")]
    sections = "\n".join(["[store]", *lines, 'cold_class = "GLACIER"'])
    with portal_site.served(portal_site.configuration(tmp_path, sections=sections)) as served:
        archive: Archive = served.app.state.archive
        archive.open_project(Project("lung", "", "check", cold_days=1), portal_site.PROTOCOL)
        for number in range(3):
            archive.admit(slice_of(number), "lung", None, "ada")
        assert packs.pack_scan(archive.engine, archive.objects, 1) == 1
        assert cold.cool(archive.engine, archive.objects, LATER) == 1
        yield served


def token(served: portal_site.Served) -> str:
    users.ensure_administrator(served.engine)
    with served.engine.begin() as connection:
        connection.execute(update(schema.user).values(one_time=False))
        return tokens.make(connection, users.named(connection, "admin"), "pull", Scope.WRITE, 1)


def fetch(served: portal_site.Served) -> int:
    """What the worker does; returns how many packs were asked for."""
    archive: Archive = served.app.state.archive
    done = 0
    while True:
        with archive.engine.begin() as connection:
            job = jobs.lease(connection, [FETCH], timedelta(minutes=1))
        if job is None:
            return done
        cold.fetch(archive.objects, job.arguments["key"], job.arguments["name"])
        with archive.engine.begin() as connection:
            jobs.done(connection, job)
        done += 1


def test_every_way_to_its_bytes_answers_202_until_it_was_fetched(served: portal_site.Served) -> None:
    headers = {"Authorization": f"Bearer {token(served)}"}
    study = f"/dicomweb/lung/studies/{STUDY}"
    series = f"{study}/series/{SERIES}"
    with httpx.Client(base_url=served.url, headers=headers, timeout=300) as client:
        uid = client.get(f"{series}/instances").json()[0]["00080018"]["Value"][0]
        assert client.get(f"{series}/metadata").status_code == 200  # of the index
        instance = f"{series}/instances/{uid}"
        places = [study, series, instance, f"{instance}/frames/1", f"{instance}/rendered", f"{series}/thumbnail"]
        places += [f"/api/v1/{place}" for place in ("scans/1/archive.zip", "instances/1/file", "instances/1/frames/0")]
        for place in places:
            answer = client.get(place)
            assert (answer.status_code, answer.headers.get("Retry-After")) == (202, "300"), (place, answer.text)
            assert answer.json()["title"] == "That is being fetched from cold storage"
        assert fetch(served) == 1
        assert {client.get(place).status_code for place in places} == {200}


def test_pull_waits_for_it(served: portal_site.Served, tmp_path: Path) -> None:
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        fetch(served)

    with Client(served.url, token(served)) as client:
        client._connection._sleep = sleep
        client.freeze("lung", "first")
        done = client.pull("lung", "first", tmp_path / "out", jobs=1)
    assert (done.files, waited) == (3, [300.0])
