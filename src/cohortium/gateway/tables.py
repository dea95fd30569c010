"""Clinical tables between coming and going: de-identified under the pseudonyms and date shifts of the images.

What always holds: no row of a subject who withdrew before it left goes out, and a table of which rows stay behind waits
for somebody to say so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from hashlib import sha256
from io import BytesIO, TextIOWrapper

from cohortium import __version__
from cohortium.archive import Archive
from cohortium.deidentify.clinical.files import made
from cohortium.deidentify.clinical.table import WITHDRAWN, Account
from cohortium.deidentify.identifiers import Tokens
from cohortium.deidentify.register import Register
from cohortium.gateway.lines import Line
from cohortium.keys import SiteKey
from cohortium.prove.provenance import Provenance
from cohortium.spool import Item, MadeTable
from cohortium.store import now
from cohortium.values import ClinicalTable, Finding, Reason, SetAside, Severity

__all__ = ["Tables", "Told", "is_outdated", "left"]

ROWS_BEHIND, ROWS_WITHDRAWN = "clinical.rows-behind", "clinical.rows-withdrawn"
TOLD = 1 << 20  # bytes
MOST_NUMBERS = 200  # characters of the numbers of rows


def left(table: ClinicalTable) -> SetAside | None:
    """Why the table is to be held: rows of it stay behind; None where none does."""
    return SetAside(Reason.ROWS, f"{table.behind} of {table.rows}") if table.behind else None


def is_outdated(table: ClinicalTable, gone: Collection[str]) -> bool:
    """Whether others have withdrawn (`gone`, by pseudonym) than when it was made."""
    return table.without != _named(gone)


class Told(BytesIO):
    """A table that takes a while to read, and tells `beat` so, which may raise to end the reading."""

    def __init__(self, content: bytes, beat: Callable[[], None]) -> None:
        super().__init__(content)
        self._beat, self._read = beat, 0

    def read1(self, size: int | None = -1, /) -> bytes:
        found = super().read1(size)
        self._read += len(found)
        if self._read > TOLD:
            self._beat()
            self._read = 0
        return found


class Tables:
    """Makes the tables of one site."""

    def __init__(self, site: str, key: SiteKey, archive: Archive, register: Register) -> None:
        self._site = site
        self._key = key
        self._archive = archive
        self._register = register

    def make(self, line: Line, item: Item, name: str, content: BytesIO) -> tuple[MadeTable, bytes] | SetAside:
        """What leaves of the item's `content`, called `name` as it came, and how; or what keeps it from being made."""
        project, out = line.pipeline.project, BytesIO()
        text = TextIOWrapper(out, "utf-8", newline="")
        gone = self._archive.withdrawn(project)
        tokens, subjects = Tokens(self._key, project), line.deidentifier.subjects
        account = made(name, content, line.protocol, subjects, tokens, text, gone)
        if isinstance(account, SetAside):
            return account
        if account.rows and not account.written:
            return SetAside(Reason.NO_ROW)
        people = self._register.enter(account.people, project, line.protocol.dates)
        text.flush()
        output = out.getvalue()
        behind = sum(each.count for reason, each in account.aside.items() if reason != WITHDRAWN)
        table = ClinicalTable(
            digest=sha256(output).hexdigest(),
            size=len(output),
            name=f"{account.name}.csv",
            rows=account.rows,
            behind=behind,
            without=_named(gone),
        )
        findings = (*account.findings, *_behind(account), *dict.fromkeys(people.values()))
        return MadeTable(line.pipeline.name, table, findings, self._origin(line, item, table)), output

    def _origin(self, line: Line, item: Item, table: ClinicalTable) -> Provenance:
        return Provenance(
            output=table.digest,
            source=item.id,
            protocol=line.protocol.label,
            protocol_digest=line.protocol.digest,
            software=f"Cohortium {__version__}",
            site=self._site,
            project=line.pipeline.project,
            created=now(),
            subjects=line.protocol.subject.provenance,
        )


def _named(gone: Collection[str]) -> str:
    """A name for who withdrew; empty where nobody did."""
    return sha256("\n".join(sorted(gone)).encode()).hexdigest() if gone else ""


def _behind(account: Account) -> Iterator[Finding]:
    for reason, rows in account.aside.items():
        if reason == WITHDRAWN:
            yield Finding(ROWS_WITHDRAWN, Severity.INFO, f"{rows.count} rows stay behind: {reason}")
        else:
            numbers = str(rows)
            shown = numbers if len(numbers) <= MOST_NUMBERS else f"{numbers[:MOST_NUMBERS]} ..."
            message = f"{rows.count} rows stay behind: {reason} (row {shown}; the heading is row 1)"
            yield Finding(ROWS_BEHIND, Severity.WARNING, message)
