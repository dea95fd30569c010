"""The main job end to end, as `cohortium demo` runs it: on the made-up hospital, again, killed, and on real folders.

Sample: the demo is killed 2 times at random moments; 20 with COHORTIUM_TEST_FULL=1.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

import dying
import nursery
from cohortium import keys
from cohortium.archive import Address, Archive
from cohortium.demo.people import planted
from cohortium.dicom import codecs, render
from cohortium.find import scan
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.store import open_store, schema

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = ("demo", "--json", "--root")


def demo(root: Path, *arguments: str) -> dict[str, Any]:
    done = nursery.run(*COMMAND, root, *arguments, timeout=300)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    for value in planted():
        assert value not in done.stdout + done.stderr
    return result


def memory(root: Path) -> dict[str, int]:
    """What the demo leaves in its data folder: objects by name, with the time they were written."""
    objects = root / "data" / "objects"
    return {str(path.relative_to(objects)): path.stat().st_mtime_ns for path in objects.rglob("*") if path.is_file()}


def held(root: Path) -> list[str]:
    """The digests of what the archive holds, each read back."""
    engine = open_store(root / "data")
    objects = Archive(engine, root / "data", keys.load(root / "keys" / "site.key", root / "data")).objects
    with engine.execution_options(reading=True).connect() as connection:
        rows = connection.execute(select(*Address.columns(schema.instance))).all()
    return sorted(sha256(objects.get(Address(*row))).hexdigest() for row in rows)


def account(result: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(result[key] for key in ("files", "bytes", "states", "quarantined", "findings", "set_aside"))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("demo") / "site"
    return root, demo(root)


def test_every_input_file_is_accounted_for(first: tuple[Path, dict[str, Any]]) -> None:
    root, result = first
    files = sum(1 for path in (root / "hospital").rglob("*") if path.is_file())
    states = result["states"]
    kinds = ("sent", "held", "quarantined", "duplicate", "container", "not DICOM")
    assert result["files"] == files == sum(states.values()) == sum(states[kind] for kind in kinds)
    assert all(states[kind] for kind in kinds)
    assert sum(result["quarantined"].values()) == states["quarantined"]
    assert len(memory(root)) == states["sent"]


def test_nothing_identifying_left_the_hospital(first: tuple[Path, dict[str, Any]]) -> None:
    found = first[1]["identifying_values"]
    assert found["hits"] == []
    assert found["found"] == 0
    assert found["searched_for"] > 1000
    assert found["bytes"] > 50_000_000


def test_the_gate_holds_the_series_that_lacks_a_slice(first: tuple[Path, dict[str, Any]]) -> None:
    rules = {finding["rule"] for finding in first[1]["findings"] if finding["severity"] == "error"}
    assert "completeness.missing" in rules
    assert first[1]["states"]["held"] >= 59


def test_it_says_how_to_log_in_and_again_until_somebody_has(first: tuple[Path, dict[str, Any]]) -> None:
    root, result = first
    assert result["next"]["command"] == f"cohortium serve --config {root / 'cohortium.toml'}"
    assert result["next"]["one_time_password"]


def test_the_key_lies_outside_the_data_and_is_the_owners_alone(first: tuple[Path, dict[str, Any]]) -> None:
    key = first[0] / "keys" / "site.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert not key.is_relative_to(first[0] / "data")


def test_run_again_it_does_nothing_twice(first: tuple[Path, dict[str, Any]]) -> None:
    root, result = first
    before = memory(root)
    again = demo(root)
    assert account(again) == account(result)
    assert memory(root) == before


def test_killed_anywhere_and_run_again_it_ends_in_the_same_state(
    small_hospital: Path, tmp_path: Path, sample: Callable[[int, int], int]
) -> None:
    """On a small hospital, to be killed often; a kill while the demo makes its own: test_hospital.py."""
    root, count = tmp_path / "undisturbed", sample(3, 20)
    result = demo(root, str(small_hospital))
    with dying.at_work("import cohortium.demo.run" + dying.COMMAND) as at_work:
        shutil.copytree(root / "keys", tmp_path / "again" / "keys")
        touches = at_work(*COMMAND, tmp_path / "again", small_hospital) or 0
        for seed in range(count):
            chance, site = random.Random(seed), tmp_path / f"site-{seed}"
            shutil.copytree(root / "keys", site / "keys")
            moment = dying.Moment(round(touches * (seed + chance.random()) / count) or 1, chance.choice((0, 0.002)))
            assert at_work(*COMMAND, site, small_hospital, at=moment) is None
            assert account(demo(site, str(small_hospital)))[:4] == account(result)[:4], f"seed {seed}"
            assert held(site) == held(root), f"seed {seed}"
            shutil.rmtree(site)


def test_a_folder_that_is_none_is_told(cohortium: Run, tmp_path: Path) -> None:
    done = cohortium("demo", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not a folder" in done.stderr


def test_it_writes_nothing_into_ones_own_folder_and_mixes_no_two(cohortium: Run, tmp_path: Path) -> None:
    one, other = tmp_path / "Grünwald", tmp_path / "Ottilie"
    for folder in (one, other):
        folder.mkdir()
    demo(tmp_path / "root", str(one))
    for root, folder in ((one / "demo", one), (tmp_path, one), (tmp_path / "root", other)):
        done = cohortium("demo", str(folder), "--root", str(root), cwd=tmp_path)
        assert done.returncode == 3
        assert "--root" in done.stderr
        assert not {name for name in ("Grünwald", "Ottilie") if name in done.stdout + done.stderr}
    assert list(one.iterdir()) == []


def test_a_root_that_cannot_be_made_is_told(cohortium: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = cohortium("demo", "--root", "file/demo", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("real") / "site"
    return root, demo(root, str(shared_data / "dicom"))


@pytest.mark.shared_data
def test_real_images_of_many_makers_are_accounted_for(real: tuple[Path, dict[str, Any]], shared_data: Path) -> None:
    result = real[1]
    files = sum(1 for path in (shared_data / "dicom").rglob("*") if path.is_file())
    assert result["files"] == files == sum(result["states"].values())
    assert result["states"]["held"] == 0
    assert result["states"]["sent"] > 600
    assert result["quarantined"]["pixels not reviewed"] == 2
    assert result["identifying_values"]["found"] == 0


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("modality", "slices", "centre", "width"),
    [("CT", 59, 40, 400), ("CT", 60, 40, 400), ("MR", 59, None, None), ("PT", 59, None, None), ("PT", 299, None, None)],
)
def test_real_series_open_in_the_right_order_and_window(
    real: tuple[Path, dict[str, Any]], modality: str, slices: int, centre: float | None, width: float | None
) -> None:
    data = real[0] / "data"
    engine = open_store(data)
    admin = User(1, "admin", Standing.ADMINISTRATOR, must_choose=False)
    with engine.begin() as connection:
        connection.execute(update(schema.user).values(one_time=False))  # as if the administrator had logged in
    with engine.execution_options(reading=True).connect() as connection:
        ids = connection.scalars(select(schema.scan.c.id).where(schema.scan.c.Modality == modality)).all()
        pages = [page for id in ids if (page := scan(connection, admin, id)) and len(page.frames) == slices]
    assert pages
    objects = Archive(engine, data, keys.load(real[0] / "keys" / "site.key", data)).objects
    for page in pages:
        positions = [frame.position for frame in page.frames]
        assert positions == sorted(positions)
        assert len(set(positions)) == slices
        shown = render.picture(codecs.read(objects.get(page.frames[slices // 2].at)))
        inside = abs(shown.samples.astype(float) - shown.window.centre) < shown.window.width / 2
        assert inside.mean() > 0.02  # neither black nor white
        if centre is not None:
            assert (shown.window.centre, shown.window.width) == (centre, width)
    engine.dispose()
