"""A site whose archive holds a made-up delivery, and checks of it: what tests of kept findings share."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from sqlalchemy import Engine, select

import deliveries
import portal_site
from cohortium import config, curate, keys
from cohortium.archive import Archive, Destination, Kind, Level, Offer, datasets, storage_of
from cohortium.curate import Run, Wanted
from cohortium.errors import Refused
from cohortium.store import open_store
from cohortium.store.schema import check_run
from cohortium.worker import work

QUICK = """
name = "quick"
version = "1"
title = "Dragon without what is slow"
extends = "dragon"
[completeness.slices]
least = 3
[conformance.error]
severity = "off"
[conformance.warning]
severity = "off"
[privacy.pixels]
severity = "off"
"""


class Site:
    """The site; `lung` is its project."""

    def __init__(self, folder: Path, place: Path | str = "", sections: str = "") -> None:
        folder.mkdir(exist_ok=True)
        made = portal_site.configuration(folder, place, sections=sections)
        made.file.write_text(made.file.read_text("utf-8") + 'specification = "quick.toml"\n', "utf-8")
        settings = {"COHORTIUM_STORE__URL": place} if isinstance(place, str) and place else {}
        self.config = config.load(made.file, settings)
        (folder / "quick.toml").write_text(QUICK, "utf-8")
        self.engine: Engine = open_store(self.config)
        key = keys.load(self.config.site.key, self.config.site.data)
        self.archive = Archive(self.engine, storage_of(self.config), key)
        self.archive.open_project(config.Project("lung", "Lung study", "trusted"), portal_site.PROTOCOL)

    def fill(self, made: deliveries.Delivery) -> None:
        """Let all of it come in: images as such, tables as files of the project."""
        images = [Offer(deliveries.encoded(each), None) for each in made.objects.values()]
        assert not [each for each in self.archive.admit_all(images, "lung", "ada") if isinstance(each, Refused)]
        for name, rows in (made.tables | made.described()).items():
            self.attach(name, deliveries.as_csv(rows))

    def attach(self, name: str, content: bytes, level: Level = Level.PROJECT, of: int | None = None) -> None:
        """A file of the project, or of a subject."""
        to = Destination(level, of, Kind.CLINICAL, "tables", name)
        self.archive.attach(BytesIO(content), to, "lung", "ada")

    def freeze(self, name: str) -> datasets.Version:
        with self.engine.begin() as connection:
            return datasets.freeze(connection, 1, name, "ada")

    def ask(self, dataset: str = "", specification: str = "quick.toml") -> Run:
        with self.engine.begin() as connection:
            return curate.ask(connection, 1, dataset, specification, True, "ada")

    def check(self, dataset: str = "", specification: str = "quick.toml") -> Run:
        """Ask for a check, let the worker do it, and return what became of it."""
        asked = self.ask(dataset, specification)
        work(self.config, once=True)
        with self.engine.begin() as connection:
            done = curate.run(connection, 1, asked.id)
        assert done is not None
        return done

    def report(self, run: Run) -> dict:
        with self.engine.begin() as connection:
            return curate.report(connection, run)

    def rows(self, dataset: str = "", **wanted: str) -> list[curate.Entry]:
        with self.engine.begin() as connection:
            return curate.entries(connection, 1, Wanted(dataset, **wanted))

    def states(self, dataset: str = "") -> dict[str, str]:
        """The state of each finding, by rule."""
        return {each.row.rule: each.row.state.value for each in self.rows(dataset)}

    def last(self) -> Run:
        with self.engine.begin() as connection:
            return curate.latest(connection, 1)[0]

    def runs(self) -> int:
        with self.engine.begin() as connection:
            return len(connection.scalars(select(check_run.c.id)).all())
