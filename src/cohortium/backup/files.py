"""A site's files that a backup holds beside rows and objects: the spool, what else lies below the data root, the
configuration with what lies beside it, and the projects' secrets. The site's key is never one of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from cohortium.backup.moment import WORK
from cohortium.config import Config
from cohortium.errors import Unavailable

__all__ = ["CONFIGURATION", "DATA", "SECRETS", "File", "home", "of_site"]

DATA, CONFIGURATION, SECRETS = "data", "configuration", "secrets"
ELSEWHERE = ("objects", "spool", "cohortium.sqlite", "cohortium.sqlite-wal", "cohortium.sqlite-shm")
BESIDE_AT_MOST = 1_000_000  # bytes of a file beside the configuration: protocols, scripts, terms


class File(NamedTuple):
    """A file, and where it belongs: `root` is one of the three kinds, `name` its path below."""

    root: str
    name: str
    path: Path


def home(config: Config, root: str) -> Path:
    """Where the files of that root lie at this site."""
    return {DATA: config.site.data, CONFIGURATION: config.file.parent, SECRETS: config.site.key.parent}[root]


def of_site(config: Config) -> Iterator[File]:
    """Every such file as it is now, the spool's as they were at the moment of the backup."""
    data = config.site.data
    held = data / WORK / "spool"
    for path in _walk(held):
        yield File(DATA, f"spool/{path.relative_to(held).as_posix()}", path)
    for path in _walk(data):
        name = path.relative_to(data).as_posix()
        if name.split("/")[0] not in ELSEWHERE and not name.endswith(("-journal", "-wal", "-shm")):
            yield File(DATA, name, _settled(path, data) if path.suffix == ".sqlite" else path)
    for path in sorted(_beside(config)):
        yield File(CONFIGURATION, path.relative_to(config.file.parent).as_posix(), path)
    for path in sorted(config.site.key.parent.glob("*.secret")):
        yield File(SECRETS, path.name, path)


def _walk(folder: Path) -> Iterator[Path]:
    """Every regular file below, but for names that begin with a dot."""
    if folder.is_dir():
        for entry in sorted(os.scandir(folder), key=lambda each: each.name):
            if entry.name.startswith(".") or entry.name.endswith(".part"):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _settled(path: Path, data: Path) -> Path:
    """A copy of a SQLite file as it is between two changes of it."""
    copy = data / WORK / path.name
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        with closing(sqlite3.connect(path, timeout=60)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path.name} below site.data cannot be copied ({error.sqlite_errorname})") from None
    return copy


def _beside(config: Config) -> Iterator[Path]:
    """The configuration, and small files in its folder; what it names elsewhere is for who named it."""
    folder = config.file.parent
    named = [config.serve.terms, config.mail.password_file, config.oidc.client_secret_file]
    named += [name for pipeline in config.pipelines for name in (pipeline.protocol, pipeline.specification)]
    below = {folder / name for name in named if name and (folder / name).resolve().is_relative_to(folder.resolve())}
    small = {path for path in folder.iterdir() if path.is_file() and path.stat().st_size <= BESIDE_AT_MOST}
    for path in {config.file} | below | small:
        is_plain = path.is_file() and not path.name.startswith(".") and path.suffix not in (".age", ".key", ".secret")
        if is_plain and not path.samefile(config.site.key):
            yield path
