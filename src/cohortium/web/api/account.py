"""Who is asking: standing, tokens, and the terms of use."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException

from cohortium.errors import Refused
from cohortium.govern import grants, terms, tokens
from cohortium.govern.roles import ALLOWED, ON_SITE, May, Scope
from cohortium.web.auth import RowId, reading, record, user
from cohortium.wire import api

__all__ = ["accept_terms", "list_tokens", "make_token", "me", "revoke_token", "terms_in_force"]


def me(request: Request) -> api.Me:
    """Who is asking, and what they may do with the whole site."""
    who = user(request)
    may = sorted(each.value for each in ALLOWED[who.standing] & who.scope & ON_SITE)
    return api.Me(name=who.name, standing=who.standing.value, in_person=who.in_person, may=may)


def list_tokens(request: Request) -> list[api.Token]:
    """The caller's tokens, newest first, ended ones too."""
    with reading(request).connect() as connection:
        return [api.Token.model_validate(each) for each in tokens.of(connection, user(request))]


def make_token(request: Request, wish: api.TokenWish) -> api.TokenMade:
    """Make a token; a name is taken once, so that a request sent twice makes one."""
    with request.app.state.engine.begin() as connection:
        who = user(request)
        project_id = grants.id_of(connection, who, wish.project, May.READ) if wish.project else None
        made = tokens.make(connection, who, wish.name.strip(), Scope(wish.scope), wish.days, project_id)
        record(request, connection, "make token", f"{wish.scope} {wish.project}".strip())
    return api.TokenMade(token=made)


def revoke_token(request: Request, token_id: RowId) -> None:
    """End a token."""
    with request.app.state.engine.begin() as connection:
        if tokens.revoke(connection, user(request), token_id) is None:
            raise HTTPException(404)
        record(request, connection, "revoke token", str(token_id))


def terms_in_force(request: Request) -> api.Terms:
    """The terms of use in force, and whether the caller has accepted them."""
    found = _terms(request)
    return api.Terms(text=found.text, digest=found.digest, accepted=user(request).terms == found.digest)


def accept_terms(request: Request, wish: api.TermsWish) -> api.Terms:
    """Accept exactly the version that was read."""
    found = _terms(request)
    if wish.digest != found.digest:
        raise Refused("other terms are in force now; read those")
    with request.app.state.engine.begin() as connection:
        terms.accept(connection, user(request), found)
        record(request, connection, "accept terms", found.digest)
    return api.Terms(text=found.text, digest=found.digest, accepted=True)


def _terms(request: Request) -> terms.Terms:
    found: terms.Terms | None = request.app.state.terms
    if found is None:
        raise HTTPException(404)
    return found
