"""Roles and invitations in a project, and the accounts of the whole site."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from cohortium.errors import Refused
from cohortium.govern import grants, invitations, users
from cohortium.govern.quotas import Quota
from cohortium.govern.roles import May, Role, Standing
from cohortium.govern.users import State, User
from cohortium.web.auth import RowId, reading, record, user
from cohortium.web.portal.people import sent
from cohortium.wire import api

__all__ = [
    "accounts",
    "change_standing",
    "change_state",
    "give_role",
    "invitations_of_project",
    "invitations_of_site",
    "invite_to_project",
    "invite_to_site",
    "people",
    "withdraw_from_project",
    "withdraw_from_site",
    "withdraw_role",
]


def people(request: Request, name: str) -> list[api.Person]:
    """Who has a role in the project, by name."""
    with reading(request).connect() as connection:
        found = grants.granted(connection, _project(connection, request, name))
    return [api.Person.model_validate(each) for each in found]


def give_role(request: Request, name: str, person: str, wish: api.RoleWish) -> api.Person:
    """Give a person one role in the project, in place of any other there."""
    with request.app.state.engine.begin() as connection:
        project_id, account = _project(connection, request, name), _named(connection, person)
        grants.give(connection, account.id, project_id, Role(wish.role), user(request).name, _quota(wish))
        record(request, connection, f"grant {wish.role}", f"{name}/{account.name}", project_id, May.MANAGE)
        held = grants.granted(connection, project_id)
    return api.Person.model_validate(next(each for each in held if each.name == account.name))


def withdraw_role(request: Request, name: str, person: str) -> None:
    """Take away whatever role a person has in the project."""
    with request.app.state.engine.begin() as connection:
        project_id, account = _project(connection, request, name), _named(connection, person)
        grants.withdraw(connection, account.id, project_id)
        record(request, connection, "revoke role", f"{name}/{account.name}", project_id, May.MANAGE)


def invitations_of_project(request: Request, name: str) -> list[api.Invitation]:
    """Invitations into the project that nobody has accepted yet."""
    with reading(request).connect() as connection:
        return _pending(connection, _project(connection, request, name))


def invite_to_project(request: Request, name: str, wish: api.InvitationWish) -> api.Invited:
    """Invite somebody without an account; one that the address had for this project before ends."""
    if wish.role is None:
        raise Refused("an invitation into a project says with which role")
    with request.app.state.engine.begin() as connection:
        project_id = _project(connection, request, name)
        token = invitations.make(connection, user(request), wish.email.strip(), project_id, Role(wish.role))
        record(request, connection, f"invite {wish.role}", name, project_id, May.MANAGE)
    return _invited(request, token, wish.email.strip())


def withdraw_from_project(request: Request, name: str, invitation_id: RowId) -> None:
    """End an invitation that nobody has accepted."""
    with request.app.state.engine.begin() as connection:
        project_id = _project(connection, request, name)
        if not invitations.withdraw(connection, invitation_id, project_id):
            raise HTTPException(404)
        record(request, connection, "withdraw invitation", name, project_id, May.MANAGE)


def accounts(request: Request) -> list[api.Account]:
    """Every account of the site, by name."""
    with reading(request).connect() as connection:
        return [api.Account.model_validate(each) for each in users.accounts(connection)]


def change_standing(request: Request, person: str, wish: api.StandingWish) -> api.Account:
    """Say what an account is to the whole site; nobody changes their own, so that an administrator stays."""
    if person == user(request).name:
        raise Refused("nobody changes their own standing; ask another administrator")
    with request.app.state.engine.begin() as connection:
        _named(connection, person)
        users.stand(connection, person, Standing(wish.standing))
        record(request, connection, f"make {wish.standing}", person)
        found = users.accounts(connection)
    return api.Account.model_validate(next(each for each in found if each.name == person))


def change_state(request: Request, person: str, wish: api.StateWish) -> None:
    """Disable, enable or delete an account; its logins and tokens end. Nobody does so to their own."""
    if person == user(request).name:
        raise Refused("nobody shuts their own account; ask another administrator")
    with request.app.state.engine.begin() as connection:
        _named(connection, person)
        users.make(connection, person, State(wish.state))
        record(request, connection, f"account {wish.state}", person)


def invitations_of_site(request: Request) -> list[api.Invitation]:
    """Invitations to an account without a role that nobody has accepted yet."""
    with reading(request).connect() as connection:
        return _pending(connection, None)


def invite_to_site(request: Request, wish: api.InvitationWish) -> api.Invited:
    """Invite somebody to an account without a role."""
    if wish.role is not None:
        raise Refused("an invitation to the site gives no role; invite into a project for one")
    with request.app.state.engine.begin() as connection:
        token = invitations.make(connection, user(request), wish.email.strip())
        record(request, connection, "invite", "site")
    return _invited(request, token, wish.email.strip())


def withdraw_from_site(request: Request, invitation_id: RowId) -> None:
    """End an invitation that nobody has accepted."""
    with request.app.state.engine.begin() as connection:
        if not invitations.withdraw(connection, invitation_id, None):
            raise HTTPException(404)
        record(request, connection, "withdraw invitation", "site")


def _project(connection: Connection, request: Request, name: str) -> int:
    return grants.id_of(connection, user(request), name, May.MANAGE)


def _named(connection: Connection, person: str) -> User:
    try:
        return users.named(connection, person)
    except Refused:
        raise HTTPException(404) from None


def _pending(connection: Connection, project_id: int | None) -> list[api.Invitation]:
    return [api.Invitation.model_validate(each) for each in invitations.pending(connection, project_id)]


def _invited(request: Request, token: str, email: str) -> api.Invited:
    became = sent(request, token, email)
    return api.Invited(email=email, sent="sent" in became, link=became.get("link", ""))


def _quota(wish: api.RoleWish) -> Quota:
    return Quota(wish.bytes_day, wish.instances_day, wish.bytes_total, wish.instances_total)
