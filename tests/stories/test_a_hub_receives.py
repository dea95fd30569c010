"""A hospital and a hub: added by its key, a site hands over what it vouches for, and the hub states each digest."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from sqlalchemy import select

import portal_site
from cohortium import config, keys
from cohortium.config import Project
from cohortium.deidentify.protocol import load
from cohortium.gateway import trial
from cohortium.store import schema

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_test_object_goes_through_the_door_of_the_hub_and_is_known_for_one(
    hospital: Any, cohortium: Run, tmp_path: Path
) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    with portal_site.served(portal_site.configuration(hub)) as served:
        served.app.state.archive.open_project(Project("study", "Study", "receipt"), load("basic"))
        _connect(hospital, hub, served.url, cohortium)
        settings = config.load(hospital.file)
        key = keys.load(settings.site.key, settings.site.data)
        assert trial.answers(settings, "hub") == "hub answers and lets this site in"
        for _ in range(2):
            assert "digest stated by the receiver" in trial.send(settings, key, "hub")
        with served.engine.connect() as connection:
            assert list(connection.scalars(select(schema.subject.c.PatientID))) == [trial.PATIENT]
            assert connection.scalar(select(schema.scan.c.SeriesDescription)) == "Test object, shows no patient"
    made = dcmread(BytesIO(trial.specimen(settings.site.name, "hub", load("basic").digest)))
    assert made.QualityControlSubject == "YES"
    assert made.DeidentificationMethod[0].startswith("Made up")


def test_from_the_hospital_to_the_hub(
    hospital: Any, make: Callable[..., bytes], cohortium: Run, tmp_path: Path, planted: tuple[str, ...]
) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    settings = portal_site.configuration(hub)
    with portal_site.served(settings) as served:
        served.app.state.archive.open_project(Project("study", "Study", "receipt"), load("basic"))
        _connect(hospital, hub, served.url, cohortium)
        for number in range(1, 5):
            hospital.put(f"TULIPAN-{number}.dcm", make(number))
        summary = hospital.run()
        assert summary.states["sent"] == 4, summary
        with served.engine.connect() as connection:
            there = set(connection.scalars(select(schema.instance.c.digest)))
    assert there == {row["digest"] for row in hospital.rows(schema.item)}
    assert {row["receipt"].partition(" ")[2] for row in hospital.rows(schema.delivery)} == {
        "digest stated by the receiver"
    }
    stored = b"".join(path.read_bytes() for path in (hub / "data").rglob("*") if path.is_file())
    assert not [value for value in planted if value.encode() in stored]


def _connect(hospital: Any, hub: Path, url: str, cohortium: Run) -> None:
    """Let the hub know the hospital, and the hospital's pipeline send there."""
    key = cohortium("key", "public", cwd=hospital.root).stdout.strip()
    added = cohortium("user", "add", "site", "--site", "--key", key, "--project", "study", cwd=hub)
    assert added.returncode == 0, added.stderr
    token = hospital.root / "hub.token"
    token.write_text(added.stdout)
    token.chmod(0o600)
    text = hospital.file.read_text().replace('specification = "strict.toml"', 'specification = "basic"')
    text = f'[gateway]\negress = ["{url.removeprefix("http://")}"]\n{text}destinations = ["hub"]\n'
    text += f'[[destination.stow]]\nname = "hub"\nurl = "{url}/dicomweb/study"\ntoken_file = "hub.token"\n'
    hospital.file.write_text(text)
