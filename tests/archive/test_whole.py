"""A package killed with `kill -9` at any moment is in as a whole or not at all, and comes in the next time.

Sample: 6 kills; 60 with COHORTIUM_TEST_FULL=1.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select

import dying
import portal_site
from cohortium.archive import Archive, Wish
from cohortium.config import Project
from cohortium.keys import SiteKey
from cohortium.store import open_store, schema

COUNT = 40
TABLES = (schema.subject, schema.session, schema.scan, schema.instance, schema.header)
TAKE = """
from pathlib import Path
from cohortium.archive import Archive, Wish
from cohortium.keys import SiteKey
from cohortium.store import open_store
def act(package, folder):
    archive = Archive(open_store(Path(folder)), Path(folder), SiteKey(bytes(32)))
    images = [path.read_bytes() for path in sorted(Path(package).iterdir())]
    archive.admit_whole(images, "lung", "mona", Wish("case_1", "visit_1"))
"""


def site(folder: Path) -> Archive:
    folder.mkdir()
    archive = Archive(open_store(folder), folder, SiteKey(bytes(32)))
    archive.open_project(Project("lung", "", "trusted"), portal_site.PROTOCOL)
    return archive


def rows(archive: Archive) -> list[int | None]:
    with archive.engine.connect() as connection:
        return [connection.scalar(select(func.count()).select_from(table)) for table in TABLES]


def test_killed_at_any_moment_nothing_is_half_visible_and_the_next_try_works(
    tmp_path: Path, sample: Callable[[int, int], int]
) -> None:
    images, package = portal_site.slices(COUNT), tmp_path / "package"
    package.mkdir()
    for number, content in enumerate(images):
        (package / f"{number:03}").write_bytes(content)
    undisturbed = site(tmp_path / "undisturbed")
    with dying.at_work(TAKE) as at_work:
        touches, whole = at_work(package, tmp_path / "undisturbed") or 0, rows(undisturbed)
        assert whole == [1, 1, 1, COUNT, COUNT]
        count = sample(6, 60)
        for seed in range(count):
            chance, archive = random.Random(seed), site(tmp_path / f"site-{seed}")
            archive.engine.dispose()
            moment = dying.Moment(round(touches * (seed + chance.random()) / count) or 1, chance.choice((0, 0.002)))
            assert at_work(package, tmp_path / f"site-{seed}", at=moment) is None
            assert rows(archive) in ([0] * len(TABLES), whole), f"seed {seed}"
            archive.admit_whole(images, "lung", "mona", Wish("case_1", "visit_1"))
            assert rows(archive) == whole, f"seed {seed}"
