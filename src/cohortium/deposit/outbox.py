"""From the outbox into the archive.

An item counts as deposited only after the archive has it. Killed between the two, the next run hands it over again, and
the archive, knowing the bytes, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from cohortium.archive import Archive
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

    def deposit(self, item: Item, project: str, protocol: str) -> None:
        """Vouch for the item's bytes (`protocol`: its digest), hand them over; set aside what the archive refuses."""
        if item.instance is None:
            raise Corrupt(f"item {item.name} is in the outbox and was never de-identified; compare with a backup")
        receipt = receipts.sign(
            self.key.signer(), site=self.site, project=project, digest=item.instance.digest, protocol=protocol
        )
        try:
            self.archive.admit(self.spool.outgoing(item), project, receipt, who=f"site {self.site}")
        except Refused as refusal:
            self.spool.settle(item, State.QUARANTINED, SetAside(Reason.REFUSED, str(refusal)))
        else:
            self.spool.settle(item, State.DEPOSITED)
