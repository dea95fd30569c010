"""What every way out takes and answers: parcels in, a confirmation or a refusal for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cohortium.errors import Refused
from cohortium.values import Instance, Receipt

__all__ = ["Parcel", "Sender"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One instance on its way out, its bytes when they are asked for, and the site's word for exactly these bytes."""

    instance: Instance
    content: Callable[[], bytes]
    receipt: Receipt


class Sender(Protocol):
    """One destination. It may be used by one thread at a time."""

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[str | Refused]:
        """Hand the parcels over; one answer each, in order: what confirms that their digest is there, or why not.

        `Unavailable` where the destination cannot take anything now: nothing is lost, all of it is sent again later,
        and what it had taken already it must not take twice.
        """
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...
