"""The spool: what is on its way through a site, durable at every step and sealed at rest."""

from cohortium.spool.items import Arrival, Item
from cohortium.spool.spool import Spool

__all__ = ["Arrival", "Item", "Spool"]
