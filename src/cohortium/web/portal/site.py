"""What a maintainer sees: that the store answers, room on the disk, the configuration in force, heads of the audit.

No project's name, no person's, nothing of any data.
"""

from __future__ import annotations

import shutil

from fastapi import Request
from starlette.responses import Response

from cohortium import config
from cohortium.prove import audit
from cohortium.store import jobs
from cohortium.web.auth import reading
from cohortium.web.portal.templating import render

__all__ = ["state"]


def state(request: Request) -> Response:
    """Health, configuration and heads of the audit."""
    settings: config.Config = request.app.state.config
    with reading(request).connect() as connection:
        heads, troubles = audit.heads(connection), jobs.troubles(connection)
    free = shutil.disk_usage(settings.site.data).free
    rows = [row for row in config.in_force(settings) if not row[0].startswith(("project[", "pipeline["))]
    return render(request, "site.html", heads=heads, troubles=troubles, free=free, settings=rows)
