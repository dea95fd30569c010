"""How fast a site is backed up, verified and restored, beside `cp -r` of its data root in the same run.

Objects are random bytes, sealed as the archive seals them; rows of provenance stand for rows of any kind.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes, token_hex
from time import perf_counter
from typing import Any

from sqlalchemy import insert

from cohortium import backup, config, keys
from cohortium.archive import Archive, storage_of
from cohortium.backup import Folder
from cohortium.store import open_store, schema
from cohortium.values import Protocol, SubjectRule

SIZE = 526_000  # bytes of a CT slice
PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="ab" * 32)
RECORD = '{"created":"2026-11-22T00:00:00.000000+00:00","project":"bench","protocol":"basic"}'


def made(folder: Path, objects: int, rows: int) -> config.Config:
    """A site with that many objects, and so many rows."""
    (folder / "cohortium.toml").write_text('[[project]]\nname = "bench"\ntitle = ""\n')
    settings = config.load(folder / "cohortium.toml")
    engine, key = open_store(settings), keys.create(settings.site.key)
    archive = Archive(engine, storage_of(settings), key)
    project = archive.open_project(settings.project("bench"), PROTOCOL)
    held = [archive.objects.keys.of(project, f"S{number}") for number in range(max(1, objects // 200))]
    for number in range(objects):
        archive.objects.put(held[number % len(held)], token_bytes(SIZE))
    with engine.begin() as connection:
        for _ in range(rows // 1000):
            some = [{"digest": token_hex(32), "output": token_hex(32), "record": RECORD} for _ in range(1000)]
            connection.execute(insert(schema.provenance), some)
    engine.dispose()
    return settings


def timed(what: str, do: Callable[[], Any], megabytes: float, base: float | None = None) -> float:
    started = perf_counter()
    do()
    seconds = perf_counter() - started
    beside = f"  {seconds / base:5.2f} x cp" if base else ""
    print(f"{what:<28}{seconds:7.2f} s {megabytes / seconds:7.0f} MB/s{beside}", flush=True)
    return seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--objects", type=int, default=800)
    arguments.add_argument("--rows", type=int, default=200_000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "site").mkdir()
        settings = made(folder / "site", options.objects, options.rows)
        key, engine = keys.load(settings.site.key, settings.site.data), open_store(settings)
        place, megabytes = Folder(folder / "target", "the target"), options.objects * SIZE / 1e6
        print(f"{options.objects} objects, {megabytes:.0f} MB; {options.rows} rows")

        def copy() -> None:
            subprocess.run(["cp", "-r", settings.site.data, folder / "copy"], check=True)
            subprocess.run(["sync", "-f", folder / "copy"], check=True)  # a backup is durable, so let this be too

        copy()
        shutil.rmtree(folder / "copy")
        base = timed("cp -r, and sync", copy, megabytes)
        shutil.rmtree(folder / "copy")
        timed("first backup", lambda: backup.back_up(settings, engine, key, place), megabytes, base)
        timed("second, nothing new", lambda: backup.back_up(settings, engine, key, place), megabytes, base)
        timed("verify", lambda: backup.check(place, key, lambda *_: None), megabytes, base)
        found = replace(settings, site=replace(settings.site, data=folder / "found"))
        journal = backup.journal(place, key)
        timed("restore", lambda: backup.restore(found, key, place, journal, lambda *_: None), megabytes, base)


if __name__ == "__main__":
    main()
