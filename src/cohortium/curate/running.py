"""A run of checks over what the archive holds, carried out by a worker: the same engine as `cohortium check FOLDER`."""

from __future__ import annotations

import time
from concurrent.futures import Executor

from sqlalchemy import Engine

from cohortium.archive import datasets
from cohortium.archive.projects import name_of
from cohortium.check import Specification, load
from cohortium.check.examine import judge
from cohortium.config import Config
from cohortium.curate import runs, shelf
from cohortium.curate.runs import CHECK
from cohortium.errors import ConfigError, Refused
from cohortium.prove import audit

__all__ = ["CHECK", "carry_out"]

PAUSE = 1.0  # seconds between two words on how far it is
NO_OCR = {"privacy.pixels": "it was asked for without OCR"}


def carry_out(config: Config, engine: Engine, id: int, executor: Executor | None) -> None:
    """Carry out the run of that number; one that was done, or whose project is gone, needs nothing."""
    with engine.begin() as connection:
        run = runs.begin(connection, id)
        if run is None:
            return
        project = name_of(connection, run.project_id)
        version = datasets.find(connection, run.project_id, run.dataset) if run.dataset else None
    if run.dataset and version is None:
        raise Refused("the dataset version is not there any more")
    specification = _loaded(config, run.specification)
    with shelf.opened(config, id, run.project_id, version) as (delivery, gone):
        left_out = {} if run.ocr else NO_OCR
        report = judge(delivery, specification, executor, _Progress(engine, id), left_out)
    with engine.begin() as connection:
        changes = runs.end(connection, run, report, gone)
        said = [(f"finding {each.now}, was {each.before}", f"{project}/{each.id}") for each in changes]
        audit.record_all(connection, run.by, [*said, ("check", f"{project}/{id}")], basis="check")


def named(config: Config, specification: str) -> str:
    """A shipped specification by name; else the path, from where the configuration lies."""
    path = config.file.parent / specification
    return str(path) if path.suffix == ".toml" else specification


def _loaded(config: Config, specification: str) -> Specification:
    """`ConfigError` as the project's readers may see it: without where the configuration lies."""
    try:
        return load(named(config, specification))
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"{config.file.parent}/", "")) from None


class _Progress:
    """Writes down how far a run is, now and then: each word is a transaction."""

    def __init__(self, engine: Engine, id: int) -> None:
        self._engine, self._id, self._next = engine, id, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if time.monotonic() >= self._next or done == total:
            with self._engine.begin() as connection:
                runs.progress(connection, self._id, stage, done, total)
            self._next = time.monotonic() + PAUSE
