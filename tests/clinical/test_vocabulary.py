"""What a cleaned descriptor keeps: radiology's words, numbers with their unit, and no one's name."""

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.clinical import vocabulary
from cohortium.clinical.vocabulary import clean

NAMES = [
    name
    for line in Path(__file__).with_name("names.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for name in line.split()
]
RUN = re.compile(r"[^\W_]+")
UNITS = {*vocabulary.UNITS, *vocabulary.ATTACHED_UNITS}
PHRASED = {word.casefold() for phrase in vocabulary.phrases() for word in RUN.findall(phrase)}
KERNEL = re.compile(vocabulary.KERNEL, re.IGNORECASE)
MEASURE = re.compile(rf"[0-9]{{1,3}}({'|'.join(map(re.escape, UNITS))})?", re.IGNORECASE)
COUNTED = {f"{word}{number}" for word in vocabulary.COUNTED for number in ("", *range(1, 10))}
COUNTED |= {side.casefold() for side in vocabulary.SIDES}

words = st.sampled_from(sorted(vocabulary.words()))
pieces = st.one_of(
    *(words, st.sampled_from(sorted(vocabulary.phrases())), st.sampled_from(NAMES), st.sampled_from(sorted(UNITS))),
    *(st.from_regex(r"[0-9]{1,5}([.,/-][0-9]{1,4})?", fullmatch=True), st.text(max_size=6)),
    st.sampled_from(sorted(PHRASED)).map(str.upper),
)
descriptors = st.lists(
    st.tuples(pieces, st.sampled_from(["", " ", "  ", "_", "-", " - ", "/", "\t", ". ", ",", "^", "ß", "́"]))
).map(lambda parts: "".join(piece + gap for piece, gap in parts))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CT Thorax mit KM, Herr Müller tel 089 123 45", "CT Thorax mit KM"),
        ("ThorRoutine  5.0  B31f", "ThorRoutine 5.0 B31f"),
        ("t2_tse_tra_320", "t2_tse_tra"),
        ("CTA Kopf-Hals 0,6mm", "CTA Kopf-Hals 0,6mm"),
        ("3D MPRAGE 1 mm iso", "3D MPRAGE 1 mm iso"),
        ("120kV 80 mAs", "120kV 80 mAs"),
        ("DWI b50 b1000 ADC", "DWI b50 b1000 ADC"),
        ("MRT HWS C4 / C5", "MRT HWS C4 / C5"),
        ("Schädel nativ", "Schädel nativ"),
        ("Scha\u0308del nativ", "Schädel nativ"),  # decomposed
        ("Łukasz Brain", "Brain"),
        ("Иванов CT", "CT"),
        ("", ""),
        ("  \r\n ", ""),
    ],
)
def test_what_radiology_needs_stays(text, kept):
    assert clean(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "CHEST W/O CONTRAST",
        "CT Thorax ohne KM",
        "CT Thorax o. KM",
        "TC abdomen sin contraste",
        "scanner thoracique sans injection",
        "TC abdome sem contraste",
        "TC torace senza contrasto",
        "CT thorax zonder contrast",
        "abdomen s/ contraste",
        "no fracture",
    ],
)
def test_a_negation_stays_for_the_rest_would_say_the_opposite(text):
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "GTV",
        "GTV-1",
        "GTV1",
        "PTV_2",
        "Lesion 3",
        "Lung_L",
        "Femur_R",
        "Kidney_L CT",
        "SpinalCord",
        "Neoplasm, Primary",
    ],
)
def test_structures_of_radiotherapy_and_segments_keep_number_and_side(text):
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Lung L", "Lung"),  # may be an initial
        ("Lung_L_Müller", "Lung_L"),
        ("L_Lung", "Lung"),
        ("Müller_L", ""),
        ("GTV 61", "GTV"),
        ("GTV_Huber", "GTV"),
        ("Lesion 04.03.", "Lesion"),
        ("Plan 1", "Plan"),
    ],
)
def test_number_and_side_stay_with_a_structure_alone(text, kept):
    assert clean(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "089 123 45",
        "+49 89 1234567",
        "12.03.1957",
        "1957-03-12",
        "1.5.",
        "geb. 12.3.57",
        "42",
        "Hauptstr. 12 a",
        "089 mm",
        "D-80331",
        "7 T",
        "45 s",
        "A123456",
        "Müller",
        "R. L.",
        "1.2.840.10008.1.2",
        "C8",
        "b123",
    ],
)
def test_numbers_that_may_be_a_house_an_age_a_date_or_a_telephone_go(text):
    assert clean(text) == ""


def test_a_name_stays_only_inside_a_phrase_that_is_none():
    assert clean("Dixon Long") == ""
    assert clean("T1 DIXON long_axis") == "T1 DIXON long_axis"
    assert clean("sin Pérez contraste") == "contraste"
    assert clean("colonna") == ""
    assert clean("RM Colonna lombare") == "RM Colonna lombare"


def test_no_common_name_is_a_word():
    assert [name for name in NAMES if name.casefold() in vocabulary.words()] == []
    assert [name for name in NAMES if name in clean(f"CT Thorax {name} 1mm").split()] == []


def test_words_are_plain_and_stand_once():
    lines = (vocabulary.DATA / "vocabulary.txt").read_text("utf-8").splitlines()
    listed = [word for line in lines if not line.startswith("#") for word in line.split()]
    assert len(listed) == len(set(listed))
    assert all(RUN.fullmatch(word) and len(word) > 1 and word == word.lower() for word in listed)
    assert all(phrase == phrase.lower() for phrase in vocabulary.phrases())


@given(descriptors)
def test_cleaning_again_changes_nothing(text):
    assert clean(clean(text)) == clean(text)


@given(descriptors)
def test_nothing_stays_that_is_not_allowed(text):
    for run in RUN.findall(clean(text)):
        folded = run.casefold()
        allowed = folded in vocabulary.words() | PHRASED | UNITS | COUNTED
        assert allowed or KERNEL.fullmatch(run) or MEASURE.fullmatch(run), run


@given(descriptors)
def test_the_result_is_tidy_and_no_longer_than_the_text(text):
    cleaned = clean(text)
    assert cleaned == " ".join(cleaned.split())
    assert len(cleaned) <= len(unicodedata.normalize("NFC", text))
    for run in RUN.findall(cleaned):
        assert run.casefold() in vocabulary.words() or not re.search(r"[0-9]{4}", run), "four digits, and no b-value"


@given(st.text(max_size=300))
def test_any_text_at_all(text):
    assert clean(clean(text)) == clean(text)


@given(words, st.sampled_from(NAMES), words)
def test_a_name_between_words_goes(before, name, after):
    assert name not in clean(f"{before} {name}, {after}").split()
