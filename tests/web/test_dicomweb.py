"""DICOMweb as PS3.18 has it, clause by clause, on a real port."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, RLELossless, generate_uid
from sqlalchemy import select

import portal_site
from cohortium.archive import Removable
from cohortium.config import Project
from cohortium.govern import users
from cohortium.govern.grants import Role, give
from cohortium.prove import receipts
from cohortium.store import schema
from cohortium.store.schema import audit, project, scan, session, user
from cohortium.wire.multipart import Part, Reader, Writer, media_type
from portal_site import Served
from stow_corners import corners

JSON = "application/dicom+json"
DIGEST = portal_site.PROTOCOL.digest
STUDIES = [f"2.25.77.{n}" for n in range(3)]
SERIES = [f"2.25.78.{n}" for n in range(4)]


def slice_of(n: int, study: int, series: int, **changes: Any) -> Dataset:
    dataset = portal_site.ct_slice(n, f"S-{study:04}", STUDIES[study], SERIES[series])
    dataset.StudyDate, dataset.StudyTime = f"202401{10 + study}", f"1{study}3000"
    dataset.AccessionNumber, dataset.StudyID = f"A{study}", "X"
    dataset.SeriesNumber, dataset.Modality = series, "CT" if series < 3 else "PT"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = ["Cohortium", f"sha256:{DIGEST[:48]}"]
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def rle(dataset: Dataset) -> bytes:
    portal_site.encode(dataset)
    dataset.compress(RLELossless, generate_instance_uid=False)
    return portal_site.encode(dataset, RLELossless)


def jpeg(n: int) -> bytes:
    dataset = slice_of(n, 2, 2, BitsAllocated=8, BitsStored=8, HighBit=7)
    out = BytesIO()
    Image.fromarray(np.full((64, 64), 90, "u1")).save(out, "JPEG")
    dataset.PixelData = encapsulate([out.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    return portal_site.encode(dataset, JPEGBaseline8Bit)


@pytest.fixture(scope="module")
def contents() -> list[bytes]:
    """Study 0: two series of 3 and 2 slices; study 1: PET, compressed; study 2: one of JPEG and one that is not."""
    plain = [slice_of(n, 0, 0) for n in range(3)] + [slice_of(n, 0, 1) for n in range(2)]
    mixed = [rle(slice_of(0, 1, 3)), rle(slice_of(1, 1, 3)), jpeg(0), portal_site.encode(slice_of(1, 2, 2))]
    return [portal_site.encode(each) for each in plain] + mixed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str, contents: list[bytes]) -> Iterator[Served]:
    limits = "[limits]\nfile_megabytes = 1\n"
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place, sections=limits)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", contents)
        other = portal_site.slices(2, subject="S-OTHER")
        portal_site.fill(served.engine, settings.site.data, "secret", "Secret", other)
        yield served


@contextmanager
def person(site: Served, name: str, role: Role | None) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        password = users.create(connection, name)
        if role:
            lung = connection.scalar(select(project.c.id).where(project.c.name == "lung"))
            give(connection, connection.scalar(select(user.c.id).where(user.c.name == name)), lung, role)
    with httpx.Client(base_url=site.url) as client:
        portal_site.become(client, name, password)
        yield client


@pytest.fixture(scope="module")
def client(site: Served) -> Iterator[httpx.Client]:
    with person(site, "anna", Role.MEMBER) as client:
        yield client


def found(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    answer = client.get(f"/dicomweb/lung{path}", params=query)
    assert answer.status_code in (200, 204), answer.text
    assert answer.status_code == 204 or answer.headers["content-type"] == JSON
    return answer.json() if answer.content else []


def value(row: dict[str, Any], tag: str) -> Any:
    return row[tag].get("Value", [None])[0]


def parts(answer: httpx.Response) -> list[Part]:
    kind = media_type(answer.headers["content-type"])
    assert kind.name == "multipart/related"
    reader = Reader(kind.parameters["boundary"], 1 << 30)
    found = list(reader.feed(answer.content))
    reader.close()
    assert all(media_type(part.headers["content-type"]).name == kind.parameters["type"] for part in found)
    return found


# --- 10.6 Search --------------------------------------------------------------------------------------------------


def test_10_6_3_3_studies_with_what_must_be_returned(client: httpx.Client) -> None:
    (row,) = found(client, "/studies", PatientID="S-0000")
    must = "00080020 00080030 00080050 00080056 00080061 00080090 00081190 00100010 00100020 00100030 00100040"
    assert set(f"{must} 0020000D 00200010 00201206 00201208".split()) <= set(row)
    assert (value(row, "00201206"), value(row, "00201208"), row["00080061"]["Value"]) == (2, 5, ["CT"])
    assert value(row, "00081190") == f"{client.base_url}/dicomweb/lung/studies/{STUDIES[0]}"
    assert value(row, "00100010") == {"Alphabetic": "S-0000"}


def test_10_6_3_3_series_and_instances_below_an_address(client: httpx.Client) -> None:
    rows = found(client, f"/studies/{STUDIES[0]}/series")
    assert {value(row, "0020000E") for row in rows} == set(SERIES[:2])
    assert sorted(value(row, "00201209") for row in rows) == [2, 3]
    assert all("00080020" not in row and "0020000D" in row for row in rows)
    rows = found(client, f"/studies/{STUDIES[0]}/series/{SERIES[0]}/instances")
    assert len(rows) == 3
    assert {(value(row, "00280010"), value(row, "00280100")) for row in rows} == {(64, 16)}
    assert all("00080060" not in row for row in rows)
    assert len(found(client, f"/studies/{STUDIES[0]}/instances")) == 5


def test_10_6_1_relational_queries_say_what_is_above(client: httpx.Client) -> None:
    rows = found(client, "/instances", Modality="PT")
    assert {(value(row, "00100020"), value(row, "0020000E")) for row in rows} == {("S-0001", SERIES[3])}
    assert len(found(client, "/series", StudyDate="20240110")) == 2
    assert len(found(client, "/instances")) == 9


@pytest.mark.parametrize(
    ("query", "studies"),
    [
        ({"PatientID": "S-0001"}, {1}),
        ({"00100020": "S-0001"}, {1}),
        ({"PatientID": "S-000?"}, {0, 1, 2}),
        ({"PatientID": "*2"}, {2}),
        ({"PatientID": "s-000*"}, set()),
        ({"PatientID": "S-000[01]"}, set()),
        ({"PatientName": "S-*1"}, {1}),
        ({"PatientID": "%"}, set()),
        ({"PatientID": ""}, {0, 1, 2}),
        ({"PatientID": "*"}, {0, 1, 2}),
        ({"StudyInstanceUID": f"{STUDIES[0]},{STUDIES[2]}"}, {0, 2}),
        ({"StudyInstanceUID": f"{STUDIES[0]}\\{STUDIES[2]}"}, {0, 2}),
        ({"StudyDate": "20240111"}, {1}),
        ({"StudyDate": "20240111-"}, {1, 2}),
        ({"StudyDate": "-20240111"}, {0, 1}),
        ({"StudyDate": "20240110-20240111"}, {0, 1}),
        ({"StudyDate": "20240111-", "AccessionNumber": "A2"}, {2}),
        ({"StudyTime": "1130"}, {1}),
        ({"StudyTime": "11-12"}, {1, 2}),
        ({"StudyTime": "-10:30"}, {0}),
        ({"ModalitiesInStudy": "PT"}, {1}),
        ({"ModalitiesInStudy": "PT,CT"}, {0, 1, 2}),
        ({"StudyID": "X", "ReferringPhysicianName": ""}, {0, 1, 2}),
    ],
)
def test_8_3_4_1_matching(client: httpx.Client, query: dict[str, str], studies: set[int]) -> None:
    assert {STUDIES.index(value(row, "0020000D")) for row in found(client, "/studies", **query)} == studies


@pytest.mark.parametrize(
    "query",
    [
        *("limit=-1", "limit=x", "offset=1.5", "NoSuchKeyword=1", "StudyDate=yesterday", "StudyDate=-", "Modality=CT"),
        *("StudyInstanceUID=1%27 OR 1=1", "EchoTime=3", "includefield=NoSuchKeyword", "StudyTime=25x"),
    ],
)
def test_10_6_3_1_a_query_that_is_not_understood_is_400(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/dicomweb/lung/studies?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "yesterday" not in answer.text


def test_10_6_3_1_nothing_found_is_204_and_json_only(client: httpx.Client) -> None:
    answer = client.get("/dicomweb/lung/studies?PatientID=nobody")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/dicomweb/lung/studies", headers={"Accept": "application/dicom+xml"}).status_code == 406


def test_8_3_4_4_pages_are_whole_and_do_not_overlap(client: httpx.Client) -> None:
    everything = [value(row, "00080018") for row in found(client, "/instances")]
    for path in ("in order", "jumping"):
        offsets = [0, 4, 8] if path == "in order" else [8, 0, 4]
        pages = {
            at: [value(r, "00080018") for r in found(client, "/instances", limit="4", offset=str(at))] for at in offsets
        }
        assert [uid for at in sorted(pages) for uid in pages[at]] == everything
    by_date = [value(row, "00080020") for row in found(client, "/studies", StudyDate="20240101-", limit="2")]
    by_date += [value(r, "00080020") for r in found(client, "/studies", StudyDate="20240101-", limit="2", offset="2")]
    assert by_date == ["20240110", "20240111", "20240112"]
    assert found(client, "/studies", offset="99") == found(client, "/studies", limit="0") == []


def test_8_3_4_2_fuzzy_matching_is_told_not_to_be(client: httpx.Client) -> None:
    answer = client.get("/dicomweb/lung/studies?fuzzymatching=true&PatientName=S-*")
    assert answer.headers["warning"].startswith("299 ")
    assert len(answer.json()) == 3


def test_8_3_4_3_includefield(client: httpx.Client) -> None:
    (row, *_) = found(client, "/studies", includefield="PatientIdentityRemoved,00120063,Rows")
    assert value(row, "00120062") == "YES"
    assert "00120063" in row
    assert "00280010" not in row
    (row, *_) = found(client, f"/studies/{STUDIES[0]}/instances", includefield="all")
    assert {"00200032", "00281053"} <= set(row)
    assert "7FE00010" not in row
    (row, *_) = found(client, "/series", includefield="all")
    assert "00120062" in row
    assert "00200032" not in row


# --- 10.4 Retrieve -----------------------------------------------------------------------------------------------


def test_10_4_a_series_comes_byte_for_byte(client: httpx.Client, contents: list[bytes]) -> None:
    for place, number in ((f"/studies/{STUDIES[0]}", 5), (f"/studies/{STUDIES[0]}/series/{SERIES[0]}", 3)):
        answer = client.get(f"/dicomweb/lung{place}")
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert {part.content for part in parts(answer)} == set(contents[:number])


def test_8_7_3_5_compressed_instances_are_transcoded_unless_any_syntax_is_taken(
    client: httpx.Client, contents: list[bytes]
) -> None:
    place = f"/dicomweb/lung/studies/{STUDIES[1]}"
    accept = 'multipart/related; type="application/dicom"; transfer-syntax='
    assert {part.content for part in parts(client.get(place, headers={"Accept": f"{accept}*"}))} == set(contents[5:7])
    assert len(parts(client.get(place, headers={"Accept": f"{accept}{RLELossless}"}))) == 2
    for part in parts(client.get(place)):
        assert part.headers["content-type"].endswith("transfer-syntax=1.2.840.10008.1.2.1")
        dataset = dcmread(BytesIO(part.content))
        assert dataset.pixel_array[0, 0] == (1000 - dataset.InstanceNumber) * 10 + 1024
    assert client.get(place, headers={"Accept": f"{accept}1.2.840.10008.1.2.4.90"}).status_code == 406


def test_10_4_3_206_where_only_some_can_be_sent(client: httpx.Client) -> None:
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={JPEGBaseline8Bit}'
    answer = client.get(f"/dicomweb/lung/studies/{STUDIES[2]}", headers={"Accept": accept})
    assert answer.status_code == 206
    assert len(parts(answer)) == 1


def instance(client: httpx.Client, study: int, number: int = 0) -> str:
    row = sorted(found(client, f"/studies/{STUDIES[study]}/instances"), key=lambda row: value(row, "00200013"))[number]
    return value(row, "00081190").removeprefix(str(client.base_url))


def test_10_4_single_part_and_ranges(client: httpx.Client, contents: list[bytes]) -> None:
    place = instance(client, 0)
    whole = client.get(place, headers={"Accept": "application/dicom"})
    assert whole.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert whole.content in contents
    for asked, start, end in (("0-9", 0, 10), ("100-", 100, None), ("-7", -7, None), ("0-99999999", 0, None)):
        piece = client.get(place, headers={"Accept": "application/dicom", "Range": f"bytes={asked}"})
        assert piece.status_code == 206
        assert piece.content == whole.content[start:end]
        assert piece.headers["content-range"].endswith(f"/{len(whole.content)}")
    beyond = client.get(place, headers={"Accept": "application/dicom", "Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert (
        client.get(f"/dicomweb/lung/studies/{STUDIES[0]}", headers={"Accept": "application/dicom"}).status_code == 406
    )


def test_10_4_1_1_2_metadata_and_the_bulk_data_it_names(client: httpx.Client) -> None:
    answer = client.get(f"/dicomweb/lung/studies/{STUDIES[0]}/metadata")
    documents = answer.json()
    assert len(documents) == 5
    assert answer.headers["content-type"] == JSON
    assert all(
        set(each) <= {"vr", "Value", "InlineBinary", "BulkDataURI"} for doc in documents for each in doc.values()
    )
    address = documents[0]["7FE00010"]["BulkDataURI"]
    assert address.startswith(f"{client.base_url}/dicomweb/lung/studies/{STUDIES[0]}/")
    assert len(client.get(address, headers={"Accept": "application/octet-stream"}).content) == 64 * 64 * 2
    piece = client.get(address, headers={"Range": "bytes=2-3"})
    assert (piece.status_code, len(piece.content)) == (206, 2)
    (part,) = parts(client.get(address, headers={"Accept": 'multipart/related; type="application/octet-stream"'}))
    assert len(part.content) == 64 * 64 * 2
    for path in ("00100010", "00081140.1.7FE00010", "..%2f7FE00010", "x"):
        assert client.get(address.replace("7FE00010", path)).status_code == 404


def test_10_4_1_1_6_frames(client: httpx.Client) -> None:
    for study in (0, 1):
        place = instance(client, study)
        (frame,) = parts(client.get(f"{place}/frames/1"))
        assert np.unique(np.frombuffer(frame.content, "<u2")).size == 1
        assert len(frame.content) == 64 * 64 * 2
        single = client.get(f"{place}/frames/1", headers={"Accept": "application/octet-stream"})
        assert single.content == frame.content
    (stored,) = parts(client.get(f"{place}/frames/1", headers={"Accept": 'multipart/related; type="image/dicom-rle"'}))
    assert len(stored.content) < len(frame.content)
    (any_,) = parts(client.get(f"{place}/frames/1", headers={"Accept": "multipart/related; transfer-syntax=*"}))
    assert any_.content == stored.content
    assert [client.get(f"{place}/frames/{n}").status_code for n in ("2", "0", "x", "1,,")] == [404, 404, 400, 400]
    assert client.get(f"{place}/frames/1", headers={"Accept": "image/jp2"}).status_code == 406


def test_10_4_1_1_3_rendered(client: httpx.Client) -> None:
    place = instance(client, 0)
    for accept, form in (("image/jpeg", "JPEG"), ("image/png", "PNG"), ("*/*", "JPEG")):
        answer = client.get(f"{place}/rendered", headers={"Accept": accept})
        picture = Image.open(BytesIO(answer.content))
        assert (picture.format, picture.size) == (form, (64, 64))
    window = {"window": "-1000,10,linear", "viewport": "32,16"}
    answer = client.get(f"{place}/rendered", params=window, headers={"Accept": "image/png"})
    picture = Image.open(BytesIO(answer.content))
    assert picture.size == (16, 16)
    assert picture.getextrema()[0] not in (0,)
    for bad in ({"window": "1,x,linear"}, {"viewport": "0,5"}, {"quality": "900"}, {"window": "1,2,sigmoid"}):
        assert client.get(f"{place}/rendered", params=bad).status_code == 400
    assert client.get(f"{place}/rendered", headers={"Accept": "video/mp4"}).status_code == 406
    assert len(parts(client.get(f"/dicomweb/lung/studies/{STUDIES[0]}/series/{SERIES[0]}/rendered"))) == 3
    assert client.get(f"{place}/frames/1/rendered").status_code == 200


@pytest.mark.parametrize("below", ["", f"/series/{SERIES[0]}"])
def test_8_3_5_1_thumbnails(client: httpx.Client, below: str) -> None:
    answer = client.get(f"/dicomweb/lung/studies/{STUDIES[0]}{below}/thumbnail", headers={"Accept": "image/png"})
    assert max(Image.open(BytesIO(answer.content)).size) == 128


# --- 10.5 Store --------------------------------------------------------------------------------------------------


def post(client: httpx.Client, path: str, contents: list[bytes], kind: str = "application/dicom") -> httpx.Response:
    writer = Writer(kind)
    body = b"".join(writer.head(kind) + each for each in contents) + writer.end()
    return client.post(f"/dicomweb/{path}", content=body, headers={"Content-Type": writer.content_type})


def new(**changes: Any) -> tuple[str, bytes]:
    study = generate_uid()
    dataset = slice_of(0, 0, 0, StudyInstanceUID=study, SeriesInstanceUID=generate_uid(), PatientID="S-NEW", **changes)
    dataset.PatientName = dataset.PatientID
    return study, portal_site.encode(dataset)


def test_10_5_3_stored_is_200_and_can_be_retrieved(client: httpx.Client) -> None:
    study, content = new()
    answer = post(client, "lung/studies", [content])
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["00081199"]["Value"]
    assert value(answer.json(), "00081190").endswith(f"/dicomweb/lung/studies/{study}")
    assert [part.content for part in parts(client.get(value(item, "00081190")))] == [content]
    assert post(client, "lung/studies", [content]).status_code == 200
    assert len(client.get(f"/dicomweb/lung/studies/{study}/metadata").json()) == 1


def test_10_5_3_2_each_failure_has_its_reason(client: httpx.Client) -> None:
    _, good = new()
    _, identified = new(PatientIdentityRemoved="NO")
    answer = post(client, "lung/studies", [good, b"no DICOM", identified])
    assert answer.status_code == 202
    assert len(answer.json()["00081199"]["Value"]) == 1
    assert [value(each, "00081197") for each in answer.json()["00081198"]["Value"]] == [0xC000, 0x0124]
    answer = post(client, "lung/studies", [identified])
    assert (answer.status_code, "00081199" in answer.json()) == (409, False)
    answer = post(client, f"lung/studies/{STUDIES[0]}", [good])
    assert [value(each, "00081197") for each in answer.json()["00081198"]["Value"]] == [0xA900]


def test_10_5_1_bodies_that_are_not_taken(client: httpx.Client) -> None:
    _, good = new()
    assert post(client, "lung/studies", []).status_code == 400
    assert post(client, "lung/studies", [good], "application/dicom+json").status_code == 415
    assert client.post("/dicomweb/lung/studies", content=good).status_code == 415
    kind = {"Content-Type": "multipart/related; type=application/dicom; boundary=b"}
    assert client.post("/dicomweb/lung/studies", content=b"--b\r\n\r\nhalf", headers=kind).status_code == 400
    bare = {"Content-Type": "multipart/related; type=application/dicom"}
    assert client.post("/dicomweb/lung/studies", content=b"x", headers=bare).status_code == 400
    cross = {**kind, "Sec-Fetch-Site": "cross-site"}
    assert client.post("/dicomweb/lung/studies", content=b"--b--", headers=cross).status_code == 409


def test_10_5_a_body_without_a_length(client: httpx.Client) -> None:
    study, content = new()
    pieces = iter([b"--b\r\nContent-Type: application/dicom\r\n\r\n", content[:999], content[999:], b"\r\n--b--"])
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    answer = client.post(f"/dicomweb/lung/studies/{study}", content=pieces, headers=kind)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("tail", [b"", b"\r\n--b--"])
def test_too_large_a_part_is_413_and_not_stored(client: httpx.Client, tail: bytes) -> None:
    study, content = new()
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content.ljust(1_100_000, b"\0") + tail
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    answer = client.post("/dicomweb/lung/studies", content=body, headers=kind)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert client.get(f"/dicomweb/lung/studies/{study}").status_code == 404


# --- receipts ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signer(site: Served) -> Ed25519PrivateKey:
    """The key of the site `north`, whose receipts the archive takes."""
    signer = Ed25519PrivateKey.generate()
    site.app.state.archive.enrol("north", signer.public_key().public_bytes_raw().hex())
    return signer


@pytest.fixture(scope="module")
def sender(site: Served) -> Iterator[httpx.Client]:
    """A member of `lung`, and of `sealed`, which takes nothing without a receipt."""
    sealed = site.app.state.archive.open_project(Project("sealed", "Sealed", "receipt"), portal_site.PROTOCOL)
    with person(site, "rose", Role.MEMBER) as sender:
        with site.engine.begin() as connection:
            give(connection, connection.scalar(select(user.c.id).where(user.c.name == "rose")), sealed, Role.MEMBER)
        yield sender


def receipt(signer: Ed25519PrivateKey, content: bytes, **changes: str) -> str:
    fields = {"site": "north", "project": "sealed", "digest": sha256(content).hexdigest(), "protocol": DIGEST}
    return json.dumps(asdict(receipts.sign(signer, **(fields | changes))))


def with_receipt(client: httpx.Client, content: bytes, text: str, into: str = "sealed") -> httpx.Response:
    head = f"--b\r\nContent-Type: application/dicom\r\nCohortium-Receipt: {text}\r\n\r\n".encode()
    kind = {"Content-Type": "multipart/related; type=application/dicom; boundary=b"}
    return client.post(f"/dicomweb/{into}/studies", content=head + content + b"\r\n--b--", headers=kind)


def test_a_receipt_opens_a_project_that_wants_one(sender: httpx.Client, signer: Ed25519PrivateKey) -> None:
    study, content = new()
    assert post(sender, "sealed/studies", [content]).status_code == 409
    assert with_receipt(sender, content, receipt(signer, content)).status_code == 200
    assert sender.get(f"/dicomweb/sealed/studies/{study}/metadata").status_code == 200


BROKEN = [{"signature": "00" * 64}, {"signature": 5}, {"site": None}, {"site": ["north"]}, {"software": "\udcff"}]
OTHERS = [{"digest": "0" * 64}, {"project": "elsewhere"}, {"protocol": "cd" * 32}, {"site": "south"}]


@pytest.mark.parametrize("into", ["sealed", "lung"])
@pytest.mark.parametrize("text", ["no JSON", "{}", "[1, 2]", "\xff", *OTHERS, *BROKEN, {"further": "field"}])
def test_a_receipt_for_something_else_or_broken_is_refused(
    sender: httpx.Client, signer: Ed25519PrivateKey, text: str | dict[str, Any], into: str
) -> None:
    _, content = new()
    if isinstance(text, dict):
        truly_signed = text if text in OTHERS else {}
        text = json.dumps(json.loads(receipt(signer, content, **{"project": into, **truly_signed})) | text)
    answer = with_receipt(sender, content, text, into)
    assert answer.status_code == 409, answer.text
    assert [value(each, "00081197") for each in answer.json()["00081198"]["Value"]] == [0x0124]


# --- nothing of a person's name stays ------------------------------------------------------------------------------

PLANTED = "Zyxwander^Plantagenet"


def test_a_name_in_any_corner_of_a_request_comes_to_nothing(
    site: Served, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    for posted in corners(PLANTED):
        answer = client.post(f"/dicomweb/lung{posted.path}", content=posted.body, headers=posted.all_headers)
        assert (answer.status_code == 200) is posted.stored, (posted.corner, answer.status_code, answer.text)
        assert answer.status_code < 500, posted.corner
        assert "zyxwander" not in (answer.text + str(answer.headers)).lower(), posted.corner
    said = [each.getMessage() for each in caplog.records if each.name != "pydicom"]  # which speaks to nobody: `dicom`
    assert "zyxwander" not in "".join(said).lower()
    assert b"Zyxwander" not in client.get("/dicomweb/lung/instances?includefield=all").content
    with site.engine.connect() as connection:
        for table in schema.metadata.sorted_tables:
            assert "zyxwander" not in str(connection.execute(select(table)).all()).lower(), table.name


# --- delete ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def owner(site: Served) -> Iterator[httpx.Client]:
    with person(site, "olga", Role.OWNER) as owner:
        yield owner


def stored(client: httpx.Client, count: int = 2, subject: str = "S-GONE") -> tuple[str, list[str]]:
    """A new study of two series of as many instances; its address, and those of its instances."""
    study, series = generate_uid(), [generate_uid(), generate_uid()]
    made = [slice_of(n, 0, 0, StudyInstanceUID=study, SeriesInstanceUID=each) for each in series for n in range(count)]
    for dataset in made:
        dataset.PatientName = dataset.PatientID = subject
    answer = post(client, "lung/studies", [portal_site.encode(each) for each in made])
    assert answer.status_code == 200, answer.text
    places = [value(each, "00081190").removeprefix(str(client.base_url)) for each in answer.json()["00081199"]["Value"]]
    return f"/dicomweb/lung/studies/{study}", places


def test_an_owner_deletes_and_the_address_is_gone_for_good(site: Served, owner: httpx.Client) -> None:
    study, places = stored(owner)
    series = places[0].split("/instances/")[0]
    assert owner.delete(places[0], headers={"Cohortium-Reason": "motion in every slice"}).status_code == 204
    assert [owner.get(each).status_code for each in places] == [410, 200, 200, 200]
    assert len(owner.get(f"{series}/instances").json()) == 1
    assert owner.delete(series).status_code == 204
    assert [owner.get(each).status_code for each in places] == [410, 410, 200, 200]
    assert len(owner.get(f"{study}/metadata").json()) == 2
    assert owner.delete(study).status_code == 204
    ends = ("", "/metadata", "/rendered", "/thumbnail")
    assert {owner.get(each + end).status_code for each in (study, series, places[3]) for end in ends} == {410}
    assert owner.get(study.replace("/lung", "")).status_code == 410
    assert owner.delete(study).status_code == 410
    assert found(owner, "/studies", StudyInstanceUID=study.rsplit("/", 1)[1]) == []
    with site.engine.connect() as connection:
        reasons = connection.scalars(select(schema.tombstone.c.reason).order_by(schema.tombstone.c.id)).all()
        who = connection.scalars(select(audit.c.who).where(audit.c.what == "delete")).all()
    assert reasons[0] == "motion in every slice"
    assert "no reason said" in reasons[-1]
    assert who == ["olga"] * 3


@pytest.mark.parametrize("withdraws", [False, True])
def test_all_addresses_below_a_subject_that_is_gone_tell_it(site: Served, owner: httpx.Client, withdraws: bool) -> None:
    subject = f"S-LEFT-{withdraws}"
    study, places = stored(owner, subject=subject)
    series = places[0].split("/instances/")[0]
    said = {"who": "olga", "reason": "asked"}
    if withdraws:
        site.app.state.archive.withdraw("lung", subject, **said)
    else:
        site.app.state.archive.remove("lung", Removable.SUBJECT, subject, **said)
    assert {owner.get(each).status_code for each in (study, series, *places, f"{study}/metadata")} == {410}
    assert owner.get(f"{study}/series/1.2.3").status_code == 410
    assert owner.get("/dicomweb/lung/studies/1.2.3").status_code == 404


def test_what_was_deleted_is_not_taken_in_again(owner: httpx.Client) -> None:
    study, content = new()
    for status in (200, 409):
        assert post(owner, "lung/studies", [content]).status_code == status
        owner.delete(f"/dicomweb/lung/studies/{study}")


def test_only_owners_delete_and_only_in_a_project(site: Served, owner: httpx.Client, client: httpx.Client) -> None:
    study, places = stored(owner)
    for place in (study, places[0]):
        assert client.delete(place).status_code == 403
        assert owner.delete(place.replace("/lung", "")).status_code in (404, 405)
        assert owner.delete(place.replace("/lung", "/secret")).status_code == 404
        assert owner.delete(place, headers={"Cohortium-Reason": "x" * 300}).status_code == 400
        assert owner.delete(place, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 409
        assert client.get(place).status_code == 200
    assert owner.delete("/dicomweb/lung/studies/2.25.404").status_code == 404


# --- who may ------------------------------------------------------------------------------------------------------


def test_another_projects_uids_answer_like_none(site: Served, client: httpx.Client) -> None:
    with site.engine.connect() as connection:
        row = connection.execute(
            select(session.c.StudyInstanceUID, scan.c.SeriesInstanceUID, schema.instance.c.SOPInstanceUID)
            .select_from(schema.instance.join(scan, scan.c.id == schema.instance.c.scan_id))
            .join(session, session.c.id == scan.c.session_id)
            .join(project, project.c.id == scan.c.project_id)
            .where(project.c.name == "secret")
        ).first()
    assert row is not None
    study, series, image = row
    below = f"/studies/{study}/series/{series}/instances/{image}"
    nothing = f"/studies/{study}9/series/{series}/instances/{image}"
    for end in ("", "/metadata", "/rendered", "/thumbnail", "/frames/1", "/bulkdata/7FE00010"):
        for prefix in ("/dicomweb", "/dicomweb/lung", "/dicomweb/secret", "/dicomweb/no-such"):
            theirs, none = client.get(f"{prefix}{below}{end}"), client.get(f"{prefix}{nothing}{end}")
            assert (theirs.status_code, theirs.content) == (none.status_code, none.content)
            assert theirs.status_code == 404
    assert client.get(f"/dicomweb/studies?StudyInstanceUID={study}").status_code == 204
    assert client.get(f"/dicomweb/studies/{study}/series").status_code == 204
    assert client.get("/dicomweb/secret/studies").content == client.get("/dicomweb/no-such/studies").content
    _, good = new()
    refused, unknown = post(client, "secret/studies", [good]), post(client, "no-such/studies", [good])
    assert (refused.status_code, refused.content) == (unknown.status_code, unknown.content)
    assert refused.status_code == 404
    assert {value(row, "00081190").split("/")[4] for row in client.get("/dicomweb/studies").json()} == {"lung"}


@pytest.mark.parametrize("study", ["..%2f..", "%2e%2e", "1.2%00", "*", "1.2;DROP", "a" * 70, "1" * 65])
def test_an_address_holds_uids_and_nothing_else(client: httpx.Client, study: str) -> None:
    assert client.get(f"/dicomweb/lung/studies/{study}").status_code == 404
    assert client.get(f"/dicomweb/lung/studies/{study}/series").status_code == 404


def test_a_collaborator_reads_and_does_not_store(site: Served) -> None:
    with person(site, "carl", Role.COLLABORATOR) as carl:
        assert len(found(carl, "/studies")) >= 3
        _, content = new()
        assert post(carl, "lung/studies", [content]).status_code == 403


def test_every_search_and_every_read_is_audited_without_values(site: Served, client: httpx.Client) -> None:
    client.get("/dicomweb/lung/studies?PatientID=S-0001&StudyDate=20240111-")
    place = instance(client, 0)
    client.get(place)
    client.get(f"{place}/rendered")
    client.get(f"/dicomweb/lung/studies/{STUDIES[0]}/metadata")
    with site.engine.connect() as connection:
        rows = connection.execute(select(audit.c.who, audit.c.what, audit.c.object).order_by(audit.c.id)).all()[-5:]
    image = place.rsplit("/", 1)[-1]
    assert [(row.who, row.what, re.sub("=[0-9a-f]{16}", "", row.object)) for row in rows] == [
        ("anna", "search", "lung/study?00080020&00100020"),
        ("anna", "search", "lung/instance?"),
        ("anna", "retrieve", f"lung/{image}"),
        ("anna", "retrieve rendered", f"lung/{image}"),
        ("anna", "retrieve metadata", f"lung/{STUDIES[0]}"),
    ]
    assert not any(re.search("S-000|20240111", row.object) for row in rows)
