"""A server that speaks S3, out of a wheel, on the loopback: what tests of the object storage share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from cohortium.archive.bucket import Bucket
from cohortium.config import Store
from waiting import free_port, listens, until

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
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: process.poll() is not None or listens(port))
            httpx.get(f"{endpoint}/moto-api/").raise_for_status()
            yield Server(endpoint, count())
        finally:
            process.terminate()
            process.wait()
