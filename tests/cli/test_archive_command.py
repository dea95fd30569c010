"""`cohortium archive` as its keeper calls it: packs made, everything verified, a subject withdrawn."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydicom.uid import generate_uid
from sqlalchemy import select

import portal_site
from cohortium import config, keys
from cohortium.archive import Archive, consents, storage_of
from cohortium.prove import receipts
from cohortium.store import open_store, schema
from foreign_files import mp4, npy

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


def test_a_file_comes_goes_and_a_consent_is_withdrawn(cohortium: Run, site: Path, tmp_path: Path) -> None:
    settings = config.load(site / "cohortium.toml")
    archive = Archive(open_store(settings), storage_of(settings), keys.load(settings.site.key, settings.site.data))
    signer = Ed25519PrivateKey.generate()
    archive.enrol("ward", signer.public_key().public_bytes_raw().hex())
    dataset = portal_site.ct_slice(9, "S-0003", "2.25.11", "2.25.12")
    dataset.SOPInstanceUID, dataset.PatientIdentityRemoved = generate_uid(), "YES"
    dataset.DeidentificationMethod = ["Cohortium", f"sha256:{portal_site.PROTOCOL.digest[:48]}"]
    archive.admit(portal_site.encode(dataset), "lung", None, "ada")
    with archive.engine.begin() as connection:
        made = consents.Record("C-9", consents.Scope.PROJECT, "ward", "2026-01-02")
        consents.record(connection, 1, made, "ada")
    archive.engine.dispose()
    (tmp_path / "mask.npy").write_bytes(npy(1))
    (tmp_path / "film.mp4").write_bytes(mp4())
    (tmp_path / "scores.csv").write_text("reader,score\nMustermann,3\n")
    words = {"site": "ward", "project": "lung", "protocol": portal_site.PROTOCOL.digest}
    word = receipts.sign(signer, digest=sha256((tmp_path / "scores.csv").read_bytes()).hexdigest(), **words)
    (tmp_path / "receipt.json").write_text(json.dumps(asdict(word)))

    def attach(name: str, kind: str, *more: str) -> subprocess.CompletedProcess[str]:
        place = str(tmp_path / name)
        return cohortium("archive", "attach", "lung", place, "--kind", kind, "--label", kind, *more, cwd=site)

    mask = attach("mask.npy", "mask", "--scan", "2.25.12", "--json")
    assert (mask.returncode, json.loads(mask.stdout)["admitted"]) == (0, "check"), mask.stderr
    assert attach("scores.csv", "features", "--subject", "S-0003").returncode == 3, "nobody vouches"
    vouched = attach("scores.csv", "features", "--subject", "S-0003", "--receipt", str(tmp_path / "receipt.json"))
    assert (vouched.returncode, "by receipt" in vouched.stdout) == (0, True), vouched.stderr
    assert attach("film.mp4", "video", "--name", "scan.mp4", "--consent", "C-9").returncode == 0
    for wrong in (("--scan", "1.2.3"), ("--scan", "2.25.12", "--subject", "S-0003")):
        assert attach("mask.npy", "mask", *wrong).returncode in (2, 3)
    assert attach("mask.npy", "picture").returncode == 2
    detach = ("archive", "detach", "lung", "--label", "mask", "--scan", "2.25.12", "--reason", "wrong side", "--yes")
    assert cohortium(*detach, "--name", "other.npy", cwd=site).returncode == 3
    gone = cohortium(*detach, cwd=site)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert cohortium(*detach, cwd=site).returncode == 3
    said = ("--reason", "letter 2026-17", "--yes")
    assert cohortium("archive", "withdraw-consent", "lung", "C-8", *said, cwd=site).returncode == 3
    assert cohortium("archive", "withdraw-consent", "lung", "C-9", *said, cwd=site).returncode == 0
    engine = open_store(settings)
    with engine.begin() as connection:
        assert connection.scalars(select(schema.resource.c.label)).all() == ["features"]
    engine.dispose()
