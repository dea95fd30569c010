"""Temporary files that libraries make of their own accord, and programs that they start: below the spool, too."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["temporary_below"]

VARIABLE = "TMPDIR"  # what programs look at


@contextmanager
def temporary_below(spool: Path) -> Iterator[None]:
    """Let them lie there, for the whole process; what a process that was killed left is removed."""
    folder = spool / "temporary"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    programs, os.environ[VARIABLE] = os.environ.get(VARIABLE), str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        del os.environ[VARIABLE]
        if programs is not None:
            os.environ[VARIABLE] = programs
        shutil.rmtree(folder, ignore_errors=True)
