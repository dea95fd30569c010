"""What waits in a project's prearchive, and its consent records: the pages of its owners."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium import find
from cohortium.archive import Archive, Kind, consents
from cohortium.archive.prearchive import opened
from cohortium.errors import Refused
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.api.prearchive import mended
from cohortium.web.auth import RowId, demand_form_token, reading, record, user
from cohortium.web.portal.templating import render
from cohortium.wire import api

__all__ = [
    "consent_records",
    "mend",
    "name_viewer",
    "prearchive",
    "record_consent",
    "unname_viewer",
    "withdraw_consent",
]

Text = Annotated[str, Form()]


def prearchive(request: Request, name: str) -> Response:
    """What was refused, why, and what can be done about it."""
    return _waiting(request, name)


def mend(
    request: Request,
    name: str,
    entry: RowId,
    act: Text = "offer",
    label: Text = "",
    file: Text = "",
    kind: Text = "",
    form: Text = "",
) -> Response:
    """Offer an entry again, a file perhaps under other names, or let it go."""
    demand_form_token(request, form)
    archive: Archive = request.app.state.archive
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        held = find.waiting(connection, user(request), entry)
    if held is None or held.project_id != project_id or (kind and kind not in set(Kind)):
        raise HTTPException(404)
    try:
        if act == "drop":
            archive.drop(entry, user(request).name)
        else:
            before, _ = opened(archive.objects, held.address, whole=False)
            wish = api.OfferWish.model_construct(label=label[:64], name=file[:255], kind=kind or None)
            archive.reoffer(entry, user(request).name, before and mended(before, wish))
    except Refused as refusal:
        return _waiting(request, name, str(refusal), 422)
    return RedirectResponse(f"/projects/{name}/prearchive", 303)


def consent_records(request: Request, name: str) -> Response:
    """Consent records, and who sees the videos of each."""
    return _consents(request, name)


def record_consent(
    request: Request,
    name: str,
    reference: Text = "",
    scope: Text = "",
    holder: Text = "",
    date: Text = "",
    form: Text = "",
) -> Response:
    """Record a consent, never its form."""
    demand_form_token(request, form)
    if scope not in set(consents.Scope):
        raise HTTPException(400)
    try:
        with request.app.state.engine.begin() as connection:
            project_id = grants.id_of(connection, user(request), name, May.DELETE)
            made = consents.Record(reference.strip(), consents.Scope(scope), holder.strip(), date)
            consents.record(connection, project_id, made, user(request).name)
            record(request, connection, "record consent", f"{name}/{made.reference}", project_id, May.DELETE)
    except Refused as refusal:
        return _consents(request, name, str(refusal), 422)
    return RedirectResponse(f"/projects/{name}/consents", 303)


def withdraw_consent(request: Request, name: str, consent_id: RowId, reason: Text = "", form: Text = "") -> Response:
    """End a consent: what was filmed under it is destroyed."""
    demand_form_token(request, form)
    held, archive = _consent(request, name, consent_id), request.app.state.archive
    try:
        archive.withdraw_consent(name, held.reference, who=user(request).name, reason=reason)
    except Refused as refusal:
        return _consents(request, name, str(refusal), 422)
    return RedirectResponse(f"/projects/{name}/consents", 303)


def name_viewer(request: Request, name: str, consent_id: RowId, person: Text = "", form: Text = "") -> Response:
    """Let a person who may read the project see the videos of a record."""
    demand_form_token(request, form)
    held = _consent(request, name, consent_id)
    try:
        with request.app.state.engine.begin() as connection:
            consents.name_viewer(connection, held.id, person.strip(), user(request).name)
            record(request, connection, "name viewer", f"{name}/{held.reference}", held.project_id, May.DELETE)
    except Refused as refusal:
        return _consents(request, name, str(refusal), 422)
    return RedirectResponse(f"/projects/{name}/consents", 303)


def unname_viewer(request: Request, name: str, consent_id: RowId, person: Text = "", form: Text = "") -> Response:
    """Show them these videos no more."""
    demand_form_token(request, form)
    held = _consent(request, name, consent_id)
    with request.app.state.engine.begin() as connection:
        consents.unname_viewer(connection, held.id, person)
        record(request, connection, "unname viewer", f"{name}/{held.reference}", held.project_id, May.DELETE)
    return RedirectResponse(f"/projects/{name}/consents", 303)


def _waiting(request: Request, name: str, problem: str = "", status: int = 200) -> Response:
    archive: Archive = request.app.state.archive
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        project = grants.shown(connection, project_id)
        found = find.waiting_in(connection, user(request), project_id)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "list prearchive", name, project_id, May.DELETE)
    entries = [(each, opened(archive.objects, each.address, whole=False)[0]) for each in found]
    values = {"project": project, "entries": entries, "kinds": Kind, "problem": problem}
    return render(request, "prearchive.html", status, **values)


def _consents(request: Request, name: str, problem: str = "", status: int = 200) -> Response:
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        project = grants.shown(connection, project_id)
        found = find.consents(connection, user(request), project_id)
    values = {"project": project, "records": found, "scopes": consents.Scope, "problem": problem}
    return render(request, "consents.html", status, **values)


def _consent(request: Request, name: str, consent_id: int) -> find.ConsentRow:
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.DELETE)
        found = find.consents(connection, user(request), project_id)
    held = next((each for each in found if each.id == consent_id), None)
    if held is None:
        raise HTTPException(404)
    return held
