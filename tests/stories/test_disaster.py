"""The machine is lost; what is left is the site's key and the backups. Everything comes back, on either database.

Backups are made while a gateway deposits, and killed at random moments, as restores are. Sample: 2 sites killed up to 6
times each; 60 with COHORTIUM_TEST_FULL=1.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

import databases
import dying
import portal_site
from cohortium import backup, config, gateway, keys
from cohortium.archive import Archive, withdrawal
from cohortium.archive.objects import Address
from cohortium.archive.storage import storage_of
from cohortium.backup import Folder, rows
from cohortium.errors import Refused, Unavailable
from cohortium.govern import grants, tokens, users
from cohortium.govern.roles import Role, Scope
from cohortium.prove import audit
from cohortium.spool import items
from cohortium.store import RESTORING, open_store, schema

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Site:
    """A hospital's site on either database, and what a disaster leaves of it."""

    def __init__(self, hospital: Any, url: str, target: Path) -> None:
        self.hospital, self.url, self.target = hospital, url, target

    @property
    def environment(self) -> dict[str, str]:
        return {"COHORTIUM_STORE__URL": self.url}

    @property
    def settings(self) -> config.Config:
        return config.load(self.hospital.file, self.environment)

    @property
    def key(self) -> keys.SiteKey:
        return keys.load(self.settings.site.key, self.settings.site.data)

    def gateway(self) -> None:
        gateway.run(self.settings, lambda *_: None)

    def back_up(self, target: Path | None = None) -> backup.Taken:
        engine, place = open_store(self.settings), Folder(target or self.target, "the target")
        try:
            return backup.back_up(self.settings, engine, self.key, place, lambda *_: None)
        finally:
            engine.dispose()

    def restore(self, name: str = "", target: Path | None = None) -> backup.Restored:
        place = Folder(target or self.target, "the backup")
        if not self.hospital.file.exists():
            backup.configure(
                place,
                keys.load(self.hospital.root / "keys" / "site.key", self.hospital.root / "data"),
                self.hospital.file,
                name,
            )
        return backup.restore(self.settings, self.key, place, backup.journal(place, self.key), lambda *_: None, name)

    def is_whole(self) -> bool:
        """Whether a restore came to its end."""
        data = self.settings.site.data
        return (data / "spool").exists() and not (data / RESTORING).exists()

    def tables(self) -> dict[str, list[bytes]]:
        """Every row that a backup holds, but for the audit, in which backups and restores leave rows of their own."""
        with open_store(self.settings).execution_options(reading=True).begin() as connection:
            kept = [table for table in rows.kept(schema.metadata) if not table.name.startswith("audit")]
            return {table.name: list(rows.dump(connection, table)) for table in kept}

    def files(self) -> dict[str, bytes]:
        data = self.settings.site.data
        paths = {
            path.relative_to(data): path for path in sorted(data.rglob("*")) if path.is_file() and path.name != ".lock"
        }
        return {str(name): path.read_bytes() for name, path in paths.items() if name.parts[0] in ("objects", "spool")}

    def prove(self) -> int:
        """The audit verifies, and every object that a row names is read whole; returns how many they are."""
        engine, key = open_store(self.settings), self.key
        archive = Archive(engine, storage_of(self.settings), key)
        with engine.begin() as connection:
            audit.verify(audit.records(connection), key.signer().public_key().public_bytes_raw().hex())
            found = connection.execute(select(*Address.columns(schema.instance))).all()
        for row in found:
            archive.objects.get(Address(*row))
        engine.dispose()
        return len(found)

    def elsewhere(self, root: Path, url: str) -> Site:
        """A machine with nothing but the key."""
        (root / "keys").mkdir(parents=True, mode=0o700)
        shutil.copy(self.settings.site.key, root / "keys")
        return Site(type(self.hospital)(self.hospital.source, root), url, self.target)


@pytest.fixture
def site(crowded: Any, place: Path | str, tmp_path: Path) -> Site:
    return Site(crowded, place if isinstance(place, str) else "", tmp_path / "target")


@pytest.fixture
def other(site: Site, postgres: databases.Server) -> Iterator[str]:
    """The URL of an empty database to restore into: of the other kind than the site's."""
    with contextlib.nullcontext("") if site.url else postgres.database() as url:
        yield url


def people(site: Site) -> str:
    """Somebody with a password, a role and a token; returns the token."""
    with open_store(site.settings).begin() as connection:
        users.create(connection, "ada")
        ada = users.named(connection, "ada")
        users.choose_password(connection, ada, portal_site.PASSWORD)
        project = connection.scalar(select(schema.project.c.id))
        grants.give(connection, ada.id, project, Role.OWNER, "test")
        return tokens.make(connection, ada, "script", Scope.READ, 30)


def test_a_lost_machine_comes_back(site: Site, other: str, cohortium: Run, make: Any, tmp_path: Path) -> None:
    site.gateway()
    token = people(site)
    made = cohortium("backup", site.target, "--json", cwd=site.hospital.root, **site.environment)
    assert made.returncode == 0, made.stderr
    tables, files, objects = site.tables(), site.files(), site.prove()
    found = site.elsewhere(tmp_path / "found", other)
    shutil.rmtree(site.hospital.root)

    restored = cohortium("restore", site.target, "--json", cwd=found.hospital.root, **found.environment)
    assert restored.returncode == 0, restored.stderr
    assert found.tables() == tables
    assert found.files() == files
    assert found.prove() == objects > 5
    assert json.loads(made.stdout)["rows"] == json.loads(restored.stdout)["rows"] > 50
    with portal_site.served(found.settings) as served:
        for login in ({"headers": {"Authorization": f"Bearer {token}"}}, {"auth": ("ada", portal_site.PASSWORD)}):
            answer = httpx.get(f"{served.url}/api/v1/projects", **login)
            assert [each["name"] for each in answer.json()] == ["study"]
    found.hospital.put("next.dcm", make(20, series=9))  # of a patient who was here before
    found.gateway()
    after = found.tables()
    assert (len(after["instance"]), after["subject"]) == (len(tables["instance"]) + 1, tables["subject"])
    assert found.prove() == objects + 1


def test_whatever_moment_a_backup_saw_the_chain_goes_on_from_there(
    site: Site, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway deposits and a portal answers while backups are made; each, restored, ends where the gateway did."""
    monkeypatch.setattr(items, "BATCH", 4)
    for number in range(30, 48):
        site.hospital.put(f"more/{number}.dcm", make(number, series=number % 3 + 4))
    undisturbed = site.hospital.another(tmp_path / "undisturbed")
    undisturbed.run()
    made: list[str] = []
    is_made = threading.Semaphore(0)

    def keep_step(stage: str, *_: int) -> None:
        """Be no faster than backups are made: where it holds nothing that they need, it waits for one."""
        time.sleep(0.02)
        if stage in ("check", "deposit"):
            assert is_made.acquire(timeout=300)

    with ThreadPoolExecutor(1) as pool, portal_site.served(site.settings) as served:
        run = pool.submit(gateway.run, site.settings, keep_step)
        while not run.done():
            made.append(site.back_up().backup)
            is_made.release()
            assert httpx.get(f"{served.url}/health/ready").status_code == 200
        run.result()
    assert len(made) > 2
    counts = set()
    for name in (made[0], made[len(made) // 2], made[-1]):
        found = site.elsewhere(tmp_path / name, "")
        counts.add(found.restore(name).rows)
        found.gateway()
        expected = undisturbed.memory()
        assert {**found.hospital.memory(), "audit entries": 0} == {**expected, "audit entries": 0}
    assert len(counts) > 1, "backups of different moments"


ACT = """
from pathlib import Path
from cohortium import backup, config, keys
from cohortium.store import open_store
def act(verb, file, target, url):
    place = backup.Folder(Path(target), "the target")
    settings = config.load(Path(file), {"COHORTIUM_STORE__URL": url})
    key = keys.load(settings.site.key, settings.site.data)
    if verb == "backup":
        backup.back_up(settings, open_store(settings), key, place, lambda *_: None)
    else:
        backup.restore(settings, key, place, backup.journal(place, key), lambda *_: None)
"""


def test_killed_in_mid_backup_and_in_mid_restore(
    site: Site, tmp_path: Path, sample: Callable[[int, int], int], request: pytest.FixtureRequest
) -> None:
    site.gateway()
    tables, files, kills = site.tables(), site.files(), {"backup": 0, "restore": 0}

    @contextlib.contextmanager
    def empty(name: str) -> Iterator[Site]:
        with request.getfixturevalue("postgres").database() if site.url else contextlib.nullcontext("") as url:
            found = site.elsewhere(tmp_path / name, url)
            shutil.copy(site.hospital.file, found.hospital.root)
            yield found

    with dying.at_work(ACT) as at_work:

        def act(verb: str, on: Site, target: Path, at: dying.Moment = dying.NEVER) -> int:
            touches = at_work(verb, on.hospital.file, target, on.url, at=at)
            kills[verb] += touches is None
            return touches or 0

        backing_up = act("backup", site, tmp_path / "target")
        with empty("undisturbed") as found:
            restoring = act("restore", found, tmp_path / "target")
        for seed in range(sample(2, 60)):
            chance, target = random.Random(seed), tmp_path / f"target-{seed}"
            for moment in dying.moments(chance, backing_up):
                act("backup", site, target, moment)
            site.back_up(target)
            assert not backup.check(Folder(target, "it"), site.key, lambda *_: None).problems
            with empty(f"found-{seed}") as found:
                for moment in dying.moments(chance, restoring):
                    if act("restore", found, target, moment):
                        break
                    if (found.settings.site.data / RESTORING).exists():
                        with pytest.raises(Refused, match="has not ended"):
                            open_store(found.settings)
                if not found.is_whole():
                    found.restore(target=target)
                assert (found.tables(), found.files()) == (tables, files), f"seed {seed}"
    assert min(kills.values()) >= sample(2, 60), "the first moment of each falls into its work"


def test_who_was_withdrawn_since_stays_withdrawn(site: Site, make: Any, tmp_path: Path) -> None:
    def other(dataset: Dataset) -> None:
        dataset.PatientName, dataset.PatientID = "Other^One", "HOSP-1"
        dataset.StudyInstanceUID = "1.2.826.0.9"

    site.hospital.put("other/1.dcm", make(1, other, series=9))
    site.gateway()
    older = site.back_up().backup
    objects = site.target / "objects"
    held = {path for path in objects.rglob("*") if path.is_file()}
    settings, engine = site.settings, open_store(site.settings)
    with engine.begin() as connection:
        ids = connection.scalars(select(schema.subject.c.PatientID).order_by(schema.subject.c.id)).all()
        key = connection.scalar(select(schema.data_key.c.id).where(schema.data_key.c.PatientID == ids[0]))
    Archive(engine, storage_of(settings), site.key).withdraw("study", ids[0], who="ada", reason="asked")
    theirs = sum(f"/{key:016x}/" in str(path) for path in held)
    assert theirs > 3
    copy = (site.target / "data-keys").read_bytes()
    site.back_up()
    assert (site.target / "data-keys").read_bytes() != copy
    assert held <= {path for path in objects.rglob("*") if path.is_file()}, "older backups stay restorable"

    for name in (older, ""):
        found = site.elsewhere(tmp_path / f"found-{name}", "")
        restored = found.restore(name)
        assert restored.withdrawn == 1
        assert restored.withheld_objects == (theirs if name else 0)
        with open_store(found.settings).begin() as connection:
            assert connection.scalars(select(schema.subject.c.PatientID)).all() == ids[1:]
            assert key not in connection.scalars(select(schema.data_key.c.id)).all()
            assert withdrawal.journal(connection)[0].PatientID == ids[0]
        assert found.prove() == 1
        assert not any(f"/{key:016x}/" in path for path in found.files())
        assert found.back_up(tmp_path / f"next-{name}").missing == 0
        found.gateway()  # the files that the hospital still has come to nothing
        with open_store(found.settings).begin() as connection:
            assert connection.scalars(select(schema.subject.c.PatientID)).all() == ids[1:]

    (site.target / "withdrawals").rename(tmp_path / "journal")
    found = site.elsewhere(tmp_path / "without", "")
    with pytest.raises(Refused, match="no journal of withdrawals"):
        found.restore(older)
    shutil.copy(site.hospital.file, found.hospital.root)
    place = Folder(site.target, "the backup")
    journal = backup.journal(place, found.key, tmp_path / "journal")
    assert backup.restore(found.settings, found.key, place, journal, lambda *_: None, older).withdrawn == 1
    assert found.prove() == 1


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_full_target_and_a_full_data_root(site: Site, tmp_path: Path, tiny_disk: Path, make: Any) -> None:
    def large(dataset: Dataset) -> None:
        dataset.Rows = dataset.Columns = 256
        dataset.PixelData = os.urandom(2 * 256 * 256)

    for number in range(1, 9):
        site.hospital.put(f"more/{number}.dcm", make(number, large, series=9))
    site.gateway()
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(1_500_000))
    with pytest.raises(Unavailable, match="no space left in the target"):
        site.back_up(tiny_disk / "target")
    with pytest.raises(Refused, match="no whole backup"):
        backup.check(Folder(tiny_disk / "target", "it"), site.key, lambda *_: None)
    ballast.unlink()
    site.back_up(tiny_disk / "target")
    assert not backup.check(Folder(tiny_disk / "target", "it"), site.key, lambda *_: None).problems
    site.back_up()
    tables, files = site.tables(), site.files()

    shutil.rmtree(tiny_disk / "target")
    ballast.write_bytes(bytes(1_000_000))
    found = site.elsewhere(tmp_path / "found", "")
    (found.hospital.root / "data").symlink_to(tiny_disk / "data")
    (tiny_disk / "data").mkdir()
    with pytest.raises(Unavailable, match="no space left"):
        found.restore()
    subprocess.run(["mount", "-o", "remount,size=32m", tiny_disk], check=True)
    found.restore()
    assert (found.tables(), found.files()) == (tables, files)
