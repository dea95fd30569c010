"""The whole chain once, over all that lies in the sources that are folders: acquire, deidentify, check, deposit."""

from __future__ import annotations

from contextlib import closing, suppress
from time import perf_counter

from cohortium import keys
from cohortium.acquire import folder
from cohortium.acquire.curated import Collection
from cohortium.acquire.intake import Intake
from cohortium.archive import Archive, storage_of
from cohortium.config import Config, Curated, Watched
from cohortium.deposit import Sender
from cohortium.errors import Unavailable
from cohortium.gateway.chain import Chain, Progress
from cohortium.gateway.ways import senders
from cohortium.govern import approvals
from cohortium.spool import Came, Spool, Summary, arrived, summarise
from cohortium.spool.asides import heap
from cohortium.spool.temporary import temporary_below
from cohortium.store import open_store
from cohortium.store.room import room
from cohortium.values import Reason, State

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Summary:
    """Take all that lies in the pipelines' folders as far as it may go, and account for all of it.

    What a destination cannot take now waits in the outbox. Protocols need an approval here only where the site began to
    approve them, or its service holds something for want of one: so that a first try needs no second person.
    """
    started = perf_counter()
    key = keys.load(config.site.key, config.site.data)
    with room():
        engine = open_store(config)
        archive = Archive(engine, storage_of(config), key)
        with Spool(engine, config.site.data / "spool", key) as spool, temporary_below(spool.folder):
            approval = config.gateway.require_approval and _approves(spool)
            chain = Chain(config, key, spool, archive, progress, approval=approval)
            with spool.reading() as connection:
                before = arrived(connection)
            _acquire(config, chain, spool, progress)
            _collect(config, chain, spool, archive)
            chain.deidentify()
            chain.forget()
            chain.deidentify()  # the tables of which rows were forgotten
            chain.check(lambda *_: True)
            for name, sender in senders(config, archive).items():
                with closing(sender), suppress(Unavailable):
                    _deposit(chain, name, sender, spool.count(State.OUTBOX), progress)
            with spool.reading() as connection:
                return summarise(connection, perf_counter() - started, before)


def _approves(spool: Spool) -> bool:
    with spool.reading() as connection:
        return approvals.any_submitted(connection) or bool(heap(connection, Reason.PROTOCOL, limit=1))


def _acquire(config: Config, chain: Chain, spool: Spool, progress: Progress) -> None:
    """Bring the files of every folder into the spool."""
    limit = config.limits.file_megabytes * 1_000_000
    folders = [each for each in chain.lines.sources.values() if isinstance(each, Watched)]
    total, done = sum(folder.count(each.path) for each in folders), 0
    for each in folders:
        folder.demand_there(each.path, mounted=each.mount_point)
        came = Came(each.name, chain.lines.first_of(each.name))
        for _ in folder.acquire(each.path, spool, came, limit):
            done += 1
            progress("acquire", done, total)


def _collect(config: Config, chain: Chain, spool: Spool, archive: Archive) -> None:
    """Bring the images of every dataset version into the spool."""
    limit, reserve = config.limits.file_megabytes * 1_000_000, config.limits.free_megabytes * 1_000_000
    for each in config.sources:
        if isinstance(each, Curated):
            intake = Intake(spool, Came(each.name, chain.lines.first_of(each.name)), limit, reserve)
            for _ in Collection(each.version, intake, archive).look():
                pass
    spool.list_accepted()


def _deposit(chain: Chain, destination: str, sender: Sender, total: int, progress: Progress) -> None:
    """Hand over all that is due at the destination."""
    done = 0
    while number := chain.deposit(destination, sender):
        done += number
        progress("deposit", done, max(done, total))
