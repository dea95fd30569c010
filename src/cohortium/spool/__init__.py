"""The spool: what is on its way through a site, durable at every step and sealed at rest."""

from cohortium.spool.items import BATCH, Arrival, Item, Made
from cohortium.spool.spool import Spool
from cohortium.spool.summary import Summary, arrived, summarise

__all__ = ["BATCH", "Arrival", "Item", "Made", "Spool", "Summary", "arrived", "summarise"]
