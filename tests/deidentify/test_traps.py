"""Each way in which identity is known to slip through a de-identifier, one test each.

`clean` de-identifies under `basic` and finds none of `factory.PLANTED` in any byte of the output.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

import factory
from cohortium.deidentify import Deidentified, Deidentifier
from cohortium.dicom import filemeta
from cohortium.values import Reason, SetAside
from factory import (
    BIG_ENDIAN,
    CT_IMAGE,
    DEFLATED,
    EXPLICIT,
    ID,
    IMPLICIT,
    INSTANCE,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    NAME,
    RLE,
    SECRET,
    UNDEFINED,
    ct,
    element,
    encapsulated,
    item,
    sequence,
)

Clean = Callable[..., bytes]
BOTH = pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
LEAK = SECRET.encode() + b"@" + NAME.encode() + b" "  # 24 bytes
ICON = 0x00880200


def tags(output: bytes) -> set[int]:
    return {tag for tag, _, _ in factory.listed(output)}


def set_aside(by: Deidentifier, content: bytes) -> SetAside:
    result = by(content)
    assert isinstance(result, SetAside), "this should not have come out"
    assert factory.planted_in(result.detail.encode()) == []
    return result


def rules(by: Deidentifier, content: bytes) -> set[str]:
    result = by(content)
    assert isinstance(result, Deidentified), result
    return {finding.rule for finding in result.findings}


# Behind and around the pixel data


def test_elements_behind_native_pixel_data_go(clean: Clean) -> None:
    behind = element(0x00100010, LEAK, "PN") + element(0xFFFCFFFC, LEAK, "OB")
    assert clean(ct(behind=behind)) == clean(ct())


def test_elements_behind_encapsulated_pixel_data_go(clean: Clean) -> None:
    raw = {0x7FE00010: encapsulated(jpeg(), vr="OB")}
    plain = ct(syntax=JPEG, raw=raw, **EIGHT_BITS)
    assert clean(ct(syntax=JPEG, raw=raw, behind=element(0x7FE10011, LEAK, "UN"), **EIGHT_BITS)) == clean(plain)


def test_a_second_pixel_data_element_goes(clean: Clean) -> None:
    behind = element(0x7FE00010, LEAK * 4, "OW") + LEAK
    assert clean(ct(behind=behind)) == clean(ct())


@BOTH
def test_bytes_that_are_no_elements_behind_the_pixel_data_go(clean: Clean, basic: Deidentifier, syntax: str) -> None:
    for trailing in (LEAK, bytes(64), b"\0", LEAK[:3]):
        assert clean(ct(syntax=syntax, behind=trailing)) == clean(ct(syntax=syntax))
        assert "structure.trailing-bytes" in rules(basic, ct(syntax=syntax, behind=trailing))


@BOTH
def test_bytes_beyond_the_computed_pixel_length_go(clean: Clean, basic: Deidentifier, syntax: str) -> None:
    content = ct(syntax=syntax, PixelData=factory.samples() + LEAK)
    assert clean(content) == clean(ct(syntax=syntax))
    assert "pixels.surplus" in rules(basic, content)


def test_pixel_data_shorter_than_computed_are_truncated(basic: Deidentifier) -> None:
    assert set_aside(basic, ct(PixelData=factory.samples()[:-2])).reason == Reason.TRUNCATED
    assert set_aside(basic, ct()[:-2]).reason == Reason.TRUNCATED


def test_trailing_padding_and_signatures_go(clean: Clean) -> None:
    signature = sequence(0xFFFAFFFA, item(element(0x04000120, LEAK, "OB")))
    padding = element(0xFFFCFFFC, LEAK, "OB")
    mac = sequence(0x4FFE0001, item(element(0x04000005, b"\1\0", "US") + element(0x04000015, b"SHA256", "CS")))
    raw = {0x7FE00010: b"", 0x4FFE0001: mac, 0xFFFAFFFA: signature, 0xFFFCFFFC: padding}
    assert tags(clean(ct(raw=raw))).isdisjoint(raw)
    assert clean(ct(behind=signature + padding)) == clean(ct())


def test_encrypted_attributes_go(clean: Clean) -> None:
    inside = element(0x04000510, b"1.2.840.10008.1.2.1\0", "UI") + element(0x04000520, LEAK, "OB")
    assert 0x04000500 not in tags(clean(ct(raw={0x04000500: sequence(0x04000500, item(inside))})))


def test_pixels_in_an_object_that_has_none_go(clean: Clean) -> None:
    output = clean(ct(SOPClassUID=factory.RT_STRUCTURE_SET, Modality="RTSTRUCT", PixelData=LEAK))
    assert 0x7FE00010 not in tags(output)


def test_a_data_set_without_pixels(clean: Clean) -> None:
    output = factory.read(clean(ct(PixelData=None)))
    assert "PixelData" not in output
    assert output.PatientIdentityRemoved == "YES"
    assert output.LongitudinalTemporalInformationModified == "REMOVED"


# Sequences


@BOTH
@pytest.mark.parametrize("undefined", [False, True])
def test_pixel_data_in_items_go(clean: Clean, syntax: str, undefined: bool) -> None:
    """The scan stops at the pixel data of the top level, not at those of an icon."""
    implicit = syntax == IMPLICIT
    icon = element(0x00280010, b"\2\0", "US", implicit=implicit) + element(0x00280011, b"\2\0", "US", implicit=implicit)
    icon += element(0x7FE00010, LEAK, "OW", implicit=implicit)
    codes = [0x00082218, 0x00880200]
    raw = {tag: sequence(tag, item(icon, undefined=undefined), implicit=implicit, undefined=undefined) for tag in codes}
    output = clean(ct(syntax=syntax, raw=raw))
    assert factory.read(output).pixel_array.shape == (factory.ROWS, factory.COLUMNS)
    assert factory.read(output).AnatomicRegionSequence[0].Rows == 2


def test_encapsulated_pixel_data_in_an_item_go(clean: Clean) -> None:
    icon = element(0x00280010, b"\2\0", "US") + encapsulated(LEAK)
    output = factory.read(clean(ct(raw={0x00082218: sequence(0x00082218, item(icon))})))
    assert "PixelData" not in output.AnatomicRegionSequence[0]


@pytest.mark.parametrize("undefined", [False, True])
def test_a_known_sequence_written_as_un(clean: Clean, undefined: bool) -> None:
    """PS3.5 6.2.2 note 2: the items of a sequence written as UN are in implicit VR."""
    inside = element("CodeValue", b"T-D3000 ", implicit=True) + element("PatientName", LEAK, implicit=True)
    inside += sequence("EquivalentCodeSequence", item(element("PatientID", LEAK, implicit=True)), implicit=True)
    raw = {0x00082218: sequence(0x00082218, item(inside), vr="UN", undefined=undefined)}
    code = factory.read(clean(ct(raw=raw))).AnatomicRegionSequence[0]
    assert code.CodeValue == "T-D3000"
    assert code.PatientName == "REMOVED"


def test_a_known_text_written_as_un_follows_its_rule(clean: Clean) -> None:
    raw = {tag: element(tag, LEAK, "UN") for tag in (0x00080080, 0x00081048, 0x00102160, 0x00104000)}
    raw[0x00080070] = element(0x00080070, b"ACME", "UN")
    output = factory.read(clean(ct(raw=raw)))
    assert output.Manufacturer == "ACME"


@BOTH
@pytest.mark.parametrize("undefined", [False, True])
def test_private_elements_at_every_depth_go(clean: Clean, syntax: str, undefined: bool) -> None:
    implicit = syntax == IMPLICIT
    private = element(0x00190010, b"ACME 1.0", "LO", implicit=implicit)
    private += element(0x00191001, LEAK, "UN", implicit=implicit)
    nested = item(private + element(0x00191002, LEAK, "LO", implicit=implicit), undefined=undefined)
    private += sequence(0x00191003, nested, implicit=implicit, undefined=undefined)
    code = sequence("AnatomicRegionModifierSequence", item(private), implicit=implicit, undefined=undefined)
    region = sequence(0x00082218, item(code + private, undefined=undefined), implicit=implicit, undefined=undefined)
    output = clean(ct(syntax=syntax, raw={0x00082218: region, 0x00190010: private}))
    assert all(not each.tag.is_private for each in factory.read(output).iterall())
    assert "AnatomicRegionModifierSequence" in factory.read(output).AnatomicRegionSequence[0]


def test_bytes_behind_a_delimiter_inside_a_sequence_do_not_stay(basic: Deidentifier) -> None:
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    raw = {0x00082218: sequence(0x00082218, item(element("CodeValue", b"T-D3000 ")), end, LEAK)}
    assert set_aside(basic, ct(raw=raw)).reason == Reason.MALFORMED


@BOTH
def test_bytes_behind_a_delimiter_inside_an_item_do_not_stay(basic: Deidentifier, syntax: str) -> None:
    implicit = syntax == IMPLICIT
    inside = element("CodeValue", b"T-D3000 ", implicit=implicit) + b"\xfe\xff\x0d\xe0\0\0\0\0" + LEAK
    content = ct(syntax=syntax, raw={0x00082218: sequence(0x00082218, item(inside), implicit=implicit)})
    assert set_aside(basic, content).reason == Reason.MALFORMED


@BOTH
def test_an_item_end_at_the_top_does_not_hide_the_rest(basic: Deidentifier, syntax: str) -> None:
    raw = {0x00400000: b"\xfe\xff\x0d\xe0\0\0\0\0"}
    assert set_aside(basic, ct(syntax=syntax, raw=raw)).reason == Reason.MALFORMED


@BOTH
def test_lengths_of_delimiters_are_zero(clean: Clean, syntax: str) -> None:
    implicit = syntax == IMPLICIT
    secret = 0x5A5A0000 if syntax == EXPLICIT else 0x5A5A5A5A
    inside = element("CodeValue", b"T-D3000 ", implicit=implicit)
    one = item(inside, undefined=True, end_length=secret)
    raw = {0x00082218: sequence(0x00082218, one, implicit=implicit, undefined=True, end_length=0x5A5A5A5A)}
    assert b"ZZ" not in clean(ct(syntax=syntax, raw=raw))


def test_reserved_bytes_of_long_headers_are_zero(clean: Clean) -> None:
    code = item(element("CodeValue", b"T-D3000 "))
    raw = {
        0x00082218: sequence(0x00082218, code, reserved=b"ZZ"),
        0x00281201: element(0x00281201, bytes(8), "OW", reserved=b"ZZ"),
        0x7FE00010: element(0x7FE00010, factory.samples(), "OW", reserved=b"ZZ"),
    }
    output = clean(ct(raw=raw))
    assert b"ZZ" not in output
    assert {0x00082218, 0x00281201, 0x7FE00010} <= tags(output)


@pytest.mark.parametrize("kind", ["defined", "undefined", "private"])
def test_depth_is_limited(basic: Deidentifier, kind: str) -> None:
    content = element("CodeValue", b"T-D3000 ")
    for _ in range(60):
        tag = 0x00191003 if kind == "private" else 0x00082218
        content = sequence(tag, item(content, undefined=kind != "defined"), undefined=kind != "defined")
    tag = int.from_bytes(content[0:2], "little") << 16 | int.from_bytes(content[2:4], "little")
    assert set_aside(basic, ct(raw={tag: content})).reason == Reason.MALFORMED


# Elements


@BOTH
def test_unknown_public_attributes_go(clean: Clean, basic: Deidentifier, syntax: str) -> None:
    raw = {0x0018FFF2: element(0x0018FFF2, LEAK, "UN" if syntax == EXPLICIT else "LO", implicit=syntax == IMPLICIT)}
    raw |= {0x00081FF0: element(0x00081FF0, LEAK, "LO", implicit=syntax == IMPLICIT)}
    content = ct(syntax=syntax, raw=raw)
    assert tags(clean(content)).isdisjoint(raw)
    assert "structure.unknown-attribute" in rules(basic, content)


@BOTH
def test_group_lengths_go(clean: Clean, syntax: str) -> None:
    raw = {
        tag: element(tag, b"ZZZZ", "UL", implicit=syntax == IMPLICIT) for tag in (0x00080000, 0x00100000, 0x00280000)
    }
    assert tags(clean(ct(syntax=syntax, raw=raw))).isdisjoint(raw)


@BOTH
def test_overlays_and_curves_go(clean: Clean, syntax: str) -> None:
    groups = [0x5000, 0x5012, 0x501E, 0x6000, 0x6002, 0x601E]
    raw = {
        group << 16 | 0x3000: element(group << 16 | 0x3000, LEAK, "OW", implicit=syntax == IMPLICIT) for group in groups
    }
    raw |= {
        group << 16 | 0x0022: element(group << 16 | 0x0022, LEAK, "LO", implicit=syntax == IMPLICIT) for group in groups
    }
    assert not any(tag >> 24 in (0x50, 0x60) for tag in tags(clean(ct(syntax=syntax, raw=raw))))


@pytest.mark.parametrize("vr", ["LO", "UN", "OB", "UT", "SQ"])
def test_an_attribute_under_a_wrong_vr_follows_its_rule_or_goes(clean: Clean, vr: str) -> None:
    removed = (0x00080080, 0x00081010, 0x00100030, 0x00104000, 0x00280106, 0x00180060, 0x00081155, 0x00200052)
    raw = {tag: element(tag, item(LEAK) if vr == "SQ" else LEAK, vr) for tag in removed}
    clean(ct(raw=raw))


@BOTH
def test_a_binary_value_has_no_more_values_than_the_attribute(clean: Clean, basic: Deidentifier, syntax: str) -> None:
    """Rows with two bytes of rows and a name behind them: each reader takes the first value and shows no more."""
    implicit = syntax == IMPLICIT
    raw = {
        0x00280010: element(0x00280010, struct.pack("<H", factory.ROWS) + LEAK, "US", implicit=implicit),
        0x00280106: element(0x00280106, b"\0\0" + LEAK, "US", implicit=implicit),
        0x00189087: element(0x00189087, bytes(8) + LEAK, "FD", implicit=implicit),
    }
    small = {tag: raw[tag] for tag in (0x00280106, 0x00189087)}
    assert factory.read(clean(ct(syntax=syntax, raw=small))).SmallestImagePixelValue is None
    assert "structure.unparseable-value" in rules(basic, ct(syntax=syntax, raw=small))
    assert set_aside(basic, ct(syntax=syntax, raw=raw)).reason == Reason.MALFORMED


@BOTH
@pytest.mark.parametrize("keyword", ["ImageType", "Manufacturer", "PatientPosition", "ConvolutionKernel", "KVP"])
def test_nothing_stands_behind_a_null_in_kept_text(clean: Clean, syntax: str, keyword: str) -> None:
    output = clean(ct(syntax=syntax, **{keyword: b"HFS\0" + LEAK}))
    assert not getattr(factory.read(output), keyword)


@BOTH
@pytest.mark.parametrize("keyword", ["SliceThickness", "InstanceNumber", "KVP"])
def test_text_in_a_number_is_emptied_with_a_finding(
    clean: Clean, basic: Deidentifier, syntax: str, keyword: str
) -> None:
    content = ct(syntax=syntax, **{keyword: LEAK})
    assert not getattr(factory.read(clean(content)), keyword)
    assert "structure.unparseable-value" in rules(basic, content)


@BOTH
def test_an_image_whose_frames_cannot_be_counted_is_set_aside_not_cut(basic: Deidentifier, syntax: str) -> None:
    result = basic(ct(syntax=syntax, NumberOfFrames="1A"))
    assert isinstance(result, SetAside)
    assert "NumberOfFrames" in result.detail
    assert "1A" not in str(result)


def test_dates_that_are_no_dates_are_emptied_where_dates_stay(clean: Clean, dragon: Deidentifier) -> None:
    content = ct(StudyDate=NAME, SeriesDate="20200304", StudyTime=SECRET, AcquisitionDateTime=NAME)
    output = factory.read(clean(content, dragon))
    assert (output.StudyDate, output.SeriesDate, output.StudyTime) == ("", "20200304", "")


def test_actions_on_bad_values_do_not_raise(clean: Clean, dragon: Deidentifier) -> None:
    bad = bytes(range(256))
    for keyword in (
        "PatientID",
        "PatientName",
        "StudyDescription",
        "ReferencedImageSequence",
        "PatientAge",
        "Modality",
    ):
        content = ct(raw={}, **{keyword: None})
        tag = int(factory.tag_for_keyword(keyword) or 0)
        vr = factory.dictionary_VR(tag)
        for by in (dragon,):
            result = by(ct(raw={tag: element(tag, bad, vr)}))
            assert isinstance(result, Deidentified | SetAside)
        assert isinstance(dragon(content), Deidentified | SetAside)


def test_uid_values_that_are_no_uids_are_mapped_or_emptied(clean: Clean) -> None:
    leaks = {
        "FrameOfReferenceUID": f"1.2.840.10008.{SECRET}",
        "ReferencedSOPClassUID": SECRET,
        "ConcatenationUID": f"{SECRET}\\1.2.840.10008.5.1.4.1.1.2",
    }
    output = factory.read(clean(ct(**leaks)))
    assert output.FrameOfReferenceUID.startswith("2.25.")
    assert not output.get("ReferencedSOPClassUID")


def test_standard_uids_stay(clean: Clean) -> None:
    output = factory.read(clean(ct(FrameOfReferenceUID="1.2.840.10008.1.4.1.1")))
    assert output.FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"
    assert output.SOPClassUID == CT_IMAGE


def test_more_uids_than_a_short_element_holds(basic: Deidentifier) -> None:
    """Two bytes a UID become forty: the 16-bit length would overflow."""
    content = ct(IrradiationEventUID="1\\" * 20_000 + "1")
    assert set_aside(basic, content).reason == Reason.MALFORMED


def test_a_16_bit_length_at_its_limit(clean: Clean) -> None:
    long = b"\\".join([b"1"] * 32_767)
    output = clean(ct(raw={0x00189461: element("FieldOfViewRotation", long[:65_534], "DS")}))
    assert factory.read(output).PatientIdentityRemoved == "YES"


def test_duplicate_elements_are_refused(basic: Deidentifier) -> None:
    twice = element("Manufacturer", b"ACME") * 2
    assert set_aside(basic, ct(raw={0x00080070: twice})).reason == Reason.MALFORMED


@BOTH
def test_elements_out_of_order(clean: Clean, syntax: str) -> None:
    implicit = syntax == IMPLICIT
    late = element("Manufacturer", b"LATE", implicit=implicit) + element("PatientAddress", LEAK, implicit=implicit)
    content = ct(syntax=syntax, Manufacturer=None, PatientAddress=None, raw={0x00280001: late})
    output = factory.read(clean(content))
    assert output.Manufacturer == "LATE"
    assert list(output.keys()) == sorted(output.keys())


def test_elements_of_network_and_file_headers_inside_the_data_set_go(clean: Clean) -> None:
    raw = {tag: element(tag, LEAK, vr) for tag, vr in ((0x00001000, "UI"), (0x00020016, "AE"), (0x00041500, "CS"))}
    assert min(tags(clean(ct(raw=raw)))) >= 0x00080000


# Who it is


def test_patient_id_missing_or_empty(clean: Clean, basic: Deidentifier) -> None:
    for content in (ct(PatientID=None), ct(PatientID=""), ct(PatientID="  "), ct(PatientID="\t ")):
        output = factory.read(clean(content))
        assert output.PatientID == output.PatientName != ""
        assert "subject.no-identifier" in rules(basic, content)
        other = factory.read(clean(content.replace(factory.STUDY.encode(), factory.STUDY[:-1].encode() + b"2")))
        assert other.PatientID != output.PatientID, "patients without an identifier must not become one"


def test_patient_name_missing(clean: Clean) -> None:
    output = factory.read(clean(ct(PatientName=None)))
    assert output.PatientName == output.PatientID == factory.read(clean(ct())).PatientID


def test_issuer_counts(clean: Clean) -> None:
    one, other, none = (factory.read(clean(ct(IssuerOfPatientID=issuer))) for issuer in ("NORTH", "SOUTH", None))
    assert len({one.PatientID, other.PatientID, none.PatientID}) == 3
    assert "IssuerOfPatientID" not in one


def test_the_same_patient_in_every_character_set(clean: Clean, basic: Deidentifier) -> None:
    decomposed = "Mu\u0308ller"
    spelled = [
        ct(PatientID="Müller", SpecificCharacterSet="ISO_IR 100", charset="latin-1"),
        ct(PatientID="Müller", SpecificCharacterSet="ISO_IR 192", charset="utf-8"),
        ct(PatientID=decomposed, SpecificCharacterSet="ISO_IR 192", charset="utf-8"),
        ct(PatientID="Müller", SpecificCharacterSet="GB18030", charset="gb18030"),
        ct(PatientID="  Müller "),
        ct(PatientID="Müller", SpecificCharacterSet="ISO_IR 192", charset="utf-8", syntax=IMPLICIT),
        ct(PatientID="Müller", SpecificCharacterSet="ISO_IR 192", charset="utf-8", syntax=BIG_ENDIAN),
    ]
    assert len({factory.read(clean(content)).PatientID for content in spelled}) == 1
    marks = {result.subject_mark for content in spelled if isinstance(result := basic(content), Deidentified)}
    assert len(marks) == 1


def test_the_character_set_stays_true_to_what_remains(clean: Clean, dragon: Deidentifier) -> None:
    for charset, codec in (("ISO_IR 100", "latin-1"), ("ISO_IR 192", "utf-8")):
        content = ct(SpecificCharacterSet=charset, charset=codec, SeriesDescription="CT Schädel Müller")
        output = factory.read(clean(content, dragon))
        assert output.SpecificCharacterSet == charset
        assert "Müller" not in output.SeriesDescription


def test_a_character_set_inside_an_item(clean: Clean, basic: Deidentifier) -> None:
    code = {"SpecificCharacterSet": "ISO_IR 192", "CodeValue": "T-D3000"}
    assert factory.read(clean(ct(AnatomicRegionSequence=[code]))).AnatomicRegionSequence[0].CodeValue == "T-D3000"
    for syntax in (EXPLICIT, IMPLICIT):
        content = ct(syntax=syntax, AnatomicRegionSequence=[{"SpecificCharacterSet": SECRET}])
        assert set_aside(basic, content).reason == Reason.MALFORMED


def test_an_unknown_character_set_is_refused(basic: Deidentifier) -> None:
    for name in (SECRET, "unicode_escape", "utf-7", "rot13", "a\0b", "ISO_IR 999"):
        assert set_aside(basic, ct(SpecificCharacterSet=name)).reason == Reason.MALFORMED


def test_a_patient_id_that_its_character_set_cannot_hold(basic: Deidentifier) -> None:
    content = ct(PatientID=b"M\xfcller", SpecificCharacterSet="ISO_IR 192")
    assert set_aside(basic, content).reason == Reason.MALFORMED


def test_a_nested_patient_is_renamed_too(clean: Clean) -> None:
    region = [{"CodeValue": "T-D3000", "PatientName": NAME, "PatientID": ID}]
    output = factory.read(clean(ct(AnatomicRegionSequence=region)))
    assert output.AnatomicRegionSequence[0].PatientID == output.PatientID


# The file header


def test_the_file_header_is_made_anew(clean: Clean) -> None:
    more = b"".join(
        (
            element(0x00020012, b"1.2.276.0.4711.9", "UI"),
            element(0x00020013, LEAK[:16], "SH"),
            element(0x00020016, b"PACS_WEST ", "AE"),
            element(0x00020017, b"PACS_WEST ", "AE"),
            element(0x00020026, LEAK, "UR"),
            element(0x00020100, b"1.2.276.0.4711.8", "UI"),
            element(0x00020102, LEAK, "OB"),
        )
    )
    output = clean(ct(preamble=(LEAK * 6)[:128], meta=more))
    assert output == clean(ct())
    assert output[:132] == bytes(128) + b"DICM"
    header = factory.read(output).file_meta
    assert {each.tag.element for each in header} == {0x0, 0x1, 0x2, 0x3, 0x10, 0x12, 0x13}
    assert header.MediaStorageSOPInstanceUID == factory.read(output).SOPInstanceUID
    assert header.MediaStorageSOPClassUID == CT_IMAGE
    assert header.ImplementationClassUID == filemeta.IMPLEMENTATION_CLASS_UID
    assert header.FileMetaInformationGroupLength == filemeta.read(output).end - 144


def test_the_sop_class_of_the_data_set_counts(clean: Clean, basic: Deidentifier) -> None:
    content = ct().replace(CT_IMAGE.encode(), factory.MR_IMAGE.encode(), 1)
    assert factory.read(clean(content)).file_meta.MediaStorageSOPClassUID == CT_IMAGE
    ultrasound = "1.2.840.10008.5.1.4.1.1.6.1"
    hidden = ct(raw={0x00080016: element("SOPClassUID", ultrasound.encode() + b"\0")})
    assert set_aside(basic, hidden).reason == Reason.PIXELS_NOT_REVIEWED
    unlisted = ct(raw={0x00080016: element("SOPClassUID", b"1.2.840.10008.1.3.10")})
    assert set_aside(basic, unlisted).reason == Reason.SOP_CLASS_NOT_LISTED


# Transfer syntaxes


@pytest.mark.parametrize("syntax", [BIG_ENDIAN, DEFLATED])
def test_big_endian_and_deflated_become_explicit_little_endian(clean: Clean, syntax: str) -> None:
    output = factory.read(clean(ct(syntax=syntax)))
    assert output.file_meta.TransferSyntaxUID == EXPLICIT
    assert np.array_equal(output.pixel_array, factory.read(ct()).pixel_array)


def test_bytes_behind_a_deflated_data_set_go(clean: Clean) -> None:
    assert clean(ct(syntax=DEFLATED) + LEAK) == clean(ct(syntax=DEFLATED))


def test_a_transfer_syntax_that_contradicts_the_pixel_data(basic: Deidentifier) -> None:
    assert set_aside(basic, ct(raw={0x7FE00010: encapsulated(LEAK)})).reason == Reason.MALFORMED
    assert set_aside(basic, ct(syntax=RLE)).reason == Reason.MALFORMED


def test_an_unknown_transfer_syntax_is_refused(basic: Deidentifier) -> None:
    for syntax in ("1.2.840.10008.1.2.4.100", "1.2.3.4", SECRET):
        assert set_aside(basic, ct(syntax=syntax)).reason == Reason.TRANSFER_SYNTAX_NOT_SUPPORTED


# Samples


def masked(**changes: object) -> bytes:
    """A picture in which a text was drawn into the unused high bits, as retired overlays were."""
    picture = np.frombuffer(factory.samples(), "<u2").copy()
    picture[::3] |= 0xA000
    return ct(PixelData=picture.tobytes(), **changes)


def test_overlays_in_unused_high_bits_are_cleared(clean: Clean, basic: Deidentifier) -> None:
    output = factory.read(clean(masked()))
    assert output.PixelData == factory.samples()
    assert "pixels.unused-bits" in rules(basic, masked())


def test_high_bits_of_signed_samples_follow_the_sign(clean: Clean) -> None:
    signed = (np.arange(48, dtype="<i2") - 24) * 80
    dirty = signed.astype("<u2") ^ np.where(np.arange(48) % 5 == 0, 0x5000, 0).astype("<u2")
    output = factory.read(clean(ct(PixelRepresentation=1, PixelData=dirty.tobytes())))
    assert np.array_equal(output.pixel_array.ravel(), signed)


def test_bits_below_a_shifted_sample_are_cleared(clean: Clean) -> None:
    """HighBit is not BitsStored - 1: the sample lies in the upper bits, an overlay below."""
    shifted = np.frombuffer(factory.samples(), "<u2") << 4
    output = factory.read(clean(ct(HighBit=15, PixelData=(shifted | 0x5).astype("<u2").tobytes())))
    assert output.PixelData == shifted.astype("<u2").tobytes()


def test_the_padding_value_stays(clean: Clean) -> None:
    picture = np.frombuffer(factory.samples(), "<u2").copy()
    picture[:6] = 63_536
    output = factory.read(clean(ct(PixelPaddingValue=63_536, PixelData=picture.tobytes())))
    assert output.PixelData == picture.tobytes()


def test_impossible_bits_are_refused(basic: Deidentifier) -> None:
    assert set_aside(basic, ct(BitsStored=0)).reason == Reason.MALFORMED
    assert set_aside(basic, ct(BitsAllocated=24, BitsStored=8, PixelData=bytes(144))).reason == Reason.MALFORMED
    assert set_aside(basic, ct(HighBit=40)).reason == Reason.MALFORMED


# Compressed frames

EIGHT_BITS = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": None}
PICTURE = np.add.outer(np.arange(32), np.arange(24)).astype("u1") * 3
EIGHT_BITS |= {"Rows": 32, "Columns": 24}


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "JPEG")
    return buffer.getvalue()


def jpeg_2000() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "JPEG2000", no_jp2=True)
    return buffer.getvalue()


def jpeg_ls() -> bytes:
    import jpeg_ls as codec

    return bytes(codec.encode_array(PICTURE))


def rle(*, slack: bytes = b"", header: bytes = b"") -> bytes:
    segment = b"".join(bytes([23]) + row.tobytes() for row in PICTURE)
    start = struct.pack("<2I", 1, 64) + header
    return start.ljust(64, b"\0") + segment + slack


def segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload


def compressed(syntax: str, *fragments: bytes, table: bytes = b"", end_length: int = 0, **changes: object) -> bytes:
    raw = {0x7FE00010: encapsulated(*fragments, table=table, end_length=end_length)}
    return ct(syntax=syntax, raw=raw, **EIGHT_BITS | changes)


FRAMES = [(JPEG, jpeg), (JPEG_LS, jpeg_ls), (JPEG_2000, jpeg_2000), (RLE, rle)]
EVERY = pytest.mark.parametrize(("syntax", "frame"), FRAMES, ids=["jpeg", "jpeg-ls", "jpeg-2000", "rle"])


def same_picture(output: bytes, content: bytes) -> bool:
    return np.array_equal(factory.read(output).pixel_array, factory.read(content).pixel_array)


@EVERY
def test_a_compressed_picture_stays_as_it_is(clean: Clean, syntax: str, frame: Callable[[], bytes]) -> None:
    content = compressed(syntax, frame())
    assert same_picture(clean(content), content)


@EVERY
def test_text_behind_the_end_of_a_compressed_picture_goes(
    clean: Clean, syntax: str, frame: Callable[[], bytes]
) -> None:
    content = compressed(syntax, frame() + LEAK)
    assert same_picture(clean(content), compressed(syntax, frame()))


@EVERY
def test_text_in_the_offset_table_goes(clean: Clean, syntax: str, frame: Callable[[], bytes]) -> None:
    content = compressed(syntax, frame(), table=LEAK)
    assert same_picture(clean(content), content)
    good = compressed(syntax, frame(), table=bytes(4))
    assert factory.read(clean(good)).PixelData[:12] == item(bytes(4))


@EVERY
def test_the_delimiter_of_compressed_pixel_data_says_nothing(
    clean: Clean, syntax: str, frame: Callable[[], bytes]
) -> None:
    assert b"ZZZZ" not in clean(compressed(syntax, frame(), end_length=0x5A5A5A5A))


@EVERY
def test_more_or_fewer_frames_than_announced_are_refused(
    basic: Deidentifier, syntax: str, frame: Callable[[], bytes]
) -> None:
    assert set_aside(basic, compressed(syntax, frame(), frame())).reason == Reason.MALFORMED
    assert set_aside(basic, compressed(syntax, frame(), NumberOfFrames="2")).reason == Reason.TRUNCATED


@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xE8, 0xEC, 0xEE, 0xEF, 0xFE])
def test_text_in_jpeg_segments_goes(clean: Clean, basic: Deidentifier, marker: int) -> None:
    plain = jpeg()
    content = compressed(JPEG, plain[:2] + segment(marker, LEAK) + plain[2:])
    assert same_picture(clean(content), compressed(JPEG, plain))
    assert "pixels.segments" in rules(basic, content)


@pytest.mark.parametrize("marker", [0x42, 0xC8, 0xDE, 0xF3, 0xF7])
def test_jpeg_segments_that_no_decoder_knows_are_refused(basic: Deidentifier, marker: int) -> None:
    plain = jpeg()
    content = compressed(JPEG, plain[:2] + segment(marker, LEAK) + plain[2:])
    assert set_aside(basic, content).reason == Reason.MALFORMED


def test_a_thumbnail_in_the_jfif_segment_goes(clean: Clean) -> None:
    plain = jpeg()
    assert plain[2:4] == b"\xff\xe0"
    jfif = plain[6:20][:-2] + b"\4\2" + LEAK
    clean(compressed(JPEG, plain[:2] + segment(0xE0, jfif) + plain[20:]))


def test_bytes_between_jpeg_segments_are_refused(basic: Deidentifier) -> None:
    plain = jpeg()
    assert set_aside(basic, compressed(JPEG, plain[:20] + LEAK + plain[20:])).reason == Reason.MALFORMED
    assert set_aside(basic, compressed(JPEG, b"\xff\xd8" + LEAK)).reason == Reason.MALFORMED


def test_fill_bytes_between_jpeg_segments_are_fine(clean: Clean) -> None:
    plain = jpeg()
    content = compressed(JPEG, plain[:20] + b"\xff\xff\xff" + plain[20:])
    assert same_picture(clean(content), compressed(JPEG, plain))


def test_a_jpeg_frame_in_several_fragments(clean: Clean) -> None:
    plain = jpeg()
    whole = plain[:2] + segment(0xFE, LEAK) + plain[2:]
    for cut in (3, 10, 20, 40):
        parts = whole[: 2 * cut], whole[2 * cut :]
        content = compressed(JPEG, *parts, NumberOfFrames="1")
        assert same_picture(clean(content), compressed(JPEG, plain))


def test_every_frame_of_many_is_walked(clean: Clean) -> None:
    plain = jpeg()
    frames = [plain, plain + LEAK, plain[:2] + segment(0xE5, LEAK) + plain[2:]]
    content = compressed(JPEG, *frames, NumberOfFrames="3")
    assert len(factory.read(clean(content)).pixel_array) == 3


def test_text_in_jpeg_ls_segments_goes(clean: Clean) -> None:
    plain = jpeg_ls()
    content = compressed(JPEG_LS, plain[:2] + segment(0xE8, LEAK) + segment(0xFE, LEAK) + plain[2:])
    assert same_picture(clean(content), compressed(JPEG_LS, plain))


def test_text_in_jpeg_2000_comments_goes(clean: Clean) -> None:
    plain = jpeg_2000()
    behind_siz = 2 + 2 + int.from_bytes(plain[4:6], "big")
    comment = segment(0x64, b"\0\1" + LEAK)
    content = compressed(JPEG_2000, plain[:behind_siz] + comment + plain[behind_siz:])
    assert same_picture(clean(content), compressed(JPEG_2000, plain))


def test_unknown_jpeg_2000_segments_are_refused(basic: Deidentifier) -> None:
    plain = jpeg_2000()
    behind_siz = 2 + 2 + int.from_bytes(plain[4:6], "big")
    content = compressed(JPEG_2000, plain[:behind_siz] + segment(0x70, LEAK) + plain[behind_siz:])
    assert set_aside(basic, content).reason == Reason.MALFORMED


def test_a_jpeg_2000_tile_part_that_reaches_over_the_end(clean: Clean) -> None:
    plain = jpeg_2000()
    at = plain.index(b"\xff\x90") + 6
    for size in (0, len(plain) + len(LEAK)):
        content = compressed(JPEG_2000, plain[:at] + struct.pack(">I", size) + plain[at + 4 :] + LEAK)
        clean(content)


def test_text_in_the_slack_of_rle_frames_goes(clean: Clean) -> None:
    plain = compressed(RLE, rle())
    assert same_picture(clean(compressed(RLE, rle(header=LEAK))), plain)
    assert same_picture(clean(compressed(RLE, rle(slack=LEAK))), plain)


def test_impossible_rle_frames_are_refused(basic: Deidentifier) -> None:
    for frame in (
        b"RLE?",
        struct.pack("<16I", 99, *[64] * 15) + LEAK,
        struct.pack("<3I", 2, 64, 9999).ljust(64, b"\0"),
    ):
        assert set_aside(basic, compressed(RLE, frame)).reason in (Reason.MALFORMED, Reason.TRUNCATED)
    assert set_aside(basic, compressed(RLE, rle()[:-30])).reason == Reason.TRUNCATED


def test_fragments_of_odd_length(clean: Clean) -> None:
    frame = jpeg()
    frame += b"" if len(frame) % 2 else b"\0"
    value = item() + b"\xfe\xff\x00\xe0" + struct.pack("<I", len(frame)) + frame + b"\xfe\xff\xdd\xe0" + bytes(4)
    content = ct(syntax=JPEG, raw={0x7FE00010: element(0x7FE00010, value, "OB", length=UNDEFINED)}, **EIGHT_BITS)
    clean(content)


def test_offsets_outside_the_pixel_data_go(clean: Clean) -> None:
    raw = {tag: element(tag, LEAK, "OV") for tag in (0x7FE00001, 0x7FE00002)}
    raw |= {0x7FE00010: encapsulated(jpeg())}
    assert tags(clean(ct(syntax=JPEG, raw=raw, **EIGHT_BITS))).isdisjoint({0x7FE00001, 0x7FE00002})


# Compound codes of Table E.1-1


@pytest.mark.parametrize(
    ("sop_class", "modality", "keyword", "expected"),
    [
        (CT_IMAGE, "CT", "AcquisitionDate", None),
        (factory.PET_IMAGE, "PT", "AcquisitionDate", ""),
        (CT_IMAGE, "CT", "SeriesDate", None),
        (factory.PET_IMAGE, "PT", "SeriesDate", "19000101"),
        (factory.RT_STRUCTURE_SET, "RTSTRUCT", "StructureSetDate", ""),
        (CT_IMAGE, "CT", "StudyDate", ""),
        (factory.MR_IMAGE, "MR", "StudyDate", ""),
    ],
)
def test_compound_codes_follow_the_type_in_the_iod(
    clean: Clean, sop_class: str, modality: str, keyword: str, expected: str | None
) -> None:
    content = ct(SOPClassUID=sop_class, Modality=modality, **{keyword: "20200304"})
    assert factory.read(clean(content)).get(keyword) == expected


def test_compound_codes_follow_the_type_in_items(clean: Clean) -> None:
    """ROIName is type 2 in a structure set's ROIs; a referenced instance is type 1 and mapped."""
    roi = {"ROINumber": "1", "ReferencedFrameOfReferenceUID": INSTANCE, "ROIName": NAME, "ROIGenerationAlgorithm": "X"}
    contour = {"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": INSTANCE}
    content = ct(
        SOPClassUID=factory.RT_STRUCTURE_SET,
        Modality="RTSTRUCT",
        PixelData=None,
        StructureSetROISequence=[roi],
        ROIContourSequence=[{"ReferencedROINumber": "1", "ContourSequence": [{"ContourImageSequence": [contour]}]}],
    )
    output = factory.read(clean(content))
    assert output.StructureSetROISequence[0].ROIName == ""
    image = output.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0]
    assert image.ReferencedSOPInstanceUID == output.SOPInstanceUID


def test_an_image_cut_short_before_its_pixels_is_an_error_finding_on_either_path(basic: Deidentifier) -> None:
    for syntax in (factory.EXPLICIT, factory.DEFLATED):
        whole = factory.ct(syntax=syntax)
        without = factory.ct(syntax=syntax, PixelData=None)
        assert "pixels.missing" not in {finding.rule for finding in accepted(basic(whole)).findings}
        found = {finding.rule: finding.severity for finding in accepted(basic(without)).findings}
        assert found["pixels.missing"] == "error"


def accepted(result: Deidentified | SetAside) -> Deidentified:
    assert isinstance(result, Deidentified), result
    return result
