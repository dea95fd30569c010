"""Puts the web application together from a configuration. It holds no state but what `app.state` names."""

from __future__ import annotations

from pathlib import Path
from threading import BoundedSemaphore

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cohortium import __version__, keys
from cohortium.archive import Archive, storage_of
from cohortium.config import Config
from cohortium.govern import terms
from cohortium.prove import audit
from cohortium.spool.comparisons import Comparisons
from cohortium.spool.requests import Requests
from cohortium.store import open_store
from cohortium.web import errors, routes
from cohortium.web.certificates import Proxied
from cohortium.web.credentials import Remembered
from cohortium.web.dicomweb.bookmarks import Bookmarks
from cohortium.web.health import Probe
from cohortium.web.intake import Intake
from cohortium.web.looks import Looks
from cohortium.web.meter import Meter
from cohortium.web.ohif import Viewer
from cohortium.web.pictures import Pictures
from cohortium.web.portal.gateway import Lately
from cohortium.web.protect import Protect
from cohortium.web.public import Public
from cohortium.web.rates import Buckets
from cohortium.web.senders import Doors
from cohortium.web.watch import Watch

__all__ = ["create"]

STATIC = Path(__file__).parent / "portal" / "static"
HASHING = 2  # passwords at once: each takes 64 MiB


def create(config: Config) -> FastAPI:
    """The application over the store and the archive of this site."""
    app = FastAPI(
        title="Cohortium",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_middleware(config),
    )
    app.state.config = config
    app.state.public = Public.of(config.serve)
    app.state.engine = open_store(config)
    key = keys.load(config.site.key, config.site.data)
    app.state.marks = key.derive("audit searches")
    with app.state.engine.begin() as connection:
        audit.sign(connection, key.signer())
    app.state.archive = Archive(app.state.engine, storage_of(config), key)
    app.state.probe = Probe(app.state.archive.objects)
    app.state.pictures = Pictures(app.state.archive.objects)
    app.state.lately = Lately()
    app.state.looks = Looks(app.state.engine, config.site.data / "spool", key)
    app.state.requests = Requests(app.state.engine, key)
    app.state.comparisons = Comparisons(app.state.engine, key)
    app.state.bookmarks = Bookmarks()
    app.state.ohif = Viewer(config.file.parent / config.serve.ohif) if config.serve.ohif else None
    app.state.remembered = Remembered()
    app.state.watch = Watch()
    app.state.rates = Buckets(config.limits.person_requests)
    app.state.meter = Meter(app.state.engine, config.quota)
    app.state.terms = terms.read(config.file.parent / config.serve.terms) if config.serve.terms else None
    app.state.intake = Intake.of(config)
    app.state.doors = Doors.of(config, app.state.engine, key)
    app.state.hashing = BoundedSemaphore(HASHING)
    routes.install(app)
    errors.install(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _middleware(config: Config) -> list[Middleware]:
    """A proxy's word for who asks counts only where the configuration names that proxy."""
    serve = config.serve
    found = [Middleware(Protect, public=Public.of(serve), rates=Buckets(config.limits.address_requests))]
    if serve.proxies:
        found.insert(0, Middleware(ProxyHeadersMiddleware, trusted_hosts=list(serve.proxies)))
    if serve.certificate_header:
        secret = keys.read_token(config.file.parent / serve.proxy_secret_file, "serve.proxy_secret_file")
        by_proxy = Middleware(Proxied, header=serve.certificate_header, secret=secret, proxies=serve.proxies)
        found.insert(0, by_proxy)  # before the above puts the client's address in place of the proxy's
    return found
