"""A hospital and a hub: added by its key, a site hands over what it vouches for, and the hub states each digest."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

import portal_site
from cohortium.config import Project
from cohortium.deidentify.protocol import load
from cohortium.store import schema

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_from_the_hospital_to_the_hub(
    hospital: Any, make: Callable[..., bytes], cohortium: Run, tmp_path: Path, planted: tuple[str, ...]
) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    settings = portal_site.configuration(hub)
    with portal_site.served(settings) as served:
        served.app.state.archive.open_project(Project("study", "Study", "receipt"), load("basic"))
        key = cohortium("key", "public", cwd=hospital.root).stdout.strip()
        added = cohortium("user", "add", "site", "--site", "--key", key, "--project", "study", cwd=hub)
        assert added.returncode == 0, added.stderr
        token = hospital.root / "hub.token"
        token.write_text(added.stdout)
        token.chmod(0o600)
        text = hospital.file.read_text().replace('specification = "strict.toml"', 'specification = "basic"')
        text = f'[gateway]\negress = ["{served.url.removeprefix("http://")}"]\n{text}destinations = ["hub"]\n'
        text += f'[[destination.stow]]\nname = "hub"\nurl = "{served.url}/dicomweb/study"\ntoken_file = "hub.token"\n'
        hospital.file.write_text(text)
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
