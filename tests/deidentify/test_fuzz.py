"""Broken bytes: whatever comes in, the answer is a clean file or a reason, soon, and never a planted value.

4,500 mutants by default, 120,000 in full, besides each possible truncation of a header.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier
from cohortium.deidentify.protocol import action_for
from cohortium.dicom.pixels import PIXEL_DATA
from cohortium.values import Action, SetAside
from factory import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT

SECONDS = 2.0  # a mutant takes a millisecond; a hang takes for ever
LARGEST = 200_000  # of pydicom's files, for the sake of speed
HEADER = 4_000  # mutants differ within this many bytes, where the structure is
# What a flipped bit may make of a value that stays anyway, so short that it would be found by chance, is not planted.
VALUES = tuple(value for value in factory.PLANTED if len(value) > 5)


def seeds() -> list[bytes]:
    region = [{"CodeValue": "T-D3000", "PatientName": factory.NAME, "MappingResource": "DCMR"}]
    files = []
    for syntax in (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED):
        files.append(factory.ct(syntax=syntax, AnatomicRegionSequence=region))
    for syntax in (EXPLICIT, IMPLICIT):
        implicit = syntax == IMPLICIT
        inside = factory.data_set({"CodeValue": "T-D3000", "PatientID": factory.ID}, implicit=implicit)
        one = factory.item(inside, undefined=True)
        nested = factory.sequence("AnatomicRegionModifierSequence", one, implicit=implicit, undefined=True)
        outer = factory.sequence(0x00082218, factory.item(nested, undefined=True), implicit=implicit, undefined=True)
        files.append(factory.ct(syntax=syntax, raw={0x00082218: outer}, behind=b"rest"))
    return files


def real() -> list[bytes]:
    paths = sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))
    return [path.read_bytes() for path in paths if path.stat().st_size < LARGEST]


def mutant(chance: random.Random, seed: bytes, other: bytes) -> bytes:
    """A file with a few bits, bytes, lengths or whole stretches of its header changed."""
    content = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        if len(content) < 200:
            break
        at = chance.randrange(128, min(len(content) - 8, HEADER))
        match chance.randrange(7):
            case 0:
                content[at] ^= 1 << chance.randrange(8)
            case 1:
                content[at] = chance.randrange(256)
            case 2:
                content[at : at + 2] = chance.choice([b"\0\0", b"\xff\xff", b"\1\0", b"UN", b"SQ", b"OB", b"LO"])
            case 3:
                content[at : at + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0"])
            case 4:
                del content[at : at + chance.choice([1, 2, 8, 100])]
            case 5:
                start = chance.randrange(0, max(1, min(len(other), HEADER) - 64))
                content[at:at] = other[start : start + chance.choice([1, 8, 64])]
            case _:
                del content[chance.randrange(132, len(content)) :]
    return bytes(content)


def judged(by: Deidentifier, content: bytes, planted: tuple[str, ...]) -> Deidentified | SetAside:
    began = time.thread_time()  # others may be at work on the same core
    result = by(content)
    assert time.thread_time() - began < SECONDS
    if isinstance(result, SetAside):
        assert factory.planted_in(result.detail.encode(), planted) == []
        return result
    output = factory.joined(result.slices)
    stays = b" ".join(kept_values(by, factory.listed(output))).upper()
    for value in factory.planted_in(output, planted):
        # A broken tag may make an address of an attribute that stays, or of samples: there it may be, and nowhere else.
        assert output.upper().count(value.upper().encode()) == stays.count(value.upper().encode())
    return result


def kept_values(by: Deidentifier, elements: list[tuple[int, str, Any]]) -> Iterator[bytes]:
    for tag, _, value in elements:
        if isinstance(value, list):
            for each in value:
                yield from kept_values(by, each)
        elif tag == PIXEL_DATA or action_for(by.protocol, tag, factory.CT_IMAGE)[0] is Action.KEEP:
            yield value


def test_mutants_of_made_up_files(basic: Deidentifier, sample: Callable[[int, int], int]) -> None:
    chance, files = random.Random(4711), seeds()
    made = 0
    for number in range(sample(2_000, 60_000)):
        content = mutant(chance, files[number % len(files)], chance.choice(files))
        made += isinstance(judged(basic, content, VALUES), Deidentified)
    assert made > 50, "the mutants are too broken to prove anything"


def trees() -> Iterator[bytes]:
    """Reports, in which the rules for an item follow from what stands in it."""
    concept = [{"CodeValue": "121106", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Comment"}]
    own = [{"CodeValue": factory.SECRET, "CodingSchemeDesignator": "99X", "CodeMeaning": factory.NAME}]
    content = {"RelationshipType": "CONTAINS", "ConceptNameCodeSequence": concept}
    items = [
        content | {"ValueType": "TEXT", "TextValue": f"Tumor {factory.NAME}"},
        content | {"ValueType": "PNAME", "PersonName": factory.NAME},
        content | {"ValueType": "CODE", "ConceptCodeSequence": own},
        content | {"ValueType": "NUM", "MeasuredValueSequence": [{"NumericValue": "5"}]},
        content | {"ValueType": "IMAGE", "ReferencedSOPSequence": [{"ReferencedSOPInstanceUID": factory.INSTANCE}]},
    ]
    for syntax in (EXPLICIT, IMPLICIT, DEFLATED):
        report = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33", "Modality": "SR", "PixelData": None}
        tree = [content | {"ValueType": "CONTAINER", "ContentSequence": items}, *items]
        yield factory.ct(syntax=syntax, ContentSequence=tree, **report)


def test_mutants_of_content_trees(cleaning: Deidentifier, sample: Callable[[int, int], int]) -> None:
    chance, files = random.Random(4713), list(trees())
    made = 0
    for number in range(sample(1_500, 40_000)):
        content = mutant(chance, files[number % len(files)], chance.choice(files))
        made += isinstance(judged(cleaning, content, VALUES), Deidentified)
    assert made > 50, "the mutants are too broken to prove anything"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_mutants_of_real_files(dragon: Deidentifier, sample: Callable[[int, int], int]) -> None:
    chance, files = random.Random(4712), real()
    made = 0
    for number in range(sample(1_000, 20_000)):
        content = mutant(chance, files[number % len(files)], chance.choice(files))
        made += isinstance(judged(dragon, content, ()), Deidentified)
    assert made > 50, "the mutants are too broken to prove anything"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_truncation_at_every_byte(basic: Deidentifier, syntax: str) -> None:
    content = factory.ct(syntax=syntax)
    for size in range(len(content)):
        result = judged(basic, content[:size], VALUES)
        if isinstance(result, Deidentified):  # cut between two elements, or in the padding behind a deflated stream
            output = factory.read(factory.joined(result.slices))
            assert size == len(content) - 1 if syntax == DEFLATED else "PixelData" not in output, f"cut at {size}"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_every_length_made_wrong(basic: Deidentifier, syntax: str) -> None:
    """Each byte of the header in turn becomes 0, 255, and itself plus 2."""
    content = factory.ct(syntax=syntax, PixelData=None)
    for at in range(132, len(content), 1):
        for value in (0, 0xFF, content[at] + 2 & 0xFF):
            judged(basic, content[:at] + bytes((value,)) + content[at + 1 :], VALUES)


def test_endless_runs_take_no_time(basic: Deidentifier) -> None:
    """What makes a careless pattern or a careless loop quadratic."""
    frame = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x08\0\x06\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\xff" * 500_000
    icon = factory.item(b"", undefined=True) * 100_000
    judged(basic, factory.ct(syntax=factory.JPEG, raw={0x7FE00010: factory.encapsulated(frame)}), VALUES)
    many = factory.encapsulated(*[b"\xff\xd8"] * 50_000)
    judged(basic, factory.ct(syntax=factory.JPEG, raw={0x7FE00010: many}), VALUES)
    judged(basic, factory.ct(raw={0x00191001: factory.sequence(0x00191001, icon, undefined=True)}), VALUES)
    deep = factory.item(b"", undefined=True)
    for _ in range(3_000):
        deep = factory.item(factory.sequence(0x00082218, deep, undefined=True), undefined=True)
    judged(basic, factory.ct(syntax=BIG_ENDIAN, raw={0x00082218: factory.sequence(0x00082218, deep)}), VALUES)
    judged(basic, factory.ct(raw={0x00082218: factory.sequence(0x00082218, deep, vr="UN")}), VALUES)
