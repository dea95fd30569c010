"""The DICOM upper layer (PS3.8) as the side that is called speaks it: the PDUs of one connection, read as they come.

One thread, no queue, no polling of queues: the bytes of a data set go from the socket to whoever takes them in pieces.
No length that a peer claims is allocated, and nothing is waited for without end.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

__all__ = ["LOOK", "PDU", "Connection", "Ended", "Fragment", "aborted", "rejected"]

ASSOCIATE_RQ, P_DATA, RELEASE_RQ, ABORT = 0x01, 0x04, 0x05, 0x07  # PS3.8 9.3.1
COMMAND, LAST = 0x01, 0x02  # bits of a message control header (PS3.8 E.2)
UNEXPECTED, INVALID = 0x02, 0x06  # reasons of an abort (PS3.8 9.3.8)
RELEASED = bytes([0x06, 0, 0, 0, 0, 4, 0, 0, 0, 0])
HEAD = 6  # bytes of type and length of a PDU, and of length, context and control header of a value

PDU = 1 << 18  # bytes of a PDU that are asked for; a sender that makes larger ones is understood
LONGEST_REQUEST = 1 << 20  # bytes; 128 presentation contexts with all transfer syntaxes need a third
LONGEST_COMMAND = 1 << 16
LOOK = 0.5  # seconds between two looks whether to stop
REQUEST_WITHIN = 30.0  # seconds until an association is asked for
PIECE_WITHIN = 60.0  # seconds for each piece of at most PDU bytes
IDLE = 300.0  # seconds between two messages


def rejected(result: int, source: int, reason: int) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return bytes([0x03, 0, 0, 0, 0, 4, 0, result, source, reason])


def aborted(reason: int = 0) -> bytes:
    """A-ABORT by the service provider (PS3.8 9.3.8)."""
    return bytes([0x07, 0, 0, 0, 0, 4, 0, 0, 2, reason])


class Ended(Exception):
    """There is nothing more to hear from the peer; `farewell` is the last that is said."""

    def __init__(self, farewell: bytes = b"") -> None:
        super().__init__()
        self.farewell = farewell


@dataclass(frozen=True, slots=True)
class Fragment:
    """The head of a presentation data value, of which `length` bytes follow."""

    context: int
    is_command: bool
    is_last: bool
    length: int


class Connection:
    """Whatever is wrong with it, or with what comes by it, is `Ended`."""

    def __init__(self, connected: socket.socket, stop: threading.Event) -> None:
        self._socket = connected
        self._stop = stop
        self._left = 0  # bytes of the P-DATA-TF PDU at hand
        connected.settimeout(LOOK)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer is small, and waited for

    def request(self) -> bytes:
        """The A-ASSOCIATE-RQ PDU, whole."""
        until = monotonic() + REQUEST_WITHIN
        head = self._exactly(HEAD, until)
        length = int.from_bytes(head[2:])
        if head[0] != ASSOCIATE_RQ or length > LONGEST_REQUEST:
            raise Ended(aborted(UNEXPECTED))
        return bytes(head + self._exactly(length, until))

    def command(self) -> tuple[int, bytes]:
        """The presentation context of the next message, and its command set, encoded."""
        encoded = bytearray()
        found = self._fragment(IDLE, is_between=True)
        context = found.context
        while True:
            if found.context != context or not found.is_command or len(encoded) + found.length > LONGEST_COMMAND:
                raise Ended(aborted(INVALID))
            encoded += self._exactly(found.length, monotonic() + PIECE_WITHIN)
            if found.is_last:
                return context, bytes(encoded)
            found = self._fragment(PIECE_WITHIN)

    def data(self, context: int) -> Iterator[memoryview]:
        """The data set that follows the command, piece by piece."""
        while True:
            found = self._fragment(PIECE_WITHIN)
            if found.context != context or found.is_command:
                raise Ended(aborted(INVALID))
            for start in range(0, found.length, PDU):
                yield memoryview(self._exactly(min(PDU, found.length - start), monotonic() + PIECE_WITHIN))
            if found.is_last:
                return

    def say(self, pdu: bytes) -> None:
        """Send a PDU, which is small."""
        try:
            self._socket.sendall(pdu)
        except OSError:
            raise Ended from None

    def answer(self, context: int, command: bytes) -> None:
        """Send a command set as a message of its own."""
        value = bytes([context, COMMAND | LAST]) + command
        self.say(bytes([P_DATA, 0]) + (len(value) + 4).to_bytes(4) + len(value).to_bytes(4) + value)

    def close(self, farewell: bytes) -> None:
        """Say the last, and hang up."""
        with suppress(OSError):
            if farewell:
                self._socket.sendall(farewell)
                self._socket.shutdown(socket.SHUT_WR)
                self._socket.recv(HEAD)  # until the peer hangs up, or has had time to read
        self._socket.close()

    def _fragment(self, patience: float, *, is_between: bool = False) -> Fragment:
        until = monotonic() + patience
        while not self._left:
            self._left = self._pdu(until, is_between)
        head = self._exactly(HEAD, until)
        length = int.from_bytes(head[:4]) - 2
        self._left -= HEAD + length
        if length < 0 or self._left < 0:
            raise Ended(aborted(INVALID))
        return Fragment(head[4], bool(head[5] & COMMAND), bool(head[5] & LAST), length)

    def _pdu(self, until: float, is_between: bool) -> int:
        """The length of the next PDU, which is one of data; whatever else comes ends the association."""
        head = self._exactly(HEAD, until, may_stop=is_between)
        if head[0] == RELEASE_RQ and is_between:
            raise Ended(RELEASED)
        if head[0] == ABORT:
            raise Ended
        if head[0] != P_DATA:
            raise Ended(aborted(UNEXPECTED))
        return int.from_bytes(head[2:])

    def _exactly(self, count: int, until: float, *, may_stop: bool = False) -> bytearray:
        """So many bytes, all of them before `until`; where it `may_stop`, the wait for the first may be cut short."""
        content = bytearray(count)
        view = memoryview(content)
        while view:
            try:
                number = self._socket.recv_into(view)
                if not number:
                    raise Ended
                view = view[number:]
            except TimeoutError:
                if may_stop and len(view) == count and self._stop.is_set():
                    raise Ended(aborted()) from None
            except OSError:
                raise Ended from None
            if view and monotonic() > until:
                raise Ended(aborted())
        return content
