"""A made-up study in REDCap, and its exports as REDCap writes them: data dictionary, flat CSV (raw or labels), ODM.

Layouts follow REDCap's own: https://projectredcap.org, versions 9 to 14.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

HEADINGS = (
    *("Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label"),
    *("Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number"),
    *("Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)"),
    *("Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?"),
    "Field Annotation",
)
KINDS = {"dropdown": "select", "notes": "textarea"}
TYPES = {
    "integer": "integer",
    "number": "float",
    "date_ymd": "date",
    "date_dmy": "date",
    "datetime_ymd": "partialDatetime",
}
VALIDATIONS = {"integer": "int", "number": "float"}
BASELINE, MONTH = "baseline_arm_1", "month_1_arm_1"


@dataclass
class Field:
    name: str
    form: str
    kind: str = "text"
    label: str = ""
    choices: dict[str, str] = field(default_factory=dict)
    validation: str = ""
    identifier: bool = False
    branching: str = ""
    annotation: str = ""

    @property
    def codes(self) -> dict[str, str]:
        return {"1": "Yes", "0": "No"} if self.kind == "yesno" else self.choices

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names in an export, each with its choice if it is a checkbox."""
        return (
            [(f"{self.name}___{code.replace('-', '_')}", code) for code in self.choices]
            if self.kind == "checkbox"
            else [(self.name, "")]
        )


@dataclass
class Row:
    """What stands in one row: values by field, of checkboxes the codes that are checked."""

    record: str
    event: str
    values: dict[str, str | list[str]]
    form: str = ""
    instance: str = ""


@dataclass
class Project:
    fields: list[Field]
    rows: list[Row]
    longitudinal: bool = True
    repeating: tuple[str, ...] = ("treatments",)
    forms: dict[str, str] = field(default_factory=dict)  # labels by name
    missing: str = ""  # codes of missing data, as ODM has them

    def label(self, form: str) -> str:
        return self.forms.get(form, form.replace("_", " ").title())

    def write(self, folder: Path, **options: bool) -> tuple[Path, Path, Path]:
        """Dictionary, flat export and ODM in a folder."""
        dictionary, flat, odm = folder / "dictionary.csv", folder / "export.csv", folder / "export.xml"
        dictionary.write_text(self.dictionary(), "utf-8-sig")
        flat.write_text(self.flat(**options), "utf-8", newline="")
        odm.write_text(self.odm(), "utf-8")
        return dictionary, flat, odm

    def dictionary(self) -> str:
        rows = [dict.fromkeys(HEADINGS, "") | self._described(each) for each in self.fields]
        return as_csv([HEADINGS, *([*row.values()] for row in rows)])

    @staticmethod
    def _described(each: Field) -> dict[str, str]:
        return {
            "Variable / Field Name": each.name,
            "Form Name": each.form,
            "Field Type": each.kind,
            "Field Label": each.label,
            "Choices, Calculations, OR Slider Labels": " | ".join(
                f"{code}, {label}" for code, label in each.choices.items()
            ),
            "Text Validation Type OR Show Slider Number": each.validation,
            "Identifier?": "y" if each.identifier else "",
            "Branching Logic (Show field only if...)": each.branching,
            "Field Annotation": each.annotation,
        }

    def flat(self, *, labels: bool = False, label_headings: bool = False) -> str:
        headings = ["Event Name" if label_headings else "redcap_event_name"] if self.longitudinal else []
        repeat = ("Repeat Instrument", "Repeat Instance")
        headings += repeat if label_headings else ("redcap_repeat_instrument", "redcap_repeat_instance")
        columns = [(each, *column) for each in self.fields for column in each.columns]
        forms = list(dict.fromkeys(each.form for each in self.fields))
        first, *others = (self._heading(*column, label_headings) for column in columns)
        states = ["Complete?" if label_headings else f"{form}_complete" for form in forms]
        table = [[first, *headings, *others, *states]]
        for row in self.rows:
            cells = [self._cell(row, *column, labels) for column in columns[1:]]
            about = [row.event] if self.longitudinal else []
            about += [self.label(row.form) if labels and row.form else row.form, row.instance]
            table.append([row.record, *about, *cells, *["Complete" if labels else "2"] * len(forms)])
        return as_csv(table)

    @staticmethod
    def _heading(each: Field, name: str, code: str, labelled: bool) -> str:
        return name if not labelled else f"{each.label} (choice={each.choices[code]})" if code else each.label

    def _cell(self, row: Row, each: Field, name: str, code: str, labels: bool) -> str:
        if bool(row.form) is not (each.form in self.repeating) or (row.form and each.form != row.form):
            return ""
        value = row.values.get(each.name, "")
        if code:
            checked = code in value
            return ("Checked" if checked else "Unchecked") if labels else str(int(checked))
        return each.codes.get(str(value), str(value)) if labels else str(value)

    def odm(self) -> str:
        return "\n".join([HEAD, *self._metadata(), *self._data(), "</ODM>", ""])

    def _metadata(self) -> list[str]:
        events = list(dict.fromkeys(row.event for row in self.rows if row.event))
        forms = list(dict.fromkeys(each.form for each in self.fields))
        lines = ['<Study OID="Project.Made">', "<GlobalVariables>", "\t<StudyName>Made</StudyName>"]
        lines += [f"\t<redcap:MissingDataCodes>{self.missing}</redcap:MissingDataCodes>"]
        lines += ["\t<redcap:RepeatingInstrumentsAndEvents>", "\t\t<redcap:RepeatingInstruments>"]
        for form in self.repeating:
            for event in events or ["event_1_arm_1"]:
                lines.append(
                    f'\t\t\t<redcap:RepeatingInstrument redcap:UniqueEventName="{event}"'
                    f' redcap:RepeatInstrument="{form}" redcap:CustomLabel=""/>'
                )
        lines += [
            "\t\t</redcap:RepeatingInstruments>",
            "\t</redcap:RepeatingInstrumentsAndEvents>",
            "</GlobalVariables>",
        ]
        lines.append(f'<MetaDataVersion OID="Metadata.Made" Name="Made" redcap:RecordIdField="{self.fields[0].name}">')
        for event in events if self.longitudinal else ():
            lines.append(
                f'\t<StudyEventDef OID="Event.{event}" Name="{event}" Type="Common" Repeating="No"'
                f' redcap:UniqueEventName="{event}"><FormRef FormOID="Form.{forms[0]}" Mandatory="No"/></StudyEventDef>'
            )
        for form in forms:
            lines.append(
                f'\t<FormDef OID="Form.{form}" Name={quoteattr(self.label(form))} Repeating="No"'
                f' redcap:FormName="{form}">'
            )
            lines += [f'\t\t<ItemGroupRef ItemGroupOID="{form}.all" Mandatory="No"/>', "\t</FormDef>"]
        for form in forms:
            lines.append(f'\t<ItemGroupDef OID="{form}.all" Name={quoteattr(self.label(form))} Repeating="No">')
            names = [(name, each.name) for each in self.fields if each.form == form for name, _ in each.columns]
            names.append((f"{form}_complete", f"{form}_complete"))
            lines += [f'\t\t<ItemRef ItemOID="{oid}" Mandatory="No" redcap:Variable="{name}"/>' for oid, name in names]
            lines.append("\t</ItemGroupDef>")
        status = [
            Field(f"{form}_complete", form, "dropdown", "Complete?", {"0": "Incomplete", "2": "Complete"})
            for form in forms
        ]
        every = [*self.fields, *status]
        lines += [line for each in every for name, _ in each.columns for line in self._item(each, name)]
        lines += [
            line for each in every if each.codes for name, _ in each.columns for line in self._codelist(each, name)
        ]
        return [*lines, "</MetaDataVersion>", "</Study>"]

    @staticmethod
    def _item(each: Field, name: str) -> list[str]:
        kind = "boolean" if each.kind in ("checkbox", "yesno") else TYPES.get(each.validation, "text")
        optional = {
            "TextValidationType": VALIDATIONS.get(each.validation, each.validation),
            "Identifier": "y" if each.identifier else "",
            "BranchingLogic": each.branching,
            "FieldAnnotation": each.annotation,
        }
        others = "".join(f" redcap:{key}={quoteattr(value)}" for key, value in optional.items() if value)
        choices = [f'\t\t<CodeListRef CodeListOID="{name}.choices"/>'] if each.codes else []
        return [
            f'\t<ItemDef OID="{name}" Name="{name}" DataType="{kind}" Length="999" redcap:Variable="{each.name}"'
            f' redcap:FieldType="{KINDS.get(each.kind, each.kind)}"{others}>',
            f"\t\t<Question><TranslatedText>{_escaped(each.label)}</TranslatedText></Question>",
            *choices,
            "\t</ItemDef>",
        ]

    @staticmethod
    def _codelist(each: Field, name: str) -> list[str]:
        listed = "|".join(f"{code}, {label}" for code, label in each.choices.items())
        checkbox = each.kind == "checkbox"
        more = f" redcap:CheckboxChoices={quoteattr(listed)}" if checkbox else ""
        items = {"1": "Checked", "0": "Unchecked"} if checkbox else each.codes
        return [
            f'\t<CodeList OID="{name}.choices" Name="{name}" DataType="text" redcap:Variable="{each.name}"{more}>',
            *(
                f"\t\t<CodeListItem CodedValue={quoteattr(code)}><Decode><TranslatedText>{_escaped(label)}"
                "</TranslatedText></Decode></CodeListItem>"
                for code, label in items.items()
            ),
            "\t</CodeList>",
        ]

    def _data(self) -> list[str]:
        lines = ['<ClinicalData StudyOID="Project.Made" MetaDataVersionOID="Metadata.Made">']
        record = event = None
        for row in self.rows:
            if row.record != record:
                lines += [
                    *(["\t\t</StudyEventData>"] if event else []),
                    *(["\t</SubjectData>"] if record is not None else []),
                ]
                lines.append(
                    f'\t<SubjectData SubjectKey={quoteattr(row.record)} redcap:RecordIdField="{self.fields[0].name}">'
                )
                record, event = row.record, None
            if self.longitudinal and row.event != event:
                lines += ["\t\t</StudyEventData>"] if event else []
                lines.append(
                    f'\t\t<StudyEventData StudyEventOID="Event.{row.event}" StudyEventRepeatKey="1"'
                    f' redcap:UniqueEventName="{row.event}">'
                )
                event = row.event
            lines += self._forms(row)
        lines += [*(["\t\t</StudyEventData>"] if event else []), *(["\t</SubjectData>"] if record is not None else [])]
        return [*lines, "</ClinicalData>"]

    def _forms(self, row: Row) -> list[str]:
        lines = []
        forms = (
            [row.form]
            if row.form
            else [form for form in dict.fromkeys(each.form for each in self.fields) if form not in self.repeating]
        )
        for form in forms:
            lines.append(f'\t\t\t<FormData FormOID="Form.{form}" FormRepeatKey="{row.instance or 1}">')
            lines.append(f'\t\t\t\t<ItemGroupData ItemGroupOID="{form}.all" ItemGroupRepeatKey="1">')
            for each in (each for each in self.fields if each.form == form):
                for name, code in each.columns:
                    value = row.record if each is self.fields[0] else self._cell(row, each, name, code, False)
                    value = value.replace(" ", "T") if each.validation.startswith("datetime") else value
                    lines.append(f"\t\t\t\t\t<ItemData ItemOID={quoteattr(name)} Value={quoteattr(value)}/>")
            lines += [
                f'\t\t\t\t\t<ItemData ItemOID="{form}_complete" Value="2"/>',
                "\t\t\t\t</ItemGroupData>",
                "\t\t\t</FormData>",
            ]
        return lines


HEAD = (
    '<?xml version="1.0" encoding="UTF-8" ?>\n<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:redcap="https://projectredcap.org"'
    ' xsi:schemaLocation="http://www.cdisc.org/ns/odm/v1.3 schema/odm/ODM1-3-1.xsd" ODMVersion="1.3.1"'
    ' FileOID="000-00-0000" FileType="Snapshot" Description="Made" SourceSystem="REDCap" SourceSystemVersion="14.6.9">'
)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_csv(rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def study() -> Project:
    """Two patients of a COVID-19 study: demographics, history, laboratory at two visits, treatments that repeat."""
    fields = [
        Field("record_id", "enrolment", label="Record ID"),
        Field("mrn", "enrolment", label="Hospital number", identifier=True),
        Field("enrol_date", "enrolment", label="Date of enrolment", validation="date_dmy"),
        Field("age", "enrolment", label="Age", validation="integer"),
        Field("sex", "enrolment", "radio", "Sex", {"1": "Female", "2": "Male"}),
        Field("country", "enrolment", "dropdown", "Country", {"NL": "Netherlands", "BE": "Belgium"}),
        Field(
            "history",
            "enrolment",
            "checkbox",
            "Medical history",
            {"1": "Diabetes", "2": "Hypertension", "-9": "Other, rare"},
        ),
        Field("died", "enrolment", "yesno", "Died?"),
        Field("death_date", "enrolment", label="Date of death", validation="date_ymd", branching="[died]='1'"),
        Field("visit_time", "visit", label="Time of sample", validation="datetime_ymd"),
        Field("alb", "visit", label="Albumin", validation="number"),
        Field("crp", "visit", label="C-reactive protein", validation="number"),
        Field("crp_unit", "visit", "radio", "Unit of CRP", {"1": "mg/L", "2": "mg/dL"}),
        Field("pcr", "visit", "radio", "SARS-CoV-2 PCR", {"0": "Negative", "1": "Positive", "9": "Not interpretable"}),
        Field("comment", "visit", "notes", "Comment"),
        Field("trt", "treatments", "dropdown", "Treatment", {"1": "Mechanical ventilation", "2": "Dialysis"}),
        Field("trt_start", "treatments", label="From", validation="date_ymd"),
        Field("trt_end", "treatments", label="To", validation="date_ymd"),
    ]
    rows = [
        Row(
            "P001",
            BASELINE,
            {
                "mrn": "MRN-4711",
                "enrol_date": "2020-03-04",
                "age": "61",
                "sex": "1",
                "country": "NL",
                "history": ["1", "2"],
                "died": "1",
                "death_date": "2020-04-02",
                "visit_time": "2020-03-04 08:30",
                "alb": "3.8",
                "crp": "12.5",
                "crp_unit": "2",
                "pcr": "1",
                "comment": "felt ill,\nwent home",
            },
        ),
        Row("P001", BASELINE, {"trt": "1", "trt_start": "2020-03-06", "trt_end": "2020-03-16"}, "treatments", "1"),
        Row("P001", BASELINE, {"trt": "2", "trt_start": "2020-03-20", "trt_end": ""}, "treatments", "2"),
        Row("P001", MONTH, {"visit_time": "2020-04-01 09:00", "alb": "ND", "crp": "", "pcr": "0"}),
        Row(
            "P002",
            BASELINE,
            {
                "mrn": "MRN-4712",
                "enrol_date": "2020-03-10",
                "age": "47",
                "sex": "2",
                "country": "BE",
                "history": [],
                "died": "0",
                "visit_time": "2020-03-10 10:15",
                "alb": "4.1",
                "crp": "3",
                "crp_unit": "1",
                "pcr": "UNK",
            },
        ),
    ]
    return Project(fields, rows)


MAPPING = """
study = "DRAGON"
partner = "p01"
missing = ["UNK"]
not_done = ["ND"]

[visits]
baseline_arm_1 = { VISITNUM = "1", VISIT = "Baseline" }
month_1_arm_1 = { VISITNUM = "2", VISIT = "Month 1" }

[[DM]]
RFSTDTC = "enrol_date"
AGE = "age"
AGEU = { value = "YEARS" }
SEX = { field = "sex", terms = { 1 = "F", 2 = "M" } }
COUNTRY = { field = "country", terms = { NL = "NLD", BE = "BEL" } }
SITEID = { value = "1" }
DTHFL = { field = "died", terms = { 1 = "Y", 0 = "" } }
DTHDTC = "death_date"

[[MH]]
checkbox = "history"
MHTERM = { field = "history", terms = { 1 = "Diabetes mellitus", 2 = "Hypertension" } }
MHSCTID = { field = "history", terms = { 1 = "73211009", 2 = "38341003" } }
MHCAT = { value = "GENERAL" }

[[LB]]
LBDTC = "visit_time"
LBCAT = { value = "CHEMISTRY" }
tests = [
  { field = "alb", test = "ALB", unit = "g/dL", standard = "g/L", factor = 10, loinc = "1751-7" },
]

[[LB]]
LBDTC = "visit_time"
LBCAT = { value = "CHEMISTRY" }

[[LB.tests]]
field = "crp"
test = "CRP"
unit = { field = "crp_unit" }
standard = "mg/L"
factor = { "mg/L" = 1, "mg/dL" = 10 }

[[MB]]
MBDTC = "visit_time"
MBMETHOD = { value = "REVERSE TRANSCRIPTASE PCR" }
MBTSTDTL = { value = "DETECTION" }
tests = [{ field = "pcr", test = "SARSCOV2", terms = { 0 = "NEGATIVE", 1 = "POSITIVE" } }]

[[PR]]
form = "treatments"
PRTRT = "trt"
PRDECOD = { field = "trt", terms = { 1 = "MECHANICAL VENTILATION", 2 = "HEMODIALYSIS" } }
PRSTDTC = "trt_start"
PRENDTC = "trt_end"
"""
