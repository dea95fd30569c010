"""The viewer OHIF at /ohif/, where a static build of it lies in a folder: behind the login, and calling nobody but us.

The build is somebody else's, so it is held tighter than it asks for: its configuration is replaced by ours, its service
worker is left out, and the policy sent with each of its files lets it connect to this server alone.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import re
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from cohortium.errors import ConfigError

__all__ = ["Viewer", "file"]

PLACE = "/ohif/"
CONFIGURATION, WORKERS = "app-config.js", frozenset({"init-service-worker.js", "sw.js"})
PUBLIC = b'__webpack_require__.p = "/";'  # where a build for the root of a server looks for its own files
MOVED = {".js": (PUBLIC, PUBLIC.replace(b"/", PLACE.encode())), ".css": (b"url(/", b"url(" + PLACE.encode())}
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
LINKS = re.compile(r'((?:src|href|PUBLIC_URL)=")/')
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {hashes}; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; font-src 'self' data:; "
    "connect-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SOURCE = {
    "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
    "sourceName": "cohortium",
    "configuration": {
        "friendlyName": "Cohortium",
        "name": "cohortium",
        "qidoRoot": "/dicomweb",
        "wadoRoot": "/dicomweb",
        "wadoUriRoot": "/dicomweb",
        "qidoSupportsIncludeField": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "thumbnail",
        "thumbnailRequestStrategy": "fetch",
        "enableStudyLazyLoad": True,
        "supportsFuzzyMatching": False,
        "supportsWildcard": True,
        "singlepart": "bulkdata",
        "bulkDataURI": {"enabled": True},
        "omitQuotationForMultipartRequest": True,
    },
}
SETTINGS = {
    "name": "cohortium",
    "routerBasename": PLACE.rstrip("/"),
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": True,
    "maxNumberOfWebWorkers": 3,
    "showLoadingIndicator": True,
    "showErrorDetails": "dev",
    "investigationalUseDialog": {"option": "never"},
    "maxNumRequests": {"interaction": 20, "thumbnail": 5, "prefetch": 5},
    "defaultDataSourceName": "cohortium",
    "dataSources": [SOURCE],
}


class Viewer:
    """A build of OHIF in a folder, read once; what must be changed in it is changed in memory."""

    def __init__(self, folder: Path) -> None:
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        self._files = {name: path for name, path in found.items() if name not in WORKERS}
        bundles = [name for name in self._files if re.fullmatch(r"app\.bundle\.\w+\.js", name)]
        if "index.html" not in self._files or len(bundles) != 1:
            raise ConfigError(f"{folder} is no build of OHIF: index.html and one app.bundle.*.js are expected")
        index = LINKS.sub(rf"\1{PLACE}", self._files["index.html"].read_text("utf-8"))
        if PUBLIC not in self._files[bundles[0]].read_bytes():
            raise ConfigError(f"the build of OHIF in {folder} is not for the root of a server; take @ohif/app's own")
        hashes = (sha256(script.encode()).digest() for script in INLINE.findall(index))
        self.policy = POLICY.format(hashes=" ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in hashes))
        self._made = {
            "index.html": index.encode(),
            CONFIGURATION: f"window.config = {json.dumps(SETTINGS)};\n".encode(),
            **dict.fromkeys(WORKERS, b""),
        }

    def answer(self, name: str) -> Response:
        """A file of the build; the page for an address within the viewer."""
        name = name if name in self._made or name in self._files or "." in name.rsplit("/", 1)[-1] else "index.html"
        headers, path = {"Content-Security-Policy": self.policy}, self._files.get(name)
        if name in self._made:
            return Response(self._made[name], media_type=mimetypes.guess_type(name)[0], headers=headers)
        if path is None:
            raise HTTPException(404)
        if path.suffix in MOVED:
            content = path.read_bytes().replace(*MOVED[path.suffix])
            return Response(content, media_type=mimetypes.guess_type(name)[0], headers=headers)
        return FileResponse(path, headers=headers)


def file(request: Request) -> Response:
    """A file of the viewer, where there is one."""
    viewer: Viewer | None = request.app.state.ohif
    if viewer is None:
        raise HTTPException(404)
    return viewer.answer(request.path_params["path"])
