"""DICOMweb (PS3.18): search, retrieve, store and delete studies over the index and the objects of the archive.

`/dicomweb/{project}/studies` is the service of one project; `/dicomweb/studies` reads all that the caller may see.
"""

from cohortium.govern.roles import May
from cohortium.web.dicomweb import delete, rendered, retrieve, search, store
from cohortium.web.route import Route

__all__ = ["ROUTES"]

STUDY = "/studies/{study}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{instance}}"
FRAMES = f"{INSTANCE}/frames/{{numbers}}"

READ = (
    ("/studies", search.studies),
    ("/series", search.series),
    ("/instances", search.instances),
    (f"{STUDY}/series", search.series),
    (f"{STUDY}/instances", search.instances),
    (f"{SERIES}/instances", search.instances),
    *((place, retrieve.instances) for place in (STUDY, SERIES, INSTANCE)),
    *((f"{place}/metadata", retrieve.metadata) for place in (STUDY, SERIES, INSTANCE)),
    *((f"{place}/rendered", rendered.rendered) for place in (STUDY, SERIES, INSTANCE, FRAMES)),
    *((f"{place}/thumbnail", rendered.thumbnail) for place in (STUDY, SERIES, INSTANCE, FRAMES)),
    (FRAMES, retrieve.frames),
    (f"{INSTANCE}/bulkdata/{{path}}", retrieve.bulkdata),
)
WRITE = (("/studies", store.store), (STUDY, store.store))
DELETE = (STUDY, SERIES, INSTANCE)

ROUTES = (
    # all projects before one, so that `studies` is never taken for a project's name
    *(Route("GET", f"/dicomweb{path}", endpoint, May.READ) for path, endpoint in READ),
    *(Route("GET", f"/dicomweb/{{project}}{path}", endpoint, May.READ) for path, endpoint in READ),
    *(Route("POST", f"/dicomweb/{{project}}{path}", endpoint, May.DEPOSIT) for path, endpoint in WRITE),
    *(Route("DELETE", f"/dicomweb/{{project}}{path}", delete.delete, May.DELETE) for path in DELETE),
)
