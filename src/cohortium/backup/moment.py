"""One moment of a site that goes on working: the rows as they are then, and the spool's files that those rows name.

No writer commits while the moment begins, so rows and spool agree. The files are held by a second name each, for
the spool deletes its own as items move on; the objects are immutable and need none (`taking` says why).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

from cohortium.errors import Unavailable
from cohortium.store.schema import project

__all__ = ["WORK", "moment"]

WORK = ".backup"  # below the data root, while a backup is made
SPOOL = ("incoming", "outgoing")


@contextmanager
def moment(engine: Engine, data: Path) -> Iterator[Connection]:
    """A connection that sees one moment; `data / WORK / "spool"` holds the spool's files of that moment."""
    reading = engine.execution_options(reading=True).connect()
    try:
        with engine.begin():  # alone in writing
            transaction = reading.begin()
            if reading.dialect.name == "postgresql":
                reading.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")  # a target may be slow
            reading.scalar(select(func.count()).select_from(project))  # what was begun sees from here on
            _hold(data / "spool", data / WORK / "spool")
        with transaction:
            yield reading
    finally:
        reading.close()


def _hold(spool: Path, held: Path) -> None:
    shutil.rmtree(held, ignore_errors=True)
    for kind in SPOOL:
        (held / kind).mkdir(parents=True, mode=0o700)
        if (spool / kind).is_dir():
            for entry in os.scandir(spool / kind):
                if not entry.name.endswith(".part"):
                    _link(Path(entry.path), held / kind / entry.name)


def _link(file: Path, second: Path) -> None:
    try:
        os.link(file, second)
    except FileNotFoundError:
        return  # let go of by a row that moved on before this moment
    except OSError as error:
        raise Unavailable(f"site.data lies where files cannot have a second name ({error.strerror})") from None
