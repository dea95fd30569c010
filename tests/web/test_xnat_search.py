"""Searches as XNAT's two clients post them: what is found, in which form, by whom, and what the audit keeps of it."""

from __future__ import annotations

import datetime
import logging
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest
import pyxnat
import xnat
from pydicom.uid import generate_uid
from sqlalchemy import insert, select
from xnat.search import or_

import portal_site
from cohortium.archive import Level, fields
from cohortium.find import criteria
from cohortium.govern import grants, users
from cohortium.govern.roles import Role, Standing
from cohortium.store import schema
from cohortium.web.xnat import search
from portal_site import PASSWORD, Served

LOG = logging.getLogger("xnat")
XDAT = 'xmlns:xdat="http://nrg.wustl.edu/security"'
ROWS = 50_000


def image(subject: str, modality: str, date: str, study: str = "") -> bytes:
    made = portal_site.ct_slice(0, subject, study or generate_uid(), generate_uid())
    made.Modality, made.StudyDate = modality, date
    return portal_site.encode(made)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    images = [
        image("S-0001", "CT", "20240131", "1.2.1"),
        image("S-0001", "PT", "20240131", "1.2.1"),
        image("S-0001", "MR", "20250301"),
        image("S-0002", "MR", "20230701"),
        image("S-0003", "XX", ""),
    ]
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", images)
        portal_site.fill(served.engine, settings.site.data, "secret", "Secret", [image("S-0009", "MR", "20250301")])
        with served.engine.begin() as connection:
            users.create(connection, "mara")
            users.create(connection, "root", Standing.ADMINISTRATOR)
            for name in ("mara", "root"):
                users.choose_password(connection, users.named(connection, name), PASSWORD)
            grants.give(connection, users.named(connection, "mara").id, 1, Role.COLLABORATOR)
            fields.put_fields(connection, 1, Level.SUBJECT, 1, {"Stage": "2"}, "mara")
            fields.put_fields(connection, 1, Level.PROJECT, None, {"phase": "one"}, "mara")
        yield served


@pytest.fixture(scope="module")
def mara(site: Served) -> Iterator[Any]:
    with xnat.connect(site.url, user="mara", password=PASSWORD, logger=LOG) as session:
        yield session


@pytest.fixture(scope="module")
def other(site: Served) -> Iterator[Any]:
    with pyxnat.Interface(server=site.url, user="mara", password=PASSWORD) as interface:
        yield interface


def labels(found: list[Any]) -> list[str]:
    return [each.label for each in found]


def test_xnatpy_filters_subjects_and_sessions_and_makes_objects_of_them(mara: Any) -> None:
    subjects, mr = mara.classes.SubjectData, mara.classes.MrSessionData
    assert labels(subjects.query().all()) == ["S-0001", "S-0002", "S-0003"]
    assert labels(subjects.query().filter(subjects.label == "S-0002").all()) == ["S-0002"]
    assert labels(subjects.query().filter(subjects.label.like("s-000%")).all()) == ["S-0001", "S-0002", "S-0003"]
    assert labels(subjects.query().filter(subjects.label.like("S_0001")).all()) == []
    assert labels(subjects.query().filter(or_(subjects.label == "S-0002", subjects.label == "S-0003")).all()) == [
        "S-0002",
        "S-0003",
    ]
    assert labels(mr.query().all()) == ["S-0001_2", "S-0002_1"]
    assert labels(mr.query().filter(mr.date > datetime.date(2024, 1, 1)).all()) == ["S-0001_2"]
    assert labels(mara.classes.PetSessionData.query().all()) == ["S-0001_1"]
    assert labels(mara.classes.OtherDicomSessionData.query().all()) == ["S-0003_1"]
    assert mara.classes.CtSessionData.query().all() == []
    assert mr.query().filter(mr.date < datetime.date(2024, 1, 1)).one().subject.label == "S-0002"


def test_conditions_on_what_is_below_hold_of_one_thing(mara: Any) -> None:
    subjects, mr = mara.classes.SubjectData, mara.classes.MrSessionData
    ct = mara.classes.PetSessionData
    late, early = mr.date > datetime.date(2024, 6, 1), mr.date < datetime.date(2024, 6, 1)
    assert labels(subjects.query().filter(late).all()) == ["S-0001"]
    assert labels(subjects.query().filter(late, early).all()) == []
    assert labels(subjects.query().filter(late, ct.date < datetime.date(2024, 6, 1)).all()) == ["S-0001"]
    assert labels(subjects.query().filter(late | early).all()) == ["S-0001", "S-0002"]
    assert labels(mr.query().filter(mara.classes.MrScanData.series_description.like("Thorax%")).all()) == [
        "S-0001_2",
        "S-0002_1",
    ]
    assert labels(mr.query().filter(subjects.label == "S-0001").all()) == ["S-0001_2"]


def test_fields_that_people_added_are_searched_and_shown(mara: Any) -> None:
    subjects = mara.classes.SubjectData
    stage = subjects.custom_variables["stage"]
    assert labels(subjects.query().filter(stage == "2").all()) == ["S-0001"]
    rows = subjects.query().view(subjects.label, stage).tabulate_dict()
    assert [(row["label"], row["xnat_subjectdata_field_map=stage"]) for row in rows] == [
        ("S-0001", "2"),
        ("S-0002", ""),
        ("S-0003", ""),
    ]
    projects = mara.classes.ProjectData
    assert [each.id for each in projects.query().filter(projects.custom_variables["phase"] == "one").all()] == ["lung"]
    assert projects.query().filter(projects.custom_variables["stage"] == "2").all() == []


def test_xnatpy_tabulates_in_json_and_csv(mara: Any) -> None:
    mr = mara.classes.MrSessionData
    query = mr.query().view(mr.label, mr.date)
    assert query.tabulate_csv().splitlines()[:2] == [
        '"label","date","session_id","subject_id","project"',
        '"S-0001_2","2025-03-01","COHORTIUM_E00002","COHORTIUM_S00001","lung"',
    ]
    assert '"totalRecords": "2"' in query.tabulate_json()
    assert query.filter(mr.label == "none").tabulate_json() == '{"ResultSet": {"Result": [], "totalRecords": "0"}}'


def test_pyxnat_selects_where(other: Any) -> None:
    columns = ["xnat:subjectData/PROJECT", "xnat:subjectData/SUBJECT_ID", "xnat:subjectData/SUBJECT_LABEL"]
    table = other.select("xnat:subjectData", columns)
    assert [row["subject_label"] for row in table.all()] == ["S-0001", "S-0002", "S-0003"]
    found = table.where(
        [("xnat:mrSessionData/DATE", ">", "2024-06-01"), ("xnat:subjectData/PROJECT", "=", "lung"), "AND"]
    )
    assert [(row["project"], row["subject_id"]) for row in found] == [("lung", "COHORTIUM_S00001")]
    table = other.select("xnat:mrSessionData", ["xnat:mrSessionData/LABEL", "xnat:subjectData/LABEL"])
    found = table.where(
        [[("xnat:mrSessionData/LABEL", "LIKE", "S-0002*"), "AND"], ("xnat:mrSessionData/ID", "=", "x"), "OR"]
    )
    assert [(row["label"], row["xnat_subjectdata_label"]) for row in found] == [("S-0002_1", "S-0002")]
    scans = other.select("xnat:mrScanData", ["xnat:mrScanData/ID", "xnat:mrScanData/TYPE"]).all()
    assert [(row["id"], row["type"]) for row in scans] == [("3", "Thorax 1.5 B31f")] * 2


def test_types_and_their_fields_are_told_and_every_one_of_them_is_searched(other: Any) -> None:
    assert "xnat:mrSessionData" in other.inspect.datatypes()
    for name in ("xnat:projectData", "xnat:subjectData", "xnat:mrSessionData", "xnat:mrScanData"):
        told = other.inspect.datatypes(name, "*")
        assert f"{name}/ID" in told
        rows = other.select(name, told).where([*((field, "LIKE", "%") for field in told), "AND"])
        assert len(rows) == {"xnat:projectData": 1, "xnat:subjectData": 3}.get(name, 2)


def test_nobody_finds_what_they_may_not_read(site: Served, mara: Any) -> None:
    document = mara.classes.MrSessionData.query().to_string()
    for name, count in (("mara", 2), ("root", 3)):
        answer = httpx.post(f"{site.url}/data/search", content=document, auth=(name, PASSWORD))
        assert answer.json()["ResultSet"]["totalRecords"] == str(count)
    assert httpx.post(f"{site.url}/data/search", content=document).status_code == 401
    hidden = mara.classes.SubjectData.label == "S-0009"
    assert mara.classes.ProjectData.query().filter(hidden).all() == []


def test_the_audit_keeps_names_of_fields_and_no_value(site: Served, mara: Any) -> None:
    subjects = mara.classes.SubjectData
    ways = [subjects.label == f"Mustermann{n}" for n in range(6)]
    assert subjects.query().filter(or_(*ways), subjects.custom_variables["erika"] == "Mustermann").all() == []
    with site.engine.connect() as connection:
        told = list(connection.scalars(select(schema.audit.c.object).where(schema.audit.c.what == "search")))
    assert told[-1].startswith("subjects?subject.label=")
    assert "subject.own=" in told[-1]
    assert sum(each.count("subject.label=") for each in told[-2:]) == 6
    assert not [each for each in told if "mustermann" in each.lower() or "erika" in each.lower()]


def test_a_list_matched_by_an_attribute_is_a_search_too(site: Served) -> None:
    with httpx.Client(base_url=site.url, auth=("mara", PASSWORD)) as client:
        for query, count in (("label=S-0001", 1), ("xnat:subjectData/label=S-000*", 3), ("ID=Mustermann", 0)):
            found = client.get(f"/data/projects/lung/subjects?{query}&columns=ID,label").json()
            assert found["ResultSet"]["totalRecords"] == str(count)
    with site.engine.connect() as connection:
        told = list(connection.scalars(select(schema.audit.c.object).where(schema.audit.c.what == "list subjects")))
    assert [each.partition("=")[0] for each in told[-3:]] == ["lung?label", "lung?label", "lung?ID"]
    assert "Mustermann" not in told[-1]


def document(where: str = "", *, root: str = "xnat:subjectData", more: str = "", begin: str = "") -> str:
    return (
        f"{begin}<xdat:bundle {XDAT}><xdat:root_element_name>{root}</xdat:root_element_name>{more}{where}</xdat:bundle>"
    )


def condition(field: str, operator: str, value: str) -> str:
    said = "".join(
        f"<xdat:{name}>{escape(text)}</xdat:{name}>"
        for name, text in (("schema_field", field), ("comparison_type", operator), ("value", value))
    )
    return f'<xdat:search_where method="AND"><xdat:criteria>{said}</xdat:criteria></xdat:search_where>'


FIELD = (
    "<xdat:search_field><xdat:element_name>{}</xdat:element_name><xdat:field_ID>{}</xdat:field_ID></xdat:search_field>"
)
LABEL = "xnat:subjectData/LABEL"
NOT_UNDERSTOOD = {
    "no XML": b"\xffMustermann",
    "nothing": b"",
    "another document": b"<Mustermann/>",
    "a document type": document(begin='<!DOCTYPE x [<!ENTITY e "Mustermann">]>').encode(),
    "a type that is none": document(root="xnat:Mustermann").encode(),
    "a field that is none": document(condition("xnat:subjectData/Mustermann", "=", "x")).encode(),
    "a field of no type": document(condition("Mustermann", "=", "x")).encode(),
    "a gender": document(
        condition("xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender", "=", "f")
    ).encode(),
    "a comparison that is none": document(condition(LABEL, "SOUNDS LIKE", "Mustermann")).encode(),
    "order of what has none": document(condition(LABEL, "<", "Mustermann")).encode(),
    "a date that is none": document(condition("xnat:mrSessionData/DATE", "=", "Mustermann")).encode(),
    "a long value": document(condition(LABEL, "=", "Mustermann" * 26)).encode(),
    "another part": document(more="<xdat:sort_by>Mustermann</xdat:sort_by>").encode(),
    "another condition": document('<xdat:search_where method="AND"><xdat:not/></xdat:search_where>').encode(),
    "another way to join": document('<xdat:search_where method="XOR"/>').encode(),
    "a column of many": document(more=FIELD.format("xnat:mrSessionData", "LABEL")).encode(),
    "a column that is none": document(more=FIELD.format("xnat:subjectData", "Mustermann")).encode(),
    "many conditions": document(condition(LABEL, "=", "Mustermann") * (search.MOST + 1)).encode(),
    "depth": document("<a>" * search.DEEPEST + "</a>" * search.DEEPEST).encode(),
}


@pytest.mark.parametrize("body", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_what_is_not_understood_is_refused_and_not_repeated(site: Served, body: bytes) -> None:
    answer = httpx.post(f"{site.url}/data/search", content=body, auth=("mara", PASSWORD))
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) > 20
    assert "Mustermann" not in answer.text


def test_a_large_document_another_form_and_stored_searches(site: Served, mara: Any) -> None:
    with httpx.Client(base_url=site.url, auth=("mara", PASSWORD)) as client:
        assert client.post("/data/search", content=b" " * (search.LARGEST + 1)).status_code == 413
        assert client.post("/data/search", content=document(), params={"format": "html"}).status_code == 406
        for method in ("GET", "PUT", "DELETE"):
            assert client.request(method, "/data/search/saved/mine").status_code == 501


def test_values_are_parameters_of_the_query(site: Served) -> None:
    with httpx.Client(base_url=site.url, auth=("mara", PASSWORD)) as client:
        for value in ("' OR '1'='1", "%' OR 1=1 --", "\\", "_", "%\\%"):
            for operator in ("=", "LIKE"):
                answer = client.post("/data/search", content=document(condition(LABEL, operator, value)))
                assert answer.json()["ResultSet"]["Result"] == []


def test_fifty_thousand_rows_are_sent_as_they_are_read(site: Served) -> None:
    with site.engine.begin() as connection:
        many = connection.execute(
            insert(schema.project).returning(schema.project.c.id),
            {
                "name": "many",
                "title": "Many",
                "admit": "check",
                "protocol": "",
                "protocol_digest": "",
                "created": "",
                "allows": [],
            },
        ).scalar_one()
        rows = [{"project_id": many, "PatientID": f"M-{number:06}"} for number in range(ROWS)]
        connection.execute(insert(schema.subject), rows)
    wanted = document(condition("xnat:subjectData/PROJECT", "=", "many"))
    with httpx.Client(base_url=site.url, auth=("root", PASSWORD), timeout=300) as client:
        for form in ("json", "csv"):
            for method, address, body in (
                ("GET", "/data/projects/many/subjects", ""),
                ("POST", "/data/search", wanted),
            ):
                tracemalloc.start()
                size = 0
                try:
                    with client.stream(method, address, params={"format": form}, content=body) as answer:
                        assert answer.status_code == 200
                        for piece in answer.iter_bytes():
                            size += len(piece)
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert size > ROWS * 20
                assert peak < 8_000_000, f"{form} of {size} bytes"


def test_fields_of_the_table_are_fields_of_the_index() -> None:
    for row in search._rows():
        assert row["field"] in criteria.FIELDS[Level(row["level"])]
