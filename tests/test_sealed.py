"""Sealed streams: what goes in comes out, and any byte cut, moved, added or flipped is noticed."""

import tracemalloc
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium import sealed
from cohortium.errors import Corrupt

KEY = bytes(range(32))
HEAD = len(sealed.MAGIC) + sealed.SALT
WHOLE = sealed.CHUNK + sealed.TAG  # a full chunk as it lies in the stream
PLAIN = bytes(range(256)) * (3 * sealed.CHUNK // 256) + b"the rest"


def seal(*slices: bytes) -> bytes:
    return b"".join(sealed.seal(KEY, slices))


def unseal(stream: bytes, key: bytes = KEY) -> bytes:
    return b"".join(sealed.unseal(key, BytesIO(stream)))


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_what_is_sealed_is_unsealed(slices):
    stream = seal(*slices)
    assert unseal(stream) == b"".join(slices)
    assert len(stream) == HEAD + len(b"".join(slices)) + sealed.TAG


@pytest.mark.parametrize("size", [0, 1, *(n * sealed.CHUNK + d for n in (1, 2) for d in (-1, 0, 1))])
@pytest.mark.parametrize("pieces", [1, 3])
def test_every_size_about_a_chunk_survives_however_it_is_sliced(size, pieces):
    plain = PLAIN[:size]
    cut = -(-size // pieces) or 1
    slices = [memoryview(plain)[start : start + cut] for start in range(0, size, cut)]
    assert unseal(seal(*slices)) == plain


def test_slices_may_be_views_of_wider_items():
    assert unseal(seal(memoryview(bytearray(8)).cast("H"))) == bytes(8)


def test_nothing_of_the_plaintext_shows_and_no_two_streams_are_alike():
    one, other = seal(b"Doe^Jane" * 8), seal(b"Doe^Jane" * 8)
    assert b"Doe^Jane" not in one
    assert one[HEAD:] != other[HEAD:]


@given(st.binary(max_size=64), st.data())
def test_a_flipped_bit_is_noticed(plain, data):
    stream = bytearray(seal(plain))
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Corrupt):
        unseal(bytes(stream))


@given(st.binary(max_size=64), st.data())
def test_a_cut_stream_is_noticed(plain, data):
    stream = seal(plain)
    with pytest.raises(Corrupt):
        unseal(stream[: data.draw(st.integers(0, len(stream) - 1))])


@given(st.binary(max_size=64), st.binary(min_size=1, max_size=40))
def test_an_appended_byte_is_noticed(plain, more):
    with pytest.raises(Corrupt):
        unseal(seal(plain) + more)


def test_chunks_cannot_be_dropped_doubled_or_exchanged():
    stream = seal(PLAIN)
    head, chunks = stream[:HEAD], [stream[at : at + WHOLE] for at in range(HEAD, len(stream), WHOLE)]
    assert len(chunks) == 4
    assert unseal(head + b"".join(chunks)) == PLAIN
    for order in [(0, 1, 2), (0, 1), (0,), (), (1, 2, 3), (0, 2, 1, 3), (0, 1, 1, 2, 3), (3,), (0, 1, 2, 3, 3)]:
        with pytest.raises(Corrupt):
            unseal(head + b"".join(chunks[n] for n in order))


def test_a_flipped_byte_in_any_chunk_is_noticed_and_its_number_told():
    for number in range(4):
        stream = bytearray(seal(PLAIN))
        stream[HEAD + number * WHOLE] ^= 1
        with pytest.raises(Corrupt, match=f"chunk {number} "):
            unseal(bytes(stream))


def test_chunks_of_another_stream_do_not_fit():
    one, other = seal(PLAIN), seal(PLAIN)
    with pytest.raises(Corrupt):
        unseal(one[:HEAD] + other[HEAD:])


def test_another_key_opens_nothing():
    with pytest.raises(Corrupt):
        unseal(seal(b"x"), bytes(32))


@pytest.mark.parametrize("stream", [b"", b"plain text that was never sealed, long enough", sealed.MAGIC])
def test_what_was_never_sealed_is_told_in_words(stream):
    with pytest.raises(Corrupt, match="not a sealed file"):
        unseal(stream)


def test_memory_stays_flat_however_long_a_slice_is():
    long = bytes(64 * sealed.CHUNK)
    tracemalloc.start()
    for _ in sealed.seal(KEY, [long]):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * sealed.CHUNK


def test_a_file_is_written_whole_for_its_owner_alone(tmp_path):
    path = tmp_path / "item"
    sealed.write(path, KEY, [b"a", b"b"])
    assert sealed.read(path, KEY) == b"ab"
    assert path.stat().st_mode & 0o777 == 0o600
    sealed.write(path, KEY, [b"new"])
    assert sealed.read(path, KEY) == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["item"]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "item"
    sealed.write(path, KEY, [b"old"])

    def breaking():
        yield b"new"
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        sealed.write(path, KEY, breaking())
    assert sealed.read(path, KEY) == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["item"]


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "item"
    sealed.write(path, KEY, [b"x"])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Corrupt, match=r"^item: sealed chunk 0"):
        sealed.read(path, KEY)
