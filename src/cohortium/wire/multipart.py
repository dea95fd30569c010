"""Multipart bodies (RFC 2046 5.1) as they stream by: read part by part, written piece by piece.

What a sender says about sizes is not believed: a part may have at most `limit` bytes and a head at most `HEAD`, and
no more than one part is held.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from cohortium.errors import Malformed

__all__ = ["FOLLOWS", "RECEIPT", "MediaType", "Part", "Reader", "TooLarge", "Writer", "media_type"]

RECEIPT = "Cohortium-Receipt"  # the header field of a part in which a site's receipt travels with its bytes
FOLLOWS = "Cohortium-Follows"  # and that of the digests of versions after which this one comes, parted by spaces
HEAD = 1 << 14  # bytes of a part's header fields
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


class TooLarge(Malformed):
    """A part is larger than what is taken."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """`name` in lower case; of the parameters the names too."""

    name: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One part; the names of `headers` are in lower case."""

    headers: Mapping[str, str]
    content: bytes


def media_type(value: str) -> MediaType:
    """What a Content-Type says, quoted parameters included."""
    message = Message()
    message["content-type"] = value.replace("\r", " ").replace("\n", " ")
    (name, _), *parameters = message.get_params([("", "")])
    return MediaType(name.lower(), {key.lower(): text for key, text in parameters})


class Reader:
    """Takes a body in pieces of any size and gives its parts, each as soon as it is whole."""

    def __init__(self, boundary: str, limit: int) -> None:
        if not BOUNDARY.fullmatch(boundary):
            raise Malformed("a multipart body needs a boundary (RFC 2046 5.1.1)")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._limit = limit
        self._buffer = bytearray(b"\r\n")  # so that a body may begin with its first delimiter
        self._searched = 0
        self._inside = False  # of the first delimiter
        self._ended = False

    @property
    def held(self) -> int:
        """Bytes of the body that no part took yet."""
        return len(self._buffer)

    def feed(self, piece: bytes) -> Iterator[Part]:
        """The parts that end within this piece."""
        if self._ended:
            return  # an epilogue says nothing
        self._buffer += piece
        while (found := self._found()) is not None:
            end, rest = found
            if self._inside:
                yield _part(self._buffer, end, self._limit)
            self._inside = True
            self._ended = self._buffer[rest : rest + 2] == b"--"
            line = self._buffer.find(b"\r\n", rest)
            del self._buffer[: rest if self._ended else line]
            self._searched = 0
            if self._ended:
                self._buffer.clear()
                return
        if len(self._buffer) > (self._limit if self._inside else 0) + HEAD:
            raise TooLarge("a part of the body is larger than what is taken")

    def close(self) -> None:
        """To be called at the end of the body; `Malformed` where the last delimiter has not come."""
        if not self._ended:
            raise Malformed("the multipart body is cut off")

    def _found(self) -> tuple[int, int] | None:
        """Where the next delimiter begins and ends, once enough of the line behind it is here."""
        while True:
            at = self._buffer.find(self._delimiter, self._searched)
            if at < 0:
                self._searched = max(0, len(self._buffer) - len(self._delimiter))
                return None
            rest = at + len(self._delimiter)
            if self._buffer[rest : rest + 2] == b"--":
                return at, rest
            line = self._buffer.find(b"\r\n", rest, rest + HEAD)
            if line < 0 and len(self._buffer) - rest < HEAD:
                self._searched = at
                return None
            if line >= 0 and not self._buffer[rest:line].strip(b" \t"):
                return at, rest
            self._searched = at + 1  # content that looks like a delimiter


def _part(buffer: bytearray, stop: int, limit: int) -> Part:
    """The part before `stop` in a buffer that begins with the line end of its delimiter; its content is copied once."""
    end = 0 if buffer.startswith(b"\r\n\r\n", 0, stop) else buffer.find(b"\r\n\r\n", 0, min(HEAD, stop))
    if end < 0:
        raise Malformed("a part of the body has no end of its header fields, or too many of them")
    if stop - end - 4 > limit:
        raise TooLarge("a part of the body is larger than what is taken")
    fields = HeaderParser().parsestr(buffer[2 : end + 2].decode("latin-1"))
    with memoryview(buffer)[end + 4 : stop] as content:
        return Part({key.lower(): str(value) for key, value in fields.items()}, bytes(content))


class Writer:
    """The pieces around parts; `content_type` names the boundary and what the parts are."""

    def __init__(self, part_type: str) -> None:
        self._boundary = secrets.token_hex(16)
        self.content_type = f'multipart/related; type="{part_type}"; boundary={self._boundary}'

    def head(self, content_type: str, location: str = "", receipt: str = "", follows: Collection[str] = ()) -> bytes:
        """What stands before a part; `receipt` is a site's word for it, `follows` are digests of earlier versions."""
        place = f"\r\nContent-Location: {location}" if location else ""
        word = f"\r\n{RECEIPT}: {receipt}" if receipt else ""
        word += f"\r\n{FOLLOWS}: {' '.join(sorted(follows))}" if follows else ""
        return f"\r\n--{self._boundary}\r\nContent-Type: {content_type}{place}{word}\r\n\r\n".encode("ascii")

    def end(self) -> bytes:
        """What stands behind the last part."""
        return f"\r\n--{self._boundary}--\r\n".encode("ascii")
