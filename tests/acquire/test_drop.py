"""A drop by SFTP: what clients put there comes in whole or not at all, and nothing comes out of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import asyncssh
import pytest

from cohortium import config, keys
from cohortium.acquire.drop import Drop
from cohortium.acquire.intake import Intake
from cohortium.errors import ConfigError, Refused, Unavailable
from cohortium.spool import Came, Spool
from cohortium.store import open_store
from cohortium.values import State
from hospital import PLANTED, slice_of
from waiting import free_port

IMAGES = [slice_of(number) for number in range(1, 4)]
LARGE = slice_of(4, lambda dataset: setattr(dataset, "PixelData", os.urandom(6_000_000)))


@pytest.fixture
def settings(tmp_path: Path) -> config.Config:
    (tmp_path / "site").mkdir()
    file = tmp_path / "site" / "cohortium.toml"
    file.write_text(
        f'[[project]]\nname = "p"\n[[source.sftp]]\nname = "drop"\nport = {free_port()}\nkeys_file = "senders"\n'
    )
    keys.create(tmp_path / "site" / "keys" / "site.key")
    ours = asyncssh.generate_private_key("ssh-ed25519")
    ours.write_private_key(str(tmp_path / "id"))
    (tmp_path / "id").chmod(0o600)
    (tmp_path / "site" / "senders").write_bytes(ours.export_public_key())
    return config.load(file)


@pytest.fixture
def spool(settings: config.Config) -> Iterator[Spool]:
    key = keys.load(settings.site.key, settings.site.data)
    with Spool(open_store(settings), settings.site.data / "spool", key) as spool:
        yield spool


def opened(settings: config.Config, spool: Spool, limit: int = 100_000_000) -> Drop:
    (source,) = settings.sources
    assert isinstance(source, config.Drop)
    return Drop(source, settings, Intake(spool, Came("drop", "ct"), limit, 0))


@pytest.fixture
def drop(settings: config.Config, spool: Spool) -> Iterator[Drop]:
    with opened(settings, spool) as drop:
        yield drop


def with_client(drop: Drop, folder: Path, work: Callable[[asyncssh.SFTPClient], Awaitable[None]]) -> None:
    async def run() -> None:
        options = {"known_hosts": None, "client_keys": [str(folder / "id")], "config": None, "username": "ward"}
        async with (
            asyncssh.connect("127.0.0.1", drop.port, **options) as connection,
            connection.start_sftp_client() as client,
        ):
            await work(client)

    asyncio.run(run())


def sftp(drop: Drop, folder: Path) -> list[str]:
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", f"IdentityFile={folder / 'id'}")
    options += ("IdentitiesOnly=yes", "BatchMode=yes")
    return ["sftp", "-F", "none", "-P", str(drop.port), *(f"-o{each}" for each in options), "-b", "-", "a@127.0.0.1"]


def openssh(drop: Drop, folder: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    said = "\n".join(commands)
    return subprocess.run(sftp(drop, folder), input=said, capture_output=True, text=True, timeout=300, check=False)


def came(spool: Spool, state: State = State.RECEIVED) -> list[bytes]:
    spool.list_accepted()
    items = [item for batch in spool.waiting(state) for item in batch]
    assert {item.source for item in items} <= {"drop"}
    return sorted(spool.incoming(item) for item in items)


def laid(folder: Path, **contents: bytes) -> Path:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.skipif(shutil.which("sftp") is None, reason="needs OpenSSH's sftp")
def test_openssh_puts_a_folder_and_can_neither_list_nor_read_nor_replace_it(
    drop: Drop, spool: Spool, tmp_path: Path
) -> None:
    here = laid(tmp_path / PLANTED[4], one=IMAGES[0], large=LARGE, README=b"hello")
    done = openssh(drop, tmp_path, f"put -r {here} study", f"put -p {here}/one", "ls", "ls study")
    assert done.returncode == 0, done.stderr
    assert came(spool) == sorted([IMAGES[0], LARGE])
    assert done.stdout.split("sftp> ls\n")[1].strip() == "sftp> ls study"
    refused = [
        f"get /study/one {tmp_path}/x",
        "rm one",
        "rmdir study",
        "symlink /etc/passwd y",
        "ln one z",
        "chmod 1 q",
    ]
    for command in (*refused, f"put {here}/one", f"put {here}/one ../../README\nput {here}/one ../../../README"):
        done = openssh(drop, tmp_path, f"mkdir study\nput {here}/one", command)
        assert done.returncode == 1, command
    assert not (tmp_path / "x").exists()
    assert came(spool) == sorted([IMAGES[0], LARGE])


def test_a_file_counts_when_it_has_its_final_name(drop: Drop, spool: Spool, tmp_path: Path) -> None:
    here = laid(tmp_path / "here", one=IMAGES[0], large=LARGE)

    async def work(client: asyncssh.SFTPClient) -> None:
        await client.put(str(here / "large"), "large.dcm.filepart")
        assert await asyncio.to_thread(came, spool) == []
        assert (await client.stat("large.dcm.filepart")).size == len(LARGE)
        await client.rename("large.dcm.filepart", "large.dcm")
        assert await asyncio.to_thread(came, spool) == [LARGE]
        await client.put(str(here / "one"), "x.dcm")
        await client.rename("x.dcm", "one.dcm")
        for refused in (client.put(str(here / "one"), "one.dcm"), client.rename("one.dcm", "large.dcm")):
            with pytest.raises(asyncssh.SFTPError):
                await refused
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await client.get("one.dcm", str(tmp_path / "x"))
        assert await client.listdir(".") == []

    with_client(drop, tmp_path, work)
    assert came(spool) == sorted([IMAGES[0], LARGE])


def test_what_is_cut_off_leaves_nothing(drop: Drop, spool: Spool, tmp_path: Path) -> None:
    async def cut(client: asyncssh.SFTPClient) -> None:
        file = await client.open("cut.dcm", "wb")
        await file.write(LARGE[:3_000_000])
        await client.put(str(laid(tmp_path / "here", one=IMAGES[0]) / "one"), "one.dcm.filepart")

    with_client(drop, tmp_path, cut)
    assert came(spool) == []
    assert {path.name for path in spool.folder.rglob("*") if path.is_file()} == {".lock"}


@pytest.mark.skipif(shutil.which("sftp") is None, reason="needs OpenSSH's sftp")
def test_a_client_that_is_killed_is_cut_off_too(drop: Drop, spool: Spool, tmp_path: Path) -> None:
    """OpenSSH's speaks through another process, which sees nothing but the end of its input and ends in good order."""
    here = laid(tmp_path / "here", large=LARGE)
    arguments = sftp(drop, tmp_path)
    with subprocess.Popen([*arguments[:-1], "-l", "8000", arguments[-1]], stdin=subprocess.PIPE) as client:
        assert client.stdin
        client.stdin.write(f"put {here}/large\n".encode())
        client.stdin.flush()
        until = time.monotonic() + 300
        while not _held(spool):
            assert time.monotonic() < until
            time.sleep(0.05)
        client.kill()
    while _held(spool):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert came(spool) == []


def _held(spool: Spool) -> list[bytes]:
    """What lies in files of the spool that have no name."""
    links = [path for path in Path("/proc/self/fd").iterdir() if _target(path).startswith(f"{spool.folder}/#")]
    return [content for path in links if (content := path.read_bytes())]


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def test_blocks_in_any_order_and_none_twice(drop: Drop, spool: Spool, tmp_path: Path) -> None:
    async def work(client: asyncssh.SFTPClient) -> None:
        half = len(IMAGES[0]) // 2
        file = await client.open("mixed", "wb")
        await file.write(IMAGES[0][half:], half)
        await file.write(IMAGES[0][:half], 0)
        with pytest.raises(asyncssh.SFTPFailure):
            await file.write(b"x", 0)
        await file.close()
        file = await client.open("hole", "wb")
        await file.write(IMAGES[1][half:], half)
        with pytest.raises(asyncssh.SFTPFailure):
            await file.close()

    with_client(drop, tmp_path, work)
    assert came(spool) == [IMAGES[0]]


def test_zips_are_taken_apart_and_broken_ones_refused(drop: Drop, spool: Spool, tmp_path: Path) -> None:
    package = BytesIO()
    with ZipFile(package, "w") as file:
        for number, content in enumerate(IMAGES):
            file.writestr(str(number), content)
    whole, broken = package.getvalue(), package.getvalue()[:-20]
    here = laid(tmp_path / "here", whole=whole, broken=broken)

    async def work(client: asyncssh.SFTPClient) -> None:
        await client.put(str(here / "whole"), "whole.zip")
        with pytest.raises(asyncssh.SFTPFailure, match="cannot be unpacked"):
            await client.put(str(here / "broken"), "broken.zip")

    with_client(drop, tmp_path, work)
    assert came(spool) == sorted(IMAGES)
    assert came(spool, State.QUARANTINED) == [broken]


def test_nothing_lies_in_the_clear_while_it_is_written(drop: Drop, spool: Spool, tmp_path: Path) -> None:
    async def work(client: asyncssh.SFTPClient) -> None:
        file = await client.open(f"{PLANTED[5]}.dcm", "wb")
        await file.write(LARGE[:5_000_000])
        (content,) = _held(spool)
        assert len(content) > 3_000_000
        assert [value for value in PLANTED if value.encode() in content] == []

    with_client(drop, tmp_path, work)


def test_only_listed_keys_open_it_and_one_taken_off_the_list_opens_nothing(
    drop: Drop, settings: config.Config, tmp_path: Path
) -> None:
    async def nothing(client: asyncssh.SFTPClient) -> None:
        assert await client.getcwd() == "/"

    with_client(drop, tmp_path, nothing)
    (settings.file.parent / "senders").write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_public_key())
    with pytest.raises(asyncssh.PermissionDenied):
        with_client(drop, tmp_path, nothing)


def test_no_shell_no_forwarding_no_scp(drop: Drop, tmp_path: Path) -> None:
    async def run() -> None:
        options = {"known_hosts": None, "client_keys": [str(tmp_path / "id")], "config": None, "username": "ward"}
        async with asyncssh.connect("127.0.0.1", drop.port, **options) as connection:
            for wish in (connection.run("id"), connection.run(), connection.run("scp -t x")):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await wish
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", 22)
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 22)

    asyncio.run(run())


def test_the_host_key_follows_from_the_sites_and_lies_in_no_file(
    settings: config.Config, spool: Spool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So that senders know it again after a restore, and systemd needs to hand over nothing but the site's key."""
    caplog.set_level("INFO", "cohortium.acquire.drop")

    def known() -> str:
        with opened(settings, spool) as drop:
            key = asyncio.run(asyncssh.get_server_host_key("127.0.0.1", drop.port))
            assert key
            return str(key.get_fingerprint())

    first = known()
    assert known() == first
    assert f"its key is {first}" in caplog.text
    assert [path.name for path in settings.site.key.parent.iterdir()] == [settings.site.key.name]
    settings.site.key.unlink()
    keys.create(settings.site.key)
    assert known() != first


def test_what_cannot_be_meant_is_told(settings: config.Config, spool: Spool, drop: Drop) -> None:
    with pytest.raises(Unavailable, match="cannot listen"), opened(settings, spool):
        pass
    senders = settings.file.parent / "senders"
    senders.chmod(0o666)
    with pytest.raises(Refused, match="chmod go-w"), opened(settings, spool):
        pass
    senders.unlink()
    with pytest.raises(ConfigError, match="senders"), opened(settings, spool):
        pass
