"""Counts what is read of images before it is sent, against the quota of who reads; every way out of images asks here.

A process reserves a little ahead in the store and spends that without asking again, so that a viewer's five hundred
frames cost a few transactions, not five hundred.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import TypeVar

from fastapi import Request
from sqlalchemy import Engine

from cohortium import config
from cohortium.govern import quotas
from cohortium.govern.quotas import Volume
from cohortium.web.auth import user

__all__ = ["Meter", "charge", "charge_frames"]

Value = TypeVar("Value")

AHEAD = Volume(bytes=64_000_000, instances=100)
MOST = 10_000  # of what is remembered
SAME = 300.0  # seconds in which further frames of an instance do not count as another


class Meter:
    """What this process has reserved and not yet spent, by person, project and day."""

    def __init__(self, engine: Engine, settings: config.Quota) -> None:
        self._engine, self._default = engine, quotas.defaults(settings)
        self._reserved: OrderedDict[Hashable, Volume] = OrderedDict()
        self._seen: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = Lock()

    def charge(self, user_id: int, project_id: int, need: Volume, moment: datetime) -> None:
        """Spend this much; `UsedUp` where the quota does not allow it, and then nothing is spent."""
        key = user_id, project_id, quotas.day_of(moment)
        with self._lock:
            held = self._reserved.pop(key, Volume())
        try:
            missing = Volume(max(0, need.bytes - held.bytes), max(0, need.instances - held.instances))
            if missing != Volume():
                with self._engine.begin() as connection:
                    held += quotas.reserve(connection, user_id, project_id, missing, AHEAD, self._default, moment)
            held -= need
        finally:
            with self._lock:
                _remember(self._reserved, key, held + self._reserved.get(key, Volume()))

    def charge_frames(self, user_id: int, project_id: int, bytes: int, digest: str, moment: datetime) -> None:
        """The same for frames of one instance, which count as one instance for a while."""
        key = user_id, digest
        with self._lock:
            is_new = self._seen.get(key, 0.0) < monotonic()
        self.charge(user_id, project_id, Volume(bytes, int(is_new)), moment)
        if is_new:
            with self._lock:
                _remember(self._seen, key, monotonic() + SAME)


def charge(request: Request, project_id: int, bytes: int, instances: int = 0) -> None:
    """Count what is about to be sent to the caller; `UsedUp` (429, Retry-After) where it is too much."""
    meter: Meter = request.app.state.meter
    meter.charge(user(request).id, project_id, Volume(bytes, instances), datetime.now(UTC))


def charge_frames(request: Request, project_id: int, bytes: int, digest: str) -> None:
    """The same for frames of one instance."""
    meter: Meter = request.app.state.meter
    meter.charge_frames(user(request).id, project_id, bytes, digest, datetime.now(UTC))


def _remember(kept: OrderedDict[Hashable, Value], key: Hashable, value: Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST:
        kept.popitem(last=False)
