"""A gateway that runs for years: everything comes in at once, one thread does what lies between, and one sends for each
destination. What a thread of them cannot do now it tries again; what nobody can mend stops it, and the others go on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from time import monotonic

from cohortium import keys
from cohortium.acquire import folder
from cohortium.acquire.intake import Intake
from cohortium.archive import Archive, storage_of
from cohortium.config import Config, Watched
from cohortium.deposit import Sender
from cohortium.errors import CohortiumError, Unavailable
from cohortium.gateway.chain import Chain
from cohortium.gateway.pulse import Pulse
from cohortium.gateway.quiet import Quiet
from cohortium.gateway.ways import opened, senders
from cohortium.spool import Came, Spool
from cohortium.store import open_store
from cohortium.store.room import room
from cohortium.values import State

__all__ = ["serve"]

PAUSE = 0.5  # seconds between two looks where nothing waits
LOOKS = 60.0  # seconds between two looks for who withdrew
SCANS = 10.0  # a folder is looked through at most every so many seconds, and a tenth of the time

log = logging.getLogger(__name__)


def serve(config: Config, stop: threading.Event) -> None:
    """Run the gateway until `stop` is set, or it is drained."""
    key = keys.load(config.site.key, config.site.data)
    with room(), ExitStack() as open_ones:
        engine = open_store(config)
        archive = Archive(engine, storage_of(config), key)
        spool = open_ones.enter_context(Spool(engine, config.site.data / "spool", key))
        chain = Chain(config, key, spool, archive, lambda *_: None)
        gateway = _Gateway(config, spool, chain, stop)
        open_ones.callback(gateway.join)
        for name, sender in senders(config, archive).items():
            gateway.keep(f"destination {name}", partial(gateway.send, name, sender))
        with ExitStack() as sources:
            for name, source in chain.lines.sources.items():
                came = Came(name, chain.lines.first_of(name))
                if isinstance(source, Watched):
                    gateway.keep(f"source {name}", partial(gateway.watch, source, came))
                else:
                    intake = Intake(spool, came, gateway.limit, gateway.reserve)
                    sources.enter_context(opened(source, config, intake))
            gateway.pulse.beat()
            while not (stop.is_set() or gateway.pulse.is_draining()):
                gateway.work()
        gateway.drain()


class _Gateway:
    """The threads of one run."""

    def __init__(self, config: Config, spool: Spool, chain: Chain, stop: threading.Event) -> None:
        self.limit = config.limits.file_megabytes * 1_000_000
        self.reserve = config.limits.free_megabytes * 1_000_000
        self.pulse = Pulse(config.site.data)
        self._spool = spool
        self._chain = chain
        self._stop = stop
        self._quiet = Quiet(config.gateway.quiet_seconds, spool.arrived_of)
        self._look_again = 0.0
        self._threads: list[threading.Thread] = []

    def keep(self, what: str, step: Callable[[], float]) -> None:
        """Repeat a step in a thread of its own; it says after how many seconds."""

        def loop() -> None:
            wait = 0.0
            try:
                while not self._stop.wait(wait):
                    wait = self._kept(what, step)
            finally:
                self._stop.set()  # a fault of ours must not leave a gateway that looks well and does half its work

        thread = threading.Thread(target=loop, name=what)
        self._threads.append(thread)
        thread.start()

    def send(self, destination: str, sender: Sender) -> float:
        """Hand over what is due at the destination."""
        return 0.0 if self._chain.deposit(destination, sender) else PAUSE

    def watch(self, source: Watched, came: Came) -> float:
        """Look through the folder."""
        started = monotonic()
        for _ in folder.acquire(source.path, self._spool, came, self.limit, source.settle_seconds):
            if self._stop.is_set() or self.pulse.is_draining():
                break
        return max(SCANS, 10 * (monotonic() - started))

    def work(self) -> None:
        """Do what waits between coming and going."""
        done = self._kept("the chain", self._between)
        self.pulse.beat()
        if done:
            self._stop.wait(done)

    def drain(self) -> None:
        """Where that was asked for: send on all that can go on, and then stop."""
        while self.pulse.is_draining() and not self._stop.is_set():
            self._kept("the chain", self._between)
            self.pulse.beat()
            if not any(self._spool.count(state) for state in (State.RECEIVED, State.DEIDENTIFIED, State.OUTBOX)):
                self.pulse.drained()
                break
            self._stop.wait(PAUSE)

    def join(self) -> None:
        """End every thread after the step that it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _between(self) -> float:
        number = self._spool.list_accepted()
        number += self._chain.deidentify()
        if number or monotonic() > self._look_again:  # for who withdrew
            self._chain.forget()
            self._look_again = monotonic() + LOOKS
        ready = (lambda *_: True) if self.pulse.is_draining() else self._quiet
        number += self._chain.check(ready)
        return 0.0 if number else PAUSE

    def _kept(self, what: str, step: Callable[[], float]) -> float:
        """What the step says; where it failed, told, and after a while."""
        try:
            with room():
                wait = step()
            self.pulse.well(what)
        except Unavailable as error:
            self.pulse.trouble(what, str(error))
            return 5 * PAUSE
        except CohortiumError as error:
            log.error("%s: %s", what, error)
            self.pulse.trouble(what, str(error))
            return 60 * PAUSE
        return wait
