"""Files that are no DICOM: what is taken, every place in which one can tell a name, and what is no file at all."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf.generic import DictionaryObject, NameObject

from cohortium.archive.files import look, objection
from cohortium.errors import Refused
from cohortium.texts.said import Said
from foreign_files import PLAIN, TELLING, atom, jpeg, mp4, nifti, npy, nrrd, packed, pdf, png, png_chunk, tiff

NAME = "Mustermann Erika"
WHOLE = [(media_type, content) for media_type, contents in PLAIN.items() for content in contents]


def objections(content: bytes, known: frozenset[str] = frozenset()) -> list[str]:
    return [reason for each in look(content).said if (reason := objection(each, known))]


@pytest.mark.parametrize(("media_type", "content"), WHOLE, ids=lambda each: each if isinstance(each, str) else "")
def test_what_tells_nothing_is_taken_for_what_it_is(media_type: str, content: bytes) -> None:
    assert look(content).media_type == media_type
    assert objections(content) == []


@pytest.mark.parametrize(
    "text", [NAME, "Mustermann^Erika", "12.03.1954", "erika@ward.example", "+49 89 1234567", "4711-0815"]
)
@pytest.mark.parametrize("place", TELLING(NAME))
def test_wherever_a_file_tells_a_name_it_is_refused_without_repeating_it(place: str, text: str) -> None:
    content = TELLING(text)[place]
    try:
        found = objections(content)
    except Refused as refusal:
        found = [str(refusal)]
    assert found
    assert not any(part in reason for reason in found for part in (text, "Muster", "Erika", "1954", "4711", "1234567"))


def test_every_kind_of_telling_file_but_for_its_text_would_be_taken() -> None:
    """The fixtures above are refused for what they tell, not because they are broken."""
    harmless = {place: content for place, content in TELLING("mask").items() if "tail" not in place}
    never = {"NIfTI extension", "PNG EXIF", "JPEG EXIF", "PNG unknown chunk", "PDF attachment", "MP4 uuid", "MP4 free"}
    never |= {"CSV column of names"}
    refused = {place for place, content in harmless.items() if _refusal(content)}
    assert refused == never


def _refusal(content: bytes) -> bool:
    try:
        return bool(objections(content))
    except Refused:
        return True


@pytest.mark.parametrize(("media_type", "content"), WHOLE, ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_cut_or_has_a_tail_is_refused(media_type: str, content: bytes) -> None:
    if media_type.startswith("text/") or media_type == "application/json":
        assert _refusal(content + b"\0")
        return
    for wrong in (content.rstrip()[:-1], content[: len(content) // 2], content + b"Mustermann", content[:20]):
        assert _refusal(wrong)


@given(st.sampled_from(WHOLE), st.data())
def test_no_damage_breaks_a_reader(whole: tuple[str, bytes], data: st.DataObject) -> None:
    content = bytearray(whole[1])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content) - 1, 400)))] = data.draw(st.integers(0, 255))
    try:
        look(bytes(content))
    except Refused as refusal:
        said = str(refusal)
        assert said.startswith("not admitted: ")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_understood(content: bytes) -> None:
    with contextlib.suppress(Refused):
        assert look(content).media_type in PLAIN


@pytest.mark.parametrize(
    "content",
    [b"", b"MZ" + bytes(50), b"\x7fELF" + bytes(50), b"PK\3\4" + bytes(50), bytes(128) + b"DICM", b"\x89HDF\r\n\x1a\n",
     pickle.dumps({"a": 1}), b"GIF89a" + bytes(20), bytes(1000), packed(b"roi,volume\n1,2\n"), b"%PDF-1.4\n"],
)  # fmt: skip
def test_types_that_are_not_known_are_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        look(content)


def test_arrays_of_objects_are_programs_and_refused() -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(Refused, match="pickles"):
        look(file.getvalue())
    texts = io.BytesIO()
    np.save(texts, np.array([NAME]))
    with pytest.raises(Refused, match="plain numbers"):
        look(texts.getvalue())


def test_bombs_are_refused() -> None:
    zeros = zlib.compress(bytes(1 << 24), 9)
    bomb = (
        png()[:8]
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        + _chunk(b"IDAT", zeros)
        + _chunk(b"IEND", b"")
    )
    with pytest.raises(Refused, match="more is packed"):
        look(bomb)
    with pytest.raises(Refused, match="text chunk is too long"):
        look(png_chunk(b"zTXt", b"Comment\0\0" + zeros))
    with pytest.raises(Refused, match="more is packed"):
        look(packed(nifti(voxels=1 << 24)))
    head = bytearray(nifti())
    struct.pack_into("<8h", head, 40, 7, *[32767] * 7)
    with pytest.raises(Refused, match="larger than what is taken"):
        look(packed(bytes(head)))
    with pytest.raises(Refused):
        look(b"[" * 100_000)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_what_lies_elsewhere_is_refused() -> None:
    elsewhere = nrrd("data file: mask.raw\n")
    detached = nifti().replace(b"n+1\0", b"ni1\0")
    for content in (elsewhere, detached):
        with pytest.raises(Refused):
            look(content)


def test_what_acts_is_refused() -> None:
    def act(writer: object) -> None:
        writer._root_object[NameObject("/OpenAction")] = DictionaryObject({NameObject("/S"): NameObject("/JavaScript")})

    with pytest.raises(Refused, match="acts"):
        look(pdf(act))


def test_a_time_in_a_video_is_refused() -> None:
    with pytest.raises(Refused, match="tells when"):
        look(mp4(created=3_700_000_000))
    with pytest.raises(Refused, match="atom"):
        look(mp4(atom(b"Zyxw", b"\0")))


@pytest.mark.parametrize(
    "content",
    [b"roi,day\n1,2020-01-02\n", b"roi,day\n1,20200102\n", b"roi,at\n1,12:30\n", b"roi,n\n1,12345678\n",
     b"patient_id,age\n4711,50\n", b"roi,x\n1,A1B2C3\n", json.dumps({"PatientID": 5}).encode(),
     b"roi,x\n1,Li\n", b"n,x\n0815,1\n"],
)  # fmt: skip
def test_dates_numbers_and_identifiers_in_tables_are_refused(content: bytes) -> None:
    assert objections(content)


def test_the_projects_own_identifiers_may_stand() -> None:
    table = b"patient_id,age,uid\nS-0001,50,2.25.4.1.17\n"
    assert objections(table)
    assert objections(table, frozenset({"S-0001", "2.25.4.1.17"})) == []
    assert objection(Said("its name", "S-0001_mask.nii.gz"), {"S-0001"}) == ""


def test_pictures_of_other_makers_are_taken() -> None:
    for content in (jpeg(quality=95), png(optimize=True), tiff(compression="tiff_adobe_deflate"), npy(*range(10))):
        assert objections(content) == []
