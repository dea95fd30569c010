"""From the outbox into the archive.

An item counts as deposited only after the archive has it. Killed between the two, the next run hands it over again, and
the archive, knowing the bytes, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohortium.archive import Archive, Offer
from cohortium.errors import Corrupt, Refused
from cohortium.keys import SiteKey
from cohortium.prove import receipts
from cohortium.spool import Item, Spool
from cohortium.values import Reason, SetAside, State

__all__ = ["Depositor"]


@dataclass(frozen=True, slots=True)
class Depositor:
    """A site that hands over from its spool to an archive."""

    site: str
    key: SiteKey
    spool: Spool
    archive: Archive

    def deposit(self, items: Sequence[Item], project: str, protocol: str) -> int:
        """Hand the items over with the site's word for each (`protocol`: its digest); returns how many they were.

        What the archive refuses is set aside.
        """
        offers = (self._offer(item, project, protocol) for item in items)
        answers = self.archive.admit_all(offers, project, who=f"site {self.site}")
        with self.spool.together():
            for item, answer in zip(items, answers, strict=True):
                if isinstance(answer, Refused):
                    self.spool.settle(item, State.QUARANTINED, SetAside(Reason.REFUSED, str(answer)))
                else:
                    self.spool.settle(item, State.DEPOSITED)
        return len(items)

    def _offer(self, item: Item, project: str, protocol: str) -> Offer:
        if item.instance is None:
            raise Corrupt(f"item {item.name} is in the outbox and was never de-identified; compare with a backup")
        receipt = receipts.sign(
            self.key.signer(), site=self.site, project=project, digest=item.instance.digest, protocol=protocol
        )
        return Offer(self.spool.outgoing(item), receipt)
