"""Whether a file that is no DICOM may come in: its type, what it says, what it is called, and a video's consent.

A receipt, or a project's trust, stands for the texts in a file; never for a type that is not known, for what may hide
in it, or for the characters of its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import Connection, RowMapping, select

from cohortium.archive import consents, files, resources
from cohortium.archive.clinical import loading, sheets
from cohortium.archive.incoming import Unfit
from cohortium.archive.resources import Destination, Kind, Level
from cohortium.archive.tombstones import gone
from cohortium.clinical.tables import domains
from cohortium.errors import Refused
from cohortium.store import schema
from cohortium.store.schema import consent
from cohortium.texts.said import Said
from cohortium.texts.wording import candidates, objection

__all__ = ["check", "objections"]

AT_ONCE = 500  # names that one query looks for
MOST_SAID = 3  # objections that one refusal names
OWN = (schema.subject.c.PatientID, schema.session.c.StudyInstanceUID, schema.scan.c.SeriesInstanceUID)


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a file that may come in: its type by its bytes, whose key seals it, its consent record's row."""

    media_type: str
    key_of: str
    consent: int | None


def check(
    connection: Connection, project: RowMapping, to: Destination, content: bytes, vouched: str, site: str = ""
) -> Checked:
    """`Checked` where the file may come in; `Unfit` where it may not, with places and never a value.

    The name of a clinical table may be made of the enrolled site's that vouches for it, and of SDTM's domains.
    """
    resources.demand_names(to)
    key_of = resources.subject_of(connection, project["id"], to)
    looked = files.look(content)
    consent_id = _consent(connection, project["id"], to, looked.media_type)
    if consent_id is not None:
        key_of = consents.key_name(to.consent)
    if to.kind is Kind.CLINICAL:
        _demand_nobody_gone(connection, project, looked.media_type, content)
    found: list[str] = []
    if vouched != "trusted":
        names = [Said("its name", to.name), Said("its label", to.label)]
        of_tables = {site, *map(str.lower, domains())} if to.kind is Kind.CLINICAL else ()
        found += objections(connection, project["id"], names, of_tables)
    if vouched == "check":
        found += objections(connection, project["id"], list(looked.said))
    if found:
        raise Unfit(f"not admitted: {'; '.join(found[:MOST_SAID])}")
    return Checked(looked.media_type, key_of, consent_id)


def _demand_nobody_gone(connection: Connection, project: RowMapping, media_type: str, content: bytes) -> None:
    """Raise `Refused` where a table has rows of who may not come in (again)."""
    who = gone(connection, project)
    if who and media_type in sheets.MEDIA_TYPES:
        sheet = sheets.opened(content, media_type)
        if loading.USUBJID in sheet.headings and (count := sum(whom in who for _, whom in loading.persons(sheet))):
            told = "subjects who withdrew from this project or were removed; send it without them"
            raise Refused(f"not admitted: {count} of its rows are about {told}")


def _consent(connection: Connection, project_id: int, to: Destination, media_type: str) -> int | None:
    if (to.kind is Kind.VIDEO) is not media_type.startswith("video/"):
        raise Unfit("not admitted: videos, and nothing else, are resources of the kind video")
    if to.kind is not Kind.VIDEO:
        return None
    if to.level is not Level.PROJECT:
        raise Unfit("not admitted: a video is identifiable and kept apart from subjects; attach it to the project")
    where = consent.c.project_id == project_id, consent.c.reference == to.consent, consent.c.withdrawn == ""
    found = connection.scalar(select(consent.c.id).where(*where))
    if found is None:
        raise Unfit("not admitted: a video needs a consent record that holds; make the record first")
    return int(found)


def objections(connection: Connection, project_id: int, said: Sequence[Said], known: Collection[str] = ()) -> list[str]:
    """What is wrong with texts that are to be kept in the project, by their places and never by a value."""
    known = _known(connection, project_id, said).union(known)
    found: dict[str, None] = {}
    for each in said:
        if reason := objection(each, known):
            found[reason] = None
            if len(found) == MOST_SAID:
                break
    return list(found)


def _known(connection: Connection, project_id: int, said: Iterable[Said]) -> frozenset[str]:
    """Of what is said, the identifiers of the project's own subjects, sessions and scans."""
    unclear = (each.text for each in said if objection(each, ()))
    sought = {text for text in chain.from_iterable(map(candidates, unclear)) if len(text) <= 64}
    return frozenset(_held(connection, project_id, sought))


def _held(connection: Connection, project_id: int, sought: Iterable[str]) -> Iterator[str]:
    texts = sorted(sought)
    for at in range(0, len(texts), AT_ONCE):
        for column in OWN:
            where = column.table.c.project_id == project_id, column.in_(texts[at : at + AT_ONCE])
            yield from connection.scalars(select(column).where(*where))
