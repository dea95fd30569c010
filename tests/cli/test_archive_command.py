"""`cohortium archive` as its keeper calls it: packs made, everything verified, a subject withdrawn."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

import portal_site
from cohortium import config, keys
from cohortium.archive import Archive, storage_of
from cohortium.store import open_store, schema

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with a series of three slices, as quiet as if nothing had come for days."""
    folder = tmp_path_factory.mktemp("site")
    settings = portal_site.configuration(folder)
    archive = Archive(open_store(settings), storage_of(settings), keys.load(settings.site.key, settings.site.data))
    archive.open_project(config.Project("lung", "", "check"), portal_site.PROTOCOL)
    for number in range(3):
        dataset = portal_site.ct_slice(number, "S-0001", "2.25.1", "2.25.2")
        dataset.SOPInstanceUID, dataset.PatientIdentityRemoved = generate_uid(), "YES"
        dataset.DeidentificationMethod = ["Cohortium", f"sha256:{portal_site.PROTOCOL.digest[:48]}"]
        archive.admit(portal_site.encode(dataset), "lung", None, "ada")
    with archive.engine.begin() as connection:
        connection.execute(schema.scan.update().values(loose_since="2026-01-01T00:00:00.000000+00:00"))
    archive.engine.dispose()
    return folder


def test_a_keepers_round(cohortium: Run, site: Path) -> None:
    packed = cohortium("archive", "pack", "--json", cwd=site)
    assert (packed.returncode, json.loads(packed.stdout)) == (0, {"packs": 1})
    checked = cohortium("archive", "fsck", "--json", cwd=site)
    found = json.loads(checked.stdout)
    assert (checked.returncode, found["objects"], found["packs"], found["faults"]) == (0, 3, 1, [])
    (pack,) = [path for path in (site / "data" / "objects").rglob("*") if path.is_file()]
    stored = pack.read_bytes()
    pack.write_bytes(stored[:-1] + b"x")
    damaged = cohortium("archive", "fsck", cwd=site)
    assert damaged.returncode == 6
    assert damaged.stdout.startswith("damaged\tlung\tpack ")
    assert "restore" in damaged.stderr
    pack.write_bytes(stored)
    unsaid = cohortium("archive", "withdraw", "lung", "S-0001", cwd=site)
    assert unsaid.returncode == 2, "no reason"
    mistyped = cohortium("archive", "withdraw", "lung", "S-0002", "--reason", "asked", "--yes", cwd=site)
    assert mistyped.returncode == 3
    gone = cohortium("archive", "withdraw", "lung", "S-0001", "--reason", "asked", "--yes", cwd=site)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert not any(path.is_file() for path in (site / "data" / "objects").rglob("*"))
