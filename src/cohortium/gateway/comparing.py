"""Cumulative transfer: what lies in a pipeline's folders now, beside all that ever came by them."""

from __future__ import annotations

from collections.abc import Mapping

from cohortium import keys
from cohortium.acquire import folder
from cohortium.config import Config
from cohortium.errors import Refused
from cohortium.gateway.lines import folders_of
from cohortium.spool import Delivery, Spool
from cohortium.store import open_store

__all__ = ["compare"]


def compare(config: Config, pipeline: str) -> Mapping[str, Delivery]:
    """By source; nothing is changed, and a gateway may be at work meanwhile. `Refused` where there is no folder."""
    found = folders_of(config, pipeline)
    if not found:
        raise Refused("the pipeline takes from no folder, and no other source says what it has altogether")
    spool = Spool(open_store(config), config.site.data / "spool", keys.load(config.site.key, config.site.data))
    return {each.name: spool.compare(each.name, folder.found(each.path)) for each in found}
