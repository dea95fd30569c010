"""Rows of clinical tables come back from a backup, but for those of who withdrew since."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cohortium.archive import Address, Destination, Kind, Level
from cohortium.store import schema

LB = "USUBJID,DOMAIN,LBSEQ,LBTESTCD,LBSTRESN\nS-0001,LB,1,HGB,132\nS-0002,LB,1,HGB,91.5\n"


def people(site: Any) -> list[str]:
    query = select(schema.clinical_subject.c.USUBJID).join_from(schema.clinical_row, schema.clinical_subject)
    with site.engine.begin() as connection:
        return sorted(connection.scalars(query))


def newest(site: Any) -> bytes:
    table = schema.resource_file
    with site.engine.begin() as connection:
        row = connection.execute(select(table).order_by(table.c.version.desc())).first()
    return bytes(site.archive.objects.get(Address(row.key_id, row.digest, row.size)))


def test_rows_come_back_and_who_withdrew_since_leaves_them_again(site: Any, tmp_path: Path) -> None:
    with site.engine.begin() as connection:
        connection.execute(schema.project.update().values(admit="trusted"))
    to = Destination(Level.PROJECT, None, Kind.CLINICAL, "clinical", "north_lb.csv")
    site.archive.attach(io.BytesIO(LB.encode()), to, "lung", "ada")
    taken = site.back_up().backup
    before = site.rows()
    back = site.restore(tmp_path / "whole")
    assert back.rows() == before
    assert (people(back), newest(back)) == (["S-0001", "S-0002"], LB.encode())
    site.archive.withdraw("lung", "S-0001", who="ada", reason="test")
    site.back_up()
    older = site.restore(tmp_path / "older", taken)
    assert people(older) == ["S-0002"]
    older.archive.keep_up_tables()  # as a worker does
    assert newest(older) == LB.replace("S-0001,LB,1,HGB,132\n", "").encode()
    assert people(older) == ["S-0002"]
    for each in (back, older):
        each.engine.dispose()
