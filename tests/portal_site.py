"""A site with images in its archive, and its web application on a real port: what the tests of the portal share."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from sqlalchemy import Engine, insert, select

import databases
from cohortium import config, curate, keys
from cohortium.archive import Archive, consents, datasets, flags, index, lists
from cohortium.archive.flags import Verdict
from cohortium.dicom import elements, meta
from cohortium.errors import Malformed
from cohortium.store.schema import instance, resource, resource_file, scan
from cohortium.values import Finding, Protocol, Severity, SubjectRule
from cohortium.web.app import create
from cohortium.wire import dicomjson

PASSWORD = "four slow green turtles"
EDGE = 64


@dataclass(frozen=True)
class Served:
    """A running application."""

    url: str
    app: FastAPI

    @property
    def engine(self) -> Engine:
        return self.app.state.engine


PROTOCOL = Protocol("dragon", "1", "", "2026c", (), SubjectRule(), {}, digest="ab" * 32)


def configuration(folder: Path, place: Path | str = "", *, sections: str = "") -> config.Config:
    """A site in the folder, whose store is at `place` if that is the URL of a database."""
    file = folder / "cohortium.toml"
    file.write_text(f'{sections}\n[[project]]\nname = "lung"\ntitle = "Lung study"\n', "utf-8")
    settings = config.load(file, {"COHORTIUM_STORE__URL": place} if isinstance(place, str) and place else {})
    keys.create(settings.site.key)
    if not settings.store.url:
        databases.put_sqlite(settings.site.data)
    return settings


def fill(engine: Engine, data: Path, project: str, title: str, contents: Iterable[bytes]) -> list[str]:
    """Store and index objects as admission would, without asking who vouches for them; returns their series."""
    archive = Archive(engine, data, keys.load(data.parent / "keys/site.key", data))
    project_id = archive.open_project(config.Project(project, title, "check"), PROTOCOL)
    stored = []
    for content in contents:
        with contextlib.suppress(Malformed):
            made = meta.describe(content, sha256(content).hexdigest())
            at = archive.objects.put(archive.objects.keys.of(project_id, made.PatientID), content)
            stored.append((made, dicomjson.document(elements.read(content).elements), at))
    series: dict[str, None] = {}
    with engine.begin() as connection:
        for made, header, at in stored:
            if not index.digests(connection, project_id, [made.SOPInstanceUID]):
                of = index.scan_of(connection, project_id, made, header)
                index.add(connection, project_id, [(of, index.Arrival(made, header, at))])
                series[made.SeriesInstanceUID] = None
        for number, uid in enumerate(series):
            if number % 3 == 1:
                gap = Finding("geometry.gap", Severity.WARNING, "One slice is missing at 12.5 mm.", uid)
                index.replace_findings(connection, project_id, uid, [gap])
    return list(series)


def furnish(engine: Engine) -> dict[str, str]:
    """A list, a dataset version and a flag in the first project; what stands for them in the addresses of routes."""
    with engine.begin() as connection:
        series = connection.scalars(select(scan.c.SeriesInstanceUID)).all()
        saved = lists.save(connection, 1, "some", series, "ada")
        datasets.freeze(connection, 1, "first", "ada", source=saved)
        flag_id = flags.put(connection, 1, 1, "", Verdict.QUESTIONABLE, "noise", "ada")
        row = connection.execute(select(instance.c.digest, instance.c.size, instance.c.key_id)).first()
        digest = row.digest
        said = {"by": "ada", "created": "2026"}
        of = connection.scalar(
            insert(resource)
            .values(project_id=1, level="project", kind="mask", label="m", **said)
            .returning(resource.c.id)
        )
        file = {"name": "mask.npy", "version": 1, "media_type": "application/x-npy", "admitted": "check", "site": ""}
        file |= {"resource_id": of, "project_id": 1, **row._mapping, **said}
        file_id = connection.scalar(insert(resource_file).values(**file).returning(resource_file.c.id))
        record = consents.Record("C-1", consents.Scope.PROJECT, "ward", "2026-01-31")
        consent_id = consents.record(connection, 1, record, "ada")
        check_id = curate.ask(connection, 1, "", "dragon", True, "ada").id
    of_version = {"dataset": "first", "other": "first", "digest": digest}
    return {
        "saved": "some",
        "flag_id": str(flag_id),
        "session_id": "1",
        "person": "owner",
        "subject": "S-0001",
        "file_id": str(file_id),
        "entry": "999",
        "consent_id": str(consent_id),
        "check_id": str(check_id),
        **of_version,
    }


NOT_THERE = {"saved": "none", "flag_id": "999", "person": "nobody-of-that-name", "token_id": "999"}
NOT_THERE |= {"invitation_id": "999", "file_id": "999", "consent_id": "999"}  # for routes that change what they name


def slices(count: int, *, subject: str = "S-0001", series: str | None = None, shuffle: bool = True) -> list[bytes]:
    """A CT series; slice n (from 0, feet first) is n * 10 everywhere. Its files come in no order."""
    study, series = generate_uid(), series or generate_uid()
    order = np.random.default_rng(1).permutation(count) if shuffle else range(count)
    return [encode(ct_slice(int(n), subject, study, series)) for n in order]


def ct_slice(n: int, subject: str, study: str, series: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.StudyDate, dataset.Modality = "20240131", "CT"
    dataset.StudyDescription, dataset.SeriesDescription = "CT thorax", "Thorax 1.5 B31f"
    dataset.PatientID = dataset.PatientName = subject
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.SeriesNumber, dataset.InstanceNumber = 3, 1000 - n
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [-80, -80, 2.5 * n], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [2.5, 2.5], 2.5
    dataset.Rows = dataset.Columns = EDGE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.WindowCenter, dataset.WindowWidth = 128, 512
    dataset.PixelData = np.full((EDGE, EDGE), n * 10 + 1024, "<u2").tobytes()
    return dataset


def encode(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


@contextmanager
def served(settings: config.Config, around: Callable[[Any], Any] = lambda app: app) -> Iterator[Served]:
    """The application on a free port of the loopback, until the block ends; `around` may stand before it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create(replace(settings, serve=replace(settings.serve, port=listener.getsockname()[1])))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = uvicorn.Server(
            uvicorn.Config(around(app), access_log=False, log_level="warning", server_header=False, proxy_headers=False)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", app)
        finally:
            server.should_exit = True
            thread.join()
            app.state.engine.dispose()


def form_of(page: httpx.Response) -> str:
    """The token that the page's form carries."""
    return page.text.split('name="form" value="')[1].split('"')[0]


def log_in(client: httpx.Client, name: str, password: str) -> httpx.Response:
    token = form_of(client.get("/login"))
    return client.post("/login", data={"name": name, "password": password, "form": token})


def become(client: httpx.Client, name: str, one_time: str) -> httpx.Response:
    """Log in for the first time, and choose `PASSWORD`."""
    log_in(client, name, one_time)
    token = form_of(client.get("/password"))
    return client.post("/password", data={"password": PASSWORD, "again": PASSWORD, "form": token})
