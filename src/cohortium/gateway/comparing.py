"""Cumulative transfer: what lies in a pipeline's folders now, beside all that ever came by them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine

from cohortium import keys
from cohortium.acquire import folder
from cohortium.config import Config
from cohortium.errors import Refused
from cohortium.gateway.lines import folders_of
from cohortium.spool import Delivery, Spool
from cohortium.spool.comparisons import Comparisons
from cohortium.store import open_store

__all__ = ["compare"]


def compare(config: Config, pipeline: str, by: str, engine: Engine | None = None) -> Mapping[str, Delivery]:
    """By source; each is kept as the newest. Nothing else is changed, and a gateway may be at work meanwhile.

    `engine` is of the store, where it is open already. `Refused` where there is no folder.
    """
    found = folders_of(config, pipeline)
    if not found:
        raise Refused("the pipeline takes from no folder, and no other source says what it has altogether")
    key = keys.load(config.site.key, config.site.data)
    engine = engine or open_store(config)
    spool, comparisons = Spool(engine, config.site.data / "spool", key), Comparisons(engine, key)
    made = {each.name: spool.compare(each.name, folder.found(each.path)) for each in found}
    for source, delivery in made.items():
        comparisons.keep(source, delivery, by)
    return made
