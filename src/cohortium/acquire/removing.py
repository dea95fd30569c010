"""Files of a watched folder that are removed once all that they brought is durable, if they are as they were taken.

What is no DICOM file, or could not be taken, stays where it is: its bytes lie nowhere else. Folders that were emptied
go when nothing came into them for a while, for a sender may be about to fill them again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cohortium.acquire.folder import Seen, see

__all__ = ["EMPTY_FOR", "Removal"]

EMPTY_FOR = 3600.0  # seconds


class Removal:
    """What is still to be removed below `root`."""

    def __init__(self, root: Path, clock: Callable[[], float]) -> None:
        self._root, self._clock = root.resolve(), clock
        self._due: dict[Path, Seen] = {}
        self._emptied: dict[Path, float] = {}

    def add(self, seen: Seen) -> None:
        """All that the file brought is durable."""
        self._due[seen.found.path] = seen

    def carry_out(self) -> str:
        """Remove what can be; returns what kept the rest from it, and tries that again the next time."""
        problem = ""
        for path, seen in list(self._due.items()):
            try:
                if see(path, "") == seen:  # else it is another file by now
                    path.unlink()
                    self._emptied[path.parent] = self._clock()
            except OSError as error:
                problem = error.strerror or type(error).__name__
            else:
                del self._due[path]
        self._clear()
        return problem and (
            f"what was taken in cannot be removed from a source's folder ({problem}); allow it, or set `remove = false`"
        )

    def _clear(self) -> None:
        now = self._clock()
        for folder, since in list(self._emptied.items()):
            if now - since >= EMPTY_FOR:
                del self._emptied[folder]
                if folder != self._root:
                    with suppress(OSError):  # something is in it, or it is gone
                        folder.rmdir()
                        self._emptied[folder.parent] = now
