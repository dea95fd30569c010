"""Files that link patients to pseudonyms or show what was found: never among what is given away, and for one owner."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cohortium.errors import Refused, Unavailable

__all__ = ["refuse_inside", "write"]


def refuse_inside(path: Path, option: str, folders: Iterable[Path]) -> None:
    """Refuse a secret that would lie in a folder of the data, where it would leave with them or be read as one."""
    target = path.resolve()
    if any(target.is_relative_to(folder.resolve()) for folder in folders):
        raise Refused(f"{option} lies inside SRC or DST, and it is a secret; choose a place apart")


def write(path: Path, text: str) -> None:
    """Write the text with mode 0600, whole or not at all; a missing folder is made with mode 0700."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        raise Unavailable(f"{path.name} cannot be written: {error.strerror}") from None
    finally:
        if part.exists():
            part.unlink()
