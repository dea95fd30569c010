"""A subject withdraws at the site: what waits in the spool goes, and what comes later gets no further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cohortium import config, keys
from cohortium.archive import Archive
from cohortium.store import open_store, schema


def test_what_is_held_of_a_subject_who_withdrew_goes_and_nothing_more_comes(
    hospital: Any, make: Callable[..., bytes]
) -> None:
    for number in (1, 2):
        hospital.put(f"whole-{number}.dcm", make(number, series=2))
    for number in (1, 2, 4):
        hospital.put(f"missing-{number}.dcm", make(number, series=1))
    first = hospital.run()
    assert (first.states["sent"], first.states["held"]) == (2, 3)
    assert "withdrawn" not in first.states
    assert _spooled(hospital)
    settings = config.load(hospital.file)
    engine = open_store(settings)
    archive = Archive(engine, settings.site.data, keys.load(settings.site.key, settings.site.data))
    (subject,) = [row["PatientID"] for row in hospital.rows(schema.subject)]
    archive.withdraw("study", subject, who="ada", reason="asked")
    engine.dispose()
    hospital.put("e.dcm", make(3, series=2))
    second = hospital.run()
    assert (second.states["held"], second.states["withdrawn"], second.states["sent"]) == (0, 4, 2)
    assert second.quarantined == {}
    assert not _spooled(hospital)
    assert hospital.rows(schema.instance) == []
    assert hospital.run().states == second.states


def _spooled(hospital: Any) -> list[str]:
    return [path.name for path in (hospital.root / "data" / "spool").glob("*/*") if path.is_file()]
