"""C-STORE out, to DCMTK's storescp and dcmqrscp, to a real Orthanc, and to peers that answer as they should not."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, JPEGBaseline8Bit
from pynetdicom import AE, evt
from pynetdicom.association import ServiceUser

import orthanc
import portal_site
from certificates import Certificates
from cohortium.config import Scp
from cohortium.deposit import Confirmed, How, Parcel, Scu
from cohortium.errors import Refused, Unavailable
from outgoing import made, parcel, parcels
from waiting import free_port, listens, until

needs_dcmtk = pytest.mark.skipif(shutil.which("storescp") is None, reason="no DCMTK")


def scu(port: int, title: str = "ANY-SCP", below: Path = Path(), **more: str) -> Scu:
    return Scu(Scp("there", title, "127.0.0.1", port, **more), below)


def hows(answers: Any) -> list[object]:
    return [each.how if isinstance(each, Confirmed) else str(each) for each in answers]


@contextmanager
def running(*command: str | Path, port: int, cwd: Path | None = None) -> Iterator[None]:
    process = subprocess.Popen(
        [str(each) for each in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd
    )
    try:
        until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, "the peer ended by itself"
        yield
    finally:
        process.terminate()
        process.wait(300)


def jpeg() -> Parcel:
    content = made(1)[0]
    dataset = dcmread(BytesIO(content))
    dataset.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00\xff\xd8\xff\xd9"
    dataset["PixelData"].is_undefined_length = True
    return parcel(portal_site.encode(dataset, JPEGBaseline8Bit))


@needs_dcmtk
def test_storescp_has_the_very_data_sets(tmp_path: Path) -> None:
    port, sent = free_port(), parcels(made(3))
    with running("storescp", "-od", tmp_path, "+B", port, port=port):
        assert hows(scu(port).send("lung", sent)) == [How.STATUS] * 3
    laid = sorted(path.read_bytes() for path in tmp_path.iterdir())
    bodies = sorted(_body(each.content()) for each in sent)
    assert sorted(_body(each) for each in laid) == bodies


def _body(content: bytes) -> bytes:
    return content[144 + int.from_bytes(content[140:144], "little") :]


@needs_dcmtk
def test_what_the_peer_does_not_accept_is_refused_and_never_converted(tmp_path: Path) -> None:
    port = free_port()
    with running("storescp", "-od", tmp_path, "+xe", port, port=port):
        answers = scu(port).send("lung", [jpeg(), *parcels(made(1))])
        (alone,) = scu(port).send("lung", [jpeg()])
    assert isinstance(answers[0], Refused)
    assert "CT Image Storage in JPEG Baseline" in str(answers[0])
    assert hows(answers[1:]) == [How.STATUS]
    assert isinstance(alone, Refused), "also where nothing else is offered"


@needs_dcmtk
def test_dcmqrscp_is_asked_whether_it_has_them(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "store"
    folder.mkdir()
    (tmp_path / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n"
        f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nSTORE {folder} RW (200, 1024mb) ANY\nAETable END\n"
    )
    sent = parcels(made(3))
    with running("dcmqrscp", "-c", tmp_path / "dcmqrscp.cfg", port=port):
        assert hows(scu(port, "STORE").send("lung", sent)) == [How.FOUND] * 3
        assert hows(scu(port, "STORE").send("lung", sent)) == [How.FOUND] * 3, "the same again"
        with pytest.raises(Unavailable, match="both AE titles"):  # dcmqrscp may hang up before its answer is read
            scu(port, "OTHER").send("lung", sent)


@pytest.mark.skipif(not orthanc.available(), reason="no Orthanc")
def test_orthanc_is_asked_whether_it_has_them(tmp_path: Path) -> None:
    port, sent = free_port(), parcels(made(3))
    settings = {"DicomServerEnabled": True, "DicomPort": port, "DicomAet": "ORTHANC", "DicomAlwaysAllowFind": True}
    with orthanc.orthanc(tmp_path, **settings):
        assert hows(scu(port, "ORTHANC").send("lung", sent)) == [How.FOUND] * 3
        assert hows(scu(port, "ORTHANC").send("lung", [*sent, jpeg()])) == [How.FOUND] * 4


@contextmanager
def peer(store: Callable[[evt.Event], int], **context: Any) -> Iterator[int]:
    """A storage SCP that answers as told."""
    ae = AE(ae_title="PEER")
    ae.add_supported_context(CTImageStorage)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)], **context)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (0x0000, Confirmed, "status of success"),
        (0xB007, Confirmed, "status of success"),
        (0xB000, Refused, "with changes"),
        (0xA700, Unavailable, "A700H"),
        (0x0110, Unavailable, "0110H"),
        (0xA900, Refused, "A900H"),
        (0xC000, Refused, "C000H"),
        (0x0124, Refused, "0124H"),
    ],
)
def test_each_status_says_what_becomes_of_its_instance(status: int, kind: type, words: str) -> None:
    with peer(lambda event: status) as port:
        (answer,) = scu(port, "PEER").send("lung", parcels(made(1)))
    assert type(answer) is kind
    assert words in str(answer)


def test_one_over_which_the_association_breaks_does_not_stop_the_others() -> None:
    sent = parcels(made(4))
    bad = sent[1].instance.SOPInstanceUID

    def store(event: evt.Event) -> int:
        if event.request.AffectedSOPInstanceUID == bad:
            event.assoc.abort()
        return 0

    with peer(store) as port:
        answers = scu(port, "PEER").send("lung", sent)
    assert [type(each) for each in answers] == [Confirmed, Unavailable, Confirmed, Confirmed]


def sending_end(requestor: ServiceUser) -> socket.socket:
    """A second hold on this process's end of the connection, which is known by its own port."""
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(each.name)).st_mode):
                opened = socket.socket(fileno=os.dup(int(each.name)))  # closed with the object, unlike a bare number
                if opened.family == socket.AF_INET and opened.getsockname() == (requestor.address, requestor.port):
                    return opened
    raise AssertionError("there is no such connection")


def test_small_packets_leave_at_once() -> None:
    found: list[int] = []

    def store(event: evt.Event) -> int:
        with sending_end(event.assoc.requestor) as connection:
            found.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return 0

    with peer(store) as port:
        assert hows(scu(port, "PEER").send("lung", parcels(made(3)))) == [How.STATUS] * 3
    assert len(found) == 3
    assert all(found)


def test_nobody_there() -> None:
    with pytest.raises(Unavailable):
        scu(9).send("lung", parcels(made(1)))


def test_by_tls_with_a_certificate_on_both_sides(tmp_path: Path) -> None:
    made_for = Certificates(tmp_path)
    names = {"authority": "authority.pem", "certificate": "own.pem", "certificate_key": "own.key"}
    with peer(lambda event: 0, ssl_context=made_for.server(asks=True)) as port:
        assert hows(scu(port, "PEER", tmp_path, **names).send("lung", parcels(made(1)))) == [How.STATUS]
        with pytest.raises(Unavailable):
            scu(port, "PEER").send("lung", parcels(made(1)))
    with (
        peer(lambda event: 0, ssl_context=Certificates(tmp_path / "other").server()) as port,
        pytest.raises(Unavailable),
    ):
        scu(port, "PEER", tmp_path, **names).send("lung", parcels(made(1)))
