"""A package killed with `kill -9` at any moment is in as a whole or not at all, and comes in the next time.

Sample: 6 kills; 60 with COHORTIUM_TEST_FULL=1.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select

import portal_site
from cohortium.archive import Archive, Wish
from cohortium.config import Project
from cohortium.keys import SiteKey
from cohortium.store import open_store, schema

COUNT = 40
TABLES = (schema.subject, schema.session, schema.scan, schema.instance, schema.header)
TESTS = Path(__file__).parents[1]
NURSERY = """
# Imports once, then for each line "seconds folder" takes the package in a child and kills it after so many seconds.
import os, signal, sys, time, unsynced
from pathlib import Path
from cohortium.archive import Archive, Wish
from cohortium.keys import SiteKey
from cohortium.store import open_store
images = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
unsynced.begin()
for line in sys.stdin:
    seconds, folder = line.rstrip("\\n").split(" ", 1)
    child = os.fork()
    if child == 0:
        archive = Archive(open_store(Path(folder)), Path(folder), SiteKey(bytes(32)))
        archive.admit_whole(images, "lung", "mona", Wish("case_1", "visit_1"))
        os._exit(0)
    time.sleep(float(seconds))
    os.kill(child, signal.SIGKILL)
    print("killed" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "ended", flush=True)
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
    started = time.perf_counter()
    undisturbed.admit_whole(images, "lung", "mona", Wish("case_1", "visit_1"))
    length, whole = time.perf_counter() - started, rows(undisturbed)
    assert whole == [1, 1, 1, COUNT, COUNT]
    found = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", NURSERY, str(package)], **pipes, cwd=TESTS, text=True) as nursery:
        assert nursery.stdin
        assert nursery.stdout
        count = sample(6, 60)
        for seed in range(count):
            moment = length * (seed + random.Random(seed).random()) / count
            archive = site(tmp_path / f"site-{seed}")
            archive.engine.dispose()
            nursery.stdin.write(f"{moment} {tmp_path / f'site-{seed}'}\n")
            nursery.stdin.flush()
            if nursery.stdout.readline() == "killed\n":
                found.append(rows(archive))
            assert rows(archive) in ([0] * len(TABLES), whole), f"seed {seed}"
            archive.admit_whole(images, "lung", "mona", Wish("case_1", "visit_1"))
            assert rows(archive) == whole, f"seed {seed}"
        nursery.stdin.close()
    assert found, "no kill came while a package was taken"
