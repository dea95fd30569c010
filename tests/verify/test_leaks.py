"""One leak at a time, of every kind and at every place, in an output that is good but for it: the search finds each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

import factory
from cohortium import keys
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.explain import changes, sequences
from cohortium.verify import search
from cohortium.verify.policy import Matching
from cohortium.verify.record import Record
from cohortium.verify.search import Report

TEXTS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
NAME, ID, PREFIX, PHONE = "Quistorp", "XQZ-48151623", "XQZ", "5557788"
REMOVED, UID = "Kolonkarzinom", "1.2.276.0.4711.1.1"
LEAKS = {"name": NAME, "ID": ID, "part of an ID": PREFIX, "phone": PHONE, "removed value": REMOVED, "UID": UID}
Plant = Callable[[Dataset, bytes], None]


@dataclass(frozen=True)
class Run:
    """An input and the good output that was made of it."""

    source: Path
    output: Path
    record: Record

    def search(self, outputs: Mapping[str, bytes]) -> Report:
        pairs = dict.fromkeys(outputs, (self.source, self.output))
        return search([self.source], outputs.items(), matching=Matching(self.record, pairs))

    def found(self, content: bytes, name: str = "out.dcm") -> set[str]:
        return {hit.at for hit in self.search({name: content}).hits}

    def planted(self, plant: Plant, leak: bytes) -> bytes:
        dataset = dcmread(self.output)
        plant(dataset, leak)
        stream = BytesIO()
        dataset.save_as(stream)
        return stream.getvalue()


def made(folder: Path, protocol: str = "basic", **attributes: Any) -> Run:
    source, output = folder / "in.dcm", folder / "out.dcm"
    planted = {"PatientName": f"{NAME}^Leberecht", "PatientID": ID, "StudyDescription": f"CT {REMOVED}"}
    source.write_bytes(factory.ct(**planted | attributes))
    rules = load_protocol(protocol)
    result = Deidentifier(rules, keys.SiteKey(bytes(32)), "test")(source.read_bytes())
    assert isinstance(result, Deidentified)
    output.write_bytes(b"".join(result.slices))
    return Run(source, output, Record("test", protocol, rules.digest, "0", (), changes(rules), sequences(rules)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("leaks"))


def attributes() -> Iterator[tuple[int, str]]:
    """Every public attribute that can hold a text of some length."""
    for tag, entry in sorted(DicomDictionary.items()):
        if entry[0] in TEXTS and tag >> 16 > 2:
            yield tag, entry[0]


def test_the_good_output_is_good(run: Run) -> None:
    report = run.search({"out.dcm": run.output.read_bytes()})
    assert report.hits == ()
    assert report.values > 20


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_in_any_attribute_that_holds_text(run: Run, leak: str, nested: bool) -> None:
    good, outputs = dcmread(run.output), {}
    for tag, vr in attributes():
        place = Dataset() if nested else good
        before = good.get(tag)
        place.add_new(tag, vr, f" {LEAKS[leak]} ")
        if nested:
            inner = Dataset()
            inner.ReferencedSeriesSequence = [place]
            good.SourceImageSequence = [inner]
        outputs[keyword_for_tag(tag)] = saved(good)
        if not nested:
            del good[tag]
            if before is not None:
                good[tag] = before
    hit = {hit.where for hit in run.search(outputs).hits}
    stamped = {"DeidentificationMethod"} if leak in ("removed value", "part of an ID") and not nested else set()
    codes = {"CodeValue"} if leak == "phone" else set()  # codes have seven digits too
    assert outputs.keys() - hit == stamped | codes
    assert len(outputs) > 700


def saved(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def _private(dataset: Dataset, leak: bytes, vr: str = "LO") -> None:
    value = leak if vr in ("OB", "UN") else leak.decode("latin-1")
    dataset.private_block(0x0029, "ACME HEADER", create=True).add_new(0x10, vr, value)


def _deep(dataset: Dataset, leak: bytes) -> None:
    for _ in range(12):
        inner = Dataset()
        _private(inner, leak, "OB")
        dataset.ReferencedSeriesSequence = [inner]
        dataset = inner


def _icon(dataset: Dataset, leak: bytes) -> None:
    icon = Dataset()
    icon.Rows = icon.Columns = icon.BitsAllocated = 8
    icon.add_new(0x7FE00010, "OB", leak.ljust(64, b"\0"))
    dataset.IconImageSequence = [icon]


def _samples(dataset: Dataset, leak: bytes) -> None:
    dataset.PixelData = dataset.PixelData[:4] + leak + dataset.PixelData[4 + len(leak) :]


def _compressed(dataset: Dataset, leak: bytes, head: bytes = b"\xff\xfe") -> None:
    length = (len(leak) + 2).to_bytes(2, "big")
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([b"\xff\xd8" + head + length + leak + b"\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True


PLACES: Mapping[str, Plant] = {
    "private text": _private,
    "private bytes": lambda dataset, leak: _private(dataset, leak, "OB"),
    "private bytes of unknown kind": lambda dataset, leak: _private(dataset, leak, "UN"),
    "private, twelve levels down": _deep,
    "overlay": lambda dataset, leak: dataset.add_new(0x60003000, "OW", leak.ljust(32, b"\0")),
    "overlay label": lambda dataset, leak: dataset.add_new(0x60001500, "LO", leak.decode("latin-1")),
    "curve": lambda dataset, leak: dataset.add_new(0x50003000, "OW", leak.ljust(32, b"\0")),
    "unknown public attribute": lambda dataset, leak: dataset.add_new(0x00091234, "UN", leak),
    "encapsulated document": lambda dataset, leak: dataset.add_new(0x00420011, "OB", b"%PDF " + leak.ljust(32)),
    "colour profile": lambda dataset, leak: dataset.add_new(0x00282000, "OB", leak.ljust(32, b"\0")),
    "icon": _icon,
    "samples": _samples,
    "comment of a JPEG": _compressed,
    "application segment of a JPEG": lambda dataset, leak: _compressed(dataset, leak, b"\xff\xe1"),
    "padding": lambda dataset, leak: dataset.add_new(0xFFFCFFFC, "OB", leak.ljust(32, b"\0")),
    "sender's AE title": lambda dataset, leak: setattr(
        dataset.file_meta, "SendingApplicationEntityTitle", leak.decode("latin-1")[:16]
    ),
    "private information of the file meta": lambda dataset, leak: (
        setattr(dataset.file_meta, "PrivateInformationCreatorUID", "1.2.3"),
        setattr(dataset.file_meta, "PrivateInformation", leak + b" " * (len(leak) % 2)),
    ),
    "preamble": lambda dataset, leak: setattr(dataset, "preamble", leak.ljust(128, b"\0")),
}  # fmt: skip


@pytest.mark.parametrize("leak", ["name", "ID", "phone", "removed value"])
@pytest.mark.parametrize("place", PLACES)
def test_at_any_place_that_is_no_text_attribute(run: Run, place: str, leak: str) -> None:
    assert run.found(run.planted(PLACES[place], LEAKS[leak].encode()))


@pytest.mark.parametrize("leak", LEAKS)
def test_behind_everything_and_in_the_files_name(run: Run, leak: str) -> None:
    good = run.output.read_bytes()
    assert run.found(good + LEAKS[leak].encode())
    assert run.found(good, f"folder/{LEAKS[leak]}/1.dcm") == {"file name"}


@pytest.mark.parametrize("leak", ["name", "ID", "removed value"])
def test_in_a_deflated_object(run: Run, leak: str) -> None:
    dataset = dcmread(run.output)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.ProtocolName = LEAKS[leak]
    content = saved(dataset)
    assert LEAKS[leak].encode() not in content
    assert run.found(content) == {"ProtocolName"}


NAMES = {
    "ISO_IR 100": "Müßiggängerin",
    "ISO_IR 101": "Dvořáková",
    "ISO_IR 144": "Иваницкая",
    "ISO_IR 126": "Παπαδοπούλου",
    "ISO_IR 138": "ישראלי",
    "ISO_IR 127": "قباني",
    "ISO_IR 166": "ประเสริฐ",
    "ISO_IR 192": "Ōhashi",
    "GB18030": "王小东",
    "GBK": "王小东",
    "ISO_IR 13": "ﾔﾏﾀﾞ",
    r"\ISO 2022 IR 87": "山田",
    r"\ISO 2022 IR 149": "김희중",
    r"ISO 2022 IR 6\ISO 2022 IR 100": "Buc^Jérôme",
}  # fmt: skip


@pytest.fixture(scope="module", params=NAMES)
def encoded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """An input whose name is encoded in a character set, and that set."""
    dataset, charset = Dataset(), request.param
    dataset.SpecificCharacterSet, dataset.PatientName = charset.split("\\"), NAMES[charset]
    name = _element(dataset, "PatientName")
    return made(tmp_path_factory.mktemp("encoded"), SpecificCharacterSet=charset, PatientName=name), charset


@pytest.mark.parametrize("written", ["same", "utf-8", "utf-16-le", "utf-16-be", "utf-8 in capitals", "padded"])
def test_in_every_encoding(encoded: tuple[Run, str], written: str) -> None:
    run, charset = encoded
    word = NAMES[charset].split("^")[-1]
    alone = Dataset()
    alone.SpecificCharacterSet, alone.PatientName = charset.split("\\"), word
    leak = {
        "same": _element(alone, "PatientName"),
        "padded": _element(alone, "PatientName").rstrip() + b"\0\0 ",
        "utf-8 in capitals": word.upper().encode(),
    }.get(written) or word.encode(written)
    assert run.found(run.output.read_bytes() + b"..  " + leak + b"  ..")


def _element(dataset: Dataset, keyword: str) -> bytes:
    """The value as the data set's character set encodes it."""
    stream = BytesIO()
    dataset.save_as(stream, implicit_vr=False, little_endian=True)
    content = stream.getvalue()
    at = content.index(b"\x10\0\x10\0PN")
    return content[at + 8 : at + 8 + int.from_bytes(content[at + 6 : at + 8], "little")]


def test_what_another_patients_input_lost_is_not_sought_here(run: Run, tmp_path: Path) -> None:
    other = made(tmp_path, PatientName="Bramsig^Ludmilla", PatientID="RRT-7", StudyDescription="Meniskusriss")
    content = run.planted(lambda dataset, leak: setattr(dataset, "ProtocolName", leak.decode()), b"Meniskusriss")
    pairs = {"one": (run.source, run.output), "other": (other.source, other.output)}
    matching = Matching(run.record, pairs)
    report = search([run.source, other.source], {"one": content, "other": content}.items(), matching=matching)
    assert [(hit.where, hit.at, hit.kind) for hit in report.hits] == [("other", "ProtocolName", "removed value")]


def _keeping(folder: Path) -> Path:
    """A protocol that keeps the date of birth."""
    path = folder / "keeping.toml"
    path.write_text(
        'name = "keeping"\nversion = "1"\ntitle = "Keeping"\nedition = "2026c"\nbase = "basic"\n'
        'options = ["Clean Descriptors"]\n[elements]\nPatientBirthDate = "keep"\n'
    )
    return path


def test_what_the_protocol_keeps_is_told_as_kept(tmp_path: Path) -> None:
    run = made(tmp_path, str(_keeping(tmp_path)))
    report = run.search({"out.dcm": run.output.read_bytes()})
    assert report.hits == ()
    assert report.kept["PatientBirthDate"] == 1
    content = run.planted(lambda dataset, leak: setattr(dataset, "ImageComments", leak.decode()), b"born 19610203")
    assert run.found(content) == {"ImageComments"}


def test_only_words_of_descriptions_are_let_stand_by_cleaning(tmp_path: Path) -> None:
    run = made(tmp_path, str(_keeping(tmp_path)))

    def found(text: bytes) -> Report:
        plant = lambda dataset, leak: setattr(dataset, "SeriesDescription", leak.decode())  # noqa: E731
        return run.search({"out.dcm": run.planted(plant, text)})

    assert (found(REMOVED.encode()).hits, found(REMOVED.encode()).cleaned) == ((), 1)
    assert [hit.kind for hit in found(PREFIX.encode()).hits] == ["removed value"]
    assert [hit.kind for hit in found(NAME.encode()).hits] == ["name"]


def test_a_name_in_a_description_that_is_kept_is_a_leak(run: Run) -> None:
    kept = Record("test", "own", "", "0", (), {k: v for k, v in run.record.actions.items() if k != "SeriesDescription"})
    content = run.planted(lambda dataset, leak: setattr(dataset, "SeriesDescription", leak.decode()), NAME.encode())
    assert Run(run.source, run.output, kept).found(content) == {"SeriesDescription"}


def test_words_of_the_vocabulary_are_counted_and_shown(run: Run, tmp_path: Path) -> None:
    run = made(tmp_path, StudyDescription="Gantry Thorax")
    content = run.planted(lambda dataset, leak: setattr(dataset, "ProtocolName", leak.decode()), b"gantry of thorax")
    report = run.search({"out.dcm": content})
    assert report.hits == ()
    assert (report.stopped["gantry"], report.stopped["thorax"]) == (1, 1)


def test_inside_samples_only_what_has_six_bytes(run: Run) -> None:
    assert run.found(run.planted(_samples, b" XQZ ")) == set()
    assert run.found(run.planted(_samples, NAME[:6].encode())) == set()
    assert run.found(run.planted(_samples, NAME.encode())) == {"PixelData"}
