"""A text in a file, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Said"]


@dataclass(frozen=True, slots=True)
class Said:
    """`place` names a field, chunk or column and never a value; `kind` is what its heading promises, if
    that identifies.

    `own` texts are those that the format itself writes there, in lower case: they say nothing of anybody.
    """

    place: str
    text: str
    kind: str = ""
    own: frozenset[str] = frozenset()
