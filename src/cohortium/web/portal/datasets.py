"""Dataset versions in the portal: frozen, listed, cited, compared; and the lists of scans that they are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import Form, Query, Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium import find
from cohortium.archive import citation, comparison, datasets, lists
from cohortium.archive.clinical import tables
from cohortium.archive.datasets import Version
from cohortium.errors import Refused
from cohortium.find.attributes import Level
from cohortium.govern import grants
from cohortium.govern.grants import Shown
from cohortium.govern.roles import May
from cohortium.web.auth import demand_form_token, reading, record, searched, user
from cohortium.web.portal.charts import overlap
from cohortium.web.portal.templating import render
from cohortium.web.route import Route

__all__ = ["ROUTES"]

Text = Annotated[str, Form()]
Called = Annotated[str, Query(max_length=64)]
MOST_SCANS = 50_000  # of one list
SHOWN = 100  # files of a list of differences, or of what is gone


def versions(request: Request, name: str) -> Response:
    """The project's versions and lists."""
    return _page(request, name)


def freeze(
    request: Request,
    name: str,
    called: Text = "",
    description: Text = "",
    source: Text = "",
    with_unusable: Text = "",
    form: Text = "",
) -> Response:
    """Freeze the project, or one of its lists."""
    demand_form_token(request, form)
    try:
        with request.app.state.engine.begin() as connection:
            project_id = grants.id_of(connection, user(request), name, May.WRITE)
            chosen = lists.find(connection, project_id, source) if source else None
            if source and chosen is None:
                raise Refused("that list is gone; choose another")
            who, all_of_it = user(request).name, bool(with_unusable)
            made = datasets.freeze(
                connection,
                project_id,
                called.strip(),
                who,
                source=chosen,
                description=description,
                with_unusable=all_of_it,
            )
            record(request, connection, "freeze dataset", f"{name}/{made.digest}", project_id, May.WRITE)
    except Refused as error:
        return _page(request, name, problem=str(error), status=422)
    return RedirectResponse(f"/projects/{name}/datasets/{made.digest}", 303)


def version(request: Request, name: str, dataset: str) -> Response:
    """A version: what is in it, how to cite it, how to get it, what is gone since."""
    with reading(request).connect() as connection:
        project = _project(connection, request, name)
        found = _version(connection, project, dataset)
        gone = list(islice(comparison.gone(connection, found), SHOWN + 1))
        clinical = next(tables.files_of(connection, found), None)
        others = [each for each in datasets.versions(connection, project.id) if each.id != found.id]
    cited = citation.sentence(found, project.title, request.app.state.config.site.name)
    values: dict[str, Any] = {
        "dataset": found,
        "clinical": clinical,
        "gone": gone[:SHOWN],
        "more_gone": len(gone) > SHOWN,
    }
    return render(request, "dataset.html", project=project, others=others, cited=cited, **values)


def compare(request: Request, name: str, first: Called = "", second: Called = "") -> Response:
    """Two versions of the project side by side; of which none is named, the two newest."""
    with reading(request).connect() as connection:
        project = _project(connection, request, name)
        if not first and not second:
            newest = datasets.versions(connection, project.id)[:2]
            second, first = ([each.digest for each in newest] * 2 or ["", ""])[:2]
        a, b = _version(connection, project, first), _version(connection, project, second)
        found = comparison.compare(connection, a, b)
        differences = comparison.scans(connection, a, b, limit=SHOWN + 1)
    values: dict[str, Any] = {"first": a, "second": b, "found": found, "picture": overlap(found)}
    more = len(differences) > SHOWN
    return render(
        request, "comparison.html", project=project, differences=differences[:SHOWN], more=more, shown=SHOWN, **values
    )


def save_list(
    request: Request, name: str, called: Text = "", modality: Text = "", description: Text = "", form: Text = ""
) -> Response:
    """Save the scans of the project that match as a list."""
    demand_form_token(request, form)
    wanted = {"00080060": modality.strip().upper(), "0008103E": f"*{words}*" if (words := description.strip()) else ""}
    try:
        with request.app.state.engine.begin() as connection:
            project_id = grants.id_of(connection, user(request), name, May.WRITE)
            matched = _matching(connection, request, name, wanted)
            lists.save(connection, project_id, called.strip(), matched, user(request).name)
            what = f"{name}/{called.strip()}?{searched(request, Modality=modality, SeriesDescription=description)}"
            record(request, connection, "save list", what, project_id, May.WRITE)
    except Refused as error:
        return _page(request, name, problem=str(error), status=422)
    return RedirectResponse(f"/projects/{name}/datasets", 303)


def remove_list(request: Request, name: str, called: Text = "", form: Text = "") -> Response:
    """Forget a list; versions that were frozen from it stay."""
    demand_form_token(request, form)
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), name, May.WRITE)
        if not lists.remove(connection, project_id, called):
            raise HTTPException(404)
        record(request, connection, "remove list", f"{name}/{called}", project_id, May.WRITE)
    return RedirectResponse(f"/projects/{name}/datasets", 303)


ROUTES = (
    Route("GET", "/projects/{name}/datasets", versions, May.READ),
    Route("POST", "/projects/{name}/datasets", freeze, May.WRITE),
    Route("GET", "/projects/{name}/datasets/{dataset}", version, May.READ),
    Route("GET", "/projects/{name}/comparison", compare, May.READ),
    Route("POST", "/projects/{name}/lists", save_list, May.WRITE),
    Route("POST", "/projects/{name}/lists/remove", remove_list, May.WRITE),
)


def _matching(connection: Connection, request: Request, name: str, wanted: Mapping[str, str]) -> Sequence[str]:
    values = tuple((tag, text) for tag, text in wanted.items() if text)
    found = find.search(connection, user(request), find.Search(Level.SERIES, name, (), values), limit=MOST_SCANS)
    if found.more:
        raise Refused(f"more than {MOST_SCANS:,} scans match; narrow it, or freeze the whole project")
    if not found.rows:
        raise Refused("no scan of the project matches")
    return [row["SeriesInstanceUID"] for row in found.rows]


def _project(connection: Connection, request: Request, name: str) -> Shown:
    return grants.shown(connection, grants.id_of(connection, user(request), name, May.READ))


def _version(connection: Connection, project: Shown, called: str) -> Version:
    found = datasets.find(connection, project.id, called)
    if found is None:
        raise HTTPException(404)
    return found


def _page(request: Request, name: str, *, problem: str = "", status: int = 200) -> Response:
    with reading(request).connect() as connection:
        project = _project(connection, request, name)
        found, saved = datasets.versions(connection, project.id), lists.lists(connection, project.id)
        writes = name in grants.names(connection, user(request), May.WRITE)
    values: dict[str, Any] = {"versions": found, "lists": saved, "writes": writes, "problem": problem}
    return render(request, "datasets.html", status, project=project, **values)
