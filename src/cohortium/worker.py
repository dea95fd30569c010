"""Does the jobs that stand in the store: one literal table says what each kind is, and how often it comes by itself.

A kind may be begun twice, where a worker died over it, and must bear that. What goes wrong is logged by type and place,
or in the words of an error of our own; never the message of another, which may quote data.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from cohortium import backup, curate, keys
from cohortium.archive import Archive, cold, objects, packs, storage_of
from cohortium.archive.clinical.tables import KEEP_UP
from cohortium.archive.withdrawal import RENEW_KEYS
from cohortium.config import Config
from cohortium.errors import CohortiumError, Corrupt, Unavailable
from cohortium.govern import harvest
from cohortium.govern.sweep import sweep
from cohortium.keys import SiteKey
from cohortium.prove import audit
from cohortium.store import jobs, open_store
from cohortium.store.jobs import Job
from cohortium.web import mail
from cohortium.web.public import Public

__all__ = ["KINDS", "Kind", "Site", "work"]

LEASE = timedelta(seconds=60)  # after which the job of a worker that died is another's
PAUSE = 1.0  # seconds between two looks where nothing is due
MOST = 10  # tries of a job that does not come by itself: about four hours

MAIL = "mail an alarm"

Pool = Callable[[], AbstractContextManager[Executor | None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """What a kind may need; it opens for itself what it needs beyond. `pool` gives processes to work with, or None."""

    config: Config
    engine: Engine
    key: SiteKey
    pool: Pool = nullcontext


@dataclass(frozen=True, slots=True)
class Kind:
    """What a job does with its arguments; `every` so often it comes by itself, else when something puts it.

    A `long` one keeps no other waiting, but for another of that sort.
    """

    run: Callable[[Site, Mapping[str, Any]], None]
    every: timedelta | None = None
    long: bool = False


def _sign_audit(site: Site, _: Mapping[str, Any]) -> None:
    with site.engine.begin() as connection:
        audit.sign(connection, site.key.signer())


def _sweep(site: Site, _: Mapping[str, Any]) -> None:
    with site.engine.begin() as connection:
        sweep(connection, datetime.now(UTC))


def _expire(site: Site, _: Mapping[str, Any]) -> None:
    Archive(site.engine, storage_of(site.config), site.key).expire()


def _pack(site: Site, _: Mapping[str, Any]) -> None:
    archive = Archive(site.engine, storage_of(site.config), site.key)
    packs.pack_quiet(archive.engine, archive.objects)
    cold.cool(archive.engine, archive.objects)
    archive.collect()  # also what a process that was killed had no time for


def _keep_up_tables(site: Site, _: Mapping[str, Any]) -> None:
    Archive(site.engine, storage_of(site.config), site.key).keep_up_tables()


def _look_for_harvest(site: Site, _: Mapping[str, Any]) -> None:
    with site.engine.begin() as connection:
        for alarm in harvest.look(connection, site.config.quota, datetime.now(UTC)):
            for address in harvest.told(connection, alarm.project) if site.config.mail.host else ():
                jobs.put(connection, MAIL, {"to": address, "project": alarm.project, "day": alarm.day})


def _mail_alarm(site: Site, what: Mapping[str, Any]) -> None:
    place = f"{Public.of(site.config.serve).address}/projects/{what['project']}/people"
    text = (
        f"Somebody read unusually much of the project {what['project']} on {what['day']}. Who, and what:\n\n{place}\n"
    )
    mail.send(site.config, what["to"], "Unusual reading", text)


def _back_up(site: Site, _: Mapping[str, Any]) -> None:
    if not site.config.backup.target:
        return
    place = backup.target_of(site.config)
    newest = backup.newest(place, site.key)
    if newest is None or newest < datetime.now(UTC) - timedelta(hours=site.config.backup.hours):
        taken = backup.back_up(site.config, site.engine, site.key, place, keep=site.config.backup.keep)
        if taken.missing:
            raise Corrupt(f"{taken.missing} objects that rows name are not in the archive; the backup holds the rest")
        if taken.cold:
            raise Unavailable(f"{taken.cold} packs are in cold storage; they were asked for, for the next backup")


def _renew_keys(site: Site, _: Mapping[str, Any]) -> None:
    if site.config.backup.target:
        backup.renew_keys(site.config, site.engine, site.key, backup.target_of(site.config))


def _fetch(site: Site, arguments: Mapping[str, Any]) -> None:
    archive = Archive(site.engine, storage_of(site.config), site.key)
    cold.fetch(archive.objects, arguments["key"], arguments["name"])


def _check(site: Site, arguments: Mapping[str, Any]) -> None:
    with site.pool() as executor:
        curate.carry_out(site.config, site.engine, arguments["run"], executor)


KINDS: Mapping[str, Kind] = {
    audit.SIGN: Kind(_sign_audit, every=timedelta(hours=1)),
    "look for harvest": Kind(_look_for_harvest, every=timedelta(minutes=15)),
    MAIL: Kind(_mail_alarm),
    "sweep": Kind(_sweep, every=timedelta(hours=1)),
    "expire prearchive": Kind(_expire, every=timedelta(hours=1)),
    objects.FETCH: Kind(_fetch),
    "pack": Kind(_pack, every=timedelta(hours=1)),
    KEEP_UP: Kind(_keep_up_tables, every=timedelta(hours=1)),
    "back up": Kind(_back_up, every=timedelta(hours=1)),  # looks whether one is due
    RENEW_KEYS: Kind(_renew_keys),
    curate.CHECK: Kind(_check, long=True),
}


def work(
    config: Config,
    *,
    once: bool = False,
    elected: bool = False,
    kinds: Mapping[str, Kind] = KINDS,
    pool: Pool = nullcontext,
) -> None:
    """Do jobs for ever, or `once` until none is due; where `elected`, only while no other such worker is at it."""
    site = Site(config, open_store(config), keys.load(config.site.key, config.site.data), pool)
    with site.engine.begin() as connection:
        for name, kind in kinds.items():
            if kind.every:
                jobs.put(connection, name, after=datetime.now(UTC) + kind.every)
    me = secrets.token_hex(16)
    short = {name: kind for name, kind in kinds.items() if not kind.long}
    beside = threading.Thread()
    while True:
        busy = beside.is_alive()
        try:
            found = _next(site, short if busy else kinds, me if elected else "")
        except Unavailable as error:
            log.error("%s", error)
            found = None
        if found is not None and kinds[found.kind].long:
            beside = threading.Thread(target=_do, args=(site, found, kinds[found.kind]), daemon=True)
            beside.start()
        elif found is not None:
            _do(site, found, kinds[found.kind])
        elif once and busy:
            beside.join()
        elif once:
            return
        else:
            time.sleep(PAUSE)


def _next(site: Site, kinds: Mapping[str, Kind], candidate: str) -> Job | None:
    with site.engine.execution_options(reading=True).connect() as connection:
        if not jobs.is_waiting(connection, kinds):
            return None
    with site.engine.begin() as connection:
        if candidate and not jobs.elect(connection, candidate, LEASE):
            return None
        return jobs.lease(connection, kinds, LEASE)


def _do(site: Site, job: Job, kind: Kind) -> None:
    why, retry = "", True
    with _kept(site.engine, job):
        try:
            kind.run(site, job.arguments)
        except CohortiumError as error:
            why, retry = str(error) or type(error).__name__, isinstance(error, Unavailable)
        except Exception as error:  # noqa: BLE001  the last line: the message may quote data, so only its type is kept
            place = traceback.extract_tb(error.__traceback__)[-1]
            why = f"{type(error).__name__} in {place.name}, line {place.lineno}"
    with site.engine.begin() as connection:
        if not why:
            jobs.done(connection, job, datetime.now(UTC) + kind.every if kind.every else None)
            return
        jobs.failed(connection, job, why, retry=kind.every is not None or (retry and job.tries < MOST))
    log.error("%s failed (try %d): %s", job.kind, job.tries, why)


@contextmanager
def _kept(engine: Engine, job: Job) -> Iterator[None]:
    """While the block runs, the job's lease does not end."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(LEASE.total_seconds() / 4):
            try:
                with engine.begin() as connection:
                    jobs.renew(connection, job, LEASE)
            except Unavailable as error:
                log.error("%s", error)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
