"""A protocol with a [ctp] table: who rules which attribute, and what stays true whatever a script says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

import factory
from cohortium.deidentify import Deidentified, Deidentifier, ctp, difference, load_protocol
from cohortium.deidentify.page import page
from cohortium.deidentify.protocol import action_for
from cohortium.dicom import scan, slow
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey
from cohortium.values import Action, Reason, SetAside
from factory import BIG_ENDIAN, CT_IMAGE, DEFLATED, EXPLICIT, IMPLICIT, INSTANCE, STUDY

KEY = SiteKey(bytes(32))
HEAD = 'name = "hospital"\nversion = "1"\ntitle = "T"\nedition = "2026c"\nbase = "basic"\n'
Maker = Callable[..., Deidentifier]


def rule(tag: str, text: str, name: str = "x") -> str:
    return f'<e en="T" t="{tag}" n="{name}">{text}</e>'


def path_of(folder: Path, rules: Iterable[str], more: str = "", options: str = "") -> Path:
    (folder / "hospital.script").write_text(f'<script><p t="ROOT">1.2.3</p>{"".join(rules)}</script>', "utf-8")
    (folder / "hospital.toml").write_text(f'{HEAD}{options}[ctp]\nscript = "hospital.script"\n{more}', "utf-8")
    return folder / "hospital.toml"


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    def make(
        *rules: str, more: str = "", options: str = "", tables: ctp.Tables | None = None, project: str = "p"
    ) -> Deidentifier:
        return Deidentifier(load_protocol(path_of(tmp_path, rules, more, options)), KEY, project, tables=tables)

    return make


def made(by: Deidentifier, content: bytes) -> Deidentified:
    result = by(content)
    assert isinstance(result, Deidentified), result
    return result


def read(by: Deidentifier, **changes: Any) -> Dataset:
    return factory.read(factory.joined(made(by, factory.ct(**changes)).slices))


def md5(text: str) -> str:
    return str(int(hashlib.md5(text.encode()).hexdigest(), 16))


def rules_of(result: Deidentified) -> set[str]:
    return {finding.rule for finding in result.findings}


# Who rules


def test_where_the_base_keeps_the_script_rules(maker):
    by = maker(rule("00180060", "@remove()"), rule("00181210", "sharp"), rule("00080070", ""))
    output = read(by)
    assert "KVP" not in output
    assert output.ConvolutionKernel == "sharp"
    assert output.Manufacturer == ""


def test_what_the_script_keeps_the_base_rules(maker):
    keeps = ("00080080", "00100030", "00101040", "00080050")
    output = read(maker(*(rule(tag, "@keep()") for tag in keeps)))
    assert "InstitutionName" not in output
    assert "PatientAddress" not in output
    assert output.PatientBirthDate == output.AccessionNumber == ""


def test_what_the_script_does_not_name_the_base_rules(maker):
    result = made(maker(rule("00180060", "@remove()")), factory.ct())
    assert factory.planted_in(factory.joined(result.slices)) == []


def test_where_both_change_the_script_rules(maker):
    output = read(maker(rule("00081030", "Thorax"), rule("00100030", "@truncate(this,4)0101"), rule("00080050", "")))
    assert (output.StudyDescription, output.PatientBirthDate, output.AccessionNumber) == ("Thorax", "19610101", "")


@pytest.mark.parametrize(
    "text",
    [
        "@contents(this)",
        "@append(){x}",
        "@uppercase(this)",
        "a @value(InstitutionName) b",
        "@if(this,exists){@keep()}{}",
    ],
)
def test_a_copy_of_a_value_counts_as_keeping_it(maker, text):
    assert "InstitutionName" not in read(maker(rule("00080080", text)))


def test_a_value_that_must_go_does_not_leave_under_another_name(maker):
    rules = rule("00080070", "by @contents(InstitutionName)"), rule("00204000", "@value(AccessionNumber,none)")
    result = made(maker(*rules, rule("0008103E", "@contents(Modality) @contents(KVP)")), factory.ct())
    output = factory.read(factory.joined(result.slices))
    assert (output.Manufacturer, output.SeriesDescription) == ("ACME", "CT 120")
    assert factory.planted_in(factory.joined(result.slices)) == []
    assert "ctp.copied" in rules_of(result)


def test_dates_moved_by_no_day_are_kept_dates(maker):
    """The scripts that come with CTP have such a parameter."""
    assert read(maker('<p t="DATEINC">0</p>', rule("00080020", "@incrementdate(this,@DATEINC)"))).StudyDate == ""


def test_a_rounded_age_is_no_copy_even_where_nothing_changes(maker):
    """Else whose age is missing would be whose age is a multiple of ten."""
    by = maker(rule("00101010", "@round(this,10)"))
    assert {read(by, PatientAge=age).PatientAge for age in ("067Y", "070Y", "074Y")} == {"070Y"}


def test_a_name_copied_elsewhere_is_found(maker):
    result = made(
        maker(rule("00080070", "of @contents(PatientName)"), rule("00100010", "@contents(PatientID)")), factory.ct()
    )
    assert factory.planted_in(factory.joined(result.slices)) == []
    assert "subject.echo" in rules_of(result)


def test_unspecified_elements_go_and_what_an_object_needs_stays(maker):
    by = maker(rule("00080060", "@keep()"), '<r en="T" t="unspecifiedelements">x</r>')
    output = read(by, SpecificCharacterSet="ISO_IR 100")
    for keyword in ("KVP", "SliceThickness", "Manufacturer", "StudyDate"):
        assert keyword not in output
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "PatientID", "SpecificCharacterSet", "Rows", "Modality"):
        assert keyword in output
    assert output.DeidentificationMethodCodeSequence[0].CodeValue == "113100"


def test_no_script_brings_back_what_never_leaves(maker):
    raw = {tag: factory.element(tag, b"Geheimnis7", "LO") for tag in (0x60004000, 0x50000022, 0x00099999, 0x00091001)}
    raw[0x00090010] = factory.element(0x00090010, b"ACME", "LO")
    kept = [rule(f"{tag:08x}", "@keep()") for tag in raw]
    result = made(
        maker(*kept, rule("60001500", "label")),
        factory.ct(raw={tag: raw[tag] for tag in sorted(raw) if tag != 0x00099999}),
    )
    assert factory.planted_in(factory.joined(result.slices)) == []
    assert 0x60001500 not in factory.read(factory.joined(result.slices))


def test_a_private_element_that_the_script_writes_has_its_creator(maker):
    raw = {
        0x00090010: factory.element(0x00090010, b"GEMS_IDEN_01", "LO"),
        0x00091001: factory.element(0x00091001, b"Geheimnis7", "LO"),
        0x00091002: factory.element(0x00091002, b"Geheimnis7", "LO"),
    }
    script = "<script>" + rule("0009[GEMS_IDEN_01]01", "scanner 1") + "</script>"
    assert ctp.read(script).rules[0].where == "0009,[GEMS_IDEN_01]01"
    output = read(maker(rule("0009[GEMS_IDEN_01]01", "scanner 1")), raw=raw)
    assert (output[0x00090010].value, output[0x00091001].value) == ("GEMS_IDEN_01", "scanner 1")
    assert 0x00091002 not in output


def test_creators_count_whatever_their_case(maker):
    raw = {
        0x00090010: factory.element(0x00090010, b"Gems_Ident_01 ", "LO"),
        0x00091001: factory.element(0x00091001, b"Geheimnis7", "LO"),
    }
    output = read(maker(rule("0009[GEMS_IDENT_01]01", "scanner 1"), rule("000900[gems_ident_01]", "mine")), raw=raw)
    assert (output[0x00090010].value, output[0x00091001].value) == ("mine", "scanner 1")


def test_safe_private_attributes_stay_as_cohortiums_list_has_it(maker):
    """Of a script that keeps them, under trust; else the option Retain Safe Private decides."""
    raw = {
        0x00190010: factory.element(0x00190010, b"GEMS_ACQU_01", "LO"),
        0x00191023: factory.element(0x00191023, b"1.25", "DS"),
        0x001910FE: factory.element(0x001910FE, b"Geheimnis7", "LO"),
    }
    keeps = '<k en="T" t="safeprivateelements">x</k>', '<r en="T" t="privategroups">x</r>'
    by = maker(rule("00180060", "1"), *keeps, more="trust_script = true\n")
    output = read(by, raw=raw)
    assert {int(each.tag) for each in output if each.tag.group == 0x0019} == {0x00190010, 0x00191023}
    based = read(maker(rule("00180060", "1"), *keeps), raw=raw)
    assert not [each for each in based if each.tag.group == 0x0019]


def test_stamps_are_cohortiums(maker):
    output = read(maker(rule("00120062", "NO"), rule("00120063", "by hand"), rule("00280303", "UNMODIFIED")))
    assert output.PatientIdentityRemoved == "YES"
    assert output.DeidentificationMethod[0].startswith("Cohortium")
    assert output.LongitudinalTemporalInformationModified == "REMOVED"


def test_a_date_that_the_script_moves_is_stamped(maker):
    output = read(maker(rule("00080020", "@incrementdate(this,-30)")))
    assert output.StudyDate == "20200203"
    assert output.LongitudinalTemporalInformationModified == "MODIFIED"


def test_a_script_adds_what_it_always_wants(maker):
    output = read(maker(rule("00181000", "@always()device 1"), rule("00120031", "@always()@param(@ROOT)")))
    assert (output.DeviceSerialNumber, output.ClinicalTrialSiteName) == ("device 1", "1.2.3")


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_every_syntax(maker, syntax):
    output = read(maker(rule("00081030", "Thorax"), rule("00200013", "12")), syntax=syntax)
    assert (output.StudyDescription, output.InstanceNumber, output.Rows) == ("Thorax", 12, factory.ROWS)
    assert bytes(output.PixelData) == factory.samples()


# Sequences


def test_a_sequence_that_ctp_copies_whole_follows_the_base(maker):
    result = made(maker(rule("00400275", "@keep()"), rule("00081140", "@keep()")), factory.ct())
    assert factory.planted_in(factory.joined(result.slices)) == []


def test_in_a_sequence_that_the_script_enters_both_rule(maker):
    items = [
        {
            "CodeValue": "T-D3000",
            "CodeMeaning": "Chest",
            "CodingSchemeDesignator": "SRT",
            "InstitutionName": "WESTSTADT",
        }
    ]
    by = maker(
        rule("00082218", "@process()"), rule("00080104", "@select(){root}{a region}"), rule("00080080", "@keep()")
    )
    item = read(by, AnatomicRegionSequence=items).AnatomicRegionSequence[0]
    assert (item.CodeValue, item.CodeMeaning) == ("T-D3000", "a region")
    assert "InstitutionName" not in item


def test_a_sequence_that_the_base_removes_stays_away(maker):
    assert "RequestAttributesSequence" not in read(maker(rule("00400275", "@process()"), rule("00401001", "@keep()")))


def test_a_sequence_that_the_script_removes_goes(maker):
    items = [{"CodeValue": "T-D3000"}]
    assert "AnatomicRegionSequence" not in read(maker(rule("00082218", "@remove()")), AnatomicRegionSequence=items)


# Hashes


def test_hashes_are_keyed_and_differ_by_project(maker):
    rules = rule("00080050", "@hash(this)"), rule("00081030", "@hash(PatientID,8)")
    one, other = (read(maker(*rules, project=project)) for project in ("one", "other"))
    assert one.AccessionNumber != md5("Geheimnis7") != other.AccessionNumber
    assert one.AccessionNumber != other.AccessionNumber
    assert one.AccessionNumber == read(maker(*rules, project="one")).AccessionNumber


def test_hashes_can_be_ctps_own_and_every_report_says_so(maker):
    by = maker(rule("00080050", "@hash(this)"), more='hash = "compatible"\n')
    result = made(by, factory.ct())
    assert factory.read(factory.joined(result.slices)).AccessionNumber == md5("Geheimnis7")
    assert "ctp.compatible-hashes" in rules_of(result)


def test_rules_that_leave_a_part_are_reported(maker):
    by = maker(
        rule("00080020", "@incrementdate(this,-30)"), rule("00081030", "@truncate(this,3)"), rule("00180060", "1")
    )
    found = next(each for each in made(by, factory.ct()).findings if each.rule == "ctp.weak-rules")
    assert found.message.startswith("2 rules")


def test_the_same_text_in_two_character_sets_has_one_keyed_hash(maker):
    by = maker(rule("00080050", "@hash(this)"))
    one = read(by, AccessionNumber="Müller", SpecificCharacterSet="ISO_IR 100")
    other = read(by, AccessionNumber="Müller", SpecificCharacterSet="ISO_IR 192", charset="utf-8")
    assert one.AccessionNumber == other.AccessionNumber


# Identity

UIDS = [rule(tag, "@hashuid(@ROOT,this)") for tag in ("00080018", "0020000d", "0020000e")]


def test_references_follow_the_mapping_of_the_script(maker):
    items = [{"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": INSTANCE}]
    by = maker(*UIDS)
    output = read(by, ROIContourSequence=[{"ContourSequence": [{"ContourImageSequence": items}]}])
    reference = output.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0]
    assert output.SOPInstanceUID.startswith("1.2.3.")
    assert output.file_meta.MediaStorageSOPInstanceUID == output.SOPInstanceUID
    assert reference.ReferencedSOPInstanceUID == output.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == CT_IMAGE
    assert output.FrameOfReferenceUID == read(by, FrameOfReferenceUID=STUDY + ".5").FrameOfReferenceUID
    assert output.FrameOfReferenceUID.startswith("1.2.3.")


def test_compatible_uids_are_ctps(maker):
    output = read(maker(*UIDS, more='hash = "compatible"\n'))
    assert output.SOPInstanceUID == f"1.2.3.{md5(INSTANCE)}"[:64]


@pytest.mark.parametrize(
    "text", ["@hashuid(@ROOT,this,PatientID)", "1.2.3.4", "@hashuid(9.9,this)", "@hashuid(@ROOT,PatientID)"]
)
def test_uids_that_no_reference_could_follow_are_mapped_by_the_site(maker, text):
    result = made(maker(*UIDS[1:], rule("00080018", text)), factory.ct())
    assert result.SOPInstanceUID.startswith("2.25.")
    assert result.StudyInstanceUID.startswith("2.25.")
    assert "ctp.uids" in rules_of(result)


@pytest.mark.parametrize(
    "text", ["@contents(this)", "@truncate(this,64)", "@if(this,exists){1.2.3}{1.2.4}", "@uppercase(this)"]
)
def test_a_script_that_copies_uids_does_not_keep_them(maker, text):
    result = made(maker(*(rule(tag, text) for tag in ("00080018", "0020000d", "0020000e"))), factory.ct())
    assert result.SOPInstanceUID.startswith("2.25.")
    assert factory.planted_in(factory.joined(result.slices)) == []


def test_uids_can_be_looked_up(maker):
    rules = [rule(tag, "@lookup(this,uid)") for tag in ("00080018", "0020000d", "0020000e")]
    table = {f"uid/{uid}": f"1.9.{n}" for n, uid in enumerate((INSTANCE, STUDY, factory.SERIES, f"{STUDY}.5"))}
    assert made(maker(*rules, tables=ctp.Tables(table)), factory.ct()).SOPInstanceUID == "1.9.0"
    kept = ctp.Tables({**table, f"uid/{STUDY}": STUDY})
    for tables in (kept, ctp.Tables({f"uid/{INSTANCE}": "1.9"})):
        result = maker(*rules, tables=tables)(factory.ct())
        assert isinstance(result, SetAside)
        assert result.reason is Reason.SCRIPT


def test_the_scripts_patient_is_the_patient_everywhere(maker):
    items = [{"PatientID": "PAT-4711-X"}]
    result = made(
        maker(rule("00100020", "@hashptid(7,this,12)"), rule("00101002", "@process()")),
        factory.ct(OtherPatientIDsSequence=items),
    )
    output = factory.read(factory.joined(result.slices))
    assert output.PatientID == output.PatientName == result.PatientID
    assert result.PatientID.isdecimal()
    assert len(result.PatientID) == 12


@pytest.mark.parametrize(
    "text", ["ANON", "", "@remove()", "@param(@ROOT)", "@hash(StudyDate)", "x @contents(this)", "@keep()"]
)
def test_an_identifier_that_is_not_the_patients_leaves_the_pseudonym(maker, text):
    by = maker(rule("00100020", text))
    one, other = (made(by, factory.ct(PatientID=patient)) for patient in ("P-10001", "P-10002"))
    assert len({one.PatientID, other.PatientID}) == 2
    assert len(one.PatientID) == 16


def test_two_hospitals_one_number_are_two_patients(maker):
    by = maker(rule("00100020", "@hashptid(7,this)"), rule("00080050", "@hash(PatientID)"))
    ids = {made(by, factory.ct(PatientID="1001", IssuerOfPatientID=issuer)).PatientID for issuer in ("A", "B", None)}
    assert len(ids) == 3


def test_nobody_is_merged_for_lack_of_an_identifier(maker):
    by = maker(rule("00100020", "@hashptid(7,this)"))
    one, other = (made(by, factory.ct(PatientID="", StudyInstanceUID=uid)) for uid in ("1.2.3", "1.2.4"))
    assert one.PatientID != other.PatientID


@pytest.mark.parametrize("text", ["../@hash(this,4)", "@hash(this,4)/x", "Ü@hash(this,4)", ".@hash(this)"])
def test_an_identifier_that_cannot_name_a_folder_sets_aside(maker, text):
    result = maker(rule("00100020", text))(factory.ct())
    assert isinstance(result, SetAside)
    assert result.reason is Reason.SCRIPT


# Filters and pixels

ULTRASOUND = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1", "Modality": "US", "BitsAllocated": 8, "BitsStored": 8}
ULTRASOUND |= {"HighBit": 7, "PixelData": b"\x40" * (factory.ROWS * factory.COLUMNS), "RescaleSlope": None}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "filter").write_text('Modality.equals("CT") + [0008,0060].equals("US") // what we need')
    (tmp_path / "pixels").write_text('the top line of our machine { Manufacturer.contains("ACME") } (0,0,99,1)')
    return tmp_path


def test_a_filter_decides_what_goes_on(maker, scripts):
    by = maker(rule("00180060", "@remove()"), more='filter = "filter"\n')
    made(by, factory.ct())
    assert by(factory.ct(Modality="MR")) == SetAside(Reason.FILTER)


def test_a_picture_that_a_signature_knows_is_blanked_and_goes_on(maker, scripts):
    result = made(maker(rule("00180060", "@remove()"), more='pixels = "pixels"\n'), factory.ct(**ULTRASOUND))
    output = factory.read(factory.joined(result.slices))
    assert (output.pixel_array[:2] == 0).all()
    assert (output.pixel_array[2:] == 0x40).all()
    assert output.BurnedInAnnotation == "NO"
    assert [code.CodeValue for code in output.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    assert list(result.areas) == [0]


def test_a_picture_that_no_signature_knows_is_held(maker, scripts):
    result = maker(rule("00180060", "@remove()"), more='pixels = "pixels"\n')(
        factory.ct(**ULTRASOUND, Manufacturer="Other")
    )
    assert isinstance(result, SetAside)
    assert result.reason is Reason.PIXELS_NOT_REVIEWED


def test_scripts_of_filter_and_pixels_need_no_other(tmp_path, scripts):
    (tmp_path / "p.toml").write_text(f'{HEAD}[ctp]\nfilter = "filter"\npixels = "pixels"\n')
    by = Deidentifier(load_protocol(tmp_path / "p.toml"), KEY, "p")
    assert made(by, factory.ct(**ULTRASOUND)).areas
    assert by(factory.ct(Modality="MR")) == SetAside(Reason.FILTER)


# What cannot be honoured


@pytest.mark.parametrize(
    "text", ["@call(org.example.Plugin)", "@lookup(PatientID,ptid)", "@quarantine()", "@skip()", "@hash()"]
)
def test_what_cannot_be_honoured_is_set_aside(maker, text):
    result = maker(rule("00104000", text))(factory.ct())
    assert isinstance(result, SetAside)
    assert result.reason is Reason.SCRIPT
    assert factory.planted_in(str(result).encode()) == []


def test_a_value_that_an_attribute_cannot_hold_is_none(maker):
    output = read(
        maker(rule("00180060", "high"), rule("00201002", "many"), rule("00280106", "x")), ImagesInAcquisition="4"
    )
    assert output.KVP is None
    assert output.ImagesInAcquisition is None


def test_a_value_too_long_for_its_length_is_none(maker):
    assert read(maker(rule("00080070", "x" * 70000))).Manufacturer == ""


# Trust


def test_a_trusted_script_rules_alone(maker):
    by = maker(rule("00100010", "@hash(this,6)"), rule("00400275", "@remove()"), more="trust_script = true\n")
    result = made(by, factory.ct())
    output = factory.read(factory.joined(result.slices))
    assert output.PatientName == md5(factory.NAME)[:6]
    assert output.InstitutionName == "WESTSTADT KLINIK"
    assert (output.PatientID, output.SOPInstanceUID) == (factory.ID, INSTANCE)
    assert "RequestAttributesSequence" not in output
    assert output.PatientIdentityRemoved == "YES"
    assert output.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert "DeidentificationMethodCodeSequence" not in output
    assert rules_of(result) >= {"ctp.trusted", "ctp.compatible-hashes"}
    assert bytes(output.PixelData) == factory.samples()


@pytest.mark.shared_data
def test_the_golden_script_under_trust(shared_data: Path, tmp_path: Path) -> None:
    golden = json.loads((shared_data / "ctp" / "ctp_golden.json").read_text("utf-8"))
    rules = [f'<p t="{name}">{value}</p>' for name, value in golden["params"].items()]
    for expression, each in golden["results"].items():
        rules.append(rule(each["tag"], expression.replace("&", "&amp;").replace("<", "&lt;"), each["name"]))
    protocol = load_protocol(path_of(tmp_path, rules, "trust_script = true\n"))
    by = Deidentifier(protocol, KEY, "p", tables=ctp.Tables(lookup=ctp.read_lookup(golden["lut"])))
    output = factory.read(factory.joined(made(by, (shared_data / "ctp" / "input.dcm").read_bytes()).slices))
    for expression, each in golden["results"].items():
        tag = int(each["tag"], 16)
        value = output[tag].value if tag in output else "<absent>"
        found = "\\".join(value) if isinstance(value, pydicom.multival.MultiValue) else value or ""
        assert found == each["result"], expression


# The protocol


def test_the_digest_covers_the_text_of_the_script(tmp_path):
    one = load_protocol(path_of(tmp_path, [rule("00080050", "a")])).digest
    other = load_protocol(path_of(tmp_path, [rule("00080050", "b")])).digest
    assert one != other
    assert one == load_protocol(path_of(tmp_path, [rule("00080050", "a")])).digest
    assert one != load_protocol(path_of(tmp_path, [rule("00080050", "a")], "trust_script = true\n")).digest


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("other = 1\n", "ctp.other: no such setting"),
        ('hash = "md5"\n', "ctp.hash: one of keyed, compatible"),
        ('trust_script = "yes"\n', "ctp.trust_script: true or false"),
        ('lookup = "../x"\n', "ctp.lookup"),
        ('filter = "missing.script"\n', "ctp.filter: cannot be read"),
        ("pixels = 3\n", "ctp.pixels: the path of a file"),
    ],
)
def test_mistakes_are_told(tmp_path, more, message):
    with pytest.raises(ConfigError, match=message):
        load_protocol(path_of(tmp_path, [], more))


def test_mistakes_in_scripts_are_told_with_their_lines(tmp_path):
    path = path_of(tmp_path, [rule("00080050", "a")], 'filter = "f"\npixels = "p"\n')
    (tmp_path / "hospital.script").write_text("<script>\n<e t='x'/></script>")
    (tmp_path / "f").write_text('Modality.is("CT")')
    (tmp_path / "p").write_text("nothing")
    with pytest.raises(ConfigError, match=r"(?s)ctp.script.*line 2.*") as caught:
        load_protocol(path)
    assert "no such method" in str(caught.value)
    assert "no signature" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "more", "message"),
    [
        ('options = ["Retain UIDs"]\n', "", "Retain UIDs"),
        ("", '[subject]\nkind = "fresh"\n', None),
        ("", 'lookup = "x"\n[subject]\nkind = "fresh"\n', "ctp.lookup: a table that is kept"),
        ("", '[clinical]\nname = "x"\n', "clinical: the CTP script gives images another PatientID"),
    ],
)
def test_contradictions_are_told(tmp_path, options, more, message):
    path = path_of(tmp_path, [*UIDS, rule("00100020", "@hash(this)")], more, options)
    if message is None:
        load_protocol(path)
        return
    with pytest.raises(ConfigError, match=message):
        load_protocol(path)


def test_the_policy_tells_who_rules(tmp_path):
    rules = (
        rule("00180060", "@remove()"),
        rule("00080080", "@keep()"),
        rule("00081030", "@hash(this)"),
        rule("00080018", ""),
    )
    protocol = load_protocol(path_of(tmp_path, rules))
    told = {
        tag: action_for(protocol, tag, CT_IMAGE) for tag in (0x00180060, 0x00080080, 0x00081030, 0x00080018, 0x00280010)
    }
    assert [action for action, _ in told.values()] == [
        Action.REMOVE,
        Action.REMOVE,
        Action.SCRIPT,
        Action.UID,
        Action.KEEP,
    ]
    assert told[0x00081030][1] == "CTP script, line 1"


def test_the_page_and_the_difference_tell_of_scripts(tmp_path):
    protocol = load_protocol(path_of(tmp_path, [rule("00081030", "@hash(this)")], "trust_script = true\n"))
    html = page(protocol, CT_IMAGE)
    assert "As the CTP script says" in html
    assert "which rules alone" in html
    basic = load_protocol("basic")
    told = {each.what: (each.one, each.other) for each in difference.rules(basic, protocol)}
    assert told["CTP scripts"][0] == "none"
    assert "without a key" in told["CTP scripts"][1]


def test_a_script_in_the_form_of_properties(tmp_path):
    path = path_of(tmp_path, [])
    text = "param.N=4\nset.[0008,1030]StudyDescription=@hash(PatientID,@N)\n#set.[0018,0060]KVP=@remove()\n"
    (tmp_path / "hospital.script").write_text(text)
    output = read(Deidentifier(load_protocol(path), KEY, "p"))
    assert output.StudyDescription.isdecimal()
    assert len(output.StudyDescription) == 4
    assert output.KVP == 120


# Two paths, one result


EXPRESSIONS = [
    "@keep()",
    "@remove()",
    "",
    "@empty()",
    "x",
    "@hash(this,8)",
    "@contents(this)",
    "@process()",
    "@append(){y}",
]
EXPRESSIONS += [
    "@incrementdate(this,3)",
    "@if(PatientSex,equals,M){@keep()}{@remove()}",
    "@always()z",
    "@round(this,10)",
]
TAGS = [
    "00080050",
    "00080080",
    "00081030",
    "00081140",
    "00082218",
    "00080104",
    "00101010",
    "00180060",
    "00400275",
    "00081155",
    "00080020",
]
BY_TAG = st.fixed_dictionaries(
    {"00181210": st.sampled_from(EXPRESSIONS)}, optional={tag: st.sampled_from(EXPRESSIONS) for tag in TAGS}
)


@settings(max_examples=settings.default.max_examples // 4)  # each needs a plan of its own
@given(by_tag=BY_TAG, unspecified=st.booleans(), trusted=st.booleans(), implicit=st.booleans())
def test_scan_and_slow_agree_under_a_script(tmp_path_factory, by_tag, unspecified, trusted, implicit) -> None:
    rules = [rule(tag, text) for tag, text in by_tag.items()]
    rules += ['<r en="T" t="unspecifiedelements">x</r>'] if unspecified else []
    more = "trust_script = true\n" if trusted else ""
    by = Deidentifier(load_protocol(path_of(tmp_path_factory.mktemp("p"), rules, more)), KEY, "p")
    items = [{"CodeValue": "T-D3000", "CodeMeaning": "Chest", "ReferencedSOPInstanceUID": INSTANCE}]
    content = factory.ct(syntax=IMPLICIT if implicit else EXPLICIT, AnatomicRegionSequence=items, PatientAge="067Y")
    assert by._ruling is not None
    ruled = by._ruling.open(content)
    plan = ruled.plan(by._plan(CT_IMAGE))
    results = []
    for rewrite in (scan.rewrite, slow.rewrite):
        merged = ruled.merged(rewrite(content, plan), plan)
        output = factory.joined(merged.slices)
        results.append((factory.listed(output), {finding.rule for finding in merged.context.findings}))
        if not trusted:
            assert factory.planted_in(output) == []
    assert results[0] == results[1]
