"""The API's own description: an OpenAPI document made of the routes, and a page of ours that shows it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from cohortium import __version__
from cohortium.web.portal.templating import render
from cohortium.web.route import Route
from cohortium.wire import api

__all__ = ["PREFIX", "add", "describe", "document", "page"]

PREFIX = "/api/v1"
ABOUT = """Programs show an API token: `Authorization: Bearer TOKEN`. Errors are problems (RFC 9457). A list that
goes on elsewhere names the next page in its `Link` header."""
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
SECURITY: dict[str, Any] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "password": {"type": "http", "scheme": "basic", "description": "A name and a password, or a token as password."},
    "login": {"type": "apiKey", "in": "cookie", "name": "cohortium", "description": "A login to the portal."},
}
RANGED = {206: "The bytes that `Range` asked for.", 304: "What `If-None-Match` names."}


def add(router: APIRouter, route: Route, **options: Any) -> None:
    """Give the router a route of the API; its endpoint's types say what it hears and answers."""
    responses: dict[int | str, dict[str, Any]] = {"default": {"description": "A problem.", "content": PROBLEM}}
    if route.media_type != "application/json":
        is_text = route.media_type.endswith("json")
        content = {route.media_type: {"schema": {} if is_text else {"type": "string", "format": "binary"}}}
        responses[route.status] = {"description": "The content.", "content": content}
    about = {"x-access": route.access.value, "operationId": _name(route)}
    router.add_api_route(
        route.path,
        route.endpoint,
        methods=[route.method],
        status_code=route.status,
        responses=responses,
        openapi_extra=about,
        tags=[_tag(route)],
        **options,
    )


def describe(routes: list[BaseRoute], address: str) -> dict[str, Any]:
    """The OpenAPI document of these routes, at this public address."""
    made = get_openapi(
        title="Cohortium", version=__version__, description=ABOUT, routes=routes, servers=[{"url": address}]
    )
    components = made.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = api.Problem.model_json_schema()
    components["securitySchemes"] = SECURITY
    made["security"] = [{name: []} for name in SECURITY]
    for path in made["paths"].values():
        for operation in path.values():
            _mend(operation)
    return made


def document(request: Request) -> Response:
    """This document."""
    return JSONResponse(_described(request), media_type="application/vnd.oai.openapi+json")


def page(request: Request) -> Response:
    """This document as a page."""
    described = _described(request)
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            shown = {"method": method.upper(), "path": path, **operation}
            groups.setdefault(operation["tags"][0], []).append(shown)
    schemas = described["components"]["schemas"]
    return render(request, "api.html", groups=groups, schemas=schemas, about=described["info"]["description"])


def _described(request: Request) -> dict[str, Any]:
    app: FastAPI = request.app
    if app.openapi_schema is None:
        app.openapi_schema = describe(app.routes, app.state.public.address)
    return app.openapi_schema


def _mend(operation: dict[str, Any]) -> None:
    """FastAPI says of every answer that it is JSON; and ranges are nothing that a type could say."""
    for answer in list(operation["responses"].values()):
        content = answer.get("content", {})
        if len(content) > 1:
            content.pop("application/json", None)
        if content.keys() & {"*/*", "application/dicom", "application/octet-stream"}:
            operation["responses"] |= {str(code): {"description": text} for code, text in RANGED.items()}


def _name(route: Route) -> str:
    module = route.endpoint.__module__.rsplit(".", 1)[-1]
    return f"{module}.{route.endpoint.__name__}"


def _tag(route: Route) -> str:
    first = route.path.removeprefix(f"{PREFIX}/").split("/")[0]
    return "this API" if first in ("docs", "openapi.json") else first
