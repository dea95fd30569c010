"""Nothing waits for the disk any more: tests kill processes, and cut no power.

What is synced when is seen from outside, in processes that do not call this: test_objects.py, test_on_sqlite.py.
"""

from __future__ import annotations

import os

from cohortium.store import on_sqlite

__all__ = ["begin"]


def begin() -> None:
    """From now on, in this process and its children by fork."""
    os.fsync = lambda _: None
    on_sqlite.SETTINGS = (*on_sqlite.SETTINGS, "synchronous=OFF")
