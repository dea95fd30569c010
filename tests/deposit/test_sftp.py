"""Files laid on a real server of SFTP, whose key is known or which is told nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cohortium.deposit import Confirmed, How
from cohortium.errors import ConfigError, Refused, Unavailable
from cohortium.wire.names import instance_path
from outgoing import made, parcel, parcels
from sftp_server import Server, asyncssh, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    below = tmp_path / "below"
    below.mkdir()
    with serving(tmp_path / "root", below) as found:
        yield found


def test_files_lie_in_three_tiers_and_read_back_as_they_were(server: Server) -> None:
    contents = made(3)
    sent = parcels(contents)
    there = server.sender()
    there.probe()
    assert list(server.root.iterdir()) == []
    for _ in ("once", "the same again"):
        assert [each.how for each in there.send("lung", sent) if isinstance(each, Confirmed)] == [How.READ_BACK] * 3
        files = sorted(path for path in server.root.rglob("*") if path.is_file())
        of = sent[0].instance
        assert {path.parent for path in files} == {
            server.root / "study" / of.PatientID / of.StudyInstanceUID / of.SeriesInstanceUID
        }
        assert sorted(path.read_bytes() for path in files) == sorted(contents)
    there.close()


def test_other_bytes_under_its_uid_are_never_replaced(server: Server) -> None:
    content = made(1)[0]
    of = parcel(content).instance
    uids = (of.PatientID, of.StudyInstanceUID, of.SeriesInstanceUID, of.SOPInstanceUID)
    path = server.root / "study" / instance_path(*uids)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other")
    (answer,) = server.sender().send("lung", [parcel(content)])
    assert isinstance(answer, Refused)
    assert path.read_bytes() == b"other"


def test_a_new_version_leaves_the_earlier_one_beside_it(server: Server) -> None:
    old, new = made(2)
    first = parcel(old)
    uids = replace(parcel(new).instance, SOPInstanceUID=first.instance.SOPInstanceUID)
    second = replace(parcel(new), instance=uids, earlier=frozenset({first.instance.digest}))
    there = server.sender()
    for each in (first, second, second):
        (answer,) = there.send("lung", [each])
        assert isinstance(answer, Confirmed)
    assert {path.suffix: path.read_bytes() for path in server.root.rglob("*.*.*") if path.is_file()} == {
        ".dcm": new,
        ".earlier": old,
    }


def test_what_a_killed_run_left_half_is_written_anew(server: Server) -> None:
    content = made(1)[0]
    of = parcel(content).instance
    folder = server.root / "study" / of.PatientID / of.StudyInstanceUID / of.SeriesInstanceUID
    folder.mkdir(parents=True)
    (folder / f".{of.SOPInstanceUID}.dcm.part").write_bytes(content[:100])
    (answer,) = server.sender().send("lung", [parcel(content)])
    assert isinstance(answer, Confirmed)
    assert [path.read_bytes() for path in folder.iterdir()] == [content]


def test_a_server_with_another_key_is_told_nothing(server: Server) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    (server.below / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}\n")
    with pytest.raises(Unavailable, match="another key"):
        server.sender().send("lung", parcels(made(1)))
    with pytest.raises(Unavailable, match="another key"):
        server.sender().probe()
    (server.below / "known_hosts").write_text("")
    with pytest.raises(Unavailable, match="another key"):
        server.sender().send("lung", parcels(made(1)))
    assert list(server.root.iterdir()) == []


def test_a_key_that_the_server_does_not_know(server: Server) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(server.below / "id")
    with pytest.raises(Unavailable, match="this site's key"):
        server.sender().send("lung", parcels(made(1)))


def test_a_full_disk_there_lets_all_wait_and_leaves_no_file_under_its_name(server: Server) -> None:
    (server.root / "full").touch()
    with pytest.raises(Unavailable):
        server.sender().send("lung", parcels(made(2)))
    assert not list(server.root.rglob("*.dcm")) or all(p.name.startswith(".") for p in server.root.rglob("*.dcm"))
    (server.root / "full").unlink()
    assert all(isinstance(each, Confirmed) for each in server.sender().send("lung", parcels(made(2))))


def test_nobody_there(server: Server) -> None:
    nobody = Server(server.root, server.below, 9)
    with pytest.raises(Unavailable):
        nobody.sender().send("lung", parcels(made(1)))


def test_files_that_are_missing_are_told_at_the_start(server: Server) -> None:
    with pytest.raises(ConfigError, match="no file"):
        server.sender(known_hosts="none")
    (server.below / "id").write_text("no key")
    with pytest.raises(ConfigError, match="no private key"):
        server.sender()
