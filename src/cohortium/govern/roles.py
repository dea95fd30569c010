"""What each role, standing and visibility allows: one table, and nothing is allowed that does not stand in it.

A role is held in one project, a standing on the whole site or hub; visibility is what a project shows to everybody who
is logged in. Each of them only ever adds, but for a maintainer, whom no role and no visibility shows any data, and for
a site, which hands over and sees nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = ["ALLOWED", "ON_SITE", "REACHED", "SCOPES", "WITHIN", "May", "Role", "Scope", "Standing", "Visibility"]


class May(StrEnum):
    """What can be done: the first six with a project, the others with the site."""

    SEE = "see"  # that it exists, its description, protocol and requests
    READ = "read"  # images, resources and what is said of them; search
    DEPOSIT = "deposit"  # hand over images and files
    WRITE = "write"  # annotate, flag, label
    DELETE = "delete"
    MANAGE = "manage"  # roles, visibility
    ADMINISTER = "administer"  # people of the whole site
    AUDIT = "audit"  # read who did what in every project
    MAINTAIN = "maintain"  # health, configuration, heads of the audit
    OPERATE = "operate"  # the gateway: counts, destinations, tests of the ways
    INSPECT = "inspect"  # what the gateway set aside, and pictures as they would leave; decide about them and requests
    IDENTIFY = "identify"  # values and pictures of the spool as they came; asking a PACS, and for whom it was asked


class Role(StrEnum):
    """What a person is in one project, as XNAT names it."""

    OWNER = "owner"
    MEMBER = "member"
    COLLABORATOR = "collaborator"


class Standing(StrEnum):
    """What a person is to the whole site, or to the hub where the store is the hub's."""

    ADMINISTRATOR = "administrator"
    COMMITTEE = "committee"  # data governance committee
    MAINTAINER = "maintainer"
    MANAGER = "manager"  # a hospital's data manager
    PERSON = "person"
    SITE = "site"  # a hospital's gateway: hands over what it vouches for, in projects where it has a role
    GUEST = "guest"  # nobody is logged in, and the site lets such read what is public


class Visibility(StrEnum):
    """What a project shows to who has no role in it."""

    PUBLIC = "public"
    PROTECTED = "protected"
    PRIVATE = "private"


class Scope(StrEnum):
    """What an API token can be used for, within what its owner may."""

    READ = "read"
    WRITE = "write"


def _of(*may: May) -> frozenset[May]:
    return frozenset(may)


ALLOWED: Mapping[Role | Standing | Visibility, frozenset[May]] = {
    Role.OWNER: _of(May.SEE, May.READ, May.DEPOSIT, May.WRITE, May.DELETE, May.MANAGE),
    Role.MEMBER: _of(May.SEE, May.READ, May.DEPOSIT, May.WRITE),
    Role.COLLABORATOR: _of(May.SEE, May.READ),
    Visibility.PUBLIC: _of(May.SEE, May.READ),
    Visibility.PROTECTED: _of(May.SEE),
    Visibility.PRIVATE: _of(),
    Standing.ADMINISTRATOR: _of(*May) - {May.IDENTIFY},
    Standing.COMMITTEE: _of(May.SEE, May.AUDIT),
    Standing.MAINTAINER: _of(May.MAINTAIN, May.OPERATE),
    Standing.MANAGER: _of(May.OPERATE, May.INSPECT, May.IDENTIFY),
    Standing.PERSON: _of(),
    Standing.SITE: _of(),
    Standing.GUEST: _of(),
}

ON_SITE = _of(May.ADMINISTER, May.AUDIT, May.MAINTAIN, May.OPERATE, May.INSPECT, May.IDENTIFY)
REACHED: Mapping[Standing, tuple[Visibility, ...]] = {  # which projects' visibility reaches whom
    Standing.ADMINISTRATOR: tuple(Visibility),
    Standing.COMMITTEE: tuple(Visibility),
    Standing.MANAGER: tuple(Visibility),
    Standing.PERSON: tuple(Visibility),
    Standing.GUEST: (Visibility.PUBLIC,),
    Standing.MAINTAINER: (),
    Standing.SITE: (),
}
WITHIN: Mapping[Standing, frozenset[May]] = {  # of what roles and tokens allow, no more than this
    Standing.SITE: _of(May.DEPOSIT),
}
SCOPES: Mapping[Scope, frozenset[May]] = {
    Scope.READ: _of(May.SEE, May.READ),
    Scope.WRITE: _of(May.SEE, May.READ, May.DEPOSIT, May.WRITE, May.DELETE),
}
