"""From the outbox to a destination.

An item counts as sent only after the destination has confirmed its digest. Killed between the two, the next run hands
it over again, and the destination, knowing the bytes, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import groupby

from cohortium.deposit.parcels import Parcel, Sender
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

        What it refuses is set aside; `Unavailable`, and all of it waits, where it can take nothing now.
        """
        waiting = self._spool.due(destination, BATCH)
        for pipeline, group in groupby(waiting, key=lambda item: item.pipeline):
            items = list(group)
            try:
                self._hand_over(destination, sender, pipeline, items)
            except Unavailable as error:
                self._spool.postpone(items, destination, str(error))
                raise
        return len(waiting)

    def _hand_over(self, destination: str, sender: Sender, pipeline: str, items: list[Item]) -> None:
        project, protocol = self._word(pipeline)
        answers = sender.send(project, [self._parcel(item, project, protocol) for item in items])
        with self._spool.together():
            for item, answer in zip(items, answers, strict=True):
                if isinstance(answer, Refused):
                    self._spool.give_up(item, destination, SetAside(Reason.REFUSED, str(answer)))
                else:
                    self._spool.confirm(item, destination, answer)

    def _parcel(self, item: Item, project: str, protocol: str) -> Parcel:
        if item.instance is None:
            raise Corrupt(f"item {item.name} is in the outbox and was never de-identified; compare with a backup")
        receipt = receipts.sign(
            self._signer, site=self._site, project=project, digest=item.instance.digest, protocol=protocol
        )
        return Parcel(item.instance, partial(self._spool.outgoing, item), receipt)
