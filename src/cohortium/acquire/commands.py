"""Command sets of DIMSE messages (PS3.7 6.3.1): read as far as C-STORE and C-ECHO need, and answered."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cohortium.errors import Malformed

__all__ = ["C_CANCEL", "C_ECHO", "C_STORE", "Command", "read", "response"]

C_STORE, C_ECHO, C_CANCEL = 0x0001, 0x0030, 0x0FFF  # PS3.7 E.1
RESPONSE = 0x8000
NO_DATA_SET = 0x0101
AFFECTED_SOP_CLASS, COMMAND_FIELD, MESSAGE_ID, RESPONDED_TO = 0x0002, 0x0100, 0x0110, 0x0120
DATA_SET_TYPE, STATUS, AFFECTED_SOP_INSTANCE = 0x0800, 0x0900, 0x1000
LONGEST_UID = 64

_head = struct.Struct("<HHI")
_number = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Command:
    """What a peer asks for."""

    field: int
    message: int
    has_data_set: bool
    sop_class: str
    sop_instance: str


def read(encoded: bytes) -> Command:
    """The command; `Malformed` where it is none that can be answered."""
    elements: dict[int, bytes] = {}
    position = 0
    try:
        while position < len(encoded):
            group, element, length = _head.unpack_from(encoded, position)
            position += _head.size + length
            if group or position > len(encoded):
                raise Malformed("no command set", position)
            elements[element] = encoded[position - length : position]
        field, message, kind = (
            _number.unpack(elements[each])[0] for each in (COMMAND_FIELD, MESSAGE_ID, DATA_SET_TYPE)
        )
    except (struct.error, KeyError):
        raise Malformed("no command set", position) from None
    if field & RESPONSE:
        raise Malformed("a response that nobody asked for")
    uids = (_uid(elements.get(each, b"")) for each in (AFFECTED_SOP_CLASS, AFFECTED_SOP_INSTANCE))
    return Command(field, message, kind != NO_DATA_SET, *uids)


def response(command: Command, status: int) -> bytes:
    """The answer to the command, encoded."""
    elements = [
        (AFFECTED_SOP_CLASS, _padded(command.sop_class)),
        (COMMAND_FIELD, _number.pack(command.field | RESPONSE)),
        (RESPONDED_TO, _number.pack(command.message)),
        (DATA_SET_TYPE, _number.pack(NO_DATA_SET)),
        (STATUS, _number.pack(status)),
        (AFFECTED_SOP_INSTANCE, _padded(command.sop_instance)),
    ]
    body = b"".join(_head.pack(0, element, len(value)) + value for element, value in elements if value)
    return _head.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def _uid(value: bytes) -> str:
    """Whatever the peer takes for one, as long as it is text that a file can be called by."""
    try:
        text = value.decode("ascii").strip("\0 ")
    except UnicodeDecodeError:
        raise Malformed("a UID that is no text") from None
    if len(text) > LONGEST_UID or not text.isprintable():
        raise Malformed("a UID that is none")
    return text


def _padded(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)
