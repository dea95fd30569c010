"""`cohortium gateway quarantine`, `release`, `reject`, `again`, `export`: people's decisions, from the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pyrage
import pytest
from pydicom import Dataset, dcmread
from pyrage.x25519 import Identity
from sqlalchemy import select

from cohortium import gateway, keys
from cohortium.config import load
from cohortium.prove import provenance
from cohortium.store import open_store, schema
from hospital import PLANTED, slice_of

Run = Callable[..., subprocess.CompletedProcess[str]]

CONFIGURATION = """
[gateway]
keep_days = 30
[[project]]
name = "study"
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "all"
source = "incoming"
project = "study"
destinations = ["archive", "share"]
specification = "basic"
gate = false
"""


def screenshot(dataset: Dataset) -> None:
    """A secondary capture, in which a name may be burned."""
    dataset.SOPClassUID, dataset.Modality, dataset.ConversionType = "1.2.840.10008.5.1.4.1.1.7", "OT", "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site whose folder held a screenshot, and a slice that was cut short, when the gateway looked."""
    keys.create(tmp_path / "keys" / "site.key")
    (tmp_path / "cohortium.toml").write_text(CONFIGURATION)
    for name in ("incoming", "share"):
        (tmp_path / name).mkdir()
    (tmp_path / "incoming" / "TULIPAN.dcm").write_bytes(slice_of(7, screenshot))
    (tmp_path / "incoming" / "cut.dcm").write_bytes(slice_of(8, series=2)[:-100])
    once(tmp_path)
    return tmp_path


def once(site: Path) -> dict[str, int]:
    """Run the gateway once; how many files are in which state."""
    states = gateway.run(load(site / "cohortium.toml"), lambda *_: None).states
    return {state: number for state, number in states.items() if number}


def waiting(cohortium: Run, site: Path, *which: str) -> list[dict[str, str]]:
    result = cohortium("gateway", "quarantine", *which, "--json", cwd=site)
    assert result.returncode == 0, result.stderr
    found: list[dict[str, str]] = json.loads(result.stdout)
    return found


def test_a_reviewed_picture_leaves_without_what_the_reviewer_blanked(cohortium: Run, site: Path) -> None:
    reasons = {row["reason"]: row for row in waiting(cohortium, site)}
    assert reasons.keys() == {"pixels not reviewed", "truncated"}
    assert "may carry text" in reasons["pixels not reviewed"]["means"]
    (item,) = waiting(cohortium, site, "--reason", "pixels not reviewed")
    assert item["series"].startswith("2.25.")
    assert item["of"] == "OT 1"
    reviewed = ("gateway", "release", "--series", item["series"], "--why", "the corner is covered", "--blank")
    assert cohortium(*reviewed, "0,0,4", cwd=site).returncode == 2
    result = cohortium(*reviewed, "0,0,4,2", cwd=site)
    assert result.stdout.split() == [item["item"]], result.stderr
    assert once(site) == {"sent": 1, "quarantined": 1}
    engine = open_store(load(site / "cohortium.toml"))
    with engine.execution_options(reading=True).begin() as connection:
        digest = connection.scalar(select(schema.instance.c.digest))
        (made,) = provenance.of(connection, str(digest))
        said = [(row.what, row.object) for row in connection.execute(select(schema.audit))]
    assert made.reviewer
    assert ("release quarantined", f"item {item['item']}") in said
    (path,) = (site / "share").rglob("*.dcm")
    content = path.read_bytes()
    dataset = dcmread(BytesIO(content))
    assert dataset.BurnedInAnnotation == "NO"
    assert "113101" in [each.CodeValue for each in dataset.DeidentificationMethodCodeSequence]
    assert (dataset.pixel_array[:2, :4] == 0).all()
    assert (dataset.pixel_array[2:] == 0x0707).all()
    assert not [value for value in PLANTED if value.encode() in content]


def test_no_release_lets_through_what_cannot_be_made(cohortium: Run, site: Path) -> None:
    result = cohortium("gateway", "release", "--reason", "truncated", "--why", "looks fine", cwd=site)
    assert result.returncode == 0, result.stderr
    assert once(site) == {"quarantined": 2}
    assert [row["reason"] for row in waiting(cohortium, site)] == ["pixels not reviewed", "truncated"]


def test_what_is_rejected_or_not_there_cannot_be_decided_about(cohortium: Run, site: Path) -> None:
    (item,) = waiting(cohortium, site, "--reason", "truncated")
    reject = ("gateway", "reject", item["item"], "--why", "cut short")
    assert cohortium(*reject, cwd=site).returncode == 0
    again = cohortium(*reject, cwd=site)
    assert again.returncode == 3
    assert once(site) == {"quarantined": 1, "rejected": 1}
    assert cohortium("gateway", "reject", "--why", "all of it", cwd=site).returncode == 2


def test_it_is_made_anew_by_the_pipeline_that_is_named(cohortium: Run, site: Path) -> None:
    toml = site / "cohortium.toml"
    more = CONFIGURATION.partition("[[pipeline]]")[2].replace('"all"', '"scripted"').replace('"incoming"', '"other"')
    toml.write_text(f'{CONFIGURATION}\n[[pipeline]]\n{more}filter = "Modality.equals(\\"MR\\")"\n')
    (site / "other").mkdir()
    reason = ("--reason", "truncated", "--why", "another protocol")
    assert cohortium("gateway", "again", *reason, "--by", "nobody", cwd=site).returncode == 2
    assert cohortium("gateway", "again", *reason, "--by", "scripted", cwd=site).returncode == 0
    assert once(site) == {"quarantined": 2}


def test_a_copy_is_made_on_demand_alone(cohortium: Run, site: Path) -> None:
    export = ("gateway", "export", "--reason", "pixels not reviewed", "--to", "copies")
    assert cohortium(*export, cwd=site).returncode == 2
    assert not (site / "copies").exists()
    result = cohortium(*export, "--in-the-clear", cwd=site)
    assert result.returncode == 0, result.stderr
    (copy,) = (site / "copies").iterdir()
    assert copy.read_bytes() == slice_of(7, screenshot)
    assert copy.name == result.stdout.strip()


def test_a_copy_is_sealed_to_who_is_to_read_it(cohortium: Run, site: Path) -> None:
    reader = cohortium("key", "identity", "ben.txt", cwd=site).stdout
    (site / "ben.pub").write_text(reader)
    export = ("gateway", "export", "--reason", "truncated", "--to", "copies", "--recipient", "ben.pub")
    assert cohortium(*export, "--in-the-clear", cwd=site).returncode == 2
    result = cohortium(*export, cwd=site)
    assert result.returncode == 0, result.stderr
    (copy,) = (site / "copies").iterdir()
    assert (copy.name, copy.suffix) == (result.stdout.strip(), ".age")
    sealed = copy.read_bytes()
    assert not [value for value in PLANTED if value.encode() in sealed]
    mine = Identity.from_str((site / "ben.txt").read_text().splitlines()[-1])
    assert pyrage.decrypt(sealed, [mine]) == slice_of(8, series=2)[:-100]
    with open_store(load(site / "cohortium.toml")).begin() as connection:
        rows = connection.execute(select(schema.audit.c.object).where(schema.audit.c.what == "export item")).scalars()
        assert rows.one().endswith(reader.strip())


def test_names_are_nowhere_in_what_is_shown(cohortium: Run, site: Path) -> None:
    shown = cohortium("gateway", "quarantine", "--reason", "truncated", cwd=site)
    assert "Send it again" in shown.stdout
    for value in PLANTED:
        assert value not in shown.stdout + shown.stderr
