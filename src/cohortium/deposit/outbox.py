"""From the outbox to a destination.

An item counts as sent only after the destination has confirmed its digest. Killed between the two, the next run hands
it over again, and the destination, knowing the bytes, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from cohortium.deposit.parcels import Answer, Confirmed, Parcel, Sender, TableParcel
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.prove import receipts
from cohortium.spool import BATCH, Item, Spool
from cohortium.values import Reason, SetAside

__all__ = ["Outbox", "Word"]

Word = Callable[[str], tuple[str, str]]
"""The project of a pipeline, and the digest of its protocol."""


class Outbox:
    """What a site hands over from its spool, with its word for every file."""

    def __init__(self, site: str, key: SiteKey, spool: Spool, word: Word) -> None:
        self._site = site
        self._signer = key.signer()
        self._spool = spool
        self._word = word

    def deliver(self, destination: str, sender: Sender) -> int:
        """Hand over the next items that wait for the destination; returns how many, 0 where none is due.

        What it refuses is set aside. `Unavailable` where it can take nothing now: all of it waits, longer each time.
        """
        waiting = self._spool.due(destination, BATCH)
        for (pipeline, _), group in groupby(waiting, key=lambda item: (item.pipeline, item.table is None)):
            try:
                self._hand_over(destination, sender, pipeline, list(group))
            except Unavailable as error:
                self._spool.pause(destination, str(error))
                raise
        return len(waiting)

    def _hand_over(self, destination: str, sender: Sender, pipeline: str, items: list[Item]) -> None:
        project, protocol = self._word(pipeline)
        try:
            answers = self._send(destination, sender, items, project, protocol)
        except Corrupt:
            if not self._set_damaged_aside(destination, items):
                raise
            return  # the others are still due
        with self._spool.together():
            for item, answer in zip(items, answers, strict=True):
                self._note(item, destination, answer)
        late = [answer for answer in answers if isinstance(answer, Unavailable)]
        if len(late) == len(answers):
            raise late[0]
        self._spool.resume(destination)

    def _send(
        self, destination: str, sender: Sender, items: list[Item], project: str, protocol: str
    ) -> Sequence[Answer]:
        """Of items that are all images, or all tables."""

        def parcel(item: Item) -> dict[str, Any]:
            word = receipts.sign(self._signer, site=self._site, project=project, digest=item.digest, protocol=protocol)
            earlier = self._spool.earlier_digests(item, destination)
            return {"content": partial(self._spool.outgoing, item), "receipt": word, "earlier": earlier}

        if all(item.table for item in items):
            sheets = [
                TableParcel(f"{self._site}_{item.table.name}", item.table, **parcel(item))
                for item in items
                if item.table
            ]
            return [sender.send_table(project, each) for each in sheets]
        if not all(item.instance for item in items):
            raise Corrupt("an item is in the outbox and was never de-identified; compare with a backup")
        return sender.send(project, [Parcel(item.instance, **parcel(item)) for item in items if item.instance])

    def _note(self, item: Item, destination: str, answer: Answer) -> None:
        match answer:
            case Confirmed():
                self._spool.confirm(item, destination, str(answer))
            case Refused():
                self._spool.give_up(item, destination, SetAside(Reason.REFUSED, str(answer)))
            case Unavailable():
                self._spool.postpone(item, destination, str(answer))

    def _set_damaged_aside(self, destination: str, items: list[Item]) -> int:
        """Set aside what cannot be read from the spool, for which the others must not wait; returns how many."""
        count = 0
        for item in items:
            try:
                self._spool.outgoing(item)
            except Corrupt as error:
                self._spool.give_up(item, destination, SetAside(Reason.DAMAGED, str(error)))
                count += 1
        return count
