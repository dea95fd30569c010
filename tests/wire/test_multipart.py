"""Multipart bodies, cut anywhere, and those that somebody made to hurt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.errors import Malformed
from cohortium.wire.multipart import Part, Reader, TooLarge, Writer, media_type

CONTENTS = st.lists(st.binary(max_size=200) | st.sampled_from([b"", b"\r\n", b"--", b"\r\n--", b"\r\n--b", b"\r"]))


def read(body: bytes, size: int, limit: int = 1 << 20, boundary: str = "b") -> list[Part]:
    reader = Reader(boundary, limit)
    parts = [part for at in range(0, len(body), size) for part in reader.feed(body[at : at + size])]
    reader.close()
    return parts


@given(CONTENTS, st.integers(1, 50))
def test_what_is_written_is_read_however_it_is_cut(contents: list[bytes], size: int) -> None:
    writer = Writer("application/dicom")
    boundary = media_type(writer.content_type).parameters["boundary"]
    body = b"".join(writer.head("application/dicom", "x/1") + each for each in contents) + writer.end()
    parts = read(body, size, boundary=boundary)
    assert [part.content for part in parts] == contents
    assert all(part.headers == {"content-type": "application/dicom", "content-location": "x/1"} for part in parts)


def test_the_media_type_comes_without_its_quotes() -> None:
    found = media_type('Multipart/Related; TYPE="application/dicom"; boundary="a b"')
    assert (found.name, dict(found.parameters)) == (
        "multipart/related",
        {"type": "application/dicom", "boundary": "a b"},
    )


def test_a_preamble_and_an_epilogue_say_nothing() -> None:
    body = b"hello\r\n--b\r\n\r\none\r\n--b  \r\nX: 1\r\n\r\ntwo\r\n--b--\r\nand more --b\r\n"
    assert [part.content for part in read(body, 7)] == [b"one", b"two"]


def test_a_delimiter_is_a_whole_line() -> None:
    assert [part.content for part in read(b"--b\r\n\r\n1\r\n--bc\r\n2\r\n--b--", 5)] == [b"1\r\n--bc\r\n2"]


@pytest.mark.parametrize("body", [b"", b"--b\r\n\r\nhalf", b"--b\r\n\r\none\r\n--b\r\n", b"no delimiter at all"])
def test_a_body_that_is_cut_off_is_told(body: bytes) -> None:
    with pytest.raises(Malformed, match="cut off"):
        read(body, 3)


@pytest.mark.parametrize("boundary", ["", "x" * 71, "a\r\nb", "ü", "ends with a blank "])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(Malformed, match="boundary"):
        Reader(boundary, 10)


def test_a_part_is_no_larger_than_the_limit() -> None:
    assert len(read(b"--b\r\n\r\n" + bytes(100) + b"\r\n--b--", 9, limit=100)) == 1
    with pytest.raises(TooLarge):
        read(b"--b\r\n\r\n" + bytes(101) + b"\r\n--b--", 9, limit=100)


@pytest.mark.parametrize("endless", [bytes(1000), b"X-A: b\r\n" * 125, b"\r\n--c" * 200, b"\r\n--b " + b" " * 995])
def test_what_never_ends_is_not_kept(endless: bytes) -> None:
    reader = Reader("b", 1000)

    def feed() -> None:
        for piece in (b"--b\r\n", *[endless] * 100):
            list(reader.feed(piece))

    with pytest.raises(Malformed):
        feed()
