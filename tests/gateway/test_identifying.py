"""What comes of a series that was seen to identify somebody is held, later slices too, until a person lets it go."""

from __future__ import annotations

from pathlib import Path

from cohortium import gateway, keys
from cohortium.archive import inspections
from cohortium.archive.inspections import Verdict
from cohortium.config import load
from cohortium.spool import Decision, Spool, choose
from cohortium.spool import Verdict as Word
from cohortium.store import open_store
from hospital import slice_of

CONFIGURATION = """
[[project]]
name = "study"
[[pipeline]]
name = "all"
source = "incoming"
project = "study"
gate = false
"""


def test_a_later_slice_of_it_is_held_too(tmp_path: Path) -> None:
    keys.create(tmp_path / "keys" / "site.key")
    (tmp_path / "cohortium.toml").write_text(CONFIGURATION)
    (tmp_path / "incoming").mkdir()
    for number in (1, 2):
        (tmp_path / "incoming" / f"{number}.dcm").write_bytes(slice_of(number))
    site = load(tmp_path / "cohortium.toml")
    assert gateway.run(site, lambda *_: None).states["sent"] == 2
    engine = open_store(site)
    with engine.begin() as connection:
        inspections.ask(connection, 1, "ada")
        (drawn,) = inspections.waiting(connection)
        inspections.judge(connection, drawn.id, Verdict.IDENTIFIES, "a name at the top", "bob", {"archive": 2})
        inspections.deal(connection, drawn.id, "the users were told", "bob")
    (tmp_path / "incoming" / "3.dcm").write_bytes(slice_of(3))
    (tmp_path / "incoming" / "4.dcm").write_bytes(slice_of(4, series=2))
    states = gateway.run(site, lambda *_: None).states
    assert (states["sent"], states["held"]) == (3, 1)
    people = Spool(engine, site.site.data / "spool", keys.load(site.site.key, site.site.data))
    with people.reading() as connection:
        (item,) = choose(connection)
    assert item.set_aside == drawn.aside
    people.decide([item], Decision(Word.RELEASE, "ada", "this one shows nobody"))
    assert gateway.run(site, lambda *_: None).states["sent"] == 4
