"""Whatever lies in a delivery, the answer is a report: files that are no DICOM, cut, or broken on purpose."""

import json
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deliveries
import factory
from cohortium import check
from cohortium.check import scan
from cohortium.check.examine import examine
from cohortium.check.page import page
from cohortium.check.registry import checks
from cohortium.check.report import Report, as_dict, junit

DRAGON = check.load("dragon")
SLICE = deliveries.encoded(deliveries.slice_of(1, 1))


def report_on(folder: Path, files: dict[str, bytes]) -> Report:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    report = examine(folder, DRAGON, left_out=deliveries.SLOW, draw=True)
    json.dumps(as_dict(report))
    junit(report)
    page(report)
    for place in report.delivery.places:
        seen = scan.read(folder, place.SeriesInstanceUID, place.names())
        for each in checks().values():
            if each.show:  # whatever was found, and where nothing was, too
                list(each.show(seen))
    return report


def broken(report: Report) -> list[str]:
    return [each.fact for each in report.findings if each.rule == "structure.readable"]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "it is empty"),
        (b"no DICOM at all", "it is called .dcm and is not a DICOM Part 10 file"),
        (SLICE[:132], "SOPClassUID is missing"),
        (SLICE[:400], ""),
        (SLICE[:-1], "an element reaches beyond what holds it"),
        (SLICE + b"\1\2\3", ""),
        (factory.ct(SeriesInstanceUID=None), "SeriesInstanceUID is missing"),
        (factory.ct(SeriesInstanceUID="1." * 400 + "1"), "SeriesInstanceUID"),
        (factory.ct(SOPInstanceUID=None), "SOPInstanceUID is missing"),
        (factory.ct(PatientID="P" * 100), "PatientID is not one value"),
    ],
)
def test_a_broken_file_is_one_finding(tmp_path, content, fact):
    (told,) = broken(report_on(tmp_path, {"a.dcm": content}))
    assert fact in told


def told(report: Report) -> set[tuple[str, str]]:
    return {(each.rule, each.variable) for each in report.findings if each.rule.startswith("privacy.")}


@pytest.mark.parametrize("syntax", [factory.DEFLATED, factory.BIG_ENDIAN])
def test_headers_in_any_transfer_syntax_are_searched(tmp_path, syntax):
    comments = {"ImageComments": "seen by MUELLER", "RequestAttributesSequence": [{"RequestedProcedureID": "4711"}]}
    plain = report_on(tmp_path / "plain", {"a.dcm": factory.ct(**comments)})
    report = report_on(tmp_path / "other", {"a.dcm": factory.ct(syntax=syntax, **comments)})
    assert broken(report) == []
    assert [outline.files for outline in report.delivery.outlines] == [1]
    assert told(report) == told(plain)
    assert {("privacy.attribute", "PatientName"), ("privacy.text", "ImageComments")} < told(report)
    status = {each.rule.id: each.status.value for each in report.outcomes}
    assert (status["privacy.text"], status["privacy.private"]) == ("failed", "passed")


@pytest.mark.parametrize("behind", [b"\1\2\3", b"\xfe\xff\x00\xe0" * 9])
def test_where_the_strict_reader_fails_privacy_is_not_passed(tmp_path, behind):
    content = factory.ct(syntax=factory.BIG_ENDIAN, PatientName=None) + behind
    report = report_on(tmp_path, {"a.dcm": content})
    (private,) = (each for each in report.outcomes if each.rule.id == "privacy.text")
    assert private.status.value == "skipped"


def test_links_and_pipes_are_not_opened(tmp_path):
    outside = tmp_path / "outside.dcm"
    outside.write_bytes(SLICE)
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / "link.dcm").symlink_to(outside)
    os.mkfifo(folder / "pipe.dcm")
    report = report_on(folder, {})
    assert len(broken(report)) == 2
    assert report.delivery.outlines == ()


def test_no_value_of_a_file_shows(tmp_path):
    content = factory.ct(SeriesInstanceUID="Mueller", SOPInstanceUID="Hans", StudyInstanceUID="Lindenweg")
    report = report_on(tmp_path, {"Mueller/Hans.dcm": content, "Mueller.txt": b"", "Mueller.dcm": b"x", "deep": SLICE})
    text = json.dumps(as_dict(report), ensure_ascii=False) + junit(report).decode()
    for value in (*factory.PLANTED, "Mueller", "Hans", "Lindenweg"):
        if not value.startswith("1.2.276"):
            assert value.lower() not in text.lower(), value


def test_folders_nest_deeper_than_calls(tmp_path):
    place = tmp_path
    for _ in range(900):
        place = place / "a"
    place.mkdir(parents=True)
    (place / "x.dcm").write_bytes(b"x")
    assert len(broken(examine(tmp_path, DRAGON, left_out=deliveries.SLOW))) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"patient,study_uid,series_uid\n",
        b"patient,study_uid,series_uid\n\0\0\0,\xff\xfe\n",
        ",".join(deliveries.clean().described()["metadata.csv"][0]).encode() + b'\n\xff\n1,2\n"',
        b"series_uid,study_uid,patient," + b"," * 50_000 + b"\n" + b'"' * 200_001,
    ],
)
def test_a_broken_metadata_table_is_a_finding(tmp_path, content):
    report = report_on(tmp_path, {"metadata.csv": content, "a.dcm": SLICE})
    assert {each.rule for each in report.findings} & {"metadata.table", "metadata.series"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(132, len(SLICE) - 2060), junk=st.binary(min_size=1, max_size=12), crc=st.integers(0, 2**16))
def test_flipped_bytes_never_raise(tmp_path_factory, start, junk, crc):
    folder = tmp_path_factory.mktemp("flipped", numbered=True)
    bad = SLICE[:start] + junk + SLICE[start + len(junk) :]
    report_on(folder, {f"{zlib.crc32(bad)}.dcm": bad, "good.dcm": deliveries.encoded(deliveries.slice_of(1, 2))})
