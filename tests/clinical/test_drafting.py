"""A drafted mapping proposes what fields say of themselves, word by word, and says why."""

import tomllib

import captured
from captured import Field, Project
from cohortium.clinical import capture, mapping
from cohortium.clinical.mapping import drafting

FIELDS = [
    Field("id", "f"),
    Field("geslacht", "f", "radio", "Geslacht", {"1": "Man", "2": "Female", "3": "Male"}, annotation="@SDTM=DM.SEX"),
    Field("sex", "f", "radio", "Sex", {"1": "F"}),
    Field("age", "f", label="Age", validation="integer"),
    Field("birth", "f", label="Born", validation="date_ymd", identifier=True, annotation="@SDTM=BRTHDTC"),
    Field("lbdtc", "lab", label="Sample taken", validation="datetime_ymd"),
    Field("alb1", "lab", label="Albumin (g/L)", validation="number", annotation="@HIDDEN"),
    Field("k", "lab", label="Kalium", validation="number", annotation="@SDTM='LB.K'"),
    Field("ph", "lab", label="Phase"),
    Field("crp", "lab", label="CRP", validation="number"),
    Field("usubjid", "f", label="Subject"),
    Field("notes", "f", "notes", "Anything else"),
]


def dictionary(*fields: Field) -> capture.Dictionary:
    made = [capture.Field(*(getattr(each, name) for name in capture.Field.__slots__)) for each in fields]
    return capture.Dictionary(made[0].name, {each.name: each for each in made})


def test_what_is_proposed_and_why():
    found = {each.field.name: each for each in drafting.proposals(dictionary(*FIELDS))}
    assert {name: (each.domain, each.variable or each.code, each.unit, each.why) for name, each in found.items()} == {
        "geslacht": ("DM", "SEX", "", "by its annotation"),
        "age": ("DM", "AGE", "", "by its name"),
        "lbdtc": ("LB", "LBDTC", "", "by its name"),
        "alb1": ("LB", "ALB", "g/L", "by its label"),
        "k": ("LB", "K", "", "by its annotation"),
        "crp": ("LB", "CRP", "", "by its name"),
    }


def test_the_draft_is_a_mapping_that_loads(tmp_path):
    known = dictionary(*FIELDS)
    text = drafting.draft(known, "DRAGON", "p01")
    (tmp_path / "m.toml").write_text(text, "utf-8")
    study = mapping.load(tmp_path / "m.toml", known)
    assert (study.study, study.partner, study.subject) == ("DRAGON", "p01", "id")
    document = tomllib.loads(text)
    assert document["DM"] == [{"AGE": "age", "SEX": {"field": "geslacht", "terms": {"2": "F", "3": "M"}}}]
    assert [each["test"] for each in document["LB"][0]["tests"]] == ["ALB", "K", "CRP"]
    lines = text.splitlines()
    assert '# "1" = ""  # Man: no term' in lines
    assert '"2" = "F"  # Female' in lines
    assert 'AGE = "age"  # by its name' in lines
    assert "# identifier, left out: birth" in lines
    assert "# not proposed: notes (notes, form f)" in lines


def test_the_draft_of_a_study_makes_tables(tmp_path):
    dictionary, flat, odm = captured.study().write(tmp_path)
    texts = [drafting.draft(each, "S", "p") for each in (capture.dictionary(dictionary), capture.read(odm).dictionary)]
    assert texts[0] == texts[1]
    (tmp_path / "m.toml").write_text(texts[0], "utf-8")
    found = capture.read(flat, dictionary)
    account = mapping.run(found, mapping.load(tmp_path / "m.toml", found.dictionary))
    assert {each["domain"]: each["rows"] for each in account["tables"]} == {"DM": 2, "LB": 4}


def test_plain_odm_says_where_its_items_belong(tmp_path):
    project = Project([Field("id", "f"), Field("x", "f", annotation="@SDTM=DM.ETHNIC")], [], repeating=())
    text = project.odm().replace(' redcap:FieldAnnotation="@SDTM=DM.ETHNIC"', "")
    text = text.replace('<ItemDef OID="x"', '<ItemDef SDSVarName="ETHNIC" OID="x"')
    (tmp_path / "export.xml").write_text(text, "utf-8")
    (found,) = drafting.proposals(capture.read(tmp_path / "export.xml").dictionary)
    assert (found.domain, found.variable) == ("DM", "ETHNIC")
