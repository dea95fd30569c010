"""From the bytes of a clinical table to its rows in the store, a batch at a time.

A batch is written with the count of rows that are in by then, in one transaction: killed anywhere, or begun by two at
once, every row is in once. Rows of who has gone are never written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from cohortium.archive.clinical import sheets
from cohortium.archive.clinical.sheets import Row, Sheet
from cohortium.archive.clinical.tables import State, note, unnoted
from cohortium.archive.objects import Objects, find
from cohortium.archive.tombstones import gone
from cohortium.clinical.records import Roles
from cohortium.clinical.tables import domains
from cohortium.errors import Malformed
from cohortium.store import insert_each_once
from cohortium.store.schema import clinical_row, clinical_subject, clinical_table, project, resource_file

__all__ = ["USUBJID", "keep_up", "load", "persons"]

USUBJID = "USUBJID"
AT_ONCE = 10_000  # rows a transaction
LONGEST = 200  # characters of a USUBJID


def load(engine: Engine, project_id: int, digest: str, content: bytes, media_type: str) -> None:
    """Bring the rows of a table that waits into the store, from where they stand on; does nothing once they are in."""
    with engine.execution_options(reading=True).connect() as connection:
        where = clinical_table.c.project_id == project_id, clinical_table.c.digest == digest
        table = connection.execute(select(clinical_table).where(*where)).mappings().one_or_none()
    if table is None or table["state"] != State.WAITING:
        return
    try:
        sheet = sheets.opened(content, media_type)
        domain = _demand_sdtm(sheet, table["domain"])
    except Malformed as error:
        with engine.begin() as connection:
            said = {"state": State.UNREADABLE, "why": str(error)}
            connection.execute(update(clinical_table).where(clinical_table.c.id == table["id"]).values(**said))
        return
    _Loading(engine, table["id"], project_id, sheet, domain).run(table["rows"])


def keep_up(engine: Engine, objects: Objects) -> None:
    """Read what waits to be read, and what an earlier release took in."""
    while True:
        with engine.begin() as connection:
            some = unnoted(connection, AT_ONCE)
            for row in some:
                note(connection, *row)
        if not some:
            break
    with engine.execution_options(reading=True).connect() as connection:
        waiting = select(clinical_table.c.project_id, clinical_table.c.digest, resource_file.c.media_type)
        same = (resource_file.c.project_id == clinical_table.c.project_id) & (
            resource_file.c.digest == clinical_table.c.digest
        )
        query = waiting.join(resource_file, same).where(clinical_table.c.state == State.WAITING).distinct()
        rows = connection.execute(query).all()
    for project_id, digest, media_type in rows:
        with engine.execution_options(reading=True).connect() as connection:
            at = find(connection, project_id, digest)
        if at is not None:
            load(engine, project_id, digest, objects.get(at), media_type)


def persons(sheet: Sheet) -> Iterator[tuple[Row, str]]:
    """Each row with its USUBJID, empty where it has none."""
    at = sheet.headings.index(USUBJID)
    for row in sheet.rows():
        whom = row.cells[at].strip()
        yield row, whom if len(whom) <= LONGEST else ""


def _demand_sdtm(sheet: Sheet, named: str) -> str:
    """The domain of the table; `Malformed` where it is of none, or its rows cannot be told apart by subject."""
    said = ""
    if "DOMAIN" in sheet.headings:
        first = next(sheet.rows(), None)
        said = first.cells[sheet.headings.index("DOMAIN")].strip().upper() if first else ""
    domain = named or said
    if domain not in domains():
        raise Malformed("neither its name nor its DOMAIN says a domain of SDTM")
    if said and said != domain:
        raise Malformed("its name says another domain than its rows")
    if USUBJID not in sheet.headings:
        raise Malformed("it has no column USUBJID, so nobody can say whom its rows are about")
    if len(set(sheet.headings)) != len(sheet.headings) or not all(sheet.headings):
        raise Malformed("two of its columns have one heading, or one has none")
    return domain


class _Loading:
    """One table on its way."""

    def __init__(self, engine: Engine, table: int, project_id: int, sheet: Sheet, domain: str) -> None:
        self.engine = engine
        self.table = table
        self.project_id = project_id
        self.sheet = sheet
        self.domain = domain
        self.roles = Roles(domain, frozenset(sheet.headings))

    def run(self, done: int) -> None:
        """The rows behind the first `done`; ends where another process is ahead."""
        rows = islice(persons(self.sheet), done, None)
        while some := list(islice(rows, AT_ONCE)):
            with self.engine.begin() as connection:
                if not self._claim(connection, done, some[-1][0].number):
                    return
                self._write(connection, [(row, whom) for row, whom in some if whom])
                nobody = sum(not whom for _, whom in some)
                self._say(connection, nobody=clinical_table.c.nobody + nobody)
            done = some[-1][0].number
        with self.engine.begin() as connection:
            if self._claim(connection, done, done):
                self._say(connection, state=State.READ, domain=self.domain, headings=list(self.sheet.headings))

    def _claim(self, connection: Connection, before: int, after: int) -> bool:
        mine = clinical_table.c.id == self.table, clinical_table.c.rows == before
        waits = clinical_table.c.state == State.WAITING
        return connection.execute(update(clinical_table).where(*mine, waits).values(rows=after)).rowcount == 1

    def _say(self, connection: Connection, **values: Any) -> None:
        connection.execute(update(clinical_table).where(clinical_table.c.id == self.table).values(**values))

    def _write(self, connection: Connection, rows: Sequence[tuple[Row, str]]) -> None:
        entry = connection.execute(select(project).where(project.c.id == self.project_id)).mappings().one()
        names = {whom for _, whom in rows}
        left_out = names & gone(connection, entry)
        if left_out:
            self._say(connection, outdated=True)
        ids = self._ids(connection, sorted(names - left_out))
        made = [{"person_id": ids[whom], **self._row(row)} for row, whom in rows if whom in ids]
        if made:
            connection.execute(insert(clinical_row), made)

    def _ids(self, connection: Connection, names: Sequence[str]) -> Mapping[str, int]:
        insert_each_once(
            connection, clinical_subject, [{"project_id": self.project_id, "USUBJID": each} for each in names]
        )
        columns = clinical_subject.c.USUBJID, clinical_subject.c.id
        here = clinical_subject.c.project_id == self.project_id
        found: dict[str, int] = {}
        for at in range(0, len(names), 500):
            some = clinical_subject.c.USUBJID.in_(names[at : at + 500])
            found |= {row.USUBJID: row.id for row in connection.execute(select(*columns).where(here, some))}
        return found

    def _row(self, row: Row) -> dict[str, Any]:
        values = {
            name: text
            for name, cell in zip(self.sheet.headings, row.cells, strict=True)
            if name != USUBJID and (text := cell.strip())
        }
        return {"table_id": self.table, "row": row.number, "variables": values, **self.roles.record(values)._asdict()}
