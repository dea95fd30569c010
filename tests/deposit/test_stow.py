"""STOW-RS to a hub, to a real Orthanc, and to servers that answer as they should not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

import orthanc
import portal_site
from certificates import Certificates
from cohortium.config import Project, Stow
from cohortium.deposit import Confirmed, How, Parcel, StowRs
from cohortium.errors import ConfigError, Refused, Unavailable
from cohortium.govern import grants, tokens, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import Scope
from cohortium.store import schema
from outgoing import JSON, SIGNER, Foreign, answering, made, parcel, parcels, stored, uids_in
from portal_site import Served


@contextmanager
def sender(url: str, below: Path = Path(), **more: str) -> Iterator[StowRs]:
    made = StowRs(Stow("there", url, **more), below)
    yield made
    made.close()


def hows(answers: Any) -> list[object]:
    return [each.how if isinstance(each, Confirmed) else str(each) for each in answers]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Served, str, Path]]:
    """A hub that takes nothing without a receipt; its address, and a folder with a token."""
    settings = portal_site.configuration(tmp_path)
    with portal_site.served(settings) as served:
        archive = served.app.state.archive
        project_id = archive.open_project(Project("lung", "Lung study", "receipt"), portal_site.PROTOCOL)
        archive.enrol("north", SIGNER.public_key().public_bytes_raw().hex())
        with served.engine.begin() as connection:
            users.create_site(connection, "north")
            who = users.named(connection, "north")
            grants.give(connection, who.id, project_id, Role.MEMBER)
            token = tokens.make(connection, who, "gateway", Scope.WRITE, 30)
        file = tmp_path / "hub.token"
        file.write_text(token)
        file.chmod(0o600)
        yield served, f"{served.url}/dicomweb/lung", tmp_path


def test_a_hub_states_the_digest_of_each(hub: tuple[Served, str, Path]) -> None:
    served, url, folder = hub
    sent = parcels(made(3))
    with sender(url, folder, token_file="hub.token") as there:
        assert hows(there.send("lung", sent)) == [How.STATED] * 3
        assert hows(there.send("lung", sent)) == [How.STATED] * 3, "the same again changes nothing"
    with served.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.instance)) == 3


def test_a_hub_says_in_words_why_it_refuses_one(hub: tuple[Served, str, Path]) -> None:
    _, url, folder = hub
    good, bad = made(2)
    with sender(url, folder, token_file="hub.token") as there:
        answers = there.send("lung", [parcel(good), parcel(bad, project="elsewhere")])
    assert isinstance(answers[0], Confirmed)
    assert isinstance(answers[1], Refused)
    assert "receipt is for another project" in str(answers[1])


def test_a_hub_is_asked_whether_it_lets_this_site_in_and_stores_nothing(hub: tuple[Served, str, Path]) -> None:
    served, url, folder = hub
    with sender(url, folder, token_file="hub.token") as there:
        there.probe()
    for wrong, words in ((f"{url}/else", "mend its url"), ("https://127.0.0.1:9", "does not answer")):
        with sender(wrong, folder, token_file="hub.token") as there, pytest.raises(Unavailable, match=words):
            there.probe()
    with served.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.instance)) == 0


def test_without_its_token_all_waits(hub: tuple[Served, str, Path]) -> None:
    _, url, _ = hub
    with sender(url) as there, pytest.raises(Unavailable, match="token"):
        there.probe()
    with sender(url) as there, pytest.raises(Unavailable, match="token"):
        there.send("lung", parcels(made(1)))


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("x")
    file.chmod(0o644)
    with pytest.raises(Refused, match="chmod"):
        StowRs(Stow("there", "http://127.0.0.1:1", "token"), tmp_path)


def test_certificates_that_are_not_there_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PEM"):
        StowRs(Stow("there", "https://127.0.0.1:1", authority="none.pem"), tmp_path)


@pytest.mark.skipif(not orthanc.available(), reason="no Orthanc with its DICOMweb plugin")
def test_orthanc_shows_the_bytes_that_it_stored(tmp_path: Path) -> None:
    sent = parcels(made(3))
    with orthanc.orthanc(tmp_path) as url, sender(url) as there:
        there.probe()
        assert hows(there.send("lung", sent)) == [How.READ_BACK] * 3
        assert hows(there.send("lung", sent)) == [How.READ_BACK] * 3
        uid = sent[0].instance.SOPInstanceUID
        of = {"StudyInstanceUID": sent[0].instance.StudyInstanceUID, "SOPInstanceUID": uid}
        other = parcel(made(1, **of, SeriesInstanceUID=sent[0].instance.SeriesInstanceUID, StudyID="7")[0])
        (answer,) = there.send("lung", [other])
        assert isinstance(answer, Refused), "it keeps the first bytes, and says that it stored these"
        assert len(httpx.get(f"{url}/instances", params={"limit": 10}).json()) == 3


def other_meta(content: bytes) -> bytes:
    length = int.from_bytes(content[140:144], "little")
    more = b"\x02\x00\x16\x00AE\x06\x00SENDER"
    meta = content[144 : 144 + length] + more
    return content[:140] + len(meta).to_bytes(4, "little") + meta + content[144 + length :]


def test_an_archive_that_writes_files_anew_is_held_to_every_data_element() -> None:
    with answering(Foreign(other_meta)) as url, sender(url) as there:
        assert hows(there.send("lung", parcels(made(2)))) == [How.ELEMENTS] * 2


def test_an_archive_that_changes_an_element_has_not_got_it() -> None:
    with answering(Foreign(lambda content: content.replace(b"S-0001", b"S-0002"))) as url, sender(url) as there:
        (answer,) = there.send("lung", parcels(made(1)))
    assert isinstance(answer, Refused)
    assert "2 data elements changed, (0010,0010) first" in str(answer)
    assert "S-000" not in str(answer)


def test_what_it_says_is_stored_and_does_not_show_waits() -> None:
    class Forgetful(Foreign):
        def store(self, body: bytes, contents: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
            return 200, JSON, stored(body)

    with answering(Forgetful()) as url, sender(url) as there:
        (answer,) = there.send("lung", parcels(made(1)))
    assert isinstance(answer, Unavailable)


@pytest.mark.parametrize(("number", "kind"), [(0x0124, Refused), (0xC000, Refused), (0xA700, Unavailable)])
def test_each_failure_is_of_its_instance_alone(number: int, kind: type) -> None:
    sent = parcels(made(3))
    bad = sent[1].instance.SOPInstanceUID

    class Picky(Foreign):
        def store(self, body: bytes, contents: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
            super().store(body, contents)
            return 202, JSON, stored(body, failed={bad: number})

    with answering(Picky()) as url, sender(url) as there:
        answers = there.send("lung", sent)
    assert [type(each) for each in answers] == [Confirmed, kind, Confirmed]
    assert kind is Unavailable or f"{number:04X}H" in str(answers[1])


@pytest.mark.parametrize(("status", "kind"), [(400, Refused), (413, Refused), (409, Refused), (500, Unavailable)])
def test_one_that_fails_the_whole_request_is_found(status: int, kind: type) -> None:
    sent = parcels(made(4))
    bad = sent[2].instance.SOPInstanceUID

    class Brittle(Foreign):
        def store(self, body: bytes, contents: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
            return (status, {}, b"") if bad in uids_in(body) else super().store(body, contents)

    archive = Brittle()
    with answering(archive) as url, sender(url) as there:
        answers = there.send("lung", sent)
    assert [type(each) for each in answers] == [Confirmed, Confirmed, kind, Confirmed]
    assert archive.requests == [4, 1, 1, 1, 1]


def test_one_over_which_the_connection_breaks_is_found() -> None:
    sent = parcels(made(3))
    bad = sent[0].instance.SOPInstanceUID

    class Crashing(Foreign):
        def store(self, body: bytes, contents: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
            return None if bad in uids_in(body) else super().store(body, contents)

    with answering(Crashing()) as url, sender(url) as there:
        assert [type(each) for each in there.send("lung", sent)] == [Unavailable, Confirmed, Confirmed]


def test_where_nothing_goes_it_is_not_tried_for_long() -> None:
    class Down(Foreign):
        def store(self, body: bytes, contents: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
            return 500, {}, b""

    archive = Down()
    with answering(archive) as url, sender(url) as there:
        assert {type(each) for each in there.send("lung", parcels(made(8)))} == {Unavailable}
    assert archive.requests == [8, 1, 1, 1]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503, 301])
def test_answers_that_are_about_the_address_let_all_wait(status: int) -> None:
    asked: list[str] = []

    def elsewhere(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(path)
        return status, {"Location": "/elsewhere"}, b""

    with answering(elsewhere) as url, sender(url) as there, pytest.raises(Unavailable, match=str(status)):
        there.send("lung", parcels(made(2)))
    assert asked == ["/studies"], "a redirect is not followed"


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with sender("http://127.0.0.1:9") as there, pytest.raises(Unavailable, match="does not answer"):
        there.send("lung", parcels(made(1)))


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with answering(Foreign()) as url, sender(url) as there:
        assert hows(there.send("lung", parcels(made(1)))) == [How.READ_BACK]


def test_bytes_are_asked_for_one_by_one() -> None:
    """In memory is one instance at a time, whatever a request holds."""
    contents, held = made(4), []
    sent = [
        Parcel(each.instance, lambda content=content: held.append(1) or content, each.receipt)
        for each, content in zip(parcels(contents), contents, strict=True)
    ]
    with answering(Foreign()) as url, sender(url) as there:
        there.send("lung", sent)
    assert len(held) == 4


def test_by_tls_with_a_certificate_on_both_sides(tmp_path: Path) -> None:
    own = Certificates(tmp_path)
    Certificates(tmp_path / "other")
    certificate = {"certificate": "own.pem", "certificate_key": "own.key"}
    archive = Foreign()
    with answering(archive, own.server(asks=True)) as url:
        with sender(url, tmp_path, authority="authority.pem", **certificate) as there:
            assert hows(there.send("lung", parcels(made(1)))) == [How.READ_BACK]
        for authority in ("", "other/authority.pem"):
            assert "no authority that is trusted" in refused(url, tmp_path, authority=authority, **certificate)
        assert refused(url, tmp_path, authority="authority.pem"), "without a certificate of its own"
    assert len(archive.held) == 1


def refused(url: str, below: Path, **settings: str) -> str:
    """Why nothing was sent; the other side may end the connection only after the handshake."""
    with sender(url, below, **settings) as there:
        try:
            (answer,) = there.send("lung", parcels(made(1)))
        except Unavailable as error:
            return str(error)
    assert isinstance(answer, Unavailable)
    return str(answer)
