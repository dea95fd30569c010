"""The boolean scripts of DicomFilter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from cohortium.deidentify import ctp
from cohortium.deidentify.ctp import filters
from cohortium.errors import ConfigError

T, F = 'Modality.equals("CT")', 'Modality.equals("MR")'


@pytest.fixture(scope="module")
def ct() -> Dataset:
    dataset = Dataset()
    dataset.Modality = "CT"
    dataset.Manufacturer = "GE Medical"
    dataset.SliceThickness = "2.5"
    item = Dataset()
    item.CodeValue = "X"
    dataset.ProcedureCodeSequence = [item]
    return dataset


@pytest.mark.parametrize(
    ("script", "accepts"),
    [
        ("true", True),
        ("false", False),
        ("true.", True),
        (T, True),
        (F, False),
        (f"{T} * {F}", False),
        (f"{T} + {F}", True),
        (f"!{F}", True),
        (f"!{T} + {T}", True),
        (f"!({T} + {T})", False),
        (f"{T} + {T} * {F}", True),
        (f"({T} + {T}) * {F}", False),
        (f"{F} * {F} + {T}", True),
        (f"// no\n{T} // yes\n * // and\n !{F}", True),
        ('[0008,0070].startsWith("GE")', True),
        ('Manufacturer.startsWithIgnoreCase("ge")', True),
        ('Manufacturer.contains("medical")', False),
        ('Manufacturer.containsIgnoreCase("medical")', True),
        ('Manufacturer.endsWith("cal")', True),
        ('Manufacturer.endsWithIgnoreCase("CAL")', True),
        ('Manufacturer.equalsIgnoreCase("ge medical")', True),
        ('Manufacturer.matches("GE.*")', True),
        ('Manufacturer.matches("GE")', False),
        ('SliceThickness.isLessThan("3")', True),
        ('SliceThickness.isGreaterThan("2.5 mm")', False),
        ('Manufacturer.isLessThan("3")', False),
        ('ProcedureCodeSeq::CodeValue.equals("X")', True),
        ('PatientName.equals("")', True),
    ],
)
def test_scripts(ct, script, accepts):
    assert ctp.read_filter(script).accepts(ct) == accepts


@given(st.recursive(st.sampled_from([T, F, "true", "false"]), lambda node: st.one_of(
    node.map(lambda a: f"!({a})"),
    st.tuples(node, st.sampled_from("+*"), node).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
)))  # fmt: skip
def test_the_grammar_is_that_of_logic(script):
    dataset = Dataset()
    dataset.Modality = "CT"
    python = script.replace(T, "True").replace(F, "False").replace("true", "True").replace("false", "False")
    wanted = eval(python.replace("!", " not ").replace("*", " and ").replace("+", " or "))
    assert ctp.read_filter(script).accepts(dataset) == wanted


@pytest.mark.parametrize(
    ("script", "line", "fault"),
    [
        ("", 1, "an attribute, true, false, ! or"),
        ("\n\nModality", 3, "is expected"),
        (f"{T} *", 1, "an attribute"),
        (f"({T}", 1, "a closing parenthesis"),
        (f"{T} {F}", 1, "nothing more"),
        ("Modality.equals(CT)", 1, "double quotes"),
        ('true *\nModality.resembles("CT")', 2, "no such method"),
        ('Modalities.equals("CT")', 1, "no attribute of this name"),
        ('Modality.matches("(")', 1, "regular expression"),
        ("(" * 200, 1, "too many"),
    ],
)
def test_mistakes_are_named_with_their_lines(script, line, fault):
    with pytest.raises(ConfigError, match=f"line {line}: .*{fault}"):
        ctp.read_filter(script)


def test_a_filter_is_read_from_a_file(tmp_path, ct):
    (tmp_path / "a.script").write_text(T, "utf-8")
    assert ctp.read_filter(tmp_path / "a.script").accepts(ct)
    with pytest.raises(ConfigError, match="cannot be read"):
        ctp.read_filter(tmp_path / "none")


@given(st.text('Modality.equals("CT")+*!() \n/[0008,60]truefalse', max_size=40))
def test_any_text_is_read_or_refused(text):
    if not list(filters.mistakes(text)):
        assert ctp.read_filter(text).accepts(Dataset()) in (True, False)
