"""The API at `/api/v1`: everything that the portal does, for programs. Its OpenAPI document is made of this table.

Every change can be asked for twice and is made once: flags, roles and lists say how things are to be, a version is
named by what is in it, a token's name is taken once, and an invitation takes the place of the one before.
"""

from cohortium.govern.roles import May
from cohortium.web.api import (
    account,
    checks,
    clinical,
    content,
    datasets,
    files,
    flags,
    lists,
    openapi,
    people,
    prearchive,
    projects,
    removal,
    scans,
    search,
    site,
    submissions,
)
from cohortium.web.auth import Access
from cohortium.web.route import Route
from cohortium.wire import zipped

__all__ = ["ROUTES"]

PROJECT = "/projects/{name}"
DATASET = f"{PROJECT}/datasets/{{dataset}}"
OTHER = f"{DATASET}/compare/{{other}}"
FRAME = "/instances/{instance_id}/frames/{number}"
PNG, HTML, HEADER, OPENAPI = "image/png", "text/html", "application/dicom+json", "application/vnd.oai.openapi+json"

_TABLE = (
    Route("GET", "/docs", openapi.page, Access.LOGGED_IN, media_type=HTML),
    Route("GET", "/openapi.json", openapi.document, Access.LOGGED_IN, media_type=OPENAPI),
    Route("GET", "/account", account.me, Access.LOGGED_IN),
    Route("GET", "/account/tokens", account.list_tokens, Access.IN_PERSON),
    Route("POST", "/account/tokens", account.make_token, Access.IN_PERSON, 201),
    Route("DELETE", "/account/tokens/{token_id}", account.revoke_token, Access.IN_PERSON, 204),
    Route("GET", "/terms", account.terms_in_force, Access.AGREEING),
    Route("PUT", "/terms", account.accept_terms, Access.AGREEING),
    Route("GET", "/projects", projects.list_projects, Access.LOGGED_IN),
    Route("GET", PROJECT, projects.project, May.SEE),
    Route("PUT", f"{PROJECT}/visibility", projects.make_visible, May.MANAGE),
    Route("GET", f"{PROJECT}/subjects", projects.subjects, May.READ),
    Route("POST", f"{PROJECT}/subjects/{{subject}}/removal", removal.subject, May.DELETE),
    Route("GET", f"{PROJECT}/subjects/{{subject}}/timeline", clinical.timeline, May.READ),
    Route("GET", f"{PROJECT}/clinical", clinical.tables, May.READ),
    Route("POST", f"{PROJECT}/cohort", clinical.cohort, May.READ),
    Route("GET", f"{PROJECT}/audit", site.of_project, May.MANAGE),
    Route("GET", f"{PROJECT}/people", people.people, May.MANAGE),
    Route("PUT", f"{PROJECT}/people/{{person}}", people.give_role, May.MANAGE),
    Route("DELETE", f"{PROJECT}/people/{{person}}", people.withdraw_role, May.MANAGE, 204),
    Route("GET", f"{PROJECT}/invitations", people.invitations_of_project, May.MANAGE),
    Route("POST", f"{PROJECT}/invitations", people.invite_to_project, May.MANAGE, 201),
    Route("DELETE", f"{PROJECT}/invitations/{{invitation_id}}", people.withdraw_from_project, May.MANAGE, 204),
    Route("GET", f"{PROJECT}/lists", lists.list_lists, May.READ),
    Route("GET", f"{PROJECT}/lists/{{saved}}", lists.one, May.READ),
    Route("PUT", f"{PROJECT}/lists/{{saved}}", lists.save, May.WRITE),
    Route("DELETE", f"{PROJECT}/lists/{{saved}}", lists.remove, May.WRITE, 204),
    Route("GET", f"{PROJECT}/datasets", datasets.list_versions, May.READ),
    Route("POST", f"{PROJECT}/datasets", datasets.freeze, May.WRITE, 201),
    Route("GET", DATASET, datasets.one, May.READ),
    Route("GET", f"{DATASET}/manifest", datasets.manifest, May.READ, media_type=datasets.JSON_LINES),
    Route("GET", f"{DATASET}/files", datasets.files, May.READ),
    Route("GET", f"{DATASET}/files/{{digest}}", datasets.file, May.READ, media_type=content.OBJECT),
    Route("GET", f"{DATASET}/gone", datasets.gone, May.READ),
    Route("GET", f"{DATASET}/citation", datasets.cite, May.READ),
    Route("GET", f"{DATASET}/submission.zip", submissions.package, May.READ, media_type=zipped.MEDIA_TYPE),
    Route("GET", f"{DATASET}/archive.zip", datasets.dataset_zip, May.READ, media_type=zipped.MEDIA_TYPE),
    Route("GET", OTHER, datasets.compare, May.READ),
    Route("GET", f"{OTHER}/differences", datasets.differences, May.READ),
    Route("GET", f"{PROJECT}/checks", checks.list_checks, May.READ),
    Route("POST", f"{PROJECT}/checks", checks.ask, May.WRITE, 201),
    Route("GET", f"{PROJECT}/checks/{{check_id}}", checks.one, May.READ),
    Route("GET", f"{PROJECT}/checks/{{check_id}}/report", checks.report, May.READ),
    Route("GET", f"{PROJECT}/findings", checks.findings, May.READ),
    Route("POST", f"{PROJECT}/findings/waive", checks.waive, May.DELETE),
    Route("POST", f"{PROJECT}/findings/reopen", checks.reopen, May.DELETE),
    Route("GET", f"{PROJECT}/files", files.list_files, May.READ),
    Route("POST", f"{PROJECT}/files", files.upload, May.DEPOSIT, 201),
    Route("GET", f"{PROJECT}/prearchive", prearchive.waiting, May.DELETE),
    Route("POST", f"{PROJECT}/prearchive/{{entry}}/offer", prearchive.offer, May.DELETE),
    Route("DELETE", f"{PROJECT}/prearchive/{{entry}}", prearchive.drop, May.DELETE, 204),
    Route("GET", f"{PROJECT}/consents", prearchive.list_consents, May.DELETE),
    Route("POST", f"{PROJECT}/consents", prearchive.put_consent, May.DELETE, 201),
    Route("POST", f"{PROJECT}/consents/{{consent_id}}/withdrawal", prearchive.withdraw_consent, May.DELETE),
    Route("PUT", f"{PROJECT}/consents/{{consent_id}}/viewers/{{person}}", prearchive.name_viewer, May.DELETE),
    Route("DELETE", f"{PROJECT}/consents/{{consent_id}}/viewers/{{person}}", prearchive.unname_viewer, May.DELETE, 204),
    Route("GET", "/files/{file_id}", files.file, May.READ),
    Route("GET", "/files/{file_id}/content", files.content, May.READ, media_type=content.ANY),
    Route("POST", "/files/{file_id}/removal", files.remove, May.DELETE),
    Route("GET", "/sessions", search.sessions, May.READ),
    Route("GET", "/scans", search.scans, May.READ),
    Route("GET", "/instances", search.instances, May.READ),
    Route("GET", "/sessions/{session_id}/archive.zip", scans.session_zip, May.READ, media_type=zipped.MEDIA_TYPE),
    Route("POST", "/sessions/{session_id}/removal", removal.session, May.DELETE),
    Route("POST", "/scans/{scan_id}/removal", removal.scan, May.DELETE),
    Route("POST", "/instances/{instance_id}/removal", removal.instance, May.DELETE),
    Route("GET", "/scans/{scan_id}", scans.scan, May.READ),
    Route("GET", "/scans/{scan_id}/thumbnail.png", scans.thumbnail, May.READ, media_type=PNG),
    Route("GET", "/scans/{scan_id}/archive.zip", scans.scan_zip, May.READ, media_type=zipped.MEDIA_TYPE),
    Route("GET", "/scans/{scan_id}/flags", flags.of_scan, May.READ),
    Route("POST", "/scans/{scan_id}/flags", flags.put, May.WRITE, 201),
    Route("DELETE", "/scans/{scan_id}/flags/{flag_id}", flags.end, May.WRITE),
    Route("GET", "/instances/{instance_id}/file", scans.file, May.READ, media_type=content.DICOM),
    Route("GET", "/instances/{instance_id}/header", scans.header, May.READ, media_type=HEADER),
    Route("GET", FRAME, scans.frame, May.READ, media_type=content.OBJECT),
    Route("GET", "/people", people.accounts, May.ADMINISTER),
    Route("PUT", "/people/{person}/standing", people.change_standing, May.ADMINISTER),
    Route("PUT", "/people/{person}/state", people.change_state, May.ADMINISTER, 204),
    Route("GET", "/invitations", people.invitations_of_site, May.ADMINISTER),
    Route("POST", "/invitations", people.invite_to_site, May.ADMINISTER, 201),
    Route("DELETE", "/invitations/{invitation_id}", people.withdraw_from_site, May.ADMINISTER, 204),
    Route("GET", "/audit", site.of_site, May.AUDIT),
    Route("GET", "/site", site.state, May.MAINTAIN),
)

ROUTES = tuple(
    Route(each.method, f"/api/v1{each.path}", each.endpoint, each.access, each.status, each.media_type)
    for each in _TABLE
)
