"""Tables as SAS transport files of version 5, as other programs read them, whatever they came as (extra `clinical`).

What always holds: rows keep their order and number; variables that cannot be called so in such a file are left out.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import polars as pl
import pyreadstat

from cohortium.clinical import reading, sdtm
from cohortium.clinical.reading import ROW
from cohortium.clinical.sdtm import Holds

__all__ = ["write"]

WIDEST = 200  # characters
NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")


def write(path: Path, domain: str, into: Path) -> None:
    """The table in `path`, CSV or transport file, as the file `into`; `Malformed` where it cannot be read."""
    if path.suffix.lower() == ".xpt":
        shutil.copyfile(path, into)
        return
    known = sdtm.variables(domain)
    frame = reading.read(path, None).frame.drop(ROW)
    frame = frame.select(name for name in frame.columns if NAME.fullmatch(name))
    numbers = [name for name in frame.columns if name in known and known[name].holds is Holds.NUMBER]
    texts = [name for name in frame.columns if name not in numbers]
    frame = frame.with_columns(
        pl.col(numbers).cast(pl.Float64, strict=False), pl.col(texts).fill_null("").str.slice(0, WIDEST)
    )
    labels: list[str | None] = [sdtm.label(domain, name) or name for name in frame.columns]
    pyreadstat.write_xport(frame, into, file_format_version=5, table_name=domain, column_labels=labels)
