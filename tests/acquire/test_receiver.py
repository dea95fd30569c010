"""What hospitals' senders do to a receiver, and what hostile ones do: all of it kept as it came, or none of it."""

from __future__ import annotations

import fcntl
import logging
import random
import re
import resource
import shutil
import socket
import ssl
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

import factory
import orthanc
from cohortium.acquire import receiver as receivers
from cohortium.acquire import upper
from cohortium.acquire.intake import Intake
from cohortium.acquire.receiver import Receiver
from cohortium.config import Receiver as Settings
from cohortium.dicom import filemeta
from cohortium.keys import SiteKey
from cohortium.spool import Came, Spool
from cohortium.store import open_store, schema
from cohortium.values import State
from raw_sender import CT_IMAGE, EXPLICIT, RELEASE, RawSender, command, request, value
from waiting import PATIENCE, until

KEY = SiteKey(bytes(range(32)))
CAME = Came("pacs", "ct")
SETTINGS = Settings("pacs", "COHORTIUM", "127.0.0.1", 0, ("SENDER@127.0.0.1",))
MEGABYTE = 1_000_000
DCMTK = pytest.mark.skipif(not shutil.which("storescu"), reason="DCMTK is not installed")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "site").mkdir()
    with Spool(open_store(tmp_path / "site"), tmp_path / "site" / "spool", KEY) as spool:
        yield spool


@contextmanager
def receiving(
    spool: Spool, settings: Settings = SETTINGS, limit: int = 20 * MEGABYTE, reserve: int = 0
) -> Iterator[int]:
    with Receiver(settings, Intake(spool, CAME, limit, reserve), spool.folder.parent) as receiver:
        yield receiver.port


def kept(spool: Spool) -> list[bytes]:
    spool.list_accepted()
    return [spool.incoming(item) for batch in spool.waiting(State.RECEIVED) for item in batch]


def files(spool: Spool) -> list[Path]:
    return [path for path in spool.folder.rglob("*") if path.is_file() and path.name != ".lock"]


def data_of(content: bytes) -> bytes:
    return content[filemeta.read(content).end :]


def storescu(port: int, *arguments: str | Path, title: str = "SENDER", called: str = "COHORTIUM") -> int:
    line = ["storescu", "-aet", title, "-aec", called, "127.0.0.1", str(port), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, check=False, timeout=300).returncode


@DCMTK
def test_echoscu_and_storescu(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(factory.ct())
    with receiving(spool) as port:
        echo = ["echoscu", "-aet", "SENDER", "-aec", "COHORTIUM", "127.0.0.1", str(port)]
        assert subprocess.run(echo, check=False).returncode == 0
        assert storescu(port, tmp_path / "1.dcm") == 0
    (content,) = kept(spool)
    assert content[128:132] == b"DICM"
    assert filemeta.read(content).TransferSyntaxUID == EXPLICIT
    assert factory.listed(content) == factory.listed(factory.ct())


@DCMTK
@pytest.mark.parametrize(
    ("option", "syntax"),
    [("-x=", EXPLICIT), ("-xb", factory.BIG_ENDIAN), ("-xi", factory.IMPLICIT), ("-xd", factory.DEFLATED)],
)
def test_storescu_in_each_syntax_that_it_reads(spool: Spool, tmp_path: Path, option: str, syntax: str) -> None:
    (tmp_path / "1.dcm").write_bytes(factory.ct(syntax=syntax))
    with receiving(spool) as port:
        assert storescu(port, tmp_path / "1.dcm", option) == 0
    (content,) = kept(spool)
    assert filemeta.read(content).TransferSyntaxUID == syntax
    assert factory.read(content).PatientID == factory.read(factory.ct()).PatientID


@pytest.mark.parametrize(
    "sop_class", [CT_IMAGE, "1.3.46.670589.5.0.2", "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.999"]
)
@pytest.mark.parametrize("syntax", [factory.BIG_ENDIAN, factory.DEFLATED, "1.2.840.10008.1.2.4.90", "1.2.3.4.5"])
def test_every_class_and_syntax_is_kept_byte_for_byte(spool: Spool, sop_class: str, syntax: str) -> None:
    data = random.Random(1).randbytes(700_001)
    with receiving(spool) as port:
        sender = RawSender(port)
        assert sender.associate(sop_class=sop_class, syntax=syntax)[0] == 2
        assert sender.store(data, sop_class=sop_class) == 0
        sender.say(RELEASE)
        assert sender.hear()[0] == 6
    (content,) = kept(spool)
    assert data_of(content) == data
    found = filemeta.read(content)
    assert (found.MediaStorageSOPClassUID, found.TransferSyntaxUID) == (sop_class, syntax)


NOT_OFFERED = {
    "Study Root Query/Retrieve - FIND": "1.2.840.10008.5.1.4.1.2.2.1",
    "Patient Root Query/Retrieve - GET": "1.2.840.10008.5.1.4.1.2.1.3",
    "Modality Worklist - FIND": "1.2.840.10008.5.1.4.31",
    "Storage Commitment Push Model": "1.2.840.10008.1.20.1",
    "Modality Performed Procedure Step": "1.2.840.10008.3.1.2.3.3",
    "Unified Procedure Step - Push": "1.2.840.10008.5.1.4.34.6.1",
    "Basic Film Session": "1.2.840.10008.5.1.1.1",
    "Protocol Approval - FIND": "1.2.840.10008.5.1.4.1.1.200.4",
    "Media Storage Directory, a DICOMDIR": "1.2.840.10008.1.3.10",
}


@pytest.mark.parametrize("sop_class", NOT_OFFERED.values(), ids=NOT_OFFERED)
def test_other_services_are_not_offered(spool: Spool, sop_class: str) -> None:
    with receiving(spool) as port:
        sender = RawSender(port)
        sender.say(request("COHORTIUM", "SENDER", [(sop_class, [EXPLICIT]), (CT_IMAGE, [EXPLICIT])]))
        results = re.findall(rb"\x21\0\0.(.)\0(.)\0", sender.hear(), re.DOTALL)
        assert results == [(b"\1", b"\3"), (b"\3", b"\0")]
        assert sender.store(b"\x08\0\x05\0CS\0\0", sop_class=sop_class) == -1
    assert kept(spool) == []


@pytest.mark.skipif(not orthanc.available(), reason="Orthanc is not installed")
def test_orthanc_sends(spool: Spool, tmp_path: Path) -> None:
    import httpx

    content = factory.ct()
    with (
        receiving(spool) as port,
        orthanc.orthanc(tmp_path, DicomAet="SENDER", DicomModalities={"pacs": ["COHORTIUM", "127.0.0.1", port]}) as url,
    ):
        address = url.removesuffix("/dicom-web")
        sent = httpx.post(f"{address}/instances", content=content).json()
        assert httpx.post(f"{address}/modalities/pacs/echo", json={}).status_code == 200
        assert httpx.post(f"{address}/modalities/pacs/store", content=sent["ID"]).status_code == 200
    (found,) = kept(spool)
    assert factory.listed(found) == factory.listed(content)


@pytest.mark.parametrize(
    ("called", "calling", "peer", "answer"),
    [
        ("COHORTIUM", "SENDER", "SENDER@127.0.0.1", 2),
        ("ANOTHER", "SENDER", "SENDER@127.0.0.1", (1, 1, 7)),
        ("COHORTIUM", "STRANGER", "SENDER@127.0.0.1", (1, 1, 3)),
        ("COHORTIUM", "SENDER", "SENDER@127.0.0.2", (1, 1, 3)),
    ],
)
def test_who_may_send(
    spool: Spool, called: str, calling: str, peer: str, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(spool, replace(SETTINGS, peers=(peer,))) as port:
        heard = RawSender(port).associate(called, calling)
    assert heard[0] == answer or (heard[0] == 3 and tuple(heard[7:10]) == answer)
    assert calling not in caplog.text
    assert bool(caplog.records) == (heard[0] == 3)


def test_a_title_counts_at_its_own_address_alone(spool: Spool) -> None:
    peers = ("SENDER@127.0.0.1", "OTHER@127.0.0.2")
    with receiving(spool, replace(SETTINGS, peers=peers)) as port:
        assert RawSender(port).associate(calling="SENDER")[0] == 2
        assert RawSender(port).associate(calling="OTHER")[0] == 3


@pytest.mark.parametrize("sent", [0, 1, 9_000, 1_500_000])
@pytest.mark.parametrize("ending", ["abort", "close", "reset"])
def test_a_sender_that_leaves_in_the_middle_leaves_nothing(spool: Spool, sent: int, ending: str) -> None:
    with receiving(spool) as port:
        sender = RawSender(port)
        sender.associate()
        sender.say(value(command(), 3), value(bytes(sent), 0))
        if ending == "abort":
            sender.say(bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0]))
        elif ending == "reset":
            sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.socket.close()
    assert kept(spool) == []
    assert files(spool) == []


def unread(connected: socket.socket) -> int:
    """How many bytes have come that nobody has taken yet."""
    return int(struct.unpack("i", fcntl.ioctl(connected, termios.FIONREAD, bytes(4)))[0])


def test_what_is_under_way_when_the_receiver_closes_is_finished(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "LEAVE", PATIENCE)
    receiver = Receiver(SETTINGS, Intake(spool, CAME, MEGABYTE, 0), spool.folder.parent)
    with receiver:
        sender = RawSender(receiver.port)
        idle = RawSender(receiver.port)
        idle.associate()
        sender.associate()
        sender.say(value(command(), 3), value(b"first", 0))
        until(lambda: len(receiver._open) == 2 and not any(map(unread, receiver._open.values())))
        closing = threading.Thread(target=receiver.__exit__)
        closing.start()
        assert idle.hear()[0] == 7
        sender.say(value(b"rest", 2))
        assert sender.status() == 0
        closing.join()
    assert [data_of(each) for each in kept(spool)] == [b"firstrest"]


def test_an_object_that_is_too_large_is_accounted_for_and_never_in_memory(spool: Spool) -> None:
    piece = bytes(200_000)
    with receiving(spool, limit=20 * MEGABYTE) as port:
        sender = RawSender(port)
        sender.associate()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sender.say(value(command(), 3))
        for _ in range(150):
            sender.say(value(piece, 0))
        sender.say(value(b"", 2))
        assert sender.status() == 0xC000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KB
        assert sender.store(b"a small one") == 0
        sender.say(value(command(uid="2.25.8"), 3))
        endless = value(piece, 0) * 300
        with pytest.raises(ConnectionError):
            sender.say(endless)
    assert [data_of(each) for each in kept(spool)] == [b"a small one"]
    with spool.reading() as connection:
        rows = connection.execute(select(schema.item.c.state, schema.item.c.reason)).all()
    assert ("quarantined", "larger than the limit") in [tuple(row) for row in rows]


def test_a_full_disk_is_told_and_nothing_is_lost(spool: Spool, tiny_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with Spool(open_store(tmp_path / "store"), tiny_disk / "spool", KEY) as tiny, receiving(tiny) as port:
        sender = RawSender(port)
        sender.associate()
        statuses = [sender.store(bytes([n]) * 300_000, f"2.25.{n}") for n in range(8)]
        assert sorted(set(statuses)) == [0, 0xA700]
        stored = statuses.count(0)
        assert len(kept(tiny)) == len(files(tiny)) == stored
        files(tiny)[0].unlink()
        assert sender.store(b"again" * 10_000, "2.25.99") == 0


def test_a_reserve_of_the_disk_stays_free(spool: Spool) -> None:
    with receiving(spool, reserve=1 << 60) as port:
        sender = RawSender(port)
        sender.associate()
        assert sender.store(b"data") == 0xA700
    assert files(spool) == []


def test_the_same_bytes_again_are_one_item_and_other_bytes_another(spool: Spool) -> None:
    with receiving(spool) as port:
        for calling in ("SENDER", "SENDER"):
            sender = RawSender(port)
            sender.associate(calling=calling)
            assert [sender.store(each) for each in (b"one data set", b"one data set", b"another data set")] == [0, 0, 0]
    assert sorted(data_of(each) for each in kept(spool)) == [b"another data set", b"one data set"]


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" * 4,
        b"\x01\0\xff\xff\xff\xff" + bytes(100),
        b"\x04\0\0\0\0\x0a" + bytes(10),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    ],
)
def test_garbage_is_hung_up_on(spool: Spool, said: bytes) -> None:
    with receiving(spool) as port:
        sender = RawSender(port)
        sender.say(said)
        assert sender.hear()[:1] in (b"\x07", b"")


@pytest.mark.parametrize(
    "said",
    [
        value(command(), 3) + b"\x04\0\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00",
        b"\x04\0\0\0\0\x06\xff\xff\xff\xff\x01\x03",
        value(b"\0" * 70_000, 1),
        value(b"\0\0\0\1\xff\xff\xff\xff", 3),
        value(b"", 3),
        value(command(), 3, context=3),
        value(command(field=0x8001), 3),
        value(command(uid="2.25." + "1" * 80), 3),
        value(b"data first", 2),
        value(command(), 3) + value(command(), 3),
        b"\x09\0\0\0\0\0",
    ],
)
def test_nonsense_within_an_association_ends_it(spool: Spool, said: bytes) -> None:
    with receiving(spool) as port:
        sender = RawSender(port)
        sender.associate()
        sender.say(said)
        with suppress(OSError):  # it hung up already
            sender.socket.shutdown(socket.SHUT_WR)
        assert sender.hear()[:1] in (b"\x07", b"")
    assert files(spool) == []


def test_a_request_with_any_byte_changed_breaks_nothing(spool: Spool, sample: object) -> None:
    said = request("COHORTIUM", "SENDER", [(CT_IMAGE, [EXPLICIT, factory.IMPLICIT]), ("1.2.840.10008.1.1", [EXPLICIT])])
    chance = random.Random(5)
    faults: list[object] = []
    threading.excepthook, before = faults.append, threading.excepthook
    try:
        with receiving(spool) as port:
            for _ in range(300):
                changed = bytearray(said)
                for _ in range(chance.randint(1, 4)):
                    changed[chance.randrange(6, len(changed))] = chance.randrange(256)
                sender = RawSender(port)
                sender.say(bytes(changed))
                with suppress(OSError):  # it hung up already
                    sender.socket.shutdown(socket.SHUT_WR)
                sender.hear()
                sender.socket.close()
    finally:
        threading.excepthook = before
    assert faults == []


def test_an_operation_that_is_not_offered_is_answered(spool: Spool) -> None:
    with receiving(spool) as port:
        sender = RawSender(port)
        sender.associate()
        sender.say(value(command(0x0020, data=True), 3), value(b"identifier", 2))
        assert sender.status() == 0x0211
        assert sender.store(b"data") == 0


def test_nothing_is_stored_where_verification_was_asked_for(spool: Spool) -> None:
    with receiving(spool) as port:
        sender = RawSender(port)
        sender.associate(sop_class="1.2.840.10008.1.1")
        assert sender.store(b"data") == 0x0211
        sender.say(value(command(0x0030, sop_class="1.2.840.10008.1.1", data=False), 3))
        assert sender.status() == 0
    assert files(spool) == []


def test_more_associations_than_there_may_be_are_to_try_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receivers, "TOGETHER", 3)
    monkeypatch.setattr(receivers, "AT_THE_DOOR", 5)
    with Receiver(SETTINGS, Intake(spool, CAME, MEGABYTE, 0), spool.folder.parent) as receiver:
        port = receiver.port
        silent = [RawSender(port) for _ in range(3)]
        until(lambda: len(receiver._open) == 3)
        assert tuple(RawSender(port).associate()[7:10]) == (2, 3, 2)
        flood = [RawSender(port) for _ in range(1000)]
        assert flood[-1].hear() == b""
        for each in (*silent, *flood):
            each.socket.close()
        until(lambda: RawSender(port).associate()[0] == 2)  # who hung up is no longer counted


def test_slow_senders_are_hung_up_on(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("REQUEST_WITHIN", 1.0), ("PIECE_WITHIN", 1.0), ("IDLE", 1.5), ("LOOK", 0.1)):
        monkeypatch.setattr(upper, name, seconds)
    with receiving(spool) as port:
        silent, drips, idle, stuck = (RawSender(port) for _ in range(4))
        idle.associate()
        stuck.associate()
        stuck.say(value(command(), 3), struct.pack(">BBIIBB", 4, 0, 5006, 5002, 1, 0))
        with suppress(ConnectionError):
            for byte in request("COHORTIUM", "SENDER", [(CT_IMAGE, [EXPLICIT])])[:15]:
                drips.socket.send(bytes([byte]))
                stuck.socket.send(b"x")
                time.sleep(0.1)
        assert [each.hear()[:1] for each in (silent, drips, idle, stuck)] == [b"\x07"] * 4
    assert files(spool) == []


def test_nothing_of_what_is_sent_is_logged(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), receiving(spool, limit=1000) as port:
        RawSender(port).associate("GRUENWALD", "OTTILIE")
        sender = RawSender(port)
        sender.associate()
        assert sender.store(b"Gruenwald^Ottilie" * 100, "1.2.77.889") == 0xC000
        assert sender.store(b"Gruenwald^Ottilie", "1.2.77.889") == 0
        sender.say(b"\x09Ottilie")
        sender.hear()
    assert not [word for word in ("OTTILIE", "GRUENWALD", "77.889") if word in caplog.text.upper()]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    chain, key = folder / f"{name}.crt", folder / f"{name}.key"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    more = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(chain)]
    subprocess.run([*make, *more], check=True, capture_output=True)
    return chain, key


@DCMTK
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_tls_with_and_without_a_certificate_of_the_sender(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(factory.ct())
    chain, key = certificate(tmp_path, "receiver")
    mine, my_key = certificate(tmp_path, "sender")
    other, other_key = certificate(tmp_path, "stranger")
    encrypted = replace(SETTINGS, certificate=str(chain), certificate_key=str(key))
    trusting = ["+cf", str(chain)]
    with receiving(spool, encrypted) as port:
        echo = ["echoscu", "+tla", *trusting, "-aet", "SENDER", "-aec", "COHORTIUM", "127.0.0.1", str(port)]
        assert subprocess.run(echo, check=False).returncode == 0
        assert storescu(port, "+tla", *trusting, tmp_path / "1.dcm") == 0
        assert storescu(port, tmp_path / "1.dcm") != 0  # in the clear
    with receiving(spool, replace(encrypted, authority=str(mine))) as port:
        assert storescu(port, "+tls", my_key, mine, *trusting, tmp_path / "1.dcm") == 0
        assert storescu(port, "+tls", other_key, other, *trusting, tmp_path / "1.dcm") != 0
        assert storescu(port, "+tla", *trusting, tmp_path / "1.dcm") != 0
    assert len(kept(spool)) == 1


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_one_who_never_finishes_the_handshake_keeps_nobody_waiting(spool: Spool, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "receiver")
    with receiving(spool, replace(SETTINGS, certificate=str(chain), certificate_key=str(key))) as port:
        silent = RawSender(port)
        context = ssl.create_default_context(cafile=chain)
        sender = RawSender(port)
        sender.socket = context.wrap_socket(sender.socket, server_hostname="127.0.0.1")
        sender.say(request("COHORTIUM", "SENDER", [(CT_IMAGE, [EXPLICIT])]))
        assert sender.socket.recv(1) == b"\x02"
        silent.socket.close()
        sender.socket.close()
