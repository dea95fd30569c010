"""What nobody decides about goes after gateway.keep_days, and not a day before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cohortium import gateway, keys
from cohortium.archive import Archive, storage_of
from cohortium.config import load
from cohortium.gateway.chain import Chain
from cohortium.spool import Spool
from cohortium.store import open_store
from cohortium.values import State
from hospital import slice_of

CONFIGURATION = """
[gateway]
keep_days = {days}
[[project]]
name = "study"
[[pipeline]]
name = "all"
source = "incoming"
project = "study"
hold = true
"""


@pytest.mark.parametrize(("days", "left"), [(30, 0), (0, 2)])
def test_what_is_held_or_quarantined_expires(tmp_path: Path, days: int, left: int) -> None:
    keys.create(tmp_path / "keys" / "site.key")
    (tmp_path / "cohortium.toml").write_text(CONFIGURATION.format(days=days))
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "cut.dcm").write_bytes(slice_of(1)[:-100])
    (tmp_path / "incoming" / "whole.dcm").write_bytes(slice_of(2))
    config = load(tmp_path / "cohortium.toml")
    gateway.run(config, lambda *_: None)
    key, engine = keys.load(config.site.key, config.site.data), open_store(config)
    with Spool(engine, config.site.data / "spool", key) as spool:
        chain = Chain(config, key, spool, Archive(engine, storage_of(config), key), lambda *_: None)
        moment = datetime.now(UTC)
        assert chain.expire(moment + timedelta(days=29)) == 0
        assert (spool.count(State.HELD), spool.count(State.QUARANTINED)) == (1, 1)
        assert chain.expire(moment + timedelta(days=31)) == 2 - left
        assert spool.count(State.REJECTED) == 2 - left
        assert len(list((spool.folder / "incoming").iterdir())) == left
