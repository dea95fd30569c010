"""One sender, from its request for an association to the last answer: C-STORE and C-ECHO, and nothing else.

It hears of success only when the bytes of its data set, which nothing decodes here, are durable and sealed.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, build_context, negotiate_unrestricted

from cohortium.acquire import commands
from cohortium.acquire.commands import C_CANCEL, C_ECHO, C_STORE, Command
from cohortium.acquire.intake import Intake
from cohortium.acquire.upper import PDU, Connection, Ended, aborted, rejected
from cohortium.dicom import filemeta
from cohortium.errors import CohortiumError, Malformed, Refused, Unavailable

__all__ = ["Acceptor", "serve"]

log = logging.getLogger(__name__)
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # its messages quote what is sent

VERIFICATION = "1.2.840.10008.1.1"
DICOM_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND, NO_SUCH_OPERATION = 0x0000, 0xA700, 0xC000, 0x0211  # PS3.4 B.2.3, PS3.7 C
PERMANENT, TRANSIENT, BY_USER, BY_PRESENTATION = 0x01, 0x02, 0x01, 0x03  # PS3.8 9.3.4
ABSTRACT_SYNTAX_NOT_SUPPORTED = 0x03  # PS3.8 9.3.3.2
NOT_STORED = ("Storage Commitment", "Media Storage Directory")  # a DICOMDIR lists images and is none
CALLING_TITLE_UNKNOWN, CALLED_TITLE_UNKNOWN, TOO_MANY = 0x03, 0x07, 0x02

# What pynetdicom lets through from bytes that are no request.
NONSENSE = (AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError, struct.error)


@dataclass(frozen=True, slots=True)
class Acceptor:
    """The side that is called: its source's name, its AE title, and who may send what to where."""

    name: str
    ae_title: str
    peers: frozenset[tuple[str, str]]
    intake: Intake


def serve(connection: Connection, address: str, acceptor: Acceptor, *, is_full: bool = False) -> None:
    """Answer the peer at that address until it has had enough."""
    try:
        request = _request(connection.request())
        if refusal := _refusal(request, address, acceptor, is_full):
            raise Ended(refusal)
        contexts, acceptance = _negotiated(request)
        connection.say(acceptance)
        while True:
            _answer(connection, contexts, acceptor)
    except Ended as end:
        connection.close(end.farewell)


def _request(encoded: bytes) -> A_ASSOCIATE:
    pdu = A_ASSOCIATE_RQ()
    try:
        pdu.decode(encoded)
        return pdu.to_primitive()
    except NONSENSE:
        raise Ended(aborted()) from None


def _refusal(request: A_ASSOCIATE, address: str, acceptor: Acceptor, is_full: bool) -> bytes:
    """The rejection of a request that is not to be accepted."""
    if request.called_ae_title != acceptor.ae_title:
        log.warning("source %s: %s calls another AE title, and was rejected", acceptor.name, address)
        return rejected(PERMANENT, BY_USER, CALLED_TITLE_UNKNOWN)
    if (request.calling_ae_title, address) not in acceptor.peers:
        log.warning("source %s: the AE title at %s is no peer's, and was rejected", acceptor.name, address)
        return rejected(PERMANENT, BY_USER, CALLING_TITLE_UNKNOWN)
    if is_full:
        log.warning("source %s: too many associations at once, %s is to try again", acceptor.name, address)
        return rejected(TRANSIENT, BY_PRESENTATION, TOO_MANY)
    return b""


def _negotiated(request: A_ASSOCIATE) -> tuple[dict[int, tuple[str, str]], bytes]:
    """Every context that may be of storage, private ones too, with its class and the first syntax that it offers."""
    asked: Any = request.user_information
    try:
        roles = {
            each.sop_class_uid: (each.scu_role, each.scp_role)
            for each in asked
            if isinstance(each, SCP_SCU_RoleSelectionNegotiation) and each.sop_class_uid
        }
        found, agreed = negotiate_unrestricted(
            request.presentation_context_definition_list, [build_context(VERIFICATION)], roles
        )
        for each in found:
            if not _may_be_had(UID(str(each.abstract_syntax))):
                each.result = ABSTRACT_SYNTAX_NOT_SUPPORTED
        contexts = {
            each.context_id or 0: (str(each.abstract_syntax), str(each.transfer_syntax[0]))
            for each in found
            if each.result == 0
        }
        return contexts, _acceptance(request, found, agreed)
    except NONSENSE:
        raise Ended(aborted()) from None


def _may_be_had(sop_class: UID) -> bool:
    """Verification, and what is stored; classes may be, too, that are private or newer than this software.

    pynetdicom knows some services, such as Modality Worklist, by other names than the standard, and takes them for it.
    """
    if sop_class.is_private or sop_class == VERIFICATION:
        return True
    name = sop_class.name
    return name in ("", sop_class) or ("Storage" in name and not name.startswith(NOT_STORED))


def _acceptance(
    request: A_ASSOCIATE, contexts: list[PresentationContext], roles: list[SCP_SCU_RoleSelectionNegotiation]
) -> bytes:
    length = MaximumLengthNotification()
    length.maximum_length_received = PDU
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(filemeta.IMPLEMENTATION_CLASS_UID)
    answer = A_ASSOCIATE()
    answer.application_context_name = UID(DICOM_APPLICATION_CONTEXT)
    answer.calling_ae_title, answer.called_ae_title = request.calling_ae_title, request.called_ae_title
    answer.result, answer.result_source = 0x00, 0x01
    answer.presentation_context_definition_results_list = contexts
    answer.user_information = [length, implementation, *roles]
    return A_ASSOCIATE_AC(answer).encode()


def _answer(connection: Connection, contexts: dict[int, tuple[str, str]], acceptor: Acceptor) -> None:
    """Do what the next message asks for."""
    context, encoded = connection.command()
    try:
        command = commands.read(encoded)
    except Malformed:
        raise Ended(aborted()) from None
    if context not in contexts:
        raise Ended(aborted())
    data = connection.data(context) if command.has_data_set else iter(())
    sop_class, transfer_syntax = contexts[context]
    status = NO_SUCH_OPERATION
    if command.field == C_STORE and sop_class != VERIFICATION:
        status = _store(command, transfer_syntax, data, acceptor)
    elif command.field == C_ECHO:
        status = SUCCESS
    _let_pass(data, acceptor.intake.limit)
    if command.field != C_CANCEL:
        connection.answer(context, commands.response(command, status))


def _store(command: Command, transfer_syntax: str, data: Iterator[memoryview], acceptor: Acceptor) -> int:
    head = filemeta.build(command.sop_class, command.sop_instance, transfer_syntax, version_name="")
    try:
        acceptor.intake.take(command.sop_instance, chain([head], data))
    except Unavailable as error:
        log.error("source %s: %s", acceptor.name, error)
        return OUT_OF_RESOURCES
    except Refused:
        return CANNOT_UNDERSTAND
    except (CohortiumError, OSError) as error:
        log.error("source %s: an instance could not be taken in (%s)", acceptor.name, type(error).__name__)
        return OUT_OF_RESOURCES
    return SUCCESS


def _let_pass(data: Iterator[memoryview], limit: int) -> None:
    """Hear the rest of a data set that is not taken in, for as long as it may be one."""
    for piece in data:
        limit -= len(piece)
        if limit < 0:
            raise Ended(aborted())
