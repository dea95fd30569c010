"""Every address, and who may call it. There are no others: default deny."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from cohortium.govern.roles import May
from cohortium.web import api, dicomweb, health, metrics, ohif, senders, xnat
from cohortium.web.api import openapi
from cohortium.web.api.files import content as file_content
from cohortium.web.auth import Access, guard
from cohortium.web.portal import (
    account,
    accounts,
    audit,
    completeness,
    datasets,
    files,
    flags,
    gateway,
    inspect,
    inspections,
    login,
    openid,
    pacs,
    pages,
    people,
    prearchive,
    quarantine,
    register,
    site,
)
from cohortium.web.route import Route
from cohortium.web.xnat import login as login_of_xnat

__all__ = ["ROUTES", "Route", "install"]


ROUTES = (
    Route("GET", "/health/gateway", health.gateway, Access.ANYONE),
    Route("GET", "/health/live", health.live, Access.ANYONE),
    Route("GET", "/health/ready", health.ready, Access.ANYONE),
    Route("GET", "/metrics", metrics.metrics, Access.ANYONE),  # which asks itself
    Route("GET", "/login", login.login_page, Access.ANYONE),
    Route("POST", "/login", login.log_in, Access.ANYONE),
    Route("GET", "/password", login.password_page, Access.CHOOSING),
    Route("POST", "/password", login.choose_password, Access.CHOOSING),
    Route("POST", "/logout", login.log_out, Access.ANYONE),
    Route("GET", "/register", register.register_page, Access.ANYONE),
    Route("POST", "/register", register.register, Access.ANYONE),
    Route("GET", "/openid/login", openid.begin, Access.ANYONE),
    Route("GET", "/openid/callback", openid.finish, Access.ANYONE),
    Route("GET", "/terms", register.terms_page, Access.AGREEING),
    Route("POST", "/terms", register.accept_terms, Access.AGREEING),
    Route("GET", "/account", account.account, Access.IN_PERSON),
    Route("POST", "/account/tokens", account.make_token, Access.IN_PERSON),
    Route("POST", "/account/tokens/{token_id}/revoke", account.revoke_token, Access.IN_PERSON),
    Route("GET", "/", login_of_xnat.home, Access.LOGGED_IN),
    Route("GET", "/projects/{name}", pages.project, May.SEE),
    Route("GET", "/projects/{name}/people", people.people, May.MANAGE),
    Route("POST", "/projects/{name}/people", people.give_role, May.MANAGE),
    Route("POST", "/projects/{name}/people/withdraw", people.withdraw_role, May.MANAGE),
    Route("POST", "/projects/{name}/invitations", people.invite, May.MANAGE),
    Route("POST", "/projects/{name}/invitations/{invitation_id}/withdraw", people.withdraw_invitation, May.MANAGE),
    Route("POST", "/projects/{name}/visibility", people.make_visible, May.MANAGE),
    Route("GET", "/projects/{name}/files", files.list_files, May.READ),
    Route("POST", "/projects/{name}/files", files.upload, May.WRITE),
    Route("GET", "/files/{file_id}", files.file, May.READ),
    Route("GET", "/files/{file_id}/content", file_content, May.READ),
    Route("POST", "/files/{file_id}/remove", files.remove, May.DELETE),
    Route("GET", "/projects/{name}/prearchive", prearchive.prearchive, May.DELETE),
    Route("POST", "/projects/{name}/prearchive/{entry}", prearchive.mend, May.DELETE),
    Route("GET", "/projects/{name}/consents", prearchive.consent_records, May.DELETE),
    Route("POST", "/projects/{name}/consents", prearchive.record_consent, May.DELETE),
    Route("POST", "/projects/{name}/consents/{consent_id}/withdraw", prearchive.withdraw_consent, May.DELETE),
    Route("POST", "/projects/{name}/consents/{consent_id}/viewers", prearchive.name_viewer, May.DELETE),
    Route("POST", "/projects/{name}/consents/{consent_id}/viewers/withdraw", prearchive.unname_viewer, May.DELETE),
    Route("GET", "/people", accounts.accounts, May.ADMINISTER),
    Route("POST", "/people/standing", accounts.change_standing, May.ADMINISTER),
    Route("POST", "/people/state", accounts.change_state, May.ADMINISTER),
    Route("POST", "/people/invitations", accounts.invite, May.ADMINISTER),
    Route("POST", "/people/invitations/{invitation_id}/withdraw", accounts.withdraw_invitation, May.ADMINISTER),
    Route("GET", "/audit", audit.page, May.AUDIT),
    Route("GET", "/audit/export", audit.export, May.AUDIT),
    Route("GET", "/site", site.state, May.MAINTAIN),
    Route("GET", "/scans/{scan_id}", pages.scan, May.READ),
    *gateway.ROUTES,
    *pacs.ROUTES,
    *completeness.ROUTES,
    *quarantine.ROUTES,
    *inspect.ROUTES,
    *inspections.ROUTES,
    *flags.ROUTES,
    *datasets.ROUTES,
    *api.ROUTES,
    Route("GET", "/ohif/{path:path}", ohif.file, Access.LOGGED_IN),
    *dicomweb.ROUTES,
    *senders.ROUTES,
    *xnat.ROUTES,
)


def install(app: FastAPI) -> None:
    """Give the application its routes, each behind its guard."""
    app.router.routes.extend(_made())


@cache
def _made() -> tuple[BaseRoute, ...]:
    """Made once: they hold nothing of an application, and to read the types of every endpoint takes a while."""
    router = APIRouter()
    for route in ROUTES:
        dependencies = [Depends(guard(route.access))]
        if route.path.startswith(openapi.PREFIX):
            openapi.add(router, route, dependencies=dependencies)
        else:
            options: dict[str, Any] = {"include_in_schema": False, "response_model": None}
            router.add_api_route(
                route.path, route.endpoint, methods=[route.method], dependencies=dependencies, **options
            )
    return tuple(router.routes)
