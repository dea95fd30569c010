"""Debian's Orthanc with its DICOMweb plugin, on a free port of the loopback: a second server for the same requests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from waiting import PATIENCE, free_port, listens, until

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def available() -> bool:
    """Whether the packages orthanc and orthanc-dicomweb are installed."""
    return shutil.which("Orthanc") is not None and PLUGIN.exists()


@contextmanager
def orthanc(folder: Path, **more: Any) -> Iterator[str]:
    """The address of its DICOMweb service, until the block ends; `more` are settings of its own."""
    port = free_port()
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "TcpNoDelay": True,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False, "Host": f"127.0.0.1:{port}"},
        **more,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings), "utf-8")
    environment = {**os.environ, "TCP_NODELAY": "1"}
    process = subprocess.Popen(
        ["Orthanc", str(file)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/dicom-web"
    try:
        until(lambda: listens(port))
        httpx.get(f"{url}/studies", timeout=PATIENCE)
        yield url
    finally:
        process.terminate()
        process.wait(300)
