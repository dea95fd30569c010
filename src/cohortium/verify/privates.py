"""Private elements are gone at every depth, unless the object says that safe ones were retained."""

from __future__ import annotations

from collections.abc import Iterator

from cohortium.verify.elements import RETAIN_PRIVATE, declared, each
from cohortium.verify.pairs import Opened

__all__ = ["Privates"]


class Privates:
    """Counts what went and what was declared to stay."""

    title = "Private elements are gone"

    def __init__(self) -> None:
        self._pairs = self._gone = self._kept = 0

    def see(self, pair: Opened) -> Iterator[str]:
        self._pairs += 1
        self._gone += sum(element.tag.is_private for _, element in each(pair.before))
        left = [path for path, element in each(pair.after) if element.tag.is_private]
        if RETAIN_PRIVATE in declared(pair.after):
            self._kept += len(left)
        else:
            yield from (f"{path}: private, and the option to retain safe ones is not declared" for path in left)

    def looked_at(self) -> str:
        return f"{self._gone} private elements of inputs in {self._pairs} pairs" if self._pairs else ""

    def note(self) -> str:
        return f"{self._kept} were retained as safe ones, as declared." if self._kept else ""
