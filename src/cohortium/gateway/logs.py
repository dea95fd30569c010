"""The log of a gateway: lines of Cohortium's own words, to a file that is turned over by size, or to standard error.

What always holds: nothing that another library says is written, and no message of an exception; both may quote what was
sent. Of those a line tells who spoke and where in the code, which is enough to ask for the rest.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from cohortium.config import Gateway
from cohortium.errors import Unavailable

__all__ = ["LogFile", "logged"]

OURS = "cohortium"
MEGABYTE = 1_000_000


class LogFile(RotatingFileHandler):
    """The file; `reopen` may be called by a signal handler, at any moment."""

    _again = False

    def reopen(self) -> None:
        """Write the next line to a file of the same name, which somebody else moved away."""
        self._again = True

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if self._again and self.stream:
            self.stream.close()
            self.stream = self._open()
        self._again = False
        super().emit(record)


class Lines(logging.Formatter):
    """One record a line; frames of an exception follow, without what it says."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        told = _told(record)
        frames = f"\n{told['frames'].rstrip()}" if "frames" in told else ""
        return f"{told['time']} {told['level']:<8} {told['from']}: {told['message']}{frames}"


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return json.dumps(_told(record), ensure_ascii=False)


@contextmanager
def logged(settings: Gateway, folder: Path) -> Iterator[LogFile | None]:
    """While the block runs, everything is logged as configured; yields the file, where there is one."""
    handler: logging.Handler = logging.StreamHandler()
    if settings.log:
        try:
            (folder / settings.log).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handler = LogFile(
                folder / settings.log,
                maxBytes=settings.log_megabytes * MEGABYTE,
                backupCount=settings.log_files,
                encoding="utf-8",
            )
        except OSError as error:
            raise Unavailable(f"gateway.log cannot be written: {error.strerror}") from None
    handler.setFormatter(JsonLines() if settings.log_json else Lines())
    root, level = logging.getLogger(), logging.getLogger(OURS).level
    root.addHandler(handler)
    logging.getLogger(OURS).setLevel(logging.INFO)
    try:
        yield handler if isinstance(handler, LogFile) else None
    finally:
        logging.getLogger(OURS).setLevel(level)
        root.removeHandler(handler)
        handler.close()


def _told(record: logging.LogRecord) -> dict[str, str]:
    is_ours = record.name.partition(".")[0] == OURS
    told = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "from": record.name,
        "message": record.getMessage() if is_ours else f"said something at line {record.lineno} of {record.module}",
    }
    if record.exc_info and record.exc_info[1]:
        error = record.exc_info[1]
        told["frames"] = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__
    return told
