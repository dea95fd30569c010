"""A picture that may show a face goes on once a person who looked says that it shows none."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from cohortium import gateway, keys
from cohortium.config import load
from cohortium.prove import provenance
from cohortium.spool import Decision, Spool, Verdict, choose
from cohortium.store import open_store, schema
from cohortium.values import Reason
from hospital import slice_of

CONFIGURATION = """
[[project]]
name = "study"
[[pipeline]]
name = "all"
source = "incoming"
project = "study"
protocol = "faceless.toml"
gate = false
"""
PROTOCOL = """
name = "faceless"
version = "1"
title = "Heads without faces"
edition = "2026c"
base = "basic"
options = ["Clean Recognizable Visual Features"]
"""


def test_a_released_face_is_sent(tmp_path: Path) -> None:
    keys.create(tmp_path / "keys" / "site.key")
    (tmp_path / "cohortium.toml").write_text(CONFIGURATION)
    (tmp_path / "faceless.toml").write_text(PROTOCOL)
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "1.dcm").write_bytes(slice_of(1))
    site = load(tmp_path / "cohortium.toml")
    assert gateway.run(site, lambda *_: None).quarantined == {Reason.FACE.value: 1}
    engine = open_store(site)
    people = Spool(engine, site.site.data / "spool", keys.load(site.site.key, site.site.data))
    with people.reading() as connection:
        (item,) = choose(connection, reason=Reason.FACE)
    assert people.decide([item], Decision(Verdict.RELEASE, "ada", "a phantom, no head")) == 1
    again = gateway.run(site, lambda *_: None)
    assert (again.states["sent"], again.quarantined) == (1, {})
    with people.reading() as connection:
        (made,) = provenance.of(connection, str(connection.scalar(select(schema.instance.c.digest))))
    assert made.reviewer == "ada"
