"""Where the next page of a search begins, so that a client that pages through it never counts rows again.

Only a hint: without one, or in another process, `offset` rows are counted off.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

__all__ = ["Bookmarks"]

MOST = 10_000


class Bookmarks:
    """The key of the last row before an offset of a person's search."""

    def __init__(self) -> None:
        self._keys: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()
        self._lock = Lock()

    def find(self, search: Hashable, offset: int) -> tuple[Any, ...] | None:
        with self._lock:
            return self._keys.get((search, offset))

    def keep(self, search: Hashable, offset: int, last: tuple[Any, ...]) -> None:
        with self._lock:
            self._keys[search, offset] = last
            if len(self._keys) > MOST:
                self._keys.popitem(last=False)
