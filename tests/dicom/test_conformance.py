"""What dicom3tools says reaches nobody but by tags and known words, and its crash is no answer."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import deliveries
from cohortium.dicom import conformance
from cohortium.dicom.conformance import Crashed, Fault, differences, faults
from cohortium.values import Severity

installed = pytest.mark.skipif(
    not (shutil.which(conformance.OBJECTS) and shutil.which(conformance.ENTITIES)),
    reason="no dciodvfy; apt-get install dicom3tools",
)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A program in dciodvfy's and dcentvfy's place that does what the test needs."""

    def put(script: str) -> None:
        (tmp_path / "bin").mkdir()
        for name in (conformance.OBJECTS, conformance.ENTITIES):
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "bin" / name).chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return put


@pytest.fixture
def objects(tmp_path: Path) -> list[Path]:
    """Two of one series, in a folder whose name has blanks."""
    (tmp_path / " a b").mkdir()
    paths = [tmp_path / " a b" / f" {number} .dcm" for number in (1, 2)]
    for number, path in enumerate(paths, 1):
        path.write_bytes(deliveries.encoded(deliveries.slice_of(1, number)))
    return paths


def says(program: Callable[[str], None], line: str) -> None:
    program(f"cat >&2 <<'END'\n{line}\nEND")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "Error - </PatientSex(0010,0040)> - Missing attribute for Type 2 Required - Module=<Patient>",
            Fault(Severity.ERROR, ("(0010,0040)",), "Missing attribute for Type 2 Required", "Patient"),
        ),
        (
            "Warning - </PatientName(0010,0010)[1]> - Value dubious for this VR [PN] = <MUELLER> - Retired form",
            Fault(Severity.WARNING, ("(0010,0010)",), "Value dubious for this VR"),
        ),
        (
            "Error - </A(0008,1032)[2]/CodeValue(0008,0100)[1]> - Unrecognized enumerated value = <Module=<MUELLER>>",
            Fault(Severity.ERROR, ("(0008,1032)", "(0008,0100)"), "Unrecognized enumerated value"),
        ),
        (
            'Warning - </(0043,106D,"MUELLER (1979,0412)")> - Unrecognized tag - assuming MUELLER',
            Fault(Severity.WARNING, ("(0043,106d)",), "Unrecognized tag"),
        ),
        ("Error - MUELLER is not in the vocabulary", Fault(Severity.ERROR, (), "another fault")),
        ("Error - Information Object Not found", Fault(Severity.ERROR, (), "Information Object Not found")),
        (
            "Error - String attribute has different value - Element=<StudyDescription> IE=<Study> for file <MUELLER> "
            "versus <MUELLER> Value 1 <MUELLER> versus <Element=<PatientName>>",
            Fault(Severity.ERROR, ("(0008,1030)",), "String attribute has different value", "Study"),
        ),
    ],
)
def test_a_message_without_its_values(program, objects, line, fault):
    says(program, f"CTImage\n{line}\n{line}")
    assert faults(objects[0]) == {fault: 2}
    assert "MUELLER" not in repr(fault)


@pytest.mark.parametrize("script", ["kill -SEGV $$", "kill -ABRT $$", "echo 'Abort - it cannot go on' >&2; exit 1"])
def test_a_crash_is_no_answer(program, objects, script):
    program(script)
    for ask in (lambda: faults(objects[0]), lambda: differences(objects)):
        with pytest.raises(Crashed):
            ask()


def test_a_program_that_does_not_end_is_ended(program, objects, monkeypatch):
    monkeypatch.setattr(conformance, "SECONDS", 0.2)
    program("exec sleep 60")
    with pytest.raises(Crashed):
        faults(objects[0])


def test_what_is_not_there_is_no_answer(objects, monkeypatch):
    with pytest.raises(Crashed):
        faults(objects[0].with_name("gone.dcm"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Crashed):
        faults(objects[0])


def test_names_do_not_show_among_processes(program, objects):
    program('cat >/dev/null; echo "Error - $#" >&2; case "$*" in *dcm*) kill -9 $$;; esac')
    assert set(faults(objects[0])) == set(differences(objects)) == {Fault(Severity.ERROR, (), "another fault")}


@installed
def test_the_programs_themselves(objects):
    (missing,) = (each for each in faults(objects[0]) if each.names == ("StudyID",))
    assert missing.kind == "Missing attribute or value that would be needed to build DICOMDIR"
    assert differences(objects) == {}
    changed = deliveries.slice_of(1, 2) | {"StudyDescription": "MUELLER"}
    objects[1].write_bytes(deliveries.encoded(changed))
    (fault,) = differences(objects)
    assert (fault.names, fault.part) == (("StudyDescription",), "Study")
    assert conformance.version().startswith("dicom3tools 1.")


@installed
def test_a_name_with_a_line_break_is_not_asked_about(objects, tmp_path):
    with pytest.raises(Crashed):
        differences([objects[0], tmp_path / "a\nb.dcm"])
