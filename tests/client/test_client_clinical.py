"""The client asks about clinical rows: tables, cohorts, a timeline, and what cannot be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_archive import Archive
from cohortium.errors import Malformed, Refused
from cohortium.store import schema
from cohortium.wire import api

LB = "USUBJID,DOMAIN,LBSEQ,LBTESTCD,LBSTRESN\nS-0001,LB,1,A1C,48\nS-0002,LB,1,A1C,61\nS-0009,LB,1,A1C,70\n"


def a1c(operator: api.OperatorName, value: str, field: str = "number") -> api.RowCondition:
    comparison = api.RowComparison(field=field, operator=operator, value=value)
    return api.RowCondition(domain="LB", topic="A1C", comparisons=[comparison])


def found(archive: Archive, **wish: object) -> list[str]:
    with archive.client as client:
        return [each.PatientID for each in client.cohort("lung", api.CohortWish(**wish))]


def test_rows_are_asked_about(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "lb.csv").write_text(LB.replace("S-0009", "4711"))
    with archive.served.engine.begin() as connection:
        connection.execute(schema.project.update().values(admit="trusted"))
    with archive.client as client:
        client.upload("lung", tmp_path / "lb.csv", kind="clinical", label="clinical")
        (table,) = client.clinical("lung")
        assert (table.name, table.domain, table.state, table.stored, table.unlinked) == ("lb.csv", "LB", "read", 3, 1)
        frozen = client.freeze("lung", "first")
        assert [each.digest for each in client.clinical("lung", frozen.name)] == [table.digest]
        session, row = client.timeline("lung", "S-0001")
        assert session.session is not None
        assert row.row is not None
        assert (session.session.StudyDate, row.row.number, row.row.variables["LBTESTCD"]) == ("20240131", 48, "A1C")
        with pytest.raises(Refused, match="404"):
            list(client.timeline("lung", "4711"))
    assert found(archive) == found(archive, limit=1) == ["S-0001", "S-0002"]
    assert found(archive, rows=[a1c(">", "50")], dataset="first") == ["S-0002"]
    ct = api.ImageCondition(level="scan", field="modality", operator="=", value="CT")
    assert found(archive, rows=[a1c("<", "50")], images=[ct]) == ["S-0001"]
    assert found(archive, rows=[a1c("<", "50")], images=[ct.model_copy(update={"value": "MR"})]) == []
    for wrong in (
        {"rows": [a1c("<", "much")]},
        {"images": [ct.model_copy(update={"field": "date"})]},
        {"images": [ct.model_copy(update={"operator": "<"})]},
    ):
        with pytest.raises(Malformed, match="400"):
            found(archive, **wrong)
    with pytest.raises(Refused, match="404"):
        found(archive, dataset="none")
