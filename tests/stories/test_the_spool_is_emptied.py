"""When everything was sent, nothing identifying is left of it at the site, not even under seal, nor in freed pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cohortium.store import schema


def everything(data: Path) -> dict[str, bytes]:
    """Every byte below the data root: spool, database, its log, all else."""
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def in_spool(data: Path) -> list[Path]:
    return [path for path in (data / "spool").rglob("*") if path.is_file() and path.name != ".lock"]


def test_nothing_is_left_of_what_was_sent(hospital: Any, make: Callable[..., bytes], planted: tuple[str, ...]) -> None:
    data = hospital.root / "data"
    for number in (1, 2, 3, 5, 6):  # the fourth is missing, so that the series is held
        hospital.put(f"TULIPAN/{number}.dcm", make(number))
    hospital.put("TULIPAN/letter.txt", b"Dear colleague, Ottilie ...")
    hospital.run()
    held = [row["path"] for row in hospital.rows(schema.arrival) if row["path"]]
    files = [path.read_bytes() for path in in_spool(data)]
    assert (len(held), len(files)) == (5, 10)
    database = everything(data)["cohortium.sqlite"]
    assert all(path in database for path in held), "or this test could not fail"

    hospital.put("TULIPAN/4.dcm", make(4))
    hospital.put("copies/4.dcm", make(4))
    hospital.run()
    assert {row["state"] for row in hospital.rows(schema.item)} == {"sent", "not DICOM"}
    assert [row for row in hospital.rows(schema.arrival) if row["path"]] == []
    assert in_spool(data) == []
    for name, content in everything(data).items():
        assert not [path for path in held if path in content], name
        assert not [file for file in files if file[100:200] in content], name
        assert not [value for value in (*planted, "WARD-SEVEN", "TULIPAN") if value.encode() in content], name
