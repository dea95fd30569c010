"""Protocols: what is refused, what the digest covers, and what the policy says of attributes people ask about."""

import csv
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary, tag_for_keyword

from cohortium.deidentify import protocol, standard
from cohortium.deidentify.protocol import action_for, load, names
from cohortium.errors import ConfigError
from cohortium.values import Action

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
FULL_DATES = "Retain Longitudinal Temporal Information Full Dates"
MINIMAL = 'name = "p"\nversion = "1"\ntitle = "t"\nedition = "2026c"\nbase = "basic"\n'

sop_classes = st.one_of(st.sampled_from(sorted(standard.storage_sop_classes())), st.just("1.2.3"))
tags = st.one_of(st.sampled_from(sorted(DicomDictionary)), st.integers(0, 0xFFFFFFFF))
paths = st.lists(tags, max_size=3).map(tuple)


def tag(keyword):
    return int(tag_for_keyword(keyword))


@pytest.fixture
def written(tmp_path):
    """Writes a protocol file and gives its path."""

    def write(text):
        path = tmp_path / "p.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", names())
def test_every_shipped_protocol_loads_under_its_own_name(name):
    loaded = load(name)
    assert loaded.name == name
    assert loaded.edition == ("2021b" if name == "netzeroaict" else "2026c")


def test_dragon_as_d7_1_describes_it():
    dragon = load("dragon")
    assert set(dragon.options) == {FULL_DATES, "Clean Descriptors"}
    assert dragon.subject.length == 10
    for keyword in (
        *("Modality", "ConvolutionKernel", "SliceThickness", "PixelSpacing", "KVP", "Manufacturer", "RescaleSlope"),
        *("StudyDate", "SeriesDate", "SeriesTime", "AcquisitionDate", "ContentDate", "InstanceCreationDate"),
        *("ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns", "InstanceNumber"),
    ):
        assert action_for(dragon, tag(keyword), CT)[0] is Action.KEEP, keyword
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert action_for(dragon, tag(keyword), CT)[0] is Action.UID
    for keyword in ("StudyDescription", "SeriesDescription", "ProtocolName"):
        assert action_for(dragon, tag(keyword), CT)[0] is Action.CLEAN
    assert action_for(dragon, tag("PatientBirthDate"), CT)[0] is Action.EMPTY


@pytest.mark.parametrize(
    ("keyword", "sop_class", "action", "why"),
    [
        ("AcquisitionDate", CT, "X", "Table E.1-1: X/Z, type 3 in CT Image"),
        ("RTPlanDate", RT_PLAN, "D", "Table E.1-1: X/D, type 2 in RT Plan"),
        ("DeviceSerialNumber", ENHANCED_CT, "D", "Table E.1-1: X/Z/D, type 1 in Enhanced CT Image"),
        ("AcquisitionDate", "1.2.3", "X", "Table E.1-1: X/Z, type 3 in an unknown SOP class"),
        ("StudyDescription", CT, "X", "Table E.1-1: X"),
        ("SOPInstanceUID", CT, "U", "Table E.1-1: U"),
        ("AnnotationGroupUID", CT, "U", "Table E.1-1: D; the mapped UID is the dummy"),
        ("PatientName", CT, "D", "pseudonym"),
        ("DeidentificationMethod", CT, "X", "states the de-identification; written anew"),
        ("Modality", CT, "K", "not in Table E.1-1"),
        ("PatientBirthDateInAlternativeCalendar", CT, "X", "not in Table E.1-1; the birth date in another calendar"),
        ("EncryptedAttributesSequence", CT, "X", "not in Table E.1-1; holds what was removed; encrypted"),
        ("SOPInstanceUIDOfConcatenationSource", CT, "U", "not in Table E.1-1; names an instance"),
    ],
)
def test_basic_profile(keyword, sop_class, action, why):
    assert action_for(load("basic"), tag(keyword), sop_class) == (action, why)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (0x00091001, "Table E.1-1: X, private"),
        (0x00090010, "Table E.1-1: X, private"),
        (0x00189FFF, "unknown attribute: not understood, does not leave"),
        (
            0x60000010,
            "Table E.1-1: X (overlays and their geometry); no option keeps them: a bitmap may show text",
        ),
        (0x501E3000, "Table E.1-1: X (curves); no option keeps them"),
        (0x00080000, "group length, retired"),
        (0x00020003, "file meta information is written anew"),
        (0x7F020010, "retired pixel data outside PixelData"),
        (0x40101052, "security screening (DICOS); no part of a medical object"),
        (0x00100011, "Table E.1-1: X"),
    ],
)
def test_what_never_leaves(number, why):
    assert action_for(load("dragon"), number, CT) == (Action.REMOVE, why)


def test_where_an_option_cannot_be_honoured_the_basic_profile_holds_and_says_so():
    dragon = load("dragon")
    action, why = action_for(dragon, tag("DeviceSettingDescription"), CT)
    assert action is Action.REMOVE
    assert why == "Table E.1-1: X; Clean Descriptors would clean it, but nobody can read it"
    devices = replace(dragon, options=("Retain Device Identity",))
    assert action_for(devices, tag("StationName"), CT) == (Action.KEEP, "Retain Device Identity")


def test_the_type_is_that_of_the_place():
    path = (tag("PerFrameFunctionalGroupsSequence"), tag("FrameContentSequence"))
    found = {here: action_for(load("basic"), tag("AcquisitionDateTime"), ENHANCED_CT, here)[0] for here in ((), path)}
    assert found == {(): Action.DUMMY, path: Action.REMOVE}


def test_elements_rule_over_options_and_table_but_not_over_what_never_leaves(written):
    text = (
        MINIMAL
        + f'options = ["{FULL_DATES}"]\n[elements]\nStudyDate = "empty"\nPatientSex = "keep"\nStudyID = "clean"\n'
    )
    mine = load(written(text))
    assert action_for(mine, tag("StudyDate"), CT) == (Action.EMPTY, "protocol p: [elements]")
    assert action_for(mine, tag("PatientSex"), CT)[0] is Action.KEEP
    assert action_for(mine, tag("StudyID"), CT)[0] is Action.CLEAN
    assert action_for(mine, tag("SeriesDate"), CT) == (Action.KEEP, FULL_DATES)


def test_every_mistake_is_named_at_once(written):
    with pytest.raises(ConfigError) as caught:
        load(
            written(
                'name = 1\nversion = " "\nedition = "2019a"\nbase = "mine"\nsurplus = 1\n'
                'options = ["Retain Everything", "Retain UIDs", "Retain UIDs"]\n'
                '[subject]\nkind = "guess"\nlength = 3\nshape = 1\n'
                '[elements]\nNoSuchThing = "keep"\nPatientID = "keep"\nPixelData = "remove"\nStudyDate = "shred"\n'
                'Rows = "clean"\nModality = "uid"\nSOPInstanceUID = "remove"\nFileSetID = "keep"\nPatientAge = 3\n'
            )
        )
    message = str(caught.value)
    for mistake in (
        *("surplus: no such setting", "name: text is expected", "version: is empty", "title: is missing"),
        *("edition: one of 2021b, 2026c", "base: only `basic`", "no option 'Retain Everything'"),
        "'Retain UIDs' stands there twice",
        *("subject.kind: one of keyed, hash", "subject.length: a whole number", "subject.shape: no such setting"),
        *("elements.NoSuchThing: no such attribute", "elements.PatientID: Cohortium writes it"),
        *("elements.PixelData: the object cannot be read", "elements.StudyDate: one of keep"),
        *("elements.Rows: only text", "elements.Modality: only UIDs", "elements.SOPInstanceUID: an object needs it"),
        *("elements.FileSetID: part of a DICOMDIR", "elements.PatientAge: one of keep"),
    ):
        assert mistake in message


@pytest.mark.parametrize(
    "text",
    ["options = 3\n", "subject = 3\n", "elements = 3\n", "name", "[subject]\nlength = true\n", "options = [[1]]\n"],
)
def test_other_shapes_are_mistakes_too(written, text):
    with pytest.raises(ConfigError):
        load(written(MINIMAL + text))


def test_a_protocol_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="shipped: basic, chaimeleon-anonymise, chaimeleon-pseudonymise, dragon"):
        load("drago")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'title = "M\xfcller"')
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path / "latin.toml"))


def test_the_digest_covers_the_rules_and_nothing_else(written):
    rules = f'options = ["Clean Descriptors", "{FULL_DATES}"]\n[subject]\nlength = 10\n[clinical]\nbase = "sdtm"\n'
    first = load(written(MINIMAL + rules)).digest
    renamed = MINIMAL.replace('"t"', '"another"').replace('"p"', '"q"') + "# a comment\n" + rules
    assert load(written(renamed)).digest == first == load("dragon").digest
    other_order = rules.replace(f'"Clean Descriptors", "{FULL_DATES}"', f'"{FULL_DATES}", "Clean Descriptors"')
    assert load(written(MINIMAL + other_order)).digest == first
    for changed in (
        rules.replace("10", "11"),
        rules.replace('"Clean Descriptors", ', ""),
        rules + '[elements]\nPatientSex = "keep"\n',
    ):
        assert load(written(MINIMAL + changed)).digest != first


def test_digests_of_shipped_protocols_change_only_on_purpose():
    assert load("basic").digest.startswith("b8bbe658695edc42")
    assert load("dragon").digest.startswith("ddd7eaf26b48606f")


@given(st.sampled_from(names()), tags, sop_classes, paths)
def test_policy_is_total_and_fails_closed(name, number, sop_class, path):
    action, why = action_for(load(name), number, sop_class, path)
    assert isinstance(action, Action)
    assert why
    if not standard.is_known(number):
        assert action is Action.REMOVE


@given(tags, sop_classes, paths)
def test_cleaning_and_mapping_meet_only_what_they_can_do(number, sop_class, path):
    action, _ = action_for(load("dragon"), number, sop_class, path)
    assert action is not Action.CLEAN or standard.vr(number) in protocol.TEXT
    assert action is not Action.UID or standard.vr(number) in ("UI", "SQ")


def test_the_basic_profile_changes_every_attribute_that_the_table_lists():
    basic = load("basic")
    with (standard.DATA / "confidentiality.csv").open(encoding="utf-8", newline="") as file:
        listed = [row["tag"] for row in csv.DictReader(file)]
    assert len(listed) == 656
    for each in listed:
        number = int(each.replace("x", "0"), 16) if each != "odd" else 0x00090001
        assert action_for(basic, number, CT)[0] is not Action.KEEP, each


def test_a_required_free_text_becomes_a_dummy_and_another_goes():
    functional_groups, metabolites = tag_for_keyword("PerFrameFunctionalGroupsSequence"), 0x00189152
    basic, described = load("basic"), tag_for_keyword("MetaboliteMapDescription")
    path = (functional_groups, metabolites)
    assert action_for(basic, described, "1.2.840.10008.5.1.4.1.1.4.1", path)[0] is Action.DUMMY
    assert action_for(basic, described, "1.2.840.10008.5.1.4.1.1.4.1")[0] is Action.REMOVE


def test_a_required_reference_to_a_performed_step_keeps_its_items_with_mapped_uids():
    step = tag_for_keyword("ReferencedPerformedProcedureStepSequence")
    assert action_for(load("basic"), step, "1.2.840.10008.5.1.4.1.1.4.1")[0] is Action.UID
    assert action_for(load("basic"), step, "1.2.840.10008.5.1.4.1.1.88.59")[0] is Action.EMPTY
