"""REDCap's flat CSV export: a row for each event of a record, and for each instance of a form that repeats.

Codes or labels, variable names or labels for headings: what is exported is found out from the file. What always
holds: columns that no field explains are left out and told by place, and a value that is no choice stays as it is.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cohortium.clinical.capture.entry import BAR, Capture, Entry, records, tidy
from cohortium.clinical.capture.field import GROUP, Dictionary, Field, extended
from cohortium.errors import Malformed

__all__ = ["read"]

DELIMITERS = ",;\t|^"
EVENT, FORM, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
LABELS = {"Event Name": EVENT, "Repeat Instrument": FORM, "Repeat Instance": INSTANCE, "Data Access Group": GROUP}
CHECKED = {"1": True, "Checked": True, "0": False, "Unchecked": False}
BOOKKEEPING = ("redcap_survey_identifier", "Survey Identifier", "Survey Timestamp", "Complete?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the field that it holds, and the choice if it is one of a checkbox."""

    name: str
    choice: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns by place, and whether choices are exported by their labels."""

    columns: Mapping[int, Column]
    width: int
    labelled: bool = False


def read(path: Path, dictionary: Dictionary) -> Capture:
    """An export of the project that the dictionary describes; `Malformed` says what is wrong with it as a file."""
    headings, *_ = [*_rows(path, 1), []]
    columns, strange = _columns(headings, dictionary)
    if dictionary.record not in {each.name for each in columns.values()}:
        raise Malformed(f"no column is {dictionary.record}, which names the record; is it an export of this project?")
    if any(each.name == GROUP for each in columns.values()):
        group = Field(GROUP, "", label="Data Access Group")
        dictionary = replace(dictionary, fields={**dictionary.fields, GROUP: group})
    layout = Layout(columns, len(headings))
    layout = replace(layout, labelled=_is_labelled(_rows(path), layout, dictionary))
    return Capture(path, dictionary, records(_nested(_entries(_rows(path), layout, dictionary))), strange)


def _rows(path: Path, most: int | None = None) -> Iterator[list[str]]:
    """The rows of the file, heading first; all as wide as that."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = max(DELIMITERS, key=file.readline().count)
            file.seek(0)
            width = 0
            for number, row in enumerate(csv.reader(file, delimiter=delimiter, strict=True)):
                if most is not None and number == most:
                    return
                width = width or len(row)
                if len(row) != width and row:
                    raise Malformed(f"row {number} has {len(row)} fields and the heading {width}")
                if row:
                    yield row
    except UnicodeDecodeError:
        raise Malformed("it is not in UTF-8; export it anew, or save it as CSV UTF-8") from None
    except csv.Error:
        raise Malformed("it is no CSV that can be read to its end: quotes do not end, or a field is too long") from None
    except OSError as error:
        raise Malformed(f"it cannot be opened ({type(error).__name__})") from None


def _columns(headings: list[str], dictionary: Dictionary) -> tuple[dict[int, Column], tuple[int, ...]]:
    """What the columns are, by place; and the places, counted from 1, of those that nothing explains."""
    known = _by_variable(dictionary) if dictionary.record in headings else _by_label(headings, dictionary)
    ignored = {f"{form}_{end}" for form in dictionary.forms for end in ("complete", "timestamp")} | {*BOOKKEEPING}
    found: dict[int, Column] = {}
    strange = []
    seen: Counter[str] = Counter()
    for at, heading in enumerate(" ".join(each.split()) for each in headings):
        places = known.get(heading, ())
        if seen[heading] < len(places):
            found[at] = places[seen[heading]]
        elif heading not in ignored:
            strange.append(at + 1)
        seen[heading] += 1
    return found, tuple(strange)


def _by_variable(dictionary: Dictionary) -> dict[str, list[Column]]:
    found = {name: [Column(name)] for name in (EVENT, FORM, INSTANCE, GROUP)}
    for name, each in dictionary.fields.items():
        if each.kind == "checkbox":
            found |= {extended(name, code): [Column(name, code)] for code in each.choices}
        else:
            found[name] = [Column(name)]
    return found


def _by_label(headings: list[str], dictionary: Dictionary) -> dict[str, list[Column]]:
    """Fields by label, in the order of the dictionary, which the export keeps; those that some lack cannot be told."""
    found: dict[str, list[Column]] = defaultdict(list)
    for name, each in dictionary.fields.items():
        if each.kind == "checkbox":
            for code, label in each.choices.items():
                found[f"{each.label} (choice={label})"].append(Column(name, code))
        else:
            found[each.label].append(Column(name))
    there = Counter(" ".join(each.split()) for each in headings)
    if any(len(columns) != there[label] for label, columns in found.items() if len(columns) > 1 and there[label]):
        raise Malformed("several fields have one label, and not all were exported; export variable names for headings")
    return found | {label: [Column(name)] for label, name in LABELS.items() if label not in found}


def _is_labelled(rows: Iterable[list[str]], layout: Layout, dictionary: Dictionary) -> bool:
    """Whether choices are labels, as the first value says that can be only the one or the other."""
    labels = {name: _labels(each) for name, each in dictionary.fields.items()}
    for row in _below(rows):
        for at, column in layout.columns.items():
            value = tidy(row[at])
            known = dictionary.fields.get(column.name)
            if not value or known is None or not known.choices:
                continue
            if column.choice is not None:
                if value in CHECKED:
                    return not value.isdigit()
                continue
            is_code, is_label = value in known.choices, value in labels[column.name]
            if is_code != is_label:
                return is_label
    return False


def _below(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    iterator = iter(rows)
    next(iterator, None)
    return iterator


def _labels(field: Field) -> dict[str, str]:
    """Codes by label, as it stands in an export; a label of two choices says neither."""
    shown = Counter(map(tidy, field.choices.values()))
    return {tidy(label): code for code, label in field.choices.items() if shown[tidy(label)] == 1}


def _entries(rows: Iterable[list[str]], layout: Layout, dictionary: Dictionary) -> Iterator[Entry]:
    labels = {name: _labels(each) for name, each in dictionary.fields.items()} if layout.labelled else {}
    forms = {_slug(form): form for form in dictionary.forms}
    for number, row in enumerate(_below(rows), 1):
        values: dict[str, str] = {}
        for at, column in layout.columns.items():
            value = tidy(row[at])
            if not value:
                continue
            if column.choice is None:
                values[column.name] = labels.get(column.name, {}).get(value, value)
            elif CHECKED.get(value, labels.get(column.name, {}).get(value) == column.choice):
                values[column.name] = BAR.join(filter(None, (values.get(column.name, ""), column.choice)))
        record = values.get(dictionary.record, "")
        if not record:
            raise Malformed(f"row {number} names no record")
        event, form, instance = (values.pop(name, "") for name in (EVENT, FORM, INSTANCE))
        if form and _slug(form) not in forms:
            raise Malformed(f"the repeating instrument of row {number} is no form of the dictionary; export raw data")
        if form:
            yield Entry(record, number, event, "", forms[_slug(form)], instance, values)
        else:
            yield Entry(record, number, event, instance, values=values)


def _nested(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Instances of forms, in the events that they lie in; a record's row without an instance comes first."""
    event: dict[str, Entry] = {}
    record = ""
    for entry in entries:
        if entry.record != record:
            record, event = entry.record, {}
        if entry.form:
            entry.outer = event.get(entry.event)
        elif not entry.repeat:
            event[entry.event] = entry
        yield entry


def _slug(label: str) -> str:
    """The name that REDCap gives a form of that label."""
    return "_".join("".join(each if each.isalnum() else " " for each in label.lower()).split())
