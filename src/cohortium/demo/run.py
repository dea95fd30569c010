"""The main job once through: a hospital's folder into an archive to look at, and the search for names that left."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from sqlalchemy import Connection, Engine, select

from cohortium import config, gateway, keys
from cohortium.acquire import folder
from cohortium.archive import Address, Archive, storage_of
from cohortium.demo import hospital
from cohortium.errors import Refused, Unavailable
from cohortium.govern import users
from cohortium.store import open_store, schema
from cohortium.verify import Report, search

__all__ = ["Demo", "run"]

Progress = Callable[[str, int, int], None]
MAKERS = frozenset({"Manufacturer", "ManufacturerModelName"})
NUMERIC = frozenset({"AS", "DA", "DS", "DT", "IS", "TM", "UI", "US"})
BOOKKEEPING = frozenset({"id", "digest", "size", "position"})

HOSPITAL = """\
# Two pipelines on one folder: CT under the protocol and checks of IMI DRAGON, all else under the Basic Profile.
[site]
name = "demo-hospital"

[[project]]
name = "lung-ct"
title = "Lung CT (IMI DRAGON)"

[[project]]
name = "all-else"
title = "Everything else (Basic Profile)"

[[pipeline]]
name = "ct"
source = {source}
project = "lung-ct"
protocol = "dragon"
modalities = ["CT"]

[[pipeline]]
name = "rest"
source = {source}
project = "all-else"
protocol = "basic"
specification = "basic"
gate = false
"""
OWN = """\
# One pipeline on your own folder: the Basic Profile; what the checks find is shown and holds nothing back.
[site]
name = "demo-hospital"

[[project]]
name = "own-images"
title = "Your own images (Basic Profile)"

[[pipeline]]
name = "own"
source = {source}
project = "own-images"
protocol = "basic"
specification = "basic"
gate = false
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """What came of it: where every file went, what the search found, and how to log in.

    `password` is None once the administrator has chosen one.
    """

    summary: gateway.Summary
    search: Report
    configuration: Path
    address: str
    password: str | None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        seconds = self.summary.seconds
        return {
            **self.summary.as_dict(),
            "files_per_second": round(self.summary.new_files / seconds, 1),
            "megabytes_per_second": round(self.summary.new_bytes / seconds / 1e6, 1),
            "identifying_values": {
                "found": len(self.search.hits),
                "searched_for": self.search.values,
                "outputs": self.search.outputs,
                "bytes": self.search.bytes,
                "hits": [{"where": hit.where, "at": hit.at, "kind": hit.kind} for hit in self.search.hits],
            },
            "next": {
                "command": f"cohortium serve --config {shlex.quote(str(self.configuration))}",
                "address": self.address,
                "user": "admin",
                "one_time_password": self.password,
            },
        }


def run(root: Path, own: Path | None, progress: Progress) -> Demo:
    """Run the demo below `root`, on a made-up hospital or on the folder `own`. Running again does nothing twice."""
    file = root / "cohortium.toml"
    _refuse_mixture(root, file, own)
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"the demo's folder cannot be made: {error.strerror}; name another with --root") from None
    planted: tuple[str, ...] = ()
    if own is None:
        progress("make", 0, 1)
        planted = hospital.make(root / "hospital")
        progress("make", 1, 1)
    _write(file, HOSPITAL if own is None else OWN, own.resolve() if own else Path("hospital"))
    settings = config.load(file)
    if not settings.site.key.exists():
        keys.create(settings.site.key)
    summary = gateway.run(settings, progress)
    engine = open_store(settings)
    try:
        report = _searched(settings, engine, planted, progress)
        password = users.ensure_administrator(engine)
    finally:
        engine.dispose()
    return Demo(summary, report, file, f"http://{settings.serve.host}:{settings.serve.port}/", password)


def _refuse_mixture(root: Path, file: Path, own: Path | None) -> None:
    """Nothing is written into people's own folder, and the search for names knows the names of one folder only."""
    if own and (root.resolve().is_relative_to(own.resolve()) or own.resolve().is_relative_to(root.resolve())):
        raise Refused("the demo's folder and your own lie one inside the other; name another for the demo with --root")
    if file.exists():
        (source,) = {pipeline.source.resolve() for pipeline in config.load(file).pipelines}
        if source != (own or root / "hospital").resolve():
            raise Refused(f"the demo in {root} is of another folder; remove it, or name another place with --root")


def _write(file: Path, template: str, source: Path) -> None:
    """The configuration, whole or not at all; the same input gives the same file."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(template.format(source=json.dumps(str(source), ensure_ascii=False)), "utf-8")
    part.replace(file)


def _searched(settings: config.Config, engine: Engine, planted: tuple[str, ...], progress: Progress) -> Report:
    """Search all that left: every object in the archive, and every row of its index."""
    source = settings.pipelines[0].source
    inputs = [path for path, problem in folder.walk(source) if not problem]
    objects = Archive(engine, storage_of(settings), keys.load(settings.site.key, settings.site.data)).objects
    with engine.execution_options(reading=True).connect() as connection:
        columns = Address.columns(schema.instance)
        held = [Address(*row) for row in connection.execute(select(*columns).order_by(schema.instance.c.digest))]

    def outputs() -> Iterator[tuple[str, bytes]]:
        for done, at in enumerate(held, start=1):
            yield at.digest, objects.get(at)
            progress("search", done, len(held))
        with engine.execution_options(reading=True).connect() as connection:
            yield from _index(connection)

    return search(inputs, outputs(), planted)


def _index(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """What the archive's index took over from images, row by row; findings are sentences of our own."""
    for table in (schema.subject, schema.session, schema.scan, schema.instance):
        columns = [column for column in table.c if column.name not in BOOKKEEPING and not column.foreign_keys]
        for row in connection.execute(select(*columns)).mappings():
            yield f"index: {table.name}", "\n".join(_texts(dict(row))).encode()


def _texts(row: Mapping[str, Any]) -> Iterator[str]:
    """The texts in a row, by keyword. Numbers, times and UIDs hold any four digits by chance, and makers bear names."""
    for keyword, value in row.items():
        if isinstance(value, Mapping):
            yield from _texts(value)
        elif keyword not in MAKERS and _vr(keyword) not in NUMERIC:
            yield from (str(each) for each in (value if isinstance(value, list) else [value]))


def _vr(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    return dictionary_VR(tag) if tag is not None else ""
