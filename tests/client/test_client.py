"""The client against the real application: lists, searches, and downloads over bad roads."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import portal_site
from client_archive import FILES, Archive
from cohortium.client import Client
from cohortium.client.connection import Connection
from cohortium.client.pulling import Wanted, pull
from cohortium.errors import Corrupt, Malformed, Refused, Unavailable
from cohortium.prove import receipts


def digests(folder: Path) -> set[str]:
    return {sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.dcm")}


def test_it_lists_searches_and_flags(archive: Archive) -> None:
    with archive.client as client:
        assert client.me().name == "ada"
        (project,) = client.projects()
        assert project.counts is not None
        assert project.counts.instances == FILES
        assert [each.PatientID for each in client.subjects("lung")] == ["S-0001", "S-0002"]
        assert len(list(client.instances("lung", limit="5"))) == FILES  # in three pages
        (scan,) = client.scans(PatientID="S-0002")
        assert len(client.scan(scan.scan_id).frames) == 2
        assert [each.PatientID for each in client.sessions(StudyDate="20240101-20241231")] == ["S-0001", "S-0002"]
        flag = client.flag(scan.scan_id, "questionable", "it moved")
        assert client.scan(scan.scan_id).flags == [flag]
        assert client.take_back(scan.scan_id, flag.id).ended
        first = next(client.instances("lung"))
        assert client.header(first.instance_id)["00080018"]["Value"] == [first.SOPInstanceUID]


def test_what_the_server_refuses_says_why(archive: Archive) -> None:
    with archive.client as client:
        with pytest.raises(Refused, match="404"):
            client.dataset("lung", "none")
        with pytest.raises(Malformed, match="422"):
            client.flag(1, "fine", "it is")
        with pytest.raises(Malformed, match="400"):
            list(client.sessions(StudyDate="yesterday"))
    with Client(archive.served.url, "cohortium_wrong") as stranger, pytest.raises(Refused, match="401"):
        stranger.me()


def test_a_token_does_not_go_out_in_the_clear() -> None:
    with pytest.raises(Refused, match="https"):
        Client("http://archive.example.org", "secret")


def test_a_version_is_pulled_and_again_only_what_is_missing(archive: Archive, tmp_path: Path) -> None:
    with archive.client as client:
        version = client.freeze("lung", "whole")
        done = client.pull("lung", "whole", tmp_path)
        assert (done.files, done.fetched, done.gone) == (FILES, FILES, [])
        assert sha256((tmp_path / "manifest.jsonl").read_bytes()).hexdigest() == version.digest
        assert len(digests(tmp_path)) == FILES
        next(tmp_path.rglob("*.dcm")).unlink()
        again = client.pull("lung", "whole", tmp_path)
        assert (again.files, again.fetched) == (FILES, 1)
        assert not list(tmp_path.rglob("*.part"))
        part = client.save_list("lung", "second", [next(client.scans(PatientID="S-0002")).SeriesInstanceUID])
        other = client.freeze("lung", "part", of=part.name)
        with pytest.raises(Refused, match="another dataset version"):
            client.pull("lung", other.digest, tmp_path)
        compared = client.compare("lung", "part", "whole")
        assert (compared.same.files, compared.added.files) == (2, FILES - 2)
        assert len(list(client.differences("lung", "part", "whole"))) == FILES - 2
        assert version.digest in client.cite("lung", "whole").text
        assert client.gone("lung", "whole") == []


def test_files_beside_the_images_are_pulled_with_a_version_and_lie_in_its_zip(archive: Archive, tmp_path: Path) -> None:
    table, folder = tmp_path / "volumes.csv", tmp_path / "pulled"
    table.write_text("label,volume_ml\nliver,1400\n")
    with archive.client as client:
        scan = next(client.scans("lung"))
        for name in ("a.csv", "b.csv"):  # the same bytes twice, side by side
            client.upload("lung", table, kind="features", label="frozen", level="scan", of=scan.scan_id, name=name)
        client.freeze("lung", "with-files", of=client.save_list("lung", "one", [scan.SeriesInstanceUID]).name)
        done = client.pull("lung", "with-files", folder)
        zipped = client._connection.send("GET", "/projects/lung/datasets/with-files/archive.zip").content
        (resource,) = [each for each in client.files("lung", "scan", scan.scan_id) if each.label == "frozen"]
        archive.served.app.state.archive.detach(resource.id, who="ada", reason="test")
        assert {each.path.rsplit("/", 1)[1] for each in client.gone("lung", "with-files")} == {"a.csv", "b.csv"}
    below = f"{scan.PatientID}/{scan.StudyInstanceUID}/{scan.SeriesInstanceUID}/resources/frozen"
    assert done.gone == []
    for name in ("a.csv", "b.csv"):
        assert (folder / below / name).read_bytes() == table.read_bytes()
        assert ZipFile(BytesIO(zipped)).read(f"files/{below}/{name}") == table.read_bytes()


def test_instances_of_a_search_are_downloaded(archive: Archive, tmp_path: Path) -> None:
    with archive.client as client:
        done = client.download(tmp_path, "lung", PatientID="S-0002")
        assert (done.files, len(digests(tmp_path / "S-0002"))) == (2, 2)


def test_a_file_is_uploaded_once_and_refused_with_a_reason(archive: Archive, tmp_path: Path) -> None:
    table = tmp_path / "volumes.csv"
    table.write_text("label,volume_ml\nliver,1400\n")
    with archive.client as client:
        scan = next(client.scans("lung"))
        first = client.upload("lung", table, kind="features", label="volumes", level="scan", of=scan.scan_id)
        again = client.upload("lung", table, kind="features", label="volumes", level="scan", of=scan.scan_id)
        assert (first.digest, again.version) == (sha256(table.read_bytes()).hexdigest(), 1)
        (resource,) = client.files("lung", "scan", scan.scan_id)
        assert [each.name for each in resource.files] == ["volumes.csv"]
        unknown = tmp_path / "program.exe"
        unknown.write_bytes(b"MZ" + bytes(200))
        with pytest.raises((Refused, Malformed), match="not admitted"):
            client.upload("lung", unknown, kind="features", label="volumes")


def test_a_sites_receipt_goes_with_a_file(archive: Archive, tmp_path: Path) -> None:
    signer, table = Ed25519PrivateKey.generate(), tmp_path / "scores.csv"
    table.write_text("reader,score\nMustermann,3\n")
    archive.served.app.state.archive.enrol("ward", signer.public_key().public_bytes_raw().hex())
    words = {"site": "ward", "project": "lung", "protocol": portal_site.PROTOCOL.digest}
    word = receipts.sign(signer, digest=sha256(table.read_bytes()).hexdigest(), **words)
    with archive.client as client:
        with pytest.raises(Malformed, match="vocabulary"):
            client.upload("lung", table, kind="features", label="scores")
        made = client.upload("lung", table, kind="features", label="scores", receipt=json.dumps(asdict(word)))
    assert (made.admitted, made.site) == ("receipt", "ward")


def test_what_breaks_off_is_gone_on_with(archive: Archive, tmp_path: Path) -> None:
    archive.road.cuts = 2
    with archive.client as client:
        one = next(client.instances("lung"))
        done = client.download(tmp_path, SOPInstanceUID=one.SOPInstanceUID)
    assert done.files == 1
    assert [range for _, range in archive.road.asked] == ["", "bytes=100-", "bytes=200-"]
    assert digests(tmp_path) == {one.digest}
    assert done.bytes == one.size


def test_it_waits_for_a_busy_server_and_for_cold_storage(archive: Archive, tmp_path: Path) -> None:
    wait = {"Retry-After": "3"}
    archive.road.before = [(503, wait), (429, wait), *[(202, {"Retry-After": "60"})] * 20, (503, {})]
    slept: list[float] = []
    connection = Connection(archive.served.url, archive.token, sleep=slept.append)
    with archive.client as client:
        one = next(client.instances("lung"))
    wanted = Wanted(f"/instances/{one.instance_id}/file", "a/b.dcm", one.digest, one.size)
    done = pull(connection, [wanted], tmp_path, jobs=1, advance=lambda *_: None)
    assert done.files == 1
    assert slept[:22] == [3, 3, *[60] * 20]
    assert 0 < slept[22] <= 1
    archive.road.before = [(503, {"Retry-After": "1"})] * 100
    (tmp_path / "a" / "b.dcm").unlink()
    with pytest.raises(Unavailable, match="503"):
        pull(connection, [wanted], tmp_path, jobs=1, advance=lambda *_: None)
    connection.close()


def test_other_bytes_are_never_kept(archive: Archive, tmp_path: Path) -> None:
    archive.road.spoil = True
    with archive.client as client:
        one = next(client.instances("lung"))
        with pytest.raises(Corrupt, match=one.digest[:12]):
            client.download(tmp_path, SOPInstanceUID=one.SOPInstanceUID)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["../a.dcm", "/etc/passwd", "a/../../b", "a//b", ".ssh/key", "a\\b", ""])
def test_a_server_cannot_write_outside_the_folder(archive: Archive, tmp_path: Path, path: str) -> None:
    connection = Connection(archive.served.url, archive.token)
    with pytest.raises(Malformed, match="no safe path"):
        pull(connection, [Wanted("/x", path, "0" * 64, 1)], tmp_path / "in", jobs=1, advance=lambda *_: None)
    connection.close()
    assert not list(tmp_path.iterdir())
