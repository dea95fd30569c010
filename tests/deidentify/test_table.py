"""The whole of Table E.1-1: what each option makes of each attribute is what its cell says."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol, standard
from cohortium.deidentify.daterule import MODIFIED_DATES, date_rule
from cohortium.deidentify.protocol import UNWRITTEN, action_for
from cohortium.keys import SiteKey
from cohortium.values import Action, Protocol
from factory import CT_IMAGE

DEVICE, PATIENT, INSTITUTION = (
    f"Retain {what}" for what in ("Device Identity", "Patient Characteristics", "Institution Identity")
)
BY_POLICY = ("Retain Safe Private",)
"""Options whose cells stand for more than an action: tests of their own hold them."""
UNREADABLE = {"MakerNote", "DeviceSettingDescription", "FrameOriginTimestamp", "CertifiedTimestamp"}
"""Attributes of bytes (OB) whose C cannot be done by anybody who does not know the maker: the Basic Profile holds."""


def attributes() -> list[tuple[int, dict[str, str]]]:
    with (standard.DATA / "confidentiality.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = [(int(row["tag"], 16), row) for row in rows if "x" not in row["tag"] and row["tag"] != "odd"]
    return [(tag, row) for tag, row in listed if not _never_leaves(tag)]


def _never_leaves(tag: int) -> bool:
    """Groups that have no place in a medical object: commands, file meta, non-destructive testing."""
    rule = standard.unlisted(tag)
    return bool(rule and rule.whole_group)


def with_option(name: str) -> Protocol:
    table = {"times": "hour"} if name == MODIFIED_DATES else {}
    return replace(load_protocol("basic"), options=(name,), dates=date_rule(table, [name]))


def wanted(option: str, cell: str, row: dict[str, str], basic: Action) -> set[Action]:
    vr = row["vr"]
    if cell == "K":
        return {Action.KEEP}
    if cell == "" or row["keyword"] in UNREADABLE:
        return {basic}
    if option == MODIFIED_DATES:
        return {basic} if standard.date_of(row["keyword"]) else {Action.MODIFY}  # decision 0011
    if option == "Clean Structured Content":
        return {Action.CLEAN, Action.KEEP}  # each item judged by itself, or sequences of such items entered
    return {Action.KEEP} if vr == "SQ" else {Action.CLEAN}  # a sequence is entered and its items are judged


@pytest.mark.parametrize("option", [name for name, each in standard.options().items() if each.column])
def test_every_cell_is_honoured(option: str) -> None:
    if option in BY_POLICY:
        return
    column, protocol, plain = standard.options()[option].column, with_option(option), load_protocol("basic")
    wrong = []
    for tag, row in attributes():
        basic, _ = action_for(plain, tag, CT_IMAGE)
        action, why = action_for(protocol, tag, CT_IMAGE)
        if action not in wanted(option, row[column], row, basic):
            wrong.append((row["keyword"], row["vr"], row["basic"], row[column], action.name, why))
    assert wrong == []


def test_the_walk_sees_the_table() -> None:
    rows = attributes()
    assert len(rows) > 600
    cells = [row[each.column] for _, row in rows for name, each in standard.options().items() if each.column]
    assert cells.count("K") > 250
    assert cells.count("C") > 250


def test_the_basic_column_is_what_holds_without_options() -> None:
    plain = load_protocol("basic")
    for tag, row in attributes():
        action, _ = action_for(plain, tag, CT_IMAGE)
        if row["keyword"] in ("PatientName", "PatientID") or row["keyword"].startswith(("Deident", "LongitudinalT")):
            continue
        allowed = set(row["basic"].replace("*", "").split("/")) | ({"U"} if row["vr"] == "UI" else set())
        allowed |= {"D"} if "Z" in allowed else set()
        allowed |= {"X"} if row["keyword"] in UNWRITTEN else set()  # decision 0019
        assert action.value in allowed, row


def deidentified(*options: str, **changes: object) -> factory.pydicom.Dataset:
    protocol = replace(load_protocol("basic"), options=options, dates=date_rule({}, options))
    result = Deidentifier(protocol, SiteKey(bytes(32)), "project")(factory.ct(**changes))
    assert isinstance(result, Deidentified), result
    content = factory.joined(result.slices)
    assert factory.planted_in(content) == []
    return factory.read(content)


def test_a_device_keeps_being_told_from_others_without_its_title() -> None:
    one, same, other = (
        deidentified(DEVICE, StationAETitle=title, PatientID=patient).StationAETitle
        for title, patient in (("PACS_WEST", factory.ID), ("PACS_WEST ", "1"), ("CT_NORTH", factory.ID))
    )
    assert one == same != other
    assert one.startswith("AE")
    assert len(one) <= 16
    assert "StationAETitle" not in deidentified(StationAETitle="PACS_WEST")
    assert deidentified(DEVICE, StationAETitle=["PACS_WEST", ""]).StationAETitle == [one, ""]


def test_patients_characteristics_in_words_are_cleaned() -> None:
    kept = deidentified(PATIENT, Allergies="contrast, says Dr. Lindner", PatientState="left")
    assert (kept.Allergies, kept.PatientState) == ("contrast", "left")


def test_sequences_of_descriptors_stay_cleaned() -> None:
    codes = [{"CodeValue": "R07.4", "CodingSchemeDesignator": "I10", "CodeMeaning": "Chest CT, Lindner"}]
    requests = [
        {
            "RequestedProcedureDescription": "CT chest for Lindner",
            "RequestedProcedureID": factory.SECRET,
            "RequestedProcedureCodeSequence": codes,
        }
    ]
    changes = {"AdmittingDiagnosesCodeSequence": codes, "RequestAttributesSequence": requests}
    assert "AdmittingDiagnosesCodeSequence" not in deidentified(**changes)
    kept = deidentified("Clean Descriptors", **changes)
    for code in (
        kept.AdmittingDiagnosesCodeSequence[0],
        kept.RequestAttributesSequence[0].RequestedProcedureCodeSequence[0],
    ):
        assert (code.CodeValue, code.CodeMeaning) == ("R07.4", "Chest CT")
    assert kept.RequestAttributesSequence[0].RequestedProcedureDescription == "CT chest"
    assert "RequestedProcedureID" not in kept.RequestAttributesSequence[0]
