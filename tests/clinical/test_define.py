"""define.xml is valid by CDISC's schema, refers to nothing that is not there, and says what the data are."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cohortium.clinical import sdtm
from cohortium.clinical.submission import About, Form
from submissions import MADE, Tables, read, tables, write

ODM, DEF = "{http://www.cdisc.org/ns/odm/v1.3}", "{http://www.cdisc.org/ns/def/v2.1}"
HREF = "{http://www.w3.org/1999/xlink}href"
Element = ElementTree.Element


def everything() -> Tables:
    """Tables that make use of all that define.xml can say here."""
    made = tables("p01", "p02")
    made["p01_lb.csv"][0] |= {"VENDOR": "left over", "LBREASND": "long words " * 30}
    made["p01_dm.csv"][0]["AGE"] = "90+"
    for name in ("p01_pr.csv", "p02_pr.csv"):
        for row in made[name]:
            del row["PRSEQ"]
    made["p02_lb.csv"][1]["LBTEST"] = ""
    made["p02_lb.csv"][0] |= {"LBORRESU": "g/l", "LBSTRESN": "38.25", "LBDTC": "2020---04"}
    return made


@pytest.fixture(scope="module", params=list(Form))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("define")
    about = About(sdtmig="3.4", dataset="lung/v1", digest="ab" * 32, made=MADE)
    assert not write(at, everything(), request.param, about).errors
    return at / "out"


@pytest.fixture
def document(folder: Path) -> Element:
    return ElementTree.parse(folder / "define.xml").getroot()


@pytest.mark.skipif(find_spec("defineutils") is None, reason="defineutils, which has the schema, is not installed")
def test_it_is_valid_by_the_schema_of_cdisc(folder: Path) -> None:
    from lxml import etree

    package = find_spec("defineutils")
    assert package
    assert package.origin
    place = Path(package.origin).with_name("validate") / "schema" / "cdisc-define-2.1" / "define2-1-0.xsd"
    schema = etree.XMLSchema(etree.parse(place))
    assert schema.validate(etree.parse(folder / "define.xml")), schema.error_log


def test_each_reference_finds_what_it_names_and_each_definition_is_used(document: Element) -> None:
    defined = [each.get("OID", each.get("ID", "")) for each in document.iter()]
    defined = [oid for oid in defined if oid]
    assert len(set(defined)) == len(defined)
    kinds = ("ItemOID", "CodeListOID", "MethodOID", f"{DEF}ItemOID", "ValueListOID", "WhereClauseOID")
    kinds += (f"{DEF}StandardOID", f"{DEF}CommentOID", f"{DEF}ArchiveLocationID")
    referred = {oid for each in document.iter() for kind in kinds if (oid := each.get(kind))}
    assert referred <= set(defined)
    heads = ("STUDY", "MDV.", "IG.")
    assert {oid for oid in set(defined) - referred if not oid.startswith(heads)} == set()


def test_groups_name_their_files_and_columns_in_order(folder: Path, document: Element) -> None:
    groups = {group.get("Name"): group for group in document.iter(f"{ODM}ItemGroupDef")}
    assert list(groups) == ["DM", "PR", "DD", "LB", "MB", "SUPPDM", "SUPPLB"][: len(groups)]
    names = {each.get("OID"): each.get("Name") for each in document.iter(f"{ODM}ItemDef")}
    for name, group in groups.items():
        (leaf,) = group.iter(f"{DEF}leaf")
        file = folder / leaf.get(HREF, "")
        listed = [names[ref.get("ItemOID")] for ref in group.iter(f"{ODM}ItemRef")]
        if file.suffix == ".csv":
            assert file.read_text("utf-8").splitlines()[0].split(",") == listed
        assert {column for row in read(file) for column in row} <= set(listed), name
    classes = {name: group.find(f"{DEF}Class").get("Name") for name, group in groups.items()}  # type: ignore[union-attr]
    assert (classes["DM"], classes["PR"], classes["LB"]) == ("SPECIAL PURPOSE", "INTERVENTIONS", "FINDINGS")
    assert classes["SUPPDM"] == "RELATIONSHIP"
    assert groups["LB"].get(f"{DEF}Structure") == "One record per lab test per time point per visit per subject"


def test_keys_are_keys(folder: Path, document: Element) -> None:
    names = {each.get("OID", ""): each.get("Name", "") for each in document.iter(f"{ODM}ItemDef")}
    for group in document.iter(f"{ODM}ItemGroupDef"):
        refs = [ref for ref in group.iter(f"{ODM}ItemRef") if ref.get("KeySequence")]
        refs.sort(key=lambda ref: int(ref.get("KeySequence", "")))
        keys = [names[ref.get("ItemOID", "")] for ref in refs]
        (leaf,) = group.iter(f"{DEF}leaf")
        rows = [tuple(row.get(key, "") for key in keys) for row in read(folder / leaf.get(HREF, ""))]
        assert keys
        assert len(set(rows)) == len(rows), group.get("Name")


def test_types_lengths_and_terms_hold_for_every_value(folder: Path, document: Element) -> None:
    items = {each.get("OID", ""): each for each in document.iter(f"{ODM}ItemDef")}
    terms = {
        each.get("OID", ""): {item.get("CodedValue") for item in each if item.get("CodedValue")}
        for each in document.iter(f"{ODM}CodeList")
    }
    seen = 0
    for group in document.iter(f"{ODM}ItemGroupDef"):
        (leaf,) = group.iter(f"{DEF}leaf")
        rows = read(folder / leaf.get(HREF, ""))
        for ref in group.iter(f"{ODM}ItemRef"):
            item = items[ref.get("ItemOID", "")]
            values = [row[item.get("Name", "")] for row in rows if item.get("Name") in row]
            assert bool(values) is (ref.get(f"{DEF}HasNoData") != "Yes")
            assert ref.get("Mandatory") == "No" or len(values) == len(rows)
            assert all(_fits(value, item) for value in values), item.get("OID")
            codes = item.find(f"{ODM}CodeListRef")
            if codes is not None:
                assert set(values) == terms[codes.get("CodeListOID", "")]
                seen += 1
    assert seen > 10


def _fits(value: str, item: Element) -> bool:
    kind, length = item.get("DataType"), int(item.get("Length", "0"))
    match kind:
        case "text":
            return len(value.encode()) <= length
        case "integer":
            return re.fullmatch(r"-?\d+", value) is not None and len(value) <= length
        case "float":
            return len(value.partition(".")[2]) <= int(item.get("SignificantDigits", "")) and len(value) <= length
        case "date":
            return re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None
        case "partialDate":
            return re.fullmatch(r"\d{4}(-\d\d){0,2}", value) is not None
        case "partialDatetime" | "incompleteDatetime":
            return bool(value)
        case _:
            return kind == "durationDatetime" and value.startswith("P")


def test_terms_have_the_codes_of_nci_and_tests_their_names(document: Element) -> None:
    lists = {each.get("OID"): each for each in document.iter(f"{ODM}CodeList")}
    tests = lists["CL.LB.LBTESTCD"]
    assert _alias(tests) == "C65047"
    decodes = {each.get("CodedValue"): each.findtext(f"{ODM}Decode/{ODM}TranslatedText") for each in tests}
    assert (decodes["ALB"], decodes["PH"]) == ("Albumin", "pH")
    albumin = next(each for each in tests if each.get("CodedValue") == "ALB")
    assert _alias(albumin) == sdtm.codelist("C65047").terms["ALB"]
    units = {each.get("CodedValue"): each for each in lists["CL.LB.LBORRESU"]}
    assert units["g/l"].get(f"{DEF}ExtendedValue") == "Yes"
    assert units["g/dL"].get(f"{DEF}ExtendedValue") is None


def _alias(element: Element) -> str | None:
    alias = element.find(f"{ODM}Alias")
    assert alias is not None
    assert alias.get("Context") == "nci:ExtCodeID"
    return alias.get("Name")


def test_results_and_units_are_told_for_each_test(document: Element) -> None:
    lists = {each.get("OID") for each in document.iter(f"{DEF}ValueListDef")}
    assert {"VL.LB.LBORRES", "VL.LB.LBSTRESC", "VL.SUPPDM.QVAL", "VL.SUPPLB.QVAL"} >= lists >= {"VL.LB.LBORRES"}
    items = {each.get("OID"): each for each in document.iter(f"{ODM}ItemDef")}
    assert items["IT.LB.LBORRES.ALB"].get("DataType") == "float"
    assert items["IT.LB.LBORRES.COLOR"].get("DataType") == "text"
    assert items["IT.LB.LBSTRESN"].get("SignificantDigits") == "2"
    (check,) = (each for each in document.iter(f"{DEF}WhereClauseDef") if each.get("OID") == "WC.LB.LBTESTCD.ALB")
    assert check.findtext(f"{ODM}RangeCheck/{ODM}CheckValue") == "ALB"


def test_it_says_whence_it_is_and_what_it_did_itself_and_no_more(document: Element) -> None:
    standards = [dict(each.attrib) for each in document.iter(f"{DEF}Standard")]
    assert [(each["Name"], each["Version"]) for each in standards] == [("SDTMIG", "3.4"), ("CDISC/NCI", "2025-03-28")]
    (comment,) = document.iter(f"{DEF}CommentDef")
    assert f"lung/v1, sha256:{'ab' * 32}" in "".join(comment.itertext())
    (method,) = document.iter(f"{ODM}MethodDef")
    (numbered,) = (each for each in document.iter(f"{ODM}ItemRef") if each.get("MethodOID") == method.get("OID"))
    assert numbered.get("ItemOID") == "IT.PR.PRSEQ"
    origins = {each.get("OID"): each.find(f"{DEF}Origin").get("Type") for each in document.iter(f"{ODM}ItemDef")}  # type: ignore[union-attr]
    assert {oid for oid, origin in origins.items() if origin == "Derived"} == {"IT.PR.PRSEQ"}
    assert origins["IT.LB.LBORRES"] == "Not Available"
    assert origins["IT.LB.DOMAIN"] == "Assigned"


@pytest.mark.shared_data
def test_real_tables_make_a_package(tmp_path: Path, shared_data: Path) -> None:
    """The pilot's: 306 subjects, 59,580 results; its microbiology has units where a number should be."""
    from cohortium.clinical import submission

    place = shared_data / "clinical" / "sdtm"
    sources = submission.below(place)
    refused = submission.write(sources, tmp_path / "all", Form.CSV, About(), lambda *_: None)
    assert [(each.rule, each.variable, each.row) for each in refused.findings if each.severity == "error"] == [
        ("submission.number", "MBSTRESN", 3)
    ]
    package = submission.write(sources[:2], tmp_path / "out", Form.XPORT, About(), lambda *_: None)
    assert package.files == {"dm.xpt": 306, "lb.xpt": 59580}
