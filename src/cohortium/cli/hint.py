"""What to type next, so that it can be copied as it stands."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["command"]


def command(*arguments: str) -> str:
    """The command line, with the program called as it was called now unless the shell finds it by its name."""
    called, found = Path(sys.argv[0]), shutil.which("cohortium")
    beside = called.name == "cohortium" and not (found and called.samefile(found))
    return shlex.join([sys.argv[0] if beside else "cohortium", *arguments])
