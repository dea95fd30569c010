"""A gateway that runs for years: everything comes in at once, one thread does what lies between, and one sends for each
destination. What a thread of them cannot do now it tries again; what nobody can mend stops it, and the others go on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from shutil import disk_usage
from time import monotonic

from cohortium import keys
from cohortium.acquire.curated import Collection
from cohortium.acquire.intake import Intake
from cohortium.acquire.watching import Watch
from cohortium.archive import Archive, storage_of
from cohortium.config import Config, Curated, Pacs, Watched
from cohortium.deposit import Sender
from cohortium.errors import CohortiumError, Unavailable
from cohortium.gateway import ring
from cohortium.gateway.asking import parts
from cohortium.gateway.chain import Chain
from cohortium.gateway.notices import NOBODY, READY, STOPPING, Notices
from cohortium.gateway.pulse import Pulse, take_back
from cohortium.gateway.quiet import Quiet
from cohortium.gateway.steady import Steady
from cohortium.gateway.ways import opened, senders
from cohortium.keys import SiteKey
from cohortium.spool import Came, Spool
from cohortium.spool.comparisons import Comparisons
from cohortium.spool.requests import Requests
from cohortium.spool.temporary import temporary_below
from cohortium.store import open_store
from cohortium.store.room import room
from cohortium.values import State

__all__ = ["serve"]

PAUSE = 0.5  # seconds between two looks where nothing waits
LOOKS = 60.0  # seconds between two looks for who withdrew, and for what nobody decided about in time
SCRUBS = 3600.0  # seconds between two times at which the database lets go of the last of what was let go
LOOK = 10.0  # seconds from one look at a version of a dataset to the next
CHAIN = "the chain"

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The gateway is to end: what was done of a step is kept, the rest waits."""


def serve(config: Config, stop: threading.Event, tell: Notices = NOBODY) -> None:
    """Run the gateway until `stop` is set, or it is drained; a fault of ours in any part is raised when all have ended.

    A wish to drain that is older than this gateway is taken back. How it is goes to `tell`, for who started it.
    """
    key = keys.load(config.site.key, config.site.data)
    is_drained = False
    with room(), ExitStack() as open_ones:
        open_ones.enter_context(ring.kept())
        engine = open_store(config)
        archive = Archive(engine, storage_of(config), key)
        spool = open_ones.enter_context(Spool(engine, config.site.data / "spool", key))
        open_ones.enter_context(temporary_below(spool.folder))
        take_back(config.site.data)
        gateway = _Gateway(config, key, spool, archive, stop, tell)
        destinations = senders(config, archive)
        for sender in destinations.values():
            open_ones.callback(sender.close)
        open_ones.enter_context(gateway)
        log.info("at work: %d sources, %d pipelines", len(gateway.lines.sources), len(config.pipelines))
        for name, sender in destinations.items():
            gateway.keep(f"destination {name}", partial(gateway.send, name, sender))
        for name, source in gateway.lines.sources.items():
            if isinstance(source, Watched):
                watch = Watch(source, gateway.intake(name))
                gateway.keep(f"source {name}", partial(gateway.watch, watch, source.look_seconds))
            elif isinstance(source, Curated):
                collection = Collection(source.version, gateway.intake(name), archive)
                gateway.keep(f"source {name}", partial(gateway.watch, collection, LOOK))
        for name, step in parts(config, Requests(engine, key), spool, gateway.quiet, gateway.intake, gateway.halts):
            gateway.keep(name, step)
        while not (stop.is_set() or is_drained):
            with ExitStack() as sources:
                for name, source in gateway.lines.sources.items():
                    if not isinstance(source, Watched | Curated | Pacs):
                        sources.enter_context(opened(source, config, gateway.intake(name)))
                tell(READY)
                while not (stop.is_set() or gateway.pulse.is_draining()):
                    gateway.work()
            is_drained = gateway.is_drained()
        tell(STOPPING)
    if is_drained:
        take_back(config.site.data)  # when all has ended: who asked looks for that first
    log.info("ended")


class _Gateway:
    """The parts of one run, each in a thread; a context manager that ends them all."""

    def __init__(
        self,
        config: Config,
        key: SiteKey,
        spool: Spool,
        archive: Archive,
        stop: threading.Event,
        tell: Notices,
    ) -> None:
        self.limit = config.limits.file_megabytes * 1_000_000
        self.reserve = config.limits.free_megabytes * 1_000_000
        self.pulse = Pulse(config.site.data, tell)
        self._data = config.site.data
        self._keep = timedelta(days=config.gateway.keep_days)
        self._comparisons = Comparisons(spool.engine, key)
        self._spool = spool
        self._chain = Chain(config, key, spool, archive, self._went_on, approval=config.gateway.require_approval)
        self.lines = self._chain.lines
        self._stop = stop
        self.quiet = Quiet(config.gateway.quiet_seconds, spool.arrived_of)
        self._look_again = 0.0
        self._scrub_again = monotonic() + SCRUBS
        self._steady = Steady()
        self._pool = ThreadPoolExecutor(len(config.destinations) + len(self.lines.sources) + 2)
        self._parts: list[Future[None]] = []

    def __enter__(self) -> _Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        """End every part after the step that it is at, and raise what ended one of them before its time."""
        self._stop.set()
        self._pool.shutdown()
        for part in self._parts:
            part.result()

    def intake(self, source: str) -> Intake:
        """Where the source hands over."""
        return Intake(self._spool, Came(source, self.lines.first_of(source)), self.limit, self.reserve)

    def halts(self) -> bool:
        """Whether nothing more is to be taken in."""
        return self._stop.is_set() or self.pulse.is_draining()

    def keep(self, what: str, step: Callable[[], float]) -> None:
        """Repeat a step in a thread of its own; it says after how many seconds."""

        def loop() -> None:
            threading.current_thread().name, wait = what, 0.0
            try:
                while not self._stop.wait(wait):
                    wait = self._kept(what, step)
            finally:
                self._stop.set()  # a fault of ours must not leave a gateway that looks well and does half its work

        self._parts.append(self._pool.submit(loop))

    def send(self, destination: str, sender: Sender) -> float:
        """Hand over the next that is due at the destination; between two tries it is still not well."""
        if self._chain.deposit(destination, sender):
            return 0.0
        if why := self._spool.why_paused(destination):
            raise Unavailable(why)
        return PAUSE

    def watch(self, watch: Watch | Collection, seconds: float) -> float:
        """Look through the folder or the dataset version, unless the gateway is to take in nothing more; a tenth of
        the time, at most, goes into looking.
        """
        started = monotonic()
        if not self.pulse.is_draining():
            watch.intake.demand_room()
            for _ in watch.look():
                if self._stop.is_set() or self.pulse.is_draining():
                    break
        return max(seconds, 10 * (monotonic() - started))

    def work(self) -> None:
        """Do what waits between coming and going."""
        wait = self._kept(CHAIN, self._between)
        self._kept("the pulse", self._show)
        self._stop.wait(wait)

    def is_drained(self) -> bool:
        """Send on all that can go on, and say whether nothing is left; not where somebody takes the wish back."""
        while self.pulse.is_draining() and not self._stop.is_set():
            self.work()
            if not any(self._spool.count(state) for state in (State.RECEIVED, State.DEIDENTIFIED, State.OUTBOX)):
                return True
        return False

    def _between(self) -> float:
        number = self._spool.list_accepted()
        number += self._chain.deidentify()
        if number or monotonic() > self._look_again:  # for who withdrew
            self._chain.forget()
            if self._steady():
                self._expire(datetime.now(UTC))
            self._look_again = monotonic() + LOOKS
        ready = (lambda *_: True) if self.pulse.is_draining() else self.quiet
        number += self._chain.check(ready)
        if not number and monotonic() > self._scrub_again:
            self._scrub_again = monotonic() + SCRUBS
            self._spool.scrub()
        return 0.0 if number else PAUSE

    def _expire(self, moment: datetime) -> None:
        self._chain.expire(moment)
        if self._keep:
            self._comparisons.let_go(moment - self._keep)

    def _show(self) -> float:
        """Tell how it is; on a full disk even that fails, and must not end it."""
        if disk_usage(self._data).free < self.reserve:
            self.pulse.trouble("disk", "less is free than limits.free_megabytes; nothing more is taken in")
        else:
            self.pulse.well("disk")
        self.pulse.beat()
        return 0.0

    def _went_on(self, *_: object) -> None:
        """The chain's progress: however much waits, the gateway shows that it lives, and ends when it is told to."""
        self.pulse.well(CHAIN)
        self.pulse.beat()
        if self._stop.is_set():
            raise _Stopped

    def _kept(self, what: str, step: Callable[[], float]) -> float:
        """What the step says; where it failed, told, and after a while."""
        try:
            with room():
                wait = step()
            self.pulse.well(what)
        except _Stopped:
            return 0.0
        except Unavailable as error:
            self.pulse.trouble(what, str(error))
            return 5 * PAUSE
        except CohortiumError as error:
            self.pulse.trouble(what, str(error))
            return 60 * PAUSE
        except Exception as error:
            log.critical("%s: ended by a defect (%s), and the gateway with it", what, type(error).__name__)
            raise
        return wait
