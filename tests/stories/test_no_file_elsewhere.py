"""While a gateway takes in, by C-STORE, from a folder and out of a zip, it writes nowhere but below its data root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from cohortium import keys
from cohortium.dicom import filemeta
from gateway_service import PATIENCE, free_port
from hospital import slice_of
from raw_sender import RELEASE, RawSender, command, value

CONFIGURATION = """
[gateway]
quiet_seconds = 0
require_approval = false
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {port}
peers = ["SENDER@127.0.0.1"]
[[source.folder]]
name = "share"
path = "share"
settle_seconds = 0
look_seconds = 1
[[pipeline]]
name = "ct"
sources = ["pacs", "share"]
project = "study"
specification = "basic"
"""
CALLS = "trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_no_file_is_written_outside_the_data_root(tmp_path: Path) -> None:
    root, trace, port = tmp_path / "site", tmp_path / "trace", free_port()
    (root / "share").mkdir(parents=True)
    (root / "cohortium.toml").write_text(CONFIGURATION.format(port=port))
    keys.create(root / "keys" / "site.key")
    (root / "share" / "1.dcm").write_bytes(slice_of(1))
    with zipfile.ZipFile(root / "share" / "2.zip", "w") as archive:
        archive.writestr("2.dcm", slice_of(2))
    program = str(Path(sys.executable).with_name("cohortium"))
    run = [program, "gateway", "run", "--no-portal", "--config", str(root / "cohortium.toml")]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        ["strace", "-D", "-f", "-qq", "-e", CALLS, "-o", str(trace), *run],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        _send(port)
        _wait_for(root / "data" / "spool")
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
    changing = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|creat\(|mkdir|rename|link")
    calls = [line for line in trace.read_text().splitlines() if changing.search(line) and " = -1 " not in line]
    paths = {path for line in calls for path in re.findall(r'"(/[^"]+)"', line)}
    assert any("/spool/incoming/" in path for path in paths)
    assert {path for path in paths if not path.startswith((f"{root}/data", "/dev/", "/proc/"))} == set()


def _send(port: int) -> None:
    """One object whole, and one that ends in the middle."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            sender = RawSender(port)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.2)
    content = slice_of(3)
    assert sender.associate()[0] == 2
    assert sender.store(content[filemeta.read(content).end :], "2.25.3") == 0
    sender.say(RELEASE)
    broken = RawSender(port)
    broken.associate()
    broken.say(value(command(), 3), value(b"half", 0))
    broken.socket.close()


def _wait_for(spool: Path) -> None:
    """Until all three came through: nothing is left of them."""
    until = time.monotonic() + PATIENCE
    while any(path.is_file() and path.name != ".lock" for path in spool.rglob("*")) or not spool.exists():
        assert time.monotonic() < until, "it did not come through"
        time.sleep(0.5)
