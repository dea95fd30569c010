"""REDCap's data dictionary, the CSV file that its pages and its API give, under the headings of either."""

from __future__ import annotations

import csv
from pathlib import Path

from cohortium.clinical.capture.field import Dictionary, Field, described
from cohortium.errors import ConfigError

__all__ = ["read"]

HEADINGS = {  # of the API, by what the pages call them
    "variable / field name": "field_name",
    "form name": "form_name",
    "field type": "field_type",
    "field label": "field_label",
    "choices, calculations, or slider labels": "select_choices_or_calculations",
    "choices or calculations": "select_choices_or_calculations",
    "text validation type or show slider number": "text_validation_type_or_show_slider_number",
    "identifier?": "identifier",
    "branching logic (show field only if...)": "branching_logic",
    "field annotation": "field_annotation",
}
NEEDED = ("field_name", "form_name", "field_type")
DESCRIPTIVE = "descriptive"  # text between fields, without a value


def read(path: Path) -> Dictionary:
    """The dictionary in a file; the first field names the record. `ConfigError` says what it lacks."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError("the data dictionary is no CSV file in UTF-8; download it anew from REDCap") from None
    except OSError as error:
        raise ConfigError(f"the data dictionary cannot be opened ({type(error).__name__})") from None
    names = [HEADINGS.get(" ".join(cell.split()).lower(), cell.strip()) for cell in rows[0]] if rows else []
    if absent := [name for name in NEEDED if name not in names]:
        raise ConfigError(f"the data dictionary has no column {', '.join(absent)}; is it REDCap's?")
    cells = [dict(zip(names, row, strict=False)) for row in rows[1:] if any(row)]
    fields = [_field(row) for row in cells if row.get("field_type", "").strip() != DESCRIPTIVE]
    if not fields:
        raise ConfigError("the data dictionary has no fields")
    return Dictionary(fields[0].name, {each.name: each for each in fields})


def _field(row: dict[str, str]) -> Field:
    cell = {name: value.strip() for name, value in row.items()}
    return described(
        cell["field_name"],
        cell.get("form_name", ""),
        cell.get("field_type", ""),
        cell.get("select_choices_or_calculations", ""),
        cell.get("text_validation_type_or_show_slider_number", ""),
        label=cell.get("field_label", ""),
        identifier=cell.get("identifier", "").lower() in ("y", "yes", "1"),
        annotation=cell.get("field_annotation", ""),
        branching=cell.get("branching_logic", ""),
    )
