"""What anybody may ask of a gateway without stopping it: is it at work, what waits where, what is wrong."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from cohortium.config import Config
from cohortium.gateway.pulse import health
from cohortium.spool import Backlog, backlogs
from cohortium.store import open_store
from cohortium.store.schema import item
from cohortium.values import State

__all__ = ["GatewayState", "is_at_work", "looked", "state_of", "unwell"]

SILENT = timedelta(minutes=5)  # without a beat
MOVING = (State.RECEIVED, State.DEIDENTIFIED, State.OUTBOX)


@dataclass(frozen=True, slots=True)
class GatewayState:
    """Counts alone; `states` by pipeline and state, `trouble` by what has it."""

    is_at_work: bool
    started: str
    beat: str
    trouble: Mapping[str, str]
    states: Mapping[str, Mapping[str, int]]
    destinations: tuple[Backlog, ...]

    @property
    def on_their_way(self) -> int:
        """Items that go on by themselves."""
        return sum(states.get(state, 0) for states in self.states.values() for state in MOVING)


def state_of(config: Config) -> GatewayState:
    """The state of the gateway of that configuration."""
    engine = open_store(config)
    try:
        return looked(config, engine)
    finally:
        engine.dispose()


def looked(config: Config, engine: Engine) -> GatewayState:
    """The same, where the store is open already."""
    told = health(config.site.data)
    states: dict[str, dict[str, int]] = {each.name: {} for each in config.pipelines}
    counts = select(item.c.pipeline, item.c.state, func.count()).group_by(item.c.pipeline, item.c.state)
    with engine.execution_options(reading=True).begin() as connection:
        for pipeline, state, count in connection.execute(counts):
            states.setdefault(pipeline, {})[state] = count
        waiting = tuple(backlogs(connection))
    at_work = is_at_work(config)
    trouble = told.trouble if told and at_work else {}
    return GatewayState(at_work, told.started if told else "", told.beat if told else "", trouble, states, waiting)


def is_at_work(config: Config) -> bool:
    """Whether some process holds its spool: the one sign of life that cannot be stale."""
    try:
        with (config.site.data / "spool" / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def unwell(config: Config) -> list[str]:
    """What is not well, by one word each and no name: nothing where all is."""
    told = health(config.site.data)
    if told is None or not is_at_work(config):
        return ["gateway"]
    silent = ["silent"] if datetime.now(UTC) - datetime.fromisoformat(told.beat) > SILENT else []
    return sorted({what.removeprefix("the ").partition(" ")[0] for what in told.trouble}) + silent
