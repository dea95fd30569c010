"""Exports of REDCap and of other systems as they are: what is read of them, and what is refused and why."""

import csv
import io
import tracemalloc
from pathlib import Path

import pytest

import captured
from cohortium.clinical import capture
from cohortium.clinical.capture import Entry
from cohortium.errors import ConfigError, Malformed

API = {
    "Variable / Field Name": "field_name",
    "Form Name": "form_name",
    "Field Type": "field_type",
    "Field Label": "field_label",
    "Choices, Calculations, OR Slider Labels": "select_choices_or_calculations",
    "Text Validation Type OR Show Slider Number": "text_validation_type_or_show_slider_number",
    "Identifier?": "identifier",
    "Branching Logic (Show field only if...)": "branching_logic",
    "Field Annotation": "field_annotation",
}
ODM = '<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" ODMVersion="1.3.2" FileType="Snapshot" FileOID="1">'
PLAIN = (
    ODM
    + """
<Study OID="S"><MetaDataVersion OID="1" Name="v1">
  <StudyEventDef OID="SE.V" Name="Visit" Repeating="Yes" Type="Scheduled"/>
  <FormDef OID="F.LAB" Name="Laboratory" Repeating="No"><ItemGroupRef ItemGroupOID="IG.HEAD" Mandatory="Yes"/>
    <ItemGroupRef ItemGroupOID="IG.LINE" Mandatory="No"/></FormDef>
  <ItemGroupDef OID="IG.HEAD" Name="Head" Repeating="No"><ItemRef ItemOID="I.DATE" Mandatory="No"/></ItemGroupDef>
  <ItemGroupDef OID="IG.LINE" Name="Lines" Repeating="Yes"><ItemRef ItemOID="I.TEST" Mandatory="No"/>
    <ItemRef ItemOID="I.VALUE" Mandatory="No"/></ItemGroupDef>
  <ItemDef OID="I.DATE" Name="Date" DataType="date" SDSVarName="LBDTC"/>
  <ItemDef OID="I.TEST" Name="Test" DataType="text"><Question><TranslatedText xml:lang="en">Which
    test?</TranslatedText><TranslatedText xml:lang="de">Welcher?</TranslatedText></Question>
    <CodeListRef CodeListOID="CL.T"/></ItemDef>
  <ItemDef OID="I.VALUE" Name="Value" DataType="float"><Alias Context="SDTM" Name="LB.LBORRES"/></ItemDef>
  <CodeList OID="CL.T" Name="Tests" DataType="text">
    <CodeListItem CodedValue="A"><Decode><TranslatedText>Albumin</TranslatedText></Decode></CodeListItem>
    <EnumeratedItem CodedValue="CRP"/></CodeList>
</MetaDataVersion></Study>
<ClinicalData StudyOID="S" MetaDataVersionOID="1">
  <SubjectData SubjectKey="007"><StudyEventData StudyEventOID="SE.V" StudyEventRepeatKey="2">
    <FormData FormOID="F.LAB"><ItemGroupData ItemGroupOID="IG.HEAD"><ItemData ItemOID="I.DATE" Value="2020-03-04"/>
    </ItemGroupData>
    <ItemGroupData ItemGroupOID="IG.LINE" ItemGroupRepeatKey="1"><ItemDataString ItemOID="I.TEST">A</ItemDataString>
      <ItemDataFloat ItemOID="I.VALUE">3.8</ItemDataFloat></ItemGroupData>
    <ItemGroupData ItemGroupOID="IG.LINE" ItemGroupRepeatKey="2"><ItemData ItemOID="I.TEST" Value="CRP"/>
      <ItemData ItemOID="I.VALUE" IsNull="Yes"/></ItemGroupData></FormData></StudyEventData></SubjectData>
</ClinicalData></ODM>"""
)


def entries(found: capture.Capture) -> list[tuple[str, str, str, str, str, dict[str, str]]]:
    return [
        (each.record, each.event, each.repeat, each.form, each.instance, each.values)
        for record in found.records
        for each in record.entries
    ]


def of_xml(folder: Path, text: str | bytes) -> capture.Capture:
    path = folder / "export.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return capture.read(path)


@pytest.mark.parametrize("headings", ["pages", "api"])
def test_a_data_dictionary_under_the_headings_of_the_pages_and_of_the_api(tmp_path, headings):
    text = captured.study().dictionary()
    if headings == "api":
        for page, api in API.items():
            text = text.replace(f'"{page}"' if "," in page else page, api)
    (tmp_path / "d.csv").write_text(text, "utf-8-sig")
    found = capture.dictionary(tmp_path / "d.csv")
    assert found.record == "record_id"
    assert found.fields["mrn"].identifier
    assert [name for name, each in found.fields.items() if each.identifier] == ["mrn"]
    assert found.fields["history"].choices == {"1": "Diabetes", "2": "Hypertension", "-9": "Other, rare"}
    assert found.fields["died"].choices == {"1": "Yes", "0": "No"}
    assert found.fields["death_date"].branching == "[died]='1'"
    assert found.fields["enrol_date"].validation == "date_dmy"
    assert found.forms == {"enrolment", "visit", "treatments"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column field_name"),
        (b"name,age\na,1\n", "has no column field_name, form_name, field_type"),
        (b"field_name,form_name,field_type\n", "has no fields"),
        (b"field_name,form_name,field_type\n\xff,a,text\n", "no CSV file in UTF-8"),
        (b'field_name,form_name,field_type\n"a,b,text\n', "no CSV file in UTF-8"),
    ],
)
def test_what_is_no_data_dictionary(tmp_path, content, message):
    (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        capture.dictionary(tmp_path / "d.csv")


def test_codes_and_labels_names_and_labels_as_headings_and_odm_say_the_same(tmp_path):
    project = captured.study()
    dictionary, flat, odm = project.write(tmp_path)
    raw = entries(capture.read(flat, dictionary))
    assert raw[0][5]["history"] == "1|2"
    assert raw[0][5]["comment"] == "felt ill, went home"
    assert raw[1][:5] == ("P001", captured.BASELINE, "", "treatments", "1")
    for options in ({"labels": True}, {"label_headings": True}, {"labels": True, "label_headings": True}):
        flat.write_text(project.flat(**options), "utf-8", newline="")
        assert entries(capture.read(flat, dictionary)) == raw
    found = entries(capture.read(odm))
    for *_, values in found:
        if "visit_time" in values:
            values["visit_time"] = values["visit_time"].replace("T", " ")
    assert found == raw


def test_an_odm_brings_the_fields_that_the_dictionary_has(tmp_path):
    dictionary, _, odm = captured.study().write(tmp_path)
    known, found = capture.dictionary(dictionary), capture.read(odm).dictionary
    assert found.record == known.record
    assert list(found.fields) == list(known.fields)
    for name, each in known.fields.items():
        assert found.fields[name] == each


def test_an_odm_with_data_alone_takes_the_dictionary(tmp_path):
    dictionary, _, odm = captured.study().write(tmp_path)
    text = odm.read_text("utf-8")
    begin, end = text.index("<MetaDataVersion"), text.index("</MetaDataVersion>")
    odm.write_text(text[:begin] + text[end + len("</MetaDataVersion>") :], "utf-8")
    with pytest.raises(Malformed, match="no metadata"):
        capture.read(odm)
    (first, *_), *_ = (record.entries for record in capture.read(odm, dictionary).records)
    assert (first.values["sex"], first.values["history"]) == ("1", "1|2")


def test_an_instance_lies_in_its_event(tmp_path):
    for path, dictionary in ((1, 0), (2, None)):
        files = captured.study().write(tmp_path)
        found = capture.read(files[path], None if dictionary is None else files[dictionary])
        first, treatment, *_ = next(found.records).entries
        assert treatment.outer is first
        assert treatment.value("sex") == "1"
        assert treatment.value("trt") == "1"
        assert first.value("trt") == ""


def test_plain_odm_with_events_and_groups_that_repeat(tmp_path):
    found = of_xml(tmp_path, PLAIN)
    assert found.dictionary.record == "SubjectKey"
    assert found.dictionary.groups == {"IG.LINE"}
    test, value, date = (found.dictionary.fields[name] for name in ("I.TEST", "I.VALUE", "I.DATE"))
    assert (test.label, test.choices, test.form) == ("Which test?", {"A": "Albumin", "CRP": "CRP"}, "F.LAB")
    assert (value.validation, value.annotation, date.annotation) == ("number", "@SDTM=LB.LBORRES", "@SDTM=LBDTC")
    (record,) = found.records
    assert [(each.event, each.repeat, each.form, each.instance) for each in record.entries] == [
        ("SE.V", "2", "", ""),
        ("SE.V", "2", "IG.LINE", "1"),
        ("SE.V", "2", "IG.LINE", "2"),
    ]
    _, line, empty = record.entries
    assert [line.value(name) for name in ("SubjectKey", "I.DATE", "I.TEST", "I.VALUE")] == [
        "007",
        "2020-03-04",
        "A",
        "3.8",
    ]
    assert empty.value("I.VALUE") == ""


LAUGHS = '<!DOCTYPE ODM [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
SECRET = '<!DOCTYPE ODM [<!ENTITY x SYSTEM "secret.txt">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no XML that can be read to its end"),
        ("record_id,age\n", "no XML that can be read to its end"),
        (PLAIN[:-60], "no XML that can be read to its end"),
        (LAUGHS + PLAIN, "declares a document type"),
        (SECRET + PLAIN, "declares a document type"),
        ("<a>" * 100 + "</a>" * 100, "too deep"),
        ("<html/>", "no ODM file with clinical data"),
        (PLAIN.replace("Snapshot", "Transactional"), "transactional"),
        (PLAIN.replace(' SubjectKey="007"', ""), "has no SubjectKey"),
        (PLAIN.replace('Name="Lines" Repeating="Yes"', 'Name="Lines" Repeating="No"'), "repeats and is not said to"),
        (
            PLAIN.replace('FormOID="F.LAB"', 'FormOID="F.LAB" FormRepeatKey="2"'),
            "a form that does not repeat comes again",
        ),
    ],
)
def test_what_is_no_odm(tmp_path, text, message):
    with pytest.raises(Malformed, match=message):
        entries(of_xml(tmp_path, text))


def test_an_odm_is_read_with_the_memory_of_one_subject(tmp_path):
    begin, end = PLAIN.index("<SubjectData"), PLAIN.index("</ClinicalData>")
    subject, path = PLAIN[begin:end], tmp_path / "export.xml"
    peaks = []
    for count in (200, 4000):
        with path.open("w") as file:
            file.write(PLAIN[:begin])
            file.writelines(subject.replace("007", str(number)) for number in range(count))
            file.write(PLAIN[end:])
        tracemalloc.start()
        assert sum(1 for _ in capture.read(path).records) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000  # of 4 MB of file; the keys of records stay


def test_a_tag_that_does_not_end_is_refused_before_it_fills_the_memory(tmp_path):
    with pytest.raises(Malformed, match="an element is too long"):
        of_xml(tmp_path, b'<ODM a="' + b"x" * (1 << 25))


def flat(folder: Path, text: str) -> capture.Capture:
    dictionary, path, _ = captured.study().write(folder)
    path.write_text(text, "utf-8", newline="")
    return capture.read(path, dictionary)


def test_columns_that_no_field_explains_are_told_by_place(tmp_path):
    text = captured.study().flat()
    rows = [[*row[:1], "x", *row[1:], "y"] for row in csv.reader(io.StringIO(text))]
    stream = io.StringIO()
    csv.writer(stream, delimiter=";").writerows(rows)
    found = flat(tmp_path, stream.getvalue())
    assert found.strange == (2, len(rows[0]))
    assert next(found.records).entries[0].values["age"] == "61"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("record_id", "id", 1), "no column is record_id"),
        (lambda text: text + "P009,x\n", "row 6 has 2 fields"),
        (lambda text: text + text.splitlines()[-1].replace("P002", "") + "\n", "row 6 names no record"),
        (
            lambda text: text + text.splitlines()[-1].replace("P002", "P001") + "\n",
            "the record of row 6 has rows further up",
        ),
        (lambda text: text.replace("P001,", '"P001,', 1), "no CSV that can be read to its end"),
        (lambda text: text.replace(",treatments,", ",surgery,"), "the repeating instrument of row 2 is no form"),
    ],
)
def test_what_is_no_flat_export(tmp_path, change, message):
    with pytest.raises(Malformed, match=message):
        entries(flat(tmp_path, change(captured.study().flat())))


def test_fields_that_share_a_label_are_told_apart_by_their_order_if_all_are_there(tmp_path):
    project = captured.study()
    for each in project.fields:
        if each.name in ("trt_start", "trt_end", "death_date"):
            each.label = "Date"
    dictionary, path, _ = project.write(tmp_path, label_headings=True)
    raw = entries(capture.read(path, dictionary))
    assert (raw[0][5]["death_date"], raw[1][5]["trt_start"], raw[1][5]["trt_end"]) == (
        *("2020-04-02", "2020-03-06", "2020-03-16"),
    )
    rows = list(csv.reader(path.open(newline="")))
    at = rows[0].index("Date")
    path.write_text("\n".join(",".join(f'"{cell}"' for cell in [*row[:at], *row[at + 1 :]]) for row in rows))
    with pytest.raises(Malformed, match="several fields have one label"):
        capture.read(path, dictionary)


def test_a_label_of_two_choices_says_neither(tmp_path):
    project = captured.study()
    next(each for each in project.fields if each.name == "pcr").choices["8"] = "Negative"
    dictionary, path, _ = project.write(tmp_path, labels=True)
    values = [each[5].get("pcr", "") for each in entries(capture.read(path, dictionary))]
    assert values == ["1", "", "", "Negative", "UNK"]


def test_a_csv_needs_its_dictionary(tmp_path):
    with pytest.raises(ConfigError, match="needs its data dictionary"):
        capture.read(tmp_path / "export.csv")


def test_an_event_that_repeats(tmp_path):
    text = captured.study().flat()
    text = text.replace(f"P001,{captured.MONTH},,,", f"P001,{captured.MONTH},,3,")
    found = {(each.event, each.repeat) for record in flat(tmp_path, text).records for each in record.entries}
    assert (captured.MONTH, "3") in found


def test_an_entry_answers_for_what_it_lies_in():
    outer = Entry("1", 1, values={"a": "1", "b": "2"})
    inner = Entry("1", 2, form="f", values={"b": "3"}, outer=outer)
    assert [inner.value(name) for name in "abc"] == ["1", "3", ""]
