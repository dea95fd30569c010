"""A small site with images, people and a table of correspondence, and a folder to back it up to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

import portal_site
from cohortium import backup, config, keys
from cohortium.archive import Archive
from cohortium.archive.storage import storage_of
from cohortium.backup import Folder, Place, rows
from cohortium.govern import users
from cohortium.keys import SiteKey
from cohortium.store import open_store, schema

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


@dataclass(frozen=True)
class Small:
    """A site and its target."""

    settings: config.Config
    engine: Engine
    target: Path
    kept: Place | None = None  # if not in that folder

    @property
    def key(self) -> SiteKey:
        return keys.load(self.settings.site.key, self.settings.site.data)

    @property
    def place(self) -> Place:
        return self.kept or Folder(self.target, "the target")

    @property
    def archive(self) -> Archive:
        return Archive(self.engine, storage_of(self.settings), self.key)

    def deposit(self, count: int, subject: str) -> None:
        contents = portal_site.slices(count, subject=subject)
        portal_site.fill(self.engine, self.settings.site.data, "lung", "Lung study", contents)

    def back_up(self, keep: int = 0, progress: Progress = silent) -> backup.Taken:
        return backup.back_up(self.settings, self.engine, self.key, self.place, progress, keep)

    def check(self) -> list[str]:
        return backup.check(self.place, self.key, silent).problems

    def restore(self, folder: Path, name: str = "", url: str = "", objects: config.Store | None = None) -> Small:
        """The site as it comes back in that folder."""
        folder.mkdir(exist_ok=True)
        site = replace(self.settings.site, data=folder / "data")
        store = replace(objects or self.settings.store, url=url)
        if objects and objects.credentials_file:
            shutil.copy(folder.parent / objects.credentials_file, folder)
        settings = replace(self.settings, site=site, store=store, file=folder / "cohortium.toml")
        backup.restore(settings, self.key, self.place, backup.journal(self.place, self.key), silent, name)
        return Small(settings, open_store(settings), self.target, self.kept)

    def rows(self) -> dict[str, list[bytes]]:
        with self.engine.execution_options(reading=True).begin() as connection:
            kept = [table for table in rows.kept(schema.metadata) if not table.name.startswith("audit")]
            return {table.name: list(rows.dump(connection, table)) for table in kept}

    def digests(self) -> list[str]:
        with self.engine.begin() as connection:
            return list(connection.scalars(select(schema.instance.c.digest).order_by(schema.instance.c.id)))


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's folder, filled once: five images of two subjects, and an administrator."""
    root = tmp_path_factory.mktemp("filled") / "site"
    root.mkdir()
    settings = portal_site.configuration(root)
    small = Small(settings, open_store(settings), root)
    users.ensure_administrator(small.engine, "marmalade")
    small.deposit(3, "S-0001")
    small.deposit(2, "S-0002")
    small.engine.dispose()
    return root


@pytest.fixture
def site(filled: Path, tmp_path: Path) -> Iterator[Small]:
    """A site of the test's own, a copy of the one that was filled, and an empty target."""
    root = tmp_path / "site"
    shutil.copytree(filled, root)
    settings = config.load(root / "cohortium.toml", {})
    small = Small(settings, open_store(settings), tmp_path / "target")
    yield small
    small.engine.dispose()
