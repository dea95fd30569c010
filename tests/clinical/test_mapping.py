"""A study's export becomes SDTM's tables as its mapping says, the same from CSV and ODM; no report shows a value."""

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import captured
import clinical_tables
from captured import BASELINE, MONTH, Field, Project, Row
from cohortium import check
from cohortium.check import sdtm as tables
from cohortium.check.examine import examine
from cohortium.clinical import capture, mapping
from cohortium.errors import ConfigError, Malformed, Refused

HEAD = 'study = "S"\npartner = "p01"\n'


def made(folder: Path, project: Project, text: str = captured.MAPPING, kind: str = "csv") -> tuple[dict, dict]:
    """The account, and the tables by name."""
    dictionary, flat, odm = project.write(folder)
    (folder / "mapping.toml").write_text(text, "utf-8")
    found = capture.read(odm) if kind == "odm" else capture.read(flat, dictionary)
    out = folder / f"out-{kind}"
    account = mapping.run(found, mapping.load(folder / "mapping.toml", found.dictionary), out)
    return account, {path.name: list(csv.DictReader(path.open(newline=""))) for path in sorted(out.iterdir())}


def one(folder: Path, text: str, *fields: Field, **values: str | list[str]) -> tuple[dict, dict]:
    """Of a study with one record."""
    project = Project([Field("id", "f"), *fields], [Row("1", "", values)], longitudinal=False, repeating=())
    return made(folder, project, HEAD + text)


def test_the_tables_of_a_study(tmp_path):
    _, found = made(tmp_path, captured.study())
    assert list(found) == ["p01_dm.csv", "p01_lb.csv", "p01_mb.csv", "p01_mh.csv", "p01_pr.csv"]
    first, second = found["p01_dm.csv"]
    assert {name: value for name, value in first.items() if value} == {
        **{"STUDYID": "DRAGON", "DOMAIN": "DM", "USUBJID": "P001", "SUBJID": "P001", "SITEID": "1", "COUNTRY": "NLD"},
        **{"RFSTDTC": "2020-03-04", "AGE": "61", "AGEU": "YEARS", "SEX": "F", "DTHFL": "Y", "DTHDTC": "2020-04-02"},
    }
    assert (second["SEX"], second["DTHFL"]) == ("M", "")
    names = (
        "USUBJID",
        "LBSEQ",
        "LBTESTCD",
        "LBORRES",
        "LBORRESU",
        "LBSTRESN",
        "LBSTRESU",
        "LBSTAT",
        "VISITNUM",
        "LBDTC",
    )
    assert [tuple(row[name] for name in names) for row in found["p01_lb.csv"]] == [
        ("P001", "1", "ALB", "3.8", "g/dL", "38", "g/L", "", "1", "2020-03-04T08:30"),
        ("P001", "2", "ALB", "", "", "", "", "NOT DONE", "2", "2020-04-01T09:00"),
        ("P001", "3", "CRP", "12.5", "mg/dL", "125", "mg/L", "", "1", "2020-03-04T08:30"),
        ("P002", "1", "ALB", "4.1", "g/dL", "41", "g/L", "", "1", "2020-03-10T10:15"),
        ("P002", "2", "CRP", "3", "mg/L", "3", "mg/L", "", "1", "2020-03-10T10:15"),
    ]
    assert [(row["MHTERM"], row["MHSCTID"]) for row in found["p01_mh.csv"]] == [
        ("Diabetes mellitus", "73211009"),
        ("Hypertension", "38341003"),
    ]
    assert [(row["MBORRES"], row["MBSTRESC"]) for row in found["p01_mb.csv"]] == [
        ("Positive", "POSITIVE"),
        ("Negative", "NEGATIVE"),
    ]
    assert [(row["PRSEQ"], row["PRTRT"], row["PRENDTC"]) for row in found["p01_pr.csv"]] == [
        ("1", "Mechanical ventilation", "2020-03-16"),
        ("2", "Dialysis", ""),
    ]


@pytest.mark.parametrize("kind", ["csv", "odm"])
def test_they_pass_the_check(tmp_path, kind):
    if not tables.installed():
        pytest.skip(tables.NOT_INSTALLED)
    made(tmp_path, captured.study(), kind=kind)
    report = examine(tmp_path / f"out-{kind}", check.load("dragon"))
    assert {each.rule for each in report.findings} <= {"metadata.table"}
    rules = {each.rule.id: each.status for each in report.outcomes if each.rule.id in ("sdtm.loinc", "sdtm.snomed")}
    assert set(rules.values()) == {check.report.Status.PASSED}


def test_they_are_de_identified_and_the_codes_stay(tmp_path):
    made(tmp_path, captured.study())
    by = clinical_tables.written(tmp_path, clinical_tables.FULL + '[clinical]\nbase = "sdtm"\n')
    for path in (tmp_path / "out-csv").iterdir():
        done = clinical_tables.run(tmp_path, by, path.read_bytes(), path.name)
        assert len(done.rows) == len(path.read_text("utf-8").splitlines()) - 1
        assert "P001" not in done.text
        if path.name == "p01_mh.csv":
            assert done.column("MHSCTID") == ["73211009", "38341003"]
        if path.name == "p01_lb.csv":
            assert done.column("LBLOINC")[0] == "1751-7"


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=12).map(
    lambda text: " ".join(text.split())
)
DATES = st.dates().map(str)
RECORD = st.fixed_dictionaries(
    {
        "enrol_date": DATES | st.just("") | VALUES,
        "age": st.integers(0, 120).map(str) | VALUES,
        "sex": st.sampled_from(["1", "2", "", "7"]),
        "country": st.sampled_from(["NL", "BE", ""]),
        "history": st.lists(st.sampled_from(["1", "2", "-9"]), unique=True).map(sorted),
        "visit_time": DATES.map(lambda day: f"{day} 08:30") | VALUES.map(lambda text: text.replace(" ", "")),
        "alb": st.decimals(0, 99, places=2).map(str) | st.sampled_from(["", "ND", "UNK", "<0.5"]) | VALUES,
        "crp": st.integers(0, 99).map(str),
        "crp_unit": st.sampled_from(["1", "2", ""]),
        "pcr": st.sampled_from(["0", "1", "9", "UNK", ""]),
    }
)
TREATMENT = st.fixed_dictionaries({"trt": st.sampled_from(["1", "2", ""]), "trt_start": DATES | VALUES})


@st.composite
def projects(draw: st.DrawFn) -> Project:
    rows = []
    for number in range(draw(st.integers(0, 3))):
        for event in draw(st.lists(st.sampled_from([BASELINE, MONTH]), min_size=1, unique=True)):
            rows.append(Row(f"P{number}", event, draw(RECORD)))
            for instance in range(draw(st.integers(0, 2))):
                rows.append(Row(f"P{number}", event, draw(TREATMENT), "treatments", str(instance + 1)))
    return Project(captured.study().fields, rows)


@settings(max_examples=40, deadline=None)
@given(projects())
def test_csv_and_odm_of_one_study_become_the_same_tables(project):
    with tempfile.TemporaryDirectory() as folder:
        by_csv, by_odm = (made(Path(folder), project, kind=kind) for kind in ("csv", "odm"))
    assert by_csv[1] == by_odm[1]
    counts = [
        {
            key: [{name: value for name, value in each.items() if name != "row"} for each in account[key]]
            for key in account
            if isinstance(account[key], list) and key not in ("notes", "columns_without_field", "fields")
        }
        for account, _ in (by_csv, by_odm)
    ]
    assert counts[0] == counts[1]


def test_the_account_says_what_went_where(tmp_path):
    account, _ = made(tmp_path, captured.study())
    fields = {each["field"]: each for each in account["fields"]}
    assert fields["record_id"]["to"] == ["USUBJID"]
    assert fields["crp"]["to"] == ["LB.LBORRES (CRP)"]
    assert fields["history"]["to"] == ["MH.MHTERM", "MH.MHSCTID", "which rows MH has"]
    assert (fields["mrn"]["to"], fields["mrn"]["identifier"], fields["mrn"]["values"]) == ([], True, 2)
    assert fields["death_date"]["branching"]
    lab = next(each for each in account["tables"] if each["domain"] == "LB")
    assert (lab["file"], lab["rows"], lab["subjects"]) == ("p01_lb.csv", 5, 2)
    assert "LBNRIND" in lab["empty"]
    assert (account["records"], account["entries"], account["notes"]) == (2, 5, [])


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path):
    account, _ = made(tmp_path, captured.study())
    found = capture.read(tmp_path / "export.csv", tmp_path / "dictionary.csv")
    before = set(tmp_path.rglob("*"))
    assert mapping.run(found, mapping.load(tmp_path / "mapping.toml", found.dictionary)) == account
    assert set(tmp_path.rglob("*")) == before


def test_what_does_not_fit_is_counted_with_its_first_row_and_never_shown(tmp_path):
    project = captured.study()
    base, *_, month, second = project.rows
    base.values |= {"age": "Jane Roe", "enrol_date": "4711 Elm Street", "sex": "7"}
    month.values |= {"alb": "Mary Miller", "pcr": "9"}
    second.values |= {"age": "John Doe", "history": ["-9"]}
    account, found = made(tmp_path, project)
    assert found["p01_dm.csv"][0]["AGE"] == ""
    assert [
        (each["field"], each["variable"], each["why"], each["written"], each["values"], each["row"])
        for each in account["not_converted"]
    ] == [
        ("enrol_date", "DM.RFSTDTC", "is no date", "9999 Xxx Xxxxxx", 1, 1),
        ("age", "DM.AGE", "is not a number", "Xxxx Xxx", 2, 1),
        ("sex", "DM.SEX", "is no choice of the field", "9", 1, 1),
        ("alb", "LB.LBORRES (ALB)", "is not a number", "Xxxx Xxxxxx", 1, 4),
    ]
    assert [
        (each["field"], each["choice"], each["label"], each["variable"], each["row"])
        for each in account["without_term"]
    ] == [
        ("pcr", "9", "Not interpretable", "MB.MBORRES (SARSCOV2)", 4),
        ("history", "-9", "Other, rare", "MH.MHTERM", 5),
        ("history", "-9", "Other, rare", "MH.MHSCTID", 5),
    ]
    assert account["set_aside"] == [{"domain": "MH", "why": "a row without its topic", "rows": 1, "row": 5}]
    shown = json.dumps(account)
    assert not [
        each for each in ("Jane", "Roe", "4711", "Elm", "Mary", "John", "MRN", "P001", "felt ill") if each in shown
    ]


@pytest.mark.parametrize(
    ("mapped", "message"),
    [
        ('[[DM]]\nAGE = "agee"', r"\[\[DM\]\] 1 AGE: no field agee \(perhaps age\)"),
        ('[[DM]]\nAGES = "age"', r"\[\[DM\]\] 1 AGES: no variable of this domain \(perhaps AGE\)"),
        ('[[DN]]\nAGE = "age"', r"DN: no such setting"),
        ('[DM]\nAGE = "age"', r"DM: tables are expected, each begun by \[\[DM\]\]"),
        ("[[DM]]\nAGE = 7", r"AGE: a field is expected"),
        ('[[DM]]\nAGE = { field = "age", value = "7" }', r"AGE: a field is expected"),
        ('[[DM]]\nAGE = { field = "age", unit = "y" }', r"AGE.unit: no such setting"),
        ('[[DM]]\nAGE = { value = "old" }', r"AGE: 'old' is not a number"),
        ('[[DM]]\nSEX = { value = "Female" }', r"SEX: 'Female' is no term of SEX; perhaps F is meant"),
        (
            '[[DM]]\nSEX = { field = "sex", terms = { 1 = "Female" } }',
            r"SEX.terms.1: 'Female' is no term of SEX; perhaps F",
        ),
        ('[[DM]]\nSEX = { field = "sex", terms = { 3 = "F" } }', r"SEX.terms.3: no choice of sex; known: 1, 2"),
        ('[[DM]]\nRFSTDTC = { value = "1.2.2020" }', r"RFSTDTC: '1.2.2020' is not a date"),
        ('[[DM]]\nRFSTDTC = { field = "enrol_date", order = "d/m" }', r"RFSTDTC.order: one of YYYY-MM-DD"),
        (
            '[[DM]]\nSUBJID = "mrn"',
            r'SUBJID: mrn is flagged as an identifier; use another, or say identifiers = \["mrn"\]',
        ),
        ('subject = "mrn"\n[[DM]]\nAGE = "age"', r"subject: mrn is flagged as an identifier"),
        ('identifiers = ["mrm"]\n[[DM]]\nAGE = "age"', r"identifiers: no field mrm \(perhaps mrn\)"),
        ('[[DM]]\nUSUBJID = "record_id"', r"USUBJID: it is made of subject, and not mapped"),
        ('[[DM]]\nform = "visit"\nAGE = "age"', r"\[\[DM\]\] 1: DM has one row for each subject"),
        ('[[MH]]\ncheckbox = "sex"\nMHTERM = "sex"', r"checkbox: sex is no checkbox, but radio"),
        ('[[PR]]\nform = "treatment"\nPRTRT = "trt"', r"form: no form treatment \(perhaps treatments\)"),
        ('[[PR]]\nper = "visit"\nPRTRT = "trt"', r"per: subject or event is expected"),
        ("[[PR]]\n", r"\[\[PR\]\] 1: it maps no variables"),
        (
            '[[MH]]\nMHTERM = { value = "x" }\nMHSCTID = { value = "73211008" }',
            r"MHSCTID: '73211008' has a check digit",
        ),
        ('[[LB]]\ntests = [{ field = "alb" }]', r"tests 1: field and test are expected"),
        (
            '[[LB]]\ntests = [{ field = "alb", test = "ALBU" }]',
            r"tests 1 test: ALBU is no test of the code list \(perhaps ALB",
        ),
        ('[[LB]]\ntests = [{ field = "alb", test = "ALB", loinc = "1751-8" }]', r"loinc: '1751-8' has a check digit"),
        (
            '[[LB]]\ntests = [{ field = "alb", test = "ALB", unit = "g/dL", standard = "g/L" }]',
            r"factor: a number is expected",
        ),
        ('[[LB]]\ntests = [{ field = "alb", test = "ALB", factor = 10 }]', r"standard: the unit is expected"),
        (
            '[[LB]]\ntests = [{ field = "alb", test = "ALB", standard = "g/L", factor = -1 }]',
            r"factor: a number over 0",
        ),
        ('[[MH]]\ntests = [{ field = "alb", test = "ALB" }]', r"tests: MH has no tests"),
        ('[[DM]]\nAGE = "age"\nwhen = { died = "2" }', r"when.died: 2 is no choice of died; known: 1, 0"),
        ('[visits]\nx = "1"\n[[DM]]\nAGE = "age"', r"visits: for each event a table is expected"),
        ('[visits]\nx = { VISITNUM = "first" }\n[[DM]]\nAGE = "age"', r"visits.x.VISITNUM: a number is expected"),
        ("", r"it maps nothing"),
        ("[[DM]\n", r"is not TOML: .*line 3"),
    ],
)
def test_mistakes_in_a_mapping_are_told_by_their_key(tmp_path, mapped, message):
    with pytest.raises(ConfigError, match=message):
        made(tmp_path, captured.study(), HEAD + mapped)


def test_all_mistakes_are_told_together(tmp_path):
    with pytest.raises(ConfigError) as told:
        made(tmp_path, captured.study(), 'partner = "p 1"\n[[DM]]\nAGE = "agee"\nSEX = { value = "Female" }')
    assert len(str(told.value).splitlines()) == 5


def test_an_identifier_is_mapped_if_the_mapping_says_so(tmp_path):
    text = (
        HEAD + 'identifiers = ["mrn"]\nsubject = "mrn"\n[[DM]]\nAGE = "age"\n[[PR]]\nform = "treatments"\nPRTRT = "trt"'
    )
    _, found = made(tmp_path, captured.study(), text)
    assert [row["USUBJID"] for row in found["p01_dm.csv"]] == ["MRN-4711", "MRN-4712"]
    assert {row["USUBJID"] for row in found["p01_pr.csv"]} == {"MRN-4711"}


def test_records_without_one_subject_are_set_aside(tmp_path):
    project = captured.study()
    project.rows[3].values["mrn"] = "MRN-9"
    project.rows[4].values["mrn"] = ""
    text = HEAD + 'identifiers = ["mrn"]\nsubject = "mrn"\n[[DM]]\nAGE = "age"'
    account, found = made(tmp_path, project, text)
    assert found == {}
    assert {(each["why"], each["row"]) for each in account["set_aside"]} == {
        ("a record with several subjects", 1),
        ("a record without a subject", 5),
    }


def test_a_subject_of_two_records_has_one_row_in_dm_and_goes_on_counting(tmp_path):
    project = captured.study()
    project.rows[4].values["mrn"] = "MRN-4711"
    text = (
        HEAD
        + 'identifiers = ["mrn"]\nsubject = "mrn"\n[[DM]]\nAGE = "age"\n'
        + '[[LB]]\ntests = [{ field = "crp", test = "CRP" }]'
    )
    account, found = made(tmp_path, project, text)
    assert len(found["p01_dm.csv"]) == 1
    assert [row["LBSEQ"] for row in found["p01_lb.csv"]] == ["1", "2"]
    assert account["set_aside"] == [
        {"domain": "DM", "why": "a subject that another record has too", "rows": 1, "row": 5}
    ]


@pytest.mark.parametrize(
    ("validation", "order", "written", "date"),
    [
        ("date_ymd", "", "2020-03-04", "2020-03-04"),
        ("date_dmy", "", "2020-03-04", "2020-03-04"),
        ("date_dmy", "", "04-03-2020", "2020-03-04"),
        ("date_mdy", "", "03/04/2020", "2020-03-04"),
        ("datetime_seconds_mdy", "", "03-04-2020 08:30:10", "2020-03-04T08:30:10"),
        ("", "", "2020-03", "2020-03"),
        ("", "DD.MM.YYYY", "4.3.2020", "2020-03-04"),
        ("", "DD.MM.YYYY", "03.2020", "2020-03"),
        ("", "YYYYMMDD", "20200304", "2020-03-04"),
        ("", "", "04.03.2020", ""),
        ("date_dmy", "", "2020-02-30", ""),
    ],
)
def test_dates_come_out_in_iso_8601(tmp_path, validation, order, written, date):
    source = f'{{ field = "d", order = "{order}" }}' if order else '"d"'
    account, found = one(tmp_path, f"[[DM]]\nRFSTDTC = {source}", Field("d", "f", validation=validation), d=written)
    assert found["p01_dm.csv"][0]["RFSTDTC"] == date
    assert [each["why"] for each in account["not_converted"]] == ([] if date else ["is no date"])


def test_a_date_takes_the_time_of_another_field(tmp_path):
    fields = Field("d", "f", validation="date_ymd"), Field("t", "f", validation="time"), Field("x", "f")
    text = '[[VS]]\ntests = [{ field = "x", test = "WEIGHT", unit = "kg" }]\nVSDTC = { field = "d", time = "t" }'
    again = tmp_path / "again"
    again.mkdir()
    _, found = one(tmp_path, text, *fields, d="2020-03-04", t="8:05", x="80")
    assert found["p01_vs.csv"][0]["VSDTC"] == "2020-03-04T08:05"
    account, found = one(
        tmp_path / "b" if (tmp_path / "b").mkdir() is None else tmp_path,
        text,
        *fields,
        d="2020-03-04",
        t="noon",
        x="80",
    )
    assert found["p01_vs.csv"][0]["VSDTC"] == ""
    assert account["not_converted"][0]["why"] == "is no time"


@pytest.mark.parametrize(
    ("written", "validation", "row"),
    [
        ("3.8", "number", ("3.8", "g/dL", "38", "38", "g/L")),
        ("3,8", "number_comma_decimal", ("3.8", "g/dL", "38", "38", "g/L")),
        ("<0.5", "", ("<0.5", "g/dL", "<5", "", "g/L")),
        ("clotted", "", ("clotted", "", "clotted", "", "")),
        ("3,8", "number", None),
    ],
)
def test_results_as_collected_and_as_standard(tmp_path, written, validation, row):
    text = '[[LB]]\ntests = [{ field = "x", test = "ALB", unit = "g/dL", standard = "g/L", factor = 10 }]'
    _, found = one(tmp_path, text, Field("x", "f", validation=validation), x=written)
    names = [f"LB{end}" for end in ("ORRES", "ORRESU", "STRESC", "STRESN", "STRESU")]
    assert [tuple(each[name] for name in names) for each in found.get("p01_lb.csv", [])] == ([row] if row else [])


def test_long_results_have_their_test_in_a_field(tmp_path):
    fields = [Field("id", "f"), Field("test", "lab", "radio", "Test", {"a": "ALB", "c": "CRP"}), Field("value", "lab")]
    rows = [
        Row("1", "", {}),
        *(Row("1", "", {"test": code, "value": "4"}, "lab", str(n)) for n, code in enumerate("ac", 1)),
    ]
    project = Project(fields, rows, longitudinal=False, repeating=("lab",))
    text = HEAD + '[[LB]]\nform = "lab"\nLBTESTCD = "test"\nLBORRES = "value"\nLBORRESU = { value = "g/L" }'
    for kind in ("csv", "odm"):
        _, found = made(tmp_path, project, text, kind)
        names = ("LBTESTCD", "LBTEST", "LBSTRESN", "LBSTRESU")
        assert [tuple(row[name] for name in names) for row in found["p01_lb.csv"]] == [
            ("ALB", "Albumin", "4", "g/L"),
            ("CRP", "C Reactive Protein", "4", "g/L"),
        ]


@pytest.mark.parametrize(("checked", "race"), [(["1"], "WHITE"), (["1", "2"], "MULTIPLE"), ([], "")])
def test_a_checkbox_in_one_variable(tmp_path, checked, race):
    text = '[[DM]]\nRACE = { field = "race", terms = { 1 = "WHITE", 2 = "ASIAN" }, several = "MULTIPLE" }'
    account, found = one(
        tmp_path, text, Field("race", "f", "checkbox", "Race", {"1": "White", "2": "Asian"}), race=checked
    )
    assert found["p01_dm.csv"][0]["RACE"] == race
    assert account["not_converted"] == []


def test_several_choices_need_a_term_of_their_own(tmp_path):
    text = '[[DM]]\nRACE = { field = "race", terms = { 1 = "WHITE", 2 = "ASIAN" } }'
    field = Field("race", "f", "checkbox", "Race", {"1": "White", "2": "Asian"})
    account, found = one(tmp_path, text, field, race=["1", "2"])
    assert found["p01_dm.csv"][0]["RACE"] == ""
    assert account["not_converted"][0]["why"].startswith("has several choices")


def test_a_subject_with_two_values_has_none_unless_the_event_is_named(tmp_path):
    project = captured.study()
    project.rows[3].values["age"] = "62"
    account, found = made(tmp_path, project, HEAD + '[[DM]]\nAGE = "age"')
    assert [row["AGE"] for row in found["p01_dm.csv"]] == ["", "47"]
    assert account["not_converted"][0]["why"] == "has several values for one row"
    (tmp_path / "again").mkdir()
    text = HEAD + f'[[DM]]\nAGE = {{ field = "age", at = "{BASELINE}" }}'
    assert [row["AGE"] for row in made(tmp_path / "again", project, text)[1]["p01_dm.csv"]] == ["61", "47"]


def test_an_odm_brings_its_codes_of_missing_data(tmp_path):
    project = captured.study()
    project.missing = "UNK, Unknown | NASK, Not asked"
    project.rows[0].values["age"] = "NASK"
    account, found = made(tmp_path, project, kind="odm")
    assert [row["AGE"] for row in found["p01_dm.csv"]] == ["", "47"]
    assert account["not_converted"] == []
    account, _ = made(tmp_path, project)
    assert [each["written"] for each in account["not_converted"]] == ["XXXX"]


def test_so_many_ways_of_writing_are_told_apart(tmp_path):
    project = captured.study()
    rows = [Row(f"P{number}", BASELINE, {"age": "x" * number}) for number in range(1, 31)]
    account, _ = made(tmp_path, Project(project.fields, rows), HEAD + '[[DM]]\nAGE = "age"')
    assert len(account["not_converted"]) == 21
    assert account["not_converted"][-1] == {
        **{"field": "age", "variable": "DM.AGE", "why": "is not a number", "choice": "", "label": ""},
        **{"written": "…", "values": 10, "row": 21},
    }


def test_rows_can_depend_on_what_is_checked(tmp_path):
    text = HEAD + '[[MH]]\nwhen = { history = "2" }\nMHTERM = { value = "Hypertension" }\nMHCAT = "sex"'
    _, found = made(tmp_path, captured.study(), text)
    assert [row["USUBJID"] for row in found["p01_mh.csv"]] == ["P001"]


def test_rows_can_depend_on_a_field(tmp_path):
    text = (
        HEAD
        + """[[DD]]
per = "subject"
when = { died = "1" }
DDTESTCD = { value = "PRCDTH" }
DDORRES = { value = "COVID-19" }
DDDTC = "death_date"
"""
    )
    _, found = made(tmp_path, captured.study(), text)
    assert [(row["USUBJID"], row["DDTEST"], row["DDSTRESC"], row["DDDTC"]) for row in found["p01_dd.csv"]] == [
        ("P001", "Primary Cause of Death", "COVID-19", "2020-04-02")
    ]


def test_what_lies_around_an_instance_makes_no_row(tmp_path):
    text = HEAD + '[[MH]]\nform = "treatments"\ncheckbox = "history"\nMHTERM = "history"\n'
    text += '[[PR]]\nform = "treatments"\nPRTRT = { value = "x" }\nPRCAT = "sex"\n'
    text += '[[DS]]\nper = "subject"\nDSTERM = "death_date"\nDSDECOD = { value = "DEATH" }'
    account, found = made(tmp_path, captured.study(), text)
    assert {name: [row["USUBJID"] for row in rows] for name, rows in found.items()} == {"p01_ds.csv": ["P001"]}
    assert account["set_aside"] == []


def test_events_and_forms_that_are_not_there_are_told(tmp_path):
    text = HEAD + '[visits]\nbase = { VISITNUM = "1" }\n[[MH]]\nform = "visit"\nMHTERM = "comment"\n[[DM]]\nAGE = "age"'
    account, _ = made(tmp_path, captured.study(), text)
    assert account["notes"] == ["no event base in the export", "no instance of the form visit in the export"]


def test_terms_outside_a_list_that_may_be_extended_are_noted(tmp_path):
    text = HEAD + '[[LB]]\ntests = [{ field = "alb", test = "ALB", unit = "GI/L" }]'
    account, _ = made(tmp_path, captured.study(), text)
    assert account["notes"] == ["[[LB]] 1 tests 1 unit: 'GI/L' is no term of UNIT; perhaps 10^9/L is meant"]


def test_a_folder_with_files_is_not_written_into(tmp_path):
    made(tmp_path, captured.study())
    with pytest.raises(Refused, match="the output folder is not empty"):
        made(tmp_path, captured.study())


def test_an_export_that_ends_early_leaves_no_table(tmp_path):
    dictionary, flat, _ = captured.study().write(tmp_path)
    flat.write_text(flat.read_text("utf-8") + '"P009\n', "utf-8")
    (tmp_path / "m.toml").write_text(captured.MAPPING)
    found = capture.read(flat, dictionary)
    with pytest.raises(Malformed):
        mapping.run(found, mapping.load(tmp_path / "m.toml", found.dictionary), tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
