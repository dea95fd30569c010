"""What waits in a project's prearchive, and its consent records: for owners."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException

from cohortium import find
from cohortium.archive import Archive, Destination, Kind, Level, ResourceFile, consents
from cohortium.archive.prearchive import Held, opened
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.auth import RowId, reading, record, user
from cohortium.wire import api

__all__ = [
    "drop",
    "list_consents",
    "mended",
    "name_viewer",
    "offer",
    "put_consent",
    "unname_viewer",
    "waiting",
    "withdraw_consent",
]


def waiting(request: Request, name: str) -> list[api.Waiting]:
    """What the archive's check refused, and why; the newest first."""
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        found = find.waiting_in(connection, user(request), project_id)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "list prearchive", name, project_id, May.DELETE)
    return [api.Waiting.model_validate(each) for each in found]


def offer(request: Request, name: str, entry: RowId, wish: api.OfferWish) -> api.Offered:
    """Offer it to the archive again, a file perhaps under another name, label or kind."""
    held = _held(request, name, entry)
    archive: Archive = request.app.state.archive
    before, _ = opened(archive.objects, held.address, whole=False)
    made = archive.reoffer(entry, user(request).name, before and mended(before, wish))
    return api.Offered(digest=made.digest, file_id=made.id if isinstance(made, ResourceFile) else None)


def drop(request: Request, name: str, entry: RowId) -> None:
    """Let it go, with its bytes."""
    archive: Archive = request.app.state.archive
    archive.drop(_held(request, name, entry).id, user(request).name)


def mended(before: Destination, wish: api.OfferWish) -> Destination:
    """The place as it was, but for what the wish says."""
    level = Level(wish.level) if wish.level else before.level
    of = (wish.of if wish.level else before.of) if level is not Level.PROJECT else None
    kind = Kind(wish.kind) if wish.kind else before.kind
    texts = (wish.label or before.label, wish.name or before.name, wish.consent or before.consent)
    return Destination(level, of, kind, *texts)


def list_consents(request: Request, name: str) -> list[api.Consent]:
    """The project's consent records."""
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        return [api.Consent.model_validate(each) for each in find.consents(connection, user(request), project_id)]


def put_consent(request: Request, name: str, wish: api.ConsentWish) -> api.Consent:
    """Record a consent: never its form, which stays with the holder."""
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        made = consents.Record(wish.reference, consents.Scope(wish.scope), wish.holder, wish.date)
        row = consents.record(connection, project_id, made, user(request).name)
        record(request, connection, "record consent", f"{name}/{wish.reference}", project_id, May.DELETE)
        found = find.consents(connection, user(request), project_id)
    return api.Consent.model_validate(next(each for each in found if each.id == row))


def withdraw_consent(request: Request, name: str, consent_id: RowId, wish: api.Reason) -> api.Consent:
    """End a consent: what was filmed under it is destroyed."""
    held = _consent(request, name, consent_id)
    archive: Archive = request.app.state.archive
    archive.withdraw_consent(name, held.reference, who=user(request).name, reason=wish.reason)
    return api.Consent.model_validate(_consent(request, name, consent_id))


def name_viewer(request: Request, name: str, consent_id: RowId, person: str) -> api.Consent:
    """Let a person who may read the project see the videos of a record."""
    held = _consent(request, name, consent_id)
    with request.app.state.engine.begin() as connection:
        consents.name_viewer(connection, held.id, person, user(request).name)
        record(request, connection, "name viewer", f"{name}/{held.reference}", held.project_id, May.DELETE)
    return api.Consent.model_validate(_consent(request, name, consent_id))


def unname_viewer(request: Request, name: str, consent_id: RowId, person: str) -> None:
    """Show them these videos no more."""
    held = _consent(request, name, consent_id)
    with request.app.state.engine.begin() as connection:
        consents.unname_viewer(connection, held.id, person)
        record(request, connection, "unname viewer", f"{name}/{held.reference}", held.project_id, May.DELETE)


def _held(request: Request, name: str, entry: int) -> Held:
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        found = find.waiting(connection, user(request), entry)
    if found is None or found.project_id != project_id:
        raise HTTPException(404)
    return found


def _consent(request: Request, name: str, consent_id: int) -> find.ConsentRow:
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        found = find.consents(connection, user(request), project_id)
    held = next((each for each in found if each.id == consent_id), None)
    if held is None:
        raise HTTPException(404)
    return held
