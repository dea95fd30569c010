"""XNAT's REST API, as `xnatpy` and `pyxnat` call it, over the same index, objects and roles.

`{place}` names a project, subject, experiment or scan from any level down; whether the caller may do there what its
route is for is asked inside the query that finds it.
"""

from starlette.exceptions import HTTPException

from cohortium.govern.roles import May
from cohortium.web.auth import Access
from cohortium.web.route import Route
from cohortium.web.xnat import (
    accounts,
    files,
    importing,
    login,
    making,
    nodes,
    people,
    prearchive,
    search,
    services,
    uploading,
)

__all__ = ["ROUTES"]

PROJECT = "/data/projects/{project}"
RESOURCES = "/data/{place:path}/resources"
WAITING = "/data/prearchive/projects"
TOKENS = "/data/services/tokens"
FILES = f"{RESOURCES}/{{resource}}/files"


def absent() -> None:
    """What XNAT has and this has not."""
    raise HTTPException(501)


ROUTES = (
    *(Route(method, "/data/services/auth", login.log_in, Access.ANYONE) for method in ("PUT", "POST")),
    Route("GET", "/data/JSESSION", login.jsession, Access.LOGGED_IN),
    Route("DELETE", "/data/JSESSION", login.end, Access.ANYONE),
    Route("GET", "/data/auth", login.auth, Access.LOGGED_IN),
    Route("GET", "/data/version", login.version, Access.LOGGED_IN),
    Route("GET", "/xapi/siteConfig/buildInfo", login.build_info, Access.LOGGED_IN),
    Route("GET", "/xapi/schemas", services.schemas, Access.LOGGED_IN),
    Route("GET", "/xapi/schemas/{name}", services.schema, Access.LOGGED_IN),
    Route("GET", "/xapi/plugins/", services.plugins, Access.LOGGED_IN),
    Route("GET", "/xapi/access/projects", services.access, Access.LOGGED_IN),
    Route("POST", "/data/search", search.search, Access.LOGGED_IN),
    *(Route(method, "/data/search/saved{rest:path}", absent, Access.LOGGED_IN) for method in ("GET", "PUT", "DELETE")),
    Route("GET", "/data/search/elements", search.elements, Access.LOGGED_IN),
    Route("GET", "/data/search/elements/{name}", search.element, Access.LOGGED_IN),
    Route("GET", "/data/users", accounts.list_users, Access.LOGGED_IN),
    Route("GET", "/xapi/users", accounts.names, Access.LOGGED_IN),
    Route("GET", "/xapi/users/profiles", accounts.profiles, Access.LOGGED_IN),
    Route("GET", "/xapi/users/{login}", accounts.profile, Access.LOGGED_IN),
    Route("GET", f"{TOKENS}/issue", accounts.issue, Access.IN_PERSON),
    Route("GET", f"{TOKENS}/issue/user/{{login}}", accounts.issue_to, Access.IN_PERSON),
    Route("GET", f"{TOKENS}/validate/{{alias}}/{{secret}}", accounts.validate, Access.LOGGED_IN),
    Route("GET", f"{TOKENS}/invalidate/{{alias}}/{{secret}}", accounts.invalidate, Access.LOGGED_IN),
    Route("GET", "/data/services/dicomdump", services.dump, May.READ),
    Route("POST", "/data/services/import", importing.take, May.WRITE),
    Route("POST", "/data/services/archive", prearchive.archive, May.DELETE),
    Route("POST", "/data/services/prearchive/rebuild", prearchive.rebuild, May.DELETE),
    Route("POST", "/data/services/prearchive/delete", prearchive.delete, May.DELETE),
    Route("POST", "/data/services/prearchive/move", prearchive.move, May.DELETE),
    Route("GET", WAITING, prearchive.all_sessions, Access.LOGGED_IN),
    Route("GET", f"{WAITING}/{{project}}", prearchive.sessions, May.DELETE),
    Route("GET", f"{WAITING}/{{project}}/{{timestamp}}/{{folder}}", prearchive.show, May.DELETE),
    Route("GET", f"{WAITING}/{{project}}/{{timestamp}}/{{folder}}/scans", prearchive.scans, May.DELETE),
    Route("GET", f"{PROJECT}/users", people.list_users, May.MANAGE),
    Route("PUT", f"{PROJECT}/users/{{role}}/{{login}}", people.give, May.MANAGE),
    Route("DELETE", f"{PROJECT}/users/{{role}}/{{login}}", people.withdraw, May.MANAGE),
    Route("GET", f"{PROJECT}/accessibility", people.accessibility, May.SEE),
    Route("PUT", f"{PROJECT}/accessibility/{{visibility}}", people.make_visible, May.MANAGE),
    *(Route(method, f"{FILES}/{{file:path}}", files.file, May.READ) for method in ("GET", "HEAD")),
    Route("GET", FILES, files.files, May.READ),
    Route("GET", f"{RESOURCES}/{{resource}}", files.resource, May.READ),
    Route("GET", RESOURCES, files.resources, May.READ),
    Route("GET", "/data/{place:path}/files", files.all_files, May.READ),
    Route("GET", "/data/{place:path}", nodes.show, May.READ),
    *(Route(method, f"{FILES}/{{file:path}}", uploading.upload, May.WRITE) for method in ("PUT", "POST")),
    Route("PUT", f"{RESOURCES}/{{resource}}", uploading.make, May.WRITE),
    Route("DELETE", f"{FILES}/{{file:path}}", uploading.remove_file, May.DELETE),
    Route("DELETE", f"{RESOURCES}/{{resource}}", uploading.remove, May.DELETE),
    Route("DELETE", "/data/{place:path}", services.remove, May.DELETE),
    Route("PUT", "/data/{place:path}", making.put, May.WRITE),
    Route("POST", "/data/{place:path}", absent, May.WRITE),
    *(Route(method, "/xapi/{place:path}", absent, Access.LOGGED_IN) for method in ("GET", "PUT", "POST", "DELETE")),
)
