"""What the metadata of an ODM file say: events, forms and groups, which of them repeat, and the fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cohortium.clinical.capture.elements import MISSING, TRANSLATED, Attributes, Element
from cohortium.clinical.capture.entry import tidy
from cohortium.clinical.capture.field import Field, choices, described, extended

__all__ = ["Metadata", "fields", "gather"]

VALIDATIONS = {  # REDCap's, by ODM's data types
    "date": "date_ymd",
    "datetime": "datetime_seconds_ymd",
    "decimal": "number",
    "double": "number",
    "float": "number",
    "incompleteDatetime": "datetime_ymd",
    "integer": "integer",
    "partialDate": "date_ymd",
    "partialDatetime": "datetime_ymd",
    "partialTime": "time",
    "time": "time",
}
BOOKKEEPING = ("redcap_survey_identifier",)
ENDS = ("complete", "timestamp")  # of the names of fields in which REDCap keeps the state of a form


@dataclass(slots=True)
class Metadata:
    """What a MetaDataVersion says, gathered while it is read."""

    record: str = ""
    events: dict[str, str] = field(default_factory=dict)  # by OID, the name
    forms: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)  # by OID of an item group, OID of its form
    items: dict[str, str] = field(default_factory=dict)  # by OID of an item, OID of its group
    repeating: set[str] = field(default_factory=set)  # OIDs of events, forms and groups
    instruments: set[tuple[str, str]] = field(default_factory=set)  # event and form, of REDCap
    missing: set[str] = field(default_factory=set)  # codes, of REDCap
    definitions: dict[str, Attributes] = field(default_factory=dict)  # of items
    labels: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)  # by OID of an item, OID of its code list
    codelists: dict[str, dict[str, str]] = field(default_factory=dict)
    checkboxes: dict[str, str] = field(default_factory=dict)  # by OID of a code list, the choices as text
    columns: dict[str, tuple[str, str]] = field(default_factory=dict)  # by OID of an item, field and choice

    def repeats(self, event: str, form: str, oid: str) -> bool:
        """Whether a form repeats: everywhere, or in this event; without events there is but one."""
        return oid in self.repeating or any(form == each and event in ("", at) for at, each in self.instruments)


def gather(metadata: Metadata, element: Element, parents: Sequence[Element]) -> None:
    """What one begin or end of an element adds to the metadata."""
    attributes, above = element.attributes, {each.name: each.attributes for each in parents}
    oid = attributes.get("OID", "")
    match element.name:
        case _ if not element.begins:
            _gather_text(metadata, element, above)
        case "MetaDataVersion":
            metadata.record = attributes.get("RecordIdField", "")
        case "RepeatingInstrument":
            metadata.instruments.add((attributes.get("UniqueEventName", ""), attributes.get("RepeatInstrument", "")))
        case "StudyEventDef":
            metadata.events[oid] = attributes.get("UniqueEventName", oid)
        case "FormDef":
            metadata.forms[oid] = attributes.get("FormName", oid)
        case "ItemGroupRef" if "FormDef" in above:
            metadata.groups.setdefault(attributes.get("ItemGroupOID", ""), above["FormDef"].get("OID", ""))
        case "ItemRef" if "ItemGroupDef" in above:
            metadata.items.setdefault(attributes.get("ItemOID", ""), above["ItemGroupDef"].get("OID", ""))
        case "ItemDef":
            metadata.definitions[oid] = attributes
        case "CodeListRef" if "ItemDef" in above:
            metadata.listed[above["ItemDef"].get("OID", "")] = attributes.get("CodeListOID", "")
        case "Alias" if "ItemDef" in above and attributes.get("Context", "").upper().startswith("SDTM"):
            metadata.aliases.setdefault(above["ItemDef"].get("OID", ""), attributes.get("Name", ""))
        case "CodeList":
            metadata.codelists[oid] = {}
            if "CheckboxChoices" in attributes:
                metadata.checkboxes[oid] = attributes["CheckboxChoices"]
        case "CodeListItem" | "EnumeratedItem" if "CodeList" in above:
            code = attributes.get("CodedValue", "")
            metadata.codelists[above["CodeList"].get("OID", "")][code] = code
    if attributes.get("Repeating") == "Yes" and oid:
        metadata.repeating.add(oid)


def _gather_text(metadata: Metadata, element: Element, above: Mapping[str, Attributes]) -> None:
    """Questions and what codes stand for, in the first language, if there are several; codes for missing data."""
    if element.name == MISSING:
        metadata.missing |= choices(element.text).keys()
    if element.name != TRANSLATED:
        return
    text = tidy(element.text)
    if "Question" in above and "ItemDef" in above:
        metadata.labels.setdefault(above["ItemDef"].get("OID", ""), text)
    elif "Decode" in above and "CodeListItem" in above and "CodeList" in above:
        code, known = above["CodeListItem"].get("CodedValue", ""), metadata.codelists[above["CodeList"].get("OID", "")]
        if known.get(code) == code:
            known[code] = text or code


def fields(metadata: Metadata) -> dict[str, Field]:
    """The fields that items are of: of REDCap's checkboxes one for all of their choices."""
    found: dict[str, Field] = {}
    forms = set(metadata.forms.values())
    for oid, attributes in metadata.definitions.items():
        name = attributes.get("Variable", oid)
        form_oid = metadata.groups.get(metadata.items.get(oid, ""), "")
        form = metadata.forms.get(form_oid, form_oid)
        if name in BOOKKEEPING or name in {f"{each}_{end}" for each in forms for end in ENDS}:
            continue
        if attributes.get("FieldType") == "descriptive":
            continue
        codelist = metadata.listed.get(oid, "")
        listed = metadata.checkboxes.get(codelist, "")
        for code in choices(listed):
            if oid == extended(name, code):
                metadata.columns[oid] = name, code
        if name in found:
            continue
        metadata.columns.setdefault(oid, (name, ""))
        found[name] = _field(metadata, oid, name, form, listed)
    return found


def _field(metadata: Metadata, oid: str, name: str, form: str, listed: str) -> Field:
    attributes = metadata.definitions[oid]
    known = metadata.codelists.get(metadata.listed.get(oid, ""), {})
    kind = attributes.get("FieldType", "radio" if known else "text")
    annotation = attributes.get("FieldAnnotation", "")
    alias = metadata.aliases.get(oid) or attributes.get("SDSVarName", "")
    made = described(
        name,
        form,
        kind,
        listed,
        attributes.get("TextValidationType") or VALIDATIONS.get(attributes.get("DataType", ""), ""),
        label=metadata.labels.get(oid) or attributes.get("Name", ""),
        identifier=attributes.get("Identifier", "").lower() == "y",
        annotation=annotation or (f"@SDTM={alias}" if alias else ""),
        branching=attributes.get("BranchingLogic", ""),
    )
    return made if made.choices else replace(made, choices=known)
