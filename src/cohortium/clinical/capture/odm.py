"""CDISC ODM 1.3: the snapshot that REDCap writes (with its redcap: attributes), and that of other systems.

What always holds: the data of one subject are held at a time, and an item that comes twice in one place, so that its
group repeats though the metadata do not say so, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cohortium.clinical.capture.elements import BINARY, Element, elements
from cohortium.clinical.capture.entry import BAR, Capture, Entry, records, tidy
from cohortium.clinical.capture.field import Dictionary, Field, extended
from cohortium.clinical.capture.metadata import Metadata, fields, gather
from cohortium.errors import Malformed

__all__ = ["read"]

SUBJECT = "SubjectKey"  # names the record where no field of it does
CHECKED = ("1", "Checked")


def read(path: Path, dictionary: Dictionary | None = None) -> Capture:
    """An export with its metadata; a data dictionary, if there is one, rules over what they say of fields."""
    found = elements(path)
    metadata = Metadata()
    parents: list[Element] = []
    for element in found:
        if element.name == "ODM" and element.attributes.get("FileType", "Snapshot") != "Snapshot":
            raise Malformed("it is a transactional file, of changes; export a snapshot")
        if element.name == "ClinicalData" and element.begins:
            break
        gather(metadata, element, parents)
        parents = [*parents, element] if element.begins else parents[:-1]
    else:
        raise Malformed("it is no ODM file with clinical data")
    known = fields(metadata)
    if not known and dictionary is None:
        raise Malformed("it has no metadata (Study, MetaDataVersion); export them too, or give the data dictionary")
    for each in dictionary.fields.values() if dictionary else ():
        known[each.name] = each
        codes = each.choices if each.kind == "checkbox" else [""]
        metadata.columns |= {extended(each.name, code) if code else each.name: (each.name, code) for code in codes}
    record = metadata.record or (dictionary.record if dictionary else SUBJECT)
    if record == SUBJECT:
        known = {SUBJECT: Field(SUBJECT, ""), **known}
    groups = frozenset(metadata.repeating & metadata.groups.keys())
    described = Dictionary(record, known, groups, frozenset(metadata.missing))
    return Capture(path, described, records(_entries(found, metadata, record)))


def _entries(stream: Iterator[Element], metadata: Metadata, record: str) -> Iterator[Entry]:
    """The entries of each subject, in the order in which they begin."""
    subject = ""
    found: dict[tuple[str, ...], Entry] = {}
    here: dict[str, Element] = {}
    for element in stream:
        if element.begins:
            here[element.name] = element
            if element.name == "SubjectData":
                subject, found = element.attributes.get(SUBJECT, "").strip(), {}
                if not subject:
                    raise Malformed(f"the subject of line {element.line} has no {SUBJECT}")
            continue
        here.pop(element.name, None)
        if element.name == "SubjectData":
            for entry in found.values():
                entry.values.setdefault(record, subject)
            yield from found.values()
        elif element.name.startswith("ItemData") and element.name != BINARY and "SubjectData" in here:
            name, choice = metadata.columns.get(element.attributes.get("ItemOID", ""), ("", ""))
            value = tidy(element.attributes.get("Value", element.text))
            if name and value and element.attributes.get("IsNull") != "Yes":
                _keep(_place(found, here, metadata, subject), name, choice, value, element.line)


def _keep(entry: Entry, name: str, choice: str, value: str, line: int) -> None:
    if choice and value in CHECKED:
        entry.values[name] = BAR.join(filter(None, (entry.values.get(name, ""), choice)))
    elif not choice and entry.values.setdefault(name, value) != value:
        raise Malformed(f"an item has another value in line {line} than before: its group repeats and is not said to")


def _place(found: dict[tuple[str, ...], Entry], here: dict[str, Element], metadata: Metadata, subject: str) -> Entry:
    """The entry that an item belongs to: of its event, or of what repeats in that."""
    event_oid, repeat, _ = _key(here, "StudyEvent")
    form_oid, form_key, form_line = _key(here, "Form")
    group_oid, group_key, group_line = _key(here, "ItemGroup")
    event = metadata.events.get(event_oid, event_oid.removeprefix("Event."))  # so REDCap has them
    form = metadata.forms.get(form_oid, form_oid.removeprefix("Form."))
    repeat = repeat if event_oid in metadata.repeating else ""
    entry = found.setdefault((event, repeat), Entry(subject, here["SubjectData"].line, event, repeat))
    if metadata.repeats(event, form, form_oid):
        made = Entry(subject, form_line, event, repeat, form, form_key, outer=entry)
        entry = found.setdefault((event, repeat, form, form_key), made)
    elif form_key not in ("", "1"):
        raise Malformed(f"a form that does not repeat comes again in line {form_line}")
    if group_oid in metadata.repeating:
        instance = f"{entry.instance}.{group_key}" if entry.instance else group_key
        made = Entry(subject, group_line, event, repeat, group_oid, instance, outer=entry)
        entry = found.setdefault((event, repeat, form, form_key, group_oid, group_key), made)
    return entry


def _key(here: Mapping[str, Element], level: str) -> tuple[str, str, int]:
    """OID, repeat key and line of the element of a level that is open."""
    element = here.get(f"{level}Data")
    if element is None:
        return "", "", 0
    return element.attributes.get(f"{level}OID", ""), element.attributes.get(f"{level}RepeatKey", ""), element.line
