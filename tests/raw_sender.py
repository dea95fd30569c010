"""A sender by C-STORE that says each PDU by hand, so that it can say wrong ones, or stop in the middle."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

from waiting import PATIENCE

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
RELEASE = bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0])


def request(called: str, calling: str, contexts: Sequence[tuple[str, Sequence[str]]]) -> bytes:
    """An A-ASSOCIATE-RQ for those SOP classes, each with its transfer syntaxes."""
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = UID("2.25.1")
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID("1.2.840.10008.3.1.1.1")
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    asked = [build_context(sop_class, list(syntaxes)) for sop_class, syntaxes in contexts]
    for number, each in enumerate(asked):
        each.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = asked
    primitive.user_information = [length, implementation]
    return A_ASSOCIATE_RQ(primitive).encode()


def command(field: int = 1, uid: str = "2.25.7", sop_class: str = CT_IMAGE, *, data: bool = True) -> bytes:
    """A command set."""
    values = {
        0x0002: sop_class.encode() + b"\0" * (len(sop_class) % 2),
        0x0100: struct.pack("<H", field),
        0x0110: struct.pack("<H", 9),
        0x0800: struct.pack("<H", 1 if data else 0x0101),
        0x1000: uid.encode() + b"\0" * (len(uid) % 2),
    }
    return b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in values.items())


def value(content: bytes, control: int, context: int = 1) -> bytes:
    """A P-DATA-TF PDU of one presentation data value."""
    item = struct.pack(">IBB", len(content) + 2, context, control) + content
    return struct.pack(">BBI", 4, 0, len(item)) + item


class RawSender:
    """One connection."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=PATIENCE)

    def say(self, *pdus: bytes) -> None:
        self.socket.sendall(b"".join(pdus))

    def hear(self) -> bytes:
        """The next PDU, or nothing where the other side hung up."""
        try:
            head = self.socket.recv(6, socket.MSG_WAITALL)
            return head + self.socket.recv(int.from_bytes(head[2:]), socket.MSG_WAITALL) if head else b""
        except ConnectionError:
            return b""

    def associate(
        self, called: str = "COHORTIUM", calling: str = "SENDER", sop_class: str = CT_IMAGE, syntax: str = EXPLICIT
    ) -> bytes:
        """The answer to a request with one presentation context."""
        self.say(request(called, calling, [(sop_class, [syntax])]))
        return self.hear()

    def store(self, data: bytes, uid: str = "2.25.7", sop_class: str = CT_IMAGE, piece: int = 10_000) -> int:
        """The status with which a data set was answered."""
        pieces = [data[start : start + piece] for start in range(0, len(data), piece)] or [b""]
        self.say(value(command(1, uid, sop_class), 3))
        for number, each in enumerate(pieces, 1):
            self.say(value(each, 2 if number == len(pieces) else 0))
        return self.status()

    def status(self) -> int:
        """The status of the next answer; -1 where there is none."""
        answer = self.hear()
        if answer[:1] != b"\x04":
            return -1
        at = answer.index(struct.pack("<HHI", 0, 0x0900, 2))
        return int.from_bytes(answer[at + 8 : at + 10], "little")
