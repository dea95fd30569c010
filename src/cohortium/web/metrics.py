"""The gateway for Prometheus: counts, and names that the configuration gives. Nothing of any patient.

Who asks from this machine may, where no proxy stands before it; everybody else shows the token of the configuration.
"""

from __future__ import annotations

import hmac
import ipaddress
import shutil
from collections.abc import Iterator

from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium import keys
from cohortium.archive import inspections
from cohortium.config import Config
from cohortium.gateway.state import GatewayState, looked
from cohortium.spool import asides
from cohortium.web.auth import reading
from cohortium.web.credentials import address

__all__ = ["metrics"]


def metrics(request: Request) -> Response:
    """All of it, in Prometheus's own format."""
    settings: Config = request.app.state.config
    _demand(request, settings)
    state = looked(settings, request.app.state.engine)
    with reading(request).connect() as connection:
        heaps, identifying = asides.heaps(connection), len(inspections.alarms(connection))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counts([*_of_gateway(state), *_of_spool(settings, state, heaps), _of_inspections(identifying)]))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Counts(Collector):
    """What was counted already."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        """See `Collector`."""
        return self._families


def _of_gateway(state: GatewayState) -> Iterator[GaugeMetricFamily]:
    yield GaugeMetricFamily("cohortium_gateway_up", "Whether a gateway is at work.", value=state.is_at_work)
    trouble = GaugeMetricFamily("cohortium_trouble", "Parts that cannot do their work now.", labels=["part"])
    for part in state.trouble:
        trouble.add_metric([part], 1)
    yield trouble


def _of_spool(settings: Config, state: GatewayState, heaps: list[asides.Heap]) -> Iterator[GaugeMetricFamily]:
    items = GaugeMetricFamily("cohortium_items", "Items by where they are.", labels=["pipeline", "state"])
    for pipeline, states in state.states.items():
        for name, number in states.items():
            items.add_metric([pipeline, name], number)
    aside = GaugeMetricFamily("cohortium_set_aside", "Items that wait for a person.", labels=["state", "reason"])
    for heap in heaps:
        aside.add_metric([heap.state, heap.reason], heap.count)
    sent = GaugeMetricFamily("cohortium_deliveries", "Items by destination.", labels=["destination", "state"])
    for each in state.destinations:
        for name in ("waiting", "sent", "refused"):
            sent.add_metric([each.destination, name], getattr(each, name))
    free = shutil.disk_usage(settings.site.data).free
    yield from (items, aside, sent)
    yield GaugeMetricFamily("cohortium_disk_free_bytes", "Free below the data root.", value=free)


def _of_inspections(number: int) -> GaugeMetricFamily:
    text = "Series that were seen to identify somebody, and that nobody has dealt with."
    return GaugeMetricFamily("cohortium_identifying_series", text, value=number)


def _demand(request: Request, settings: Config) -> None:
    named = settings.serve.metrics_token_file
    shown = request.headers.get("authorization", "")
    if named and shown:
        token = keys.read_private(settings.file.parent / named, "the token for metrics")
        if hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
            return
    if shown or settings.serve.public or not _is_loopback(address(request)):
        raise HTTPException(403)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
