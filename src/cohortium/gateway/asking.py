"""Asks a PACS for what people requested: study by study, in its hours, not too many an hour, and again what is missing.

What is there by the spool's own account is never asked for again, whatever the PACS said of it, and whoever was killed
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

from cohortium.acquire.intake import Intake
from cohortium.acquire.pacs import Pacs
from cohortium.config import Config, Receiver
from cohortium.config import Pacs as Settings
from cohortium.errors import Refused, Unavailable
from cohortium.gateway.pace import is_hour
from cohortium.gateway.quiet import Quiet
from cohortium.spool import Spool
from cohortium.spool.accounts import Account, account
from cohortium.spool.requests import Requests
from cohortium.spool.wanted import Query, Series, Stage, Study, Wanted

__all__ = ["Accounts", "Asking", "parts"]

PAUSE = 2.0  # seconds between two looks where there is nothing to ask, or the hours are over
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0  # seconds before a PACS that cannot be asked is tried again; doubles
SETTLING, LOOK = 5.0, 0.2  # seconds for what was sent last to be listed, and between two looks for it
SINGLY = 2  # tries after which images are asked for one by one: some PACS send none where they lost one
HOUR = timedelta(hours=1)
MOVING, RESTING = timedelta(seconds=1), timedelta(seconds=5)  # how often the images of a study are counted

Complete = Callable[[frozenset[tuple[str, str]]], None]
"""Takes (pipeline, SeriesInstanceUID) of series that are there as a PACS listed them."""


class Accounts:
    """Counts where the images of requested studies are."""

    def __init__(
        self, requests: Requests, spool: Spool, sources: Mapping[str, str], keep: timedelta, tell: Complete
    ) -> None:
        """`sources` gives, by the name of each PACS, the source by which comes what it sends; `keep` 0: for ever."""
        self._requests = requests
        self._spool = spool
        self._sources = sources
        self._keep = keep
        self._tell = tell
        self._let_go = 0.0

    def of(self, source: str, study: Study) -> Account:
        """The account of one study of that PACS."""
        marks = self._requests.marks(self._sources.get(source, source), study)
        with self._spool.reading() as connection:
            return account(connection, study, marks)

    def step(self) -> float:
        """Count anew what was not counted for a while; says after how many seconds to come again."""
        moment = datetime.now(UTC)
        waiting = self._requests.to_count([Stage.ASKED], moment - MOVING)
        waiting += self._requests.to_count([Stage.WAITING, Stage.ARRIVED, Stage.INCOMPLETE], moment - RESTING)
        for wanted in waiting:
            found = self.of(wanted.source, wanted.study)
            self._requests.count(wanted, found)
            self._tell(found.complete)
        if self._keep and monotonic() > self._let_go:
            self._requests.let_go(moment - self._keep)
            self._let_go = monotonic() + HOUR.total_seconds()
        return MOVING.total_seconds()


def parts(
    config: Config,
    requests: Requests,
    spool: Spool,
    quiet: Quiet,
    intake: Callable[[str], Intake],
    halt: Callable[[], bool],
) -> Iterator[tuple[str, Callable[[], float]]]:
    """The steps that a gateway repeats: each PACS asked, and what comes of it counted; none where there is no PACS.

    What a gateway was at when it ended is asked for again.
    """
    titles = {each.name: each.ae_title for each in config.sources if isinstance(each, Receiver)}
    sources = [each for each in config.sources if isinstance(each, Settings)]
    by = {each.name: each.receiver or each.name for each in sources}
    accounts = Accounts(requests, spool, by, timedelta(days=config.gateway.keep_days), quiet.tell)
    for source in sources:
        requests.begin(source.name)
        into = intake(source.name)
        pacs = Pacs(source, titles.get(source.receiver, ""), into, halt, config.file.parent)
        yield f"source {source.name}", Asking(source, pacs, into, requests, accounts, halt).step
    if sources:
        yield "requests", accounts.step


@dataclass
class Asking:
    """One PACS, asked by one thread."""

    settings: Settings
    pacs: Pacs
    intake: Intake
    requests: Requests
    accounts: Accounts
    halt: Callable[[], bool]
    clock: Callable[[], datetime] = datetime.now
    _wait: float = 0.0
    _until: float = 0.0
    _trouble: str = ""

    def step(self) -> float:
        """Ask for one study, or what answers one query; says after how many seconds to come again."""
        if self.halt() or not is_hour(self.settings.hours, self.clock()):
            return PAUSE
        if monotonic() < self._until:
            raise Unavailable(self._trouble)
        try:
            self.intake.demand_room()
            did = self._ask()
        except Unavailable as error:
            self._wait = min(max(FIRST_WAIT, 2 * self._wait), LONGEST_WAIT)
            self._until, self._trouble = monotonic() + self._wait, str(error)
            if self.halt():
                return PAUSE
            raise
        if did:
            self._wait = 0.0
        return 0.0 if did else PAUSE

    def _ask(self) -> bool:
        name = self.settings.name
        plans = self.requests.plans(name, datetime.now(UTC) - HOUR)
        now = [each for each in plans if is_hour(each.hours, self.clock())]
        within = [each.id for each in now if not each.studies_hour or each.asked < each.studies_hour]
        if wanted := self.requests.next_study(name, within):
            return self._pull(wanted) if wanted.study.StudyInstanceUID else self._find_again(wanted)
        if found := self.requests.next_query(name, [each.id for each in now]):
            request, number, query = found
            try:
                self._find(request, number, query)
            except Refused as error:
                self.requests.unanswered(request, number, str(error))
            return True
        return False

    def _find_again(self, wanted: Wanted) -> bool:
        number = wanted.study.query
        try:
            self._find(wanted.request, number, self.requests.query(wanted.request, number))
        except Refused as error:
            self.requests.later(wanted, str(error))
        return True

    def _find(self, request: int, number: int, query: Query) -> None:
        studies, strangers = self.pacs.find(number, query)
        words = ["the PACS holds no such study"] if not studies else []
        words += ["it answered with studies that do not show what was asked for"] if strangers else []
        self.requests.answered(request, number, studies, "; ".join(words))

    def _pull(self, wanted: Wanted) -> bool:
        try:
            study = wanted.study if wanted.study.series else self._list(wanted)
        except Refused as error:
            self.requests.later(wanted, str(error))
            return True
        lacking = self.accounts.of(wanted.source, study).missing + study.unnamed
        if not lacking:
            self.requests.arrived(wanted)
        elif self._is_quota_used():
            return False
        else:
            self.requests.moving(wanted)
            self._move(wanted, study, lacking)
        return True

    def _list(self, wanted: Wanted) -> Study:
        study = self.pacs.listed(wanted.study)
        if not study.series:
            raise Refused("the PACS lists no series of the study")
        self.requests.note_list(wanted, study)
        return study

    def _move(self, wanted: Wanted, study: Study, series: Sequence[Series]) -> None:
        def halt() -> bool:
            return self.halt() or self.requests.is_cancelled(wanted.request)

        def come() -> int:
            return self.accounts.of(wanted.source, study).counts.arrived

        try:
            singly = wanted.tries >= SINGLY and all(each.instances for each in series)
            outcome = self.pacs.pull(study, series, halt, come, singly=singly)
        except Unavailable as error:  # of this PACS altogether, not of this study
            self.requests.later(wanted, str(error), counts=False)
            raise
        if outcome.is_cancelled:
            self.requests.later(wanted, "", counts=False)
        elif self._has_come(study) and not (outcome.words and study.unnamed):
            self.requests.arrived(wanted)
        else:
            self.requests.later(wanted, outcome.words or "the PACS says that it sent everything, and did not")

    def _has_come(self, study: Study) -> bool:
        """Whether nothing is missing that the PACS named, once the last of it is listed."""
        until = monotonic() + SETTLING
        while self.accounts.of(self.settings.name, study).missing:
            if monotonic() > until or self.halt():
                return False
            sleep(LOOK)
        return True

    def _is_quota_used(self) -> bool:
        most = self.settings.studies_hour
        return bool(most) and self.requests.asked_since(self.settings.name, datetime.now(UTC) - HOUR) >= most
