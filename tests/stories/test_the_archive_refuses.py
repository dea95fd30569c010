"""What the archive turns away goes into quarantine, and the rest of the outbox goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import update

from cohortium.store import open_store, schema


def test_an_instance_that_came_another_way_with_other_bytes(hospital: Any, make: Callable[..., bytes]) -> None:
    hospital.put("1.dcm", make(1))
    hospital.run()
    (row,) = hospital.rows(schema.instance)
    with open_store(hospital.root / "data").begin() as connection:  # somebody else's, under the UID that 2 will have
        connection.execute(update(schema.item).values(SOPInstanceUID="2.25.1", SeriesInstanceUID="2.25.2"))
        connection.execute(update(schema.instance).values(digest="00" * 32))
    hospital.put("again.dcm", make(1, lambda dataset: setattr(dataset, "PixelData", b"\5" * 512)))
    hospital.put("2.dcm", make(2))
    summary = hospital.run()
    assert summary.quarantined == {"refused by the archive": 1}
    assert summary.states["sent"] == 2
    assert "SOPInstanceUID" in summary.set_aside[0].detail
    assert row["SOPInstanceUID"] in {each["SOPInstanceUID"] for each in hospital.rows(schema.instance)}
