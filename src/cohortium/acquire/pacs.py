"""A PACS that is asked: what it holds (C-FIND), and that it sends it (C-MOVE to a receiver, or C-GET to us).

An answer counts only if it shows what was asked for: a PACS that ignores a key would otherwise send everything it has.
Whatever is being asked is cancelled (C-CANCEL) as soon as it is to stop, and broken off where no sign of life comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, StoragePresentationContexts, _config, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from cohortium import tls
from cohortium.acquire.intake import Intake
from cohortium.config import Pacs as Settings
from cohortium.errors import CohortiumError, Refused, Unavailable
from cohortium.spool.wanted import Query, Series, Study

__all__ = ["Outcome", "Pacs"]

log = logging.getLogger(__name__)
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # its messages quote what is asked and answered

FIND = UID(StudyRootQueryRetrieveInformationModelFind)
MOVE = UID(StudyRootQueryRetrieveInformationModelMove)
GET = UID(StudyRootQueryRetrieveInformationModelGet)
SUCCESS, PENDING, CANCEL = 0x0000, (0xFF00, 0xFF01), 0xFE00  # PS3.4 C.4
OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0xA700, 0xC000
REFUSALS = {  # of a C-MOVE or C-GET, PS3.4 C.4.2.1.5: why nothing at all can be had now
    0xA701: "it is out of resources to count what it is to send",
    0xA801: "it does not know the AE title of the receiver that it is to send to",
    0x0122: "it does not offer this service",
    0x0124: "it does not authorise this",
}
MESSAGE = 1
PDU = 1 << 18
CONTEXTS = 127  # of 128, one is the question's
CONNECT = 30  # seconds
LOOK = 0.5  # seconds between two looks whether to stop
GRACE = 10.0  # seconds in which a PACS may answer a C-CANCEL
STRANGERS = 1000  # answers that show something else than what was asked for
SYNTAXES = sorted(ALL_TRANSFER_SYNTAXES, key=lambda each: "MPEG" in UID(each).name or "JPIP" in UID(each).name)
TOLD = ("StudyInstanceUID", "StudyDate", "NumberOfStudyRelatedInstances", "ModalitiesInStudy")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the PACS said in the end, in words; `is_cancelled`: because that was our wish."""

    words: str
    is_cancelled: bool = False


class Pacs:
    """One `[[source.pacs]]`. `destination` is the AE title that it sends to; without one it answers by C-GET.

    `halt` says whether to stop: what is at work then is cancelled. `below` is the folder of the configuration.
    """

    def __init__(
        self, settings: Settings, destination: str, intake: Intake, halt: Callable[[], bool], below: Path
    ) -> None:
        self._settings = settings
        self._tls = (tls.client(settings, below), settings.host) if settings.authority else None
        self._destination = destination
        self._intake = intake
        self._halt = halt

    def find(self, number: int, query: Query) -> tuple[list[Study], int]:
        """The studies that answer the query of that number, and how many other answers were left out.

        `Refused` where the PACS does not answer this one, `Unavailable` where it answers nothing now; so below.
        """
        wanted = _identifier("STUDY", query, TOLD)
        studies: dict[str, Study] = {}
        untold: set[str] = set()  # studies of which it does not say the modalities, an optional key (PS3.4 C.6.2.1.2)
        strangers = 0
        for answer in self._found([wanted]):
            uid = _text(answer, "StudyInstanceUID")
            is_untold = "ModalitiesInStudy" in query and not answer.get("ModalitiesInStudy")
            shown = [name for name in query if not (is_untold and name == "ModalitiesInStudy")]
            if uid and all(_shows(answer, name, query[name]) for name in shown):
                studies[uid] = Study(number, uid, _number(answer, "NumberOfStudyRelatedInstances"))
                untold |= {uid} if is_untold else set()
            elif (strangers := strangers + 1) > STRANGERS:
                raise Refused("the PACS answers with studies that were not asked for: it ignores this key")
        others = untold - self._with_modality(sorted(untold), query.get("ModalitiesInStudy", ""))
        return [each for uid, each in studies.items() if uid not in others], strangers

    def _with_modality(self, studies: Sequence[str], modality: str) -> set[str]:
        """Those of the studies that have a series of the modality, which every PACS tells of a series."""
        if not studies:
            return set()
        queries = [
            _identifier("SERIES", {"StudyInstanceUID": uid}, ("SeriesInstanceUID", "Modality")) for uid in studies
        ]
        answers = self._found(queries)
        return {_text(answer, "StudyInstanceUID") for answer in answers if _shows(answer, "Modality", modality)}

    def listed(self, study: Study) -> Study:
        """The study with its series, and the instances that the PACS names of each."""
        key = {"StudyInstanceUID": study.StudyInstanceUID}
        series: dict[str, int | None] = {}
        for answer in self._found(
            [_identifier("SERIES", key, ("SeriesInstanceUID", "NumberOfSeriesRelatedInstances"))]
        ):
            if (uid := _text(answer, "SeriesInstanceUID")) and _shows(answer, *next(iter(key.items()))):
                series[uid] = _number(answer, "NumberOfSeriesRelatedInstances")
        names: dict[str, dict[str, str]] = {uid: {} for uid in series}
        queries = [key | {"SeriesInstanceUID": uid} for uid in series]
        for answer in self._images(queries):
            uid, name = _text(answer, "SeriesInstanceUID"), _text(answer, "SOPInstanceUID")
            if name and uid in names:
                names[uid][name] = _text(answer, "SOPClassUID")
        found = (Series(uid, told, tuple(sorted(names[uid].items()))) for uid, told in series.items())
        return Study(study.query, study.StudyInstanceUID, study.told, tuple(found))

    def _images(self, queries: Sequence[Query]) -> list[Dataset]:
        """The answers at IMAGE level; without classes where a PACS cannot tell those, as Orthanc of a file it lost."""
        told = "SOPInstanceUID", "SOPClassUID"
        try:
            return list(self._found([_identifier("IMAGE", each, told) for each in queries]))
        except Refused:
            return list(self._found([_identifier("IMAGE", each, told[:1]) for each in queries]))

    def pull(
        self,
        study: Study,
        series: Sequence[Series],
        halt: Callable[[], bool],
        come: Callable[[], int],
        *,
        singly: bool = False,
    ) -> Outcome:
        """Let the PACS send the study, or those series of it; `come` counts what is there of it by now.

        `singly`: the instances of those series, one by one.
        """
        model = MOVE if self._destination else GET
        identifiers = _one_by_one(study, series) if singly else [_together(study, series)]
        contexts = [build_context(model)] + ([] if self._destination else _contexts(series))
        outcomes: list[Outcome] = []
        with self._association(contexts) as association, self._watched(association, model, halt, come) as watch:
            association.bind(evt.EVT_C_STORE, self._store, [watch])
            for identifier in identifiers:
                outcomes.append(self._asked(association, watch, model, identifier))
                if watch.is_cancelled or not association.is_established:
                    return outcomes[-1]
        failed = [each for each in outcomes if each.words]
        if len(identifiers) > 1 and failed:
            return Outcome(f"asked for one by one, {len(failed)} of {len(identifiers)} images were not sent")
        return outcomes[-1]

    def _asked(self, association: Association, watch: _Watch, model: UID, identifier: Dataset) -> Outcome:
        if self._destination:
            answers = association.send_c_move(identifier, self._destination, model, msg_id=MESSAGE)
        else:
            answers = association.send_c_get(identifier, model, msg_id=MESSAGE)
        for status, _ in answers:
            watch.alive()
            if status.get("Status") not in PENDING:
                return _outcome(status, watch)
        return Outcome("the PACS gave no final answer")

    def _store(self, event: evt.Event, watch: _Watch) -> int:
        """Take in what comes by C-GET; durable when this returns."""
        watch.alive()
        request: Any = event.request
        try:
            self._intake.take(str(request.AffectedSOPInstanceUID), [event.encoded_dataset()])
        except Refused:
            return CANNOT_UNDERSTAND
        except (CohortiumError, OSError, ValueError, AttributeError) as error:
            why = str(error) if isinstance(error, Unavailable) else type(error).__name__
            log.error("source %s: an instance could not be taken in (%s)", self._settings.name, why)
            return OUT_OF_RESOURCES
        return SUCCESS

    def _found(self, identifiers: Sequence[Dataset]) -> Iterator[Dataset]:
        """The answers to each of the questions, over one association."""
        with (
            self._association([build_context(FIND)]) as association,
            self._watched(association, FIND, self._halt, lambda: 0) as watch,
        ):
            for identifier in identifiers:
                for status, answer in association.send_c_find(identifier, FIND, msg_id=MESSAGE):
                    watch.alive()
                    if status.get("Status") in PENDING and answer is not None:
                        yield answer
                    elif status.get("Status") != SUCCESS:
                        raise (Unavailable if watch.is_cancelled else Refused)(_outcome(status, watch).words)

    @contextmanager
    def _association(self, contexts: list[PresentationContext]) -> Iterator[Association]:
        settings = self._settings
        ae = AE(ae_title=settings.calling)
        ae.acse_timeout = ae.connection_timeout = CONNECT
        ae.dimse_timeout = ae.network_timeout = None  # how long to wait is for `_watched` to say
        _config.UNRESTRICTED_STORAGE_SERVICE = True  # any storage class
        classes = {str(context.abstract_syntax) for context in contexts[1:]}
        association = ae.associate(
            settings.host,
            settings.port,
            contexts=contexts,
            ae_title=settings.ae_title,
            max_pdu=PDU,
            ext_neg=[build_role(UID(each), scp_role=True) for each in sorted(classes)],
            tls_args=self._tls,
        )
        if not association.is_established:
            raise Unavailable(
                "the PACS rejects the association; look at the AE titles, and at whom it lists"
                if association.is_rejected
                else "the PACS cannot be reached, or there is no secure connection to it"
            )
        try:
            if not association.accepted_contexts:
                raise Unavailable("the PACS offers none of the services that are needed")
            yield association
        except BaseException:
            _cut(association)
            raise
        finally:
            if association.is_established:
                association.release()

    @contextmanager
    def _watched(
        self, association: Association, model: UID, halt: Callable[[], bool], come: Callable[[], int]
    ) -> Iterator[_Watch]:
        watch = _Watch(association, model, self._settings.patience_seconds, halt, come)
        watch.start()
        try:
            yield watch
        finally:
            watch.done.set()
            watch.join()


class _Watch(threading.Thread):
    """Cancels what is being asked when it is to stop, and breaks off where no sign of life comes for too long."""

    def __init__(
        self,
        association: Association,
        model: UID,
        patience: float,
        halt: Callable[[], bool],
        come: Callable[[], int],
    ) -> None:
        super().__init__(name="pacs watch")
        self.done = threading.Event()
        self.is_cancelled = self.is_silent = False
        self._association, self._model, self._patience = association, model, patience
        self._halt, self._come = halt, come
        self._seen, self._last = come(), time.monotonic()

    def alive(self) -> None:
        """There was a sign of life."""
        self._last = time.monotonic()

    def run(self) -> None:
        while not self.done.wait(LOOK):
            if self._halt():
                self.is_cancelled = True
                with suppress(RuntimeError, ValueError):  # it has ended meanwhile
                    self._association.send_c_cancel(MESSAGE, query_model=self._model)
                if not self.done.wait(GRACE):
                    _cut(self._association)
                return
            if time.monotonic() - self._last > self._patience:
                if (come := self._come()) == self._seen:
                    self.is_silent = True
                    _cut(self._association)
                    return
                self._seen = come  # what comes to the receiver is a sign of life, too
                self.alive()


def _cut(association: Association) -> None:
    """Break off, and wake who waits for an answer."""
    if association.is_established:
        association.abort()
    association.dimse.msg_queue.put((None, None))


def _outcome(status: Dataset, watch: _Watch) -> Outcome:
    code = status.get("Status")
    if watch.is_cancelled:
        return Outcome("cancelled", is_cancelled=True)
    if watch.is_silent:
        return Outcome("the PACS was silent for too long")
    if code is None:
        return Outcome("the PACS broke off")
    if code in REFUSALS:
        raise Unavailable(f"the PACS refuses: {REFUSALS[code]}")
    failed = status.get("NumberOfFailedSuboperations") or 0
    if failed:
        return Outcome(f"the PACS says that it could not send {failed} image{'' if failed == 1 else 's'}")
    return Outcome("" if code == SUCCESS else f"the PACS answers with status {code:04X}")


def _identifier(level: str, keys: Query, told: Sequence[str] = ()) -> Dataset:
    """A question: what it is to match, what else is to be told, and in which characters that is said."""
    dataset = Dataset()
    text = "".join(keys.values())
    if not text.isascii():
        latin = all(ord(each) < 0x100 for each in text)
        dataset.SpecificCharacterSet = "ISO_IR 100" if latin else "ISO_IR 192"
    dataset.QueryRetrieveLevel = level
    for name in told:
        setattr(dataset, name, None)
    for name, value in keys.items():
        setattr(dataset, name, value.split("\\") if "\\" in value else value)
    return dataset


def _together(study: Study, series: Sequence[Series]) -> Dataset:
    """The question for all of those series."""
    keys = {"StudyInstanceUID": study.StudyInstanceUID}
    if len(series) == len(study.series):
        return _identifier("STUDY", keys)
    return _identifier("SERIES", keys | {"SeriesInstanceUID": "\\".join(each.SeriesInstanceUID for each in series)})


def _one_by_one(study: Study, series: Sequence[Series]) -> list[Dataset]:
    """A question for each of their instances."""
    keys = {"StudyInstanceUID": study.StudyInstanceUID}
    return [
        _identifier("IMAGE", keys | {"SeriesInstanceUID": each.SeriesInstanceUID, "SOPInstanceUID": uid})
        for each in series
        for uid, _ in each.instances
    ]


def _shows(answer: Dataset, name: str, wanted: str) -> bool:
    """Whether the answer says what was asked for; one that does not say it at all does not count."""
    values = answer.get(name)
    texts = [str(each).strip() for each in (values if not isinstance(values, str) and values else [values or ""])]
    if name == "StudyDescription":
        return any(fnmatchcase(each.casefold(), wanted.casefold()) for each in texts)
    return wanted in texts


def _text(answer: Dataset, name: str) -> str:
    return str(answer.get(name) or "").strip()


def _number(answer: Dataset, name: str) -> int | None:
    with suppress(ValueError, TypeError):  # optional, and what some PACS write there is no number
        return int(answer.get(name))
    return None


def _contexts(series: Sequence[Series]) -> list[PresentationContext]:
    """What may come by C-GET: each class in each transfer syntax by itself, so that nothing is recoded for us."""
    classes = sorted({kind for each in series for _, kind in each.instances if kind})
    if not classes:  # which the PACS need not tell
        return [build_context(str(each.abstract_syntax), SYNTAXES) for each in StoragePresentationContexts[:CONTEXTS]]
    each_has = max(1, CONTEXTS // len(classes))
    return [build_context(each, syntax) for each in classes[:CONTEXTS] for syntax in SYNTAXES[:each_has]]
