"""A server that speaks S3, out of a wheel, on the loopback: what tests of the object storage share."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from cohortium.archive.bucket import Bucket
from cohortium.config import Store

SECRET = "dGhlIHNlY3JldCBrZXk"
CREDENTIALS = f"[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = {SECRET}\n"


@dataclass(frozen=True)
class Server:
    """A running server; each `bucket` is new and empty."""

    endpoint: str
    numbers: Iterator[int]

    def client(self):  # type: ignore[no-untyped-def]
        """An independent client."""
        import boto3

        names = {"aws_access_key_id": "AKIDTEST", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.endpoint, **names)

    def settings(self, folder: Path, **others: str) -> Store:
        """The section `[store]` for a bucket of its own, with credentials in the folder."""
        name = f"bucket-{next(self.numbers)}"
        self.client().create_bucket(Bucket=name)
        file = folder / "s3.ini"
        file.write_text(CREDENTIALS)
        file.chmod(0o600)
        return Store(objects=f"s3://{name}/some/prefix", endpoint=self.endpoint, credentials_file=file.name, **others)

    def bucket(self, folder: Path) -> Bucket:
        return Bucket(self.settings(folder), folder)


@contextmanager
def server() -> Iterator[Server]:
    """A server of the session's own; where there is none to start, the test that asks is skipped."""
    pytest.importorskip("moto.server")
    import httpx

    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                try:
                    httpx.get(f"{endpoint}/moto-api/").raise_for_status()
                except httpx.HTTPError:
                    assert process.poll() is None, "the server ended as it began"
                    time.sleep(0.05)
                else:
                    break
            yield Server(endpoint, count())
        finally:
            process.terminate()
            process.wait()
