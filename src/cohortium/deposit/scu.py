"""C-STORE to an archive: the data set goes out as the bytes that it is, or not at all.

What the peer's status says is confirmed by a query at IMAGE level where the peer answers such; what the peer does not
accept in the instance's own transfer syntax is refused, and never converted.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import groupby
from pathlib import Path
from time import sleep
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from cohortium import tls
from cohortium.config import Scp
from cohortium.deposit.echo import echo
from cohortium.deposit.parcels import NO_TABLES, Answer, Confirmed, How, Parcel, TableParcel
from cohortium.errors import Refused, Unavailable
from cohortium.values import Instance

__all__ = ["Scu"]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # its messages quote what is sent

FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root, PS3.4 C.6.2
SUCCESS, DOES_NOT_MATCH, PROCESSING_FAILURE = 0x0000, 0xB007, 0x0110  # PS3.4 B.2.3, PS3.7 C.5.8
CHANGED = range(0xB000, 0xC000)
RESOURCES = range(0xA700, 0xA800)
PENDING = (0xFF00, 0xFF01)
CONNECT, ANSWER = 15, 300  # seconds
BREAKS = 3  # associations that may break, one after the other
NOT_FOUND = "the peer answered with success, and a query does not find it"
META = 144  # where the file meta information's group length ends


class Scu:
    """One peer; `below` is the folder from which files of the settings are named."""

    def __init__(self, settings: Scp, below: Path) -> None:
        self._settings, self._below = settings, below
        self._tls: Any = (tls.client(settings, below), settings.host) if settings.authority else None
        self._ae = AE(ae_title=settings.calling)
        self._ae.connection_timeout = CONNECT
        self._ae.acse_timeout = self._ae.dimse_timeout = self._ae.network_timeout = ANSWER

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[Answer]:  # noqa: ARG002
        """See `Sender`."""
        answers: dict[int, Answer] = {}
        for _ in range(BREAKS):
            waiting = [(number, each) for number, each in enumerate(parcels) if number not in answers]
            if not waiting:
                break
            try:
                with self._association([each for _, each in waiting]) as association:
                    _hand_over(association, waiting, answers)
            except Unavailable:
                if not answers:
                    raise
                break
        broken = Unavailable("the association broke")
        return [answers.get(number, broken) for number in range(len(parcels))]

    def send_table(self, project: str, parcel: TableParcel) -> Answer:  # noqa: ARG002
        """See `Sender`."""
        return Refused(NO_TABLES.format("a peer by C-STORE"))

    def probe(self) -> None:
        """See `Sender`."""
        echo(self._settings, self._below)

    def close(self) -> None:
        """See `Sender`."""

    @contextmanager
    def _association(self, parcels: Sequence[Parcel]) -> Iterator[Association]:
        """One that offers what the parcels are; it may have been accepted for none of that."""
        kinds = sorted({_kind(each.instance) for each in parcels})
        association = self._ae.associate(
            self._settings.host,
            self._settings.port,
            contexts=[*(build_context(*kind) for kind in kinds), build_context(FIND, ImplicitVRLittleEndian)],
            ae_title=self._settings.ae_title,
            evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)],
            tls_args=self._tls,
        )
        if association.is_rejected:
            raise Unavailable("the peer rejects the association; do both AE titles stand in its configuration?")
        if not association.is_established and association.acceptor.primitive is None:
            raise Unavailable("the peer ends it without an answer; are address, port, TLS and both AE titles right?")
        try:
            yield association
        finally:
            if association.is_established:
                association.release()


def _hand_over(association: Association, waiting: Sequence[tuple[int, Parcel]], answers: dict[int, Answer]) -> None:
    """Store what is waiting; what the association breaks over is answered, what came after it is not."""
    accepted = {
        (str(each.abstract_syntax), str(each.transfer_syntax[0])): int(each.context_id or 0)
        for each in association.accepted_contexts
    }
    stored: dict[int, Instance] = {}
    for number, parcel in waiting:
        id = accepted.get(_kind(parcel.instance))
        if id is None:
            answers[number] = _not_accepted(parcel.instance)
            continue
        status = _store(association, parcel, id)
        answers[number] = _judged(parcel.instance, status)
        if isinstance(answers[number], Confirmed):
            stored[number] = parcel.instance
        if status is None:
            break
    if any(abstract == FIND for abstract, _ in accepted):
        answers |= _confirmed(association, stored)


def _kind(of: Instance) -> tuple[str, str]:
    return of.SOPClassUID, of.TransferSyntaxUID


def _store(association: Association, parcel: Parcel, context_id: int) -> int | None:
    """The peer's status, None where it says none. As pynetdicom's own method, which would write the data set anew."""
    content = parcel.content()
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = UID(parcel.instance.SOPClassUID)
    request.AffectedSOPInstanceUID = UID(parcel.instance.SOPInstanceUID)
    start = META + int.from_bytes(content[META - 4 : META], "little")
    request.DataSet = BytesIO(memoryview(content)[start:])
    association._reactor_checkpoint.clear()
    try:
        while not association._is_paused:
            if not association.is_alive():
                return None
            sleep(0.0001)
        association.dimse.send_msg(request, context_id)
        _, answer = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    if answer is None and association.is_established:
        association.abort()
    return getattr(answer, "Status", None)


def _judged(of: Instance, status: int | None) -> Answer:
    if status in (SUCCESS, DOES_NOT_MATCH):  # the latter: stored as it is, and not what its SOP class asks for
        return Confirmed(of.digest, How.STATUS)
    if status is None:
        return Unavailable("the association broke over it")
    if status in RESOURCES or status == PROCESSING_FAILURE:
        return Unavailable(f"the peer cannot store it now (status {status:04X}H)")
    if status in CHANGED:
        return Refused(f"the peer stored it with changes (status {status:04X}H)")
    return Refused(f"the peer refuses it (status {status:04X}H)")


def _not_accepted(of: Instance) -> Refused:
    names = f"{UID(of.SOPClassUID).name} in {UID(of.TransferSyntaxUID).name}"
    return Refused(f"the peer does not accept {names}, and nothing is converted on the way out")


def _confirmed(association: Association, stored: Mapping[int, Instance]) -> dict[int, Answer]:
    """What a query at IMAGE level says of instances whose storing was answered with success."""
    answers: dict[int, Answer] = {}
    for (study, series), group in groupby(sorted(stored.items(), key=_series), key=_series):
        of = dict(group)
        found = _found(association, study, series, [each.SOPInstanceUID for each in of.values()])
        if found is None:
            continue  # it answers no such query: the status stands
        for number, each in of.items():
            there = each.SOPInstanceUID in found
            answers[number] = Confirmed(each.digest, How.FOUND) if there else Unavailable(NOT_FOUND)
    return answers


def _series(stored: tuple[int, Instance]) -> tuple[str, str]:
    return stored[1].StudyInstanceUID, stored[1].SeriesInstanceUID


def _found(association: Association, study: str, series: str, uids: Sequence[str]) -> set[str] | None:
    """Which of those instances the peer finds; None where it could not say."""
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID, query.SOPInstanceUID = study, series, list(uids)
    found: set[str] = set()
    try:
        for status, answer in association.send_c_find(query, FIND):
            if status.get("Status") not in PENDING:
                return found if status.get("Status") == SUCCESS else None
            found.add(str(answer.SOPInstanceUID) if answer and "SOPInstanceUID" in answer else "")
    except (RuntimeError, ValueError):  # the association is gone, or what came cannot be read
        pass
    return None


def _send_at_once(event: evt.Event) -> None:
    """Small packets are answers or requests that somebody waits for."""
    transport: Any = event.assoc.dul.socket
    transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
