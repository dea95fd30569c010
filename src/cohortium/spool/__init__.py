"""The spool: what is on its way through a site, durable at every step and sealed at rest."""

from cohortium.spool.asides import choose
from cohortium.spool.cumulative import Absent, Delivery
from cohortium.spool.decisions import Area, Decision, Verdict, Word
from cohortium.spool.deliveries import Backlog, backlogs
from cohortium.spool.items import BATCH, Arrival, Came, Item, Made
from cohortium.spool.scratch import Scratch
from cohortium.spool.spool import Spool
from cohortium.spool.summary import Summary, arrived, summarise
from cohortium.spool.tables import MadeTable

__all__ = [
    "BATCH",
    "Absent",
    "Area",
    "Arrival",
    "Backlog",
    "Came",
    "Decision",
    "Delivery",
    "Item",
    "Made",
    "MadeTable",
    "Scratch",
    "Spool",
    "Summary",
    "Verdict",
    "Word",
    "arrived",
    "backlogs",
    "choose",
    "summarise",
]
