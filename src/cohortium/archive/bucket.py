"""Where the archive's bytes lie, if not in a folder: a bucket that speaks S3.

What the service or obstore says of an error may hold addresses, keys and signatures, so none of it is passed on.
"""

from __future__ import annotations

import configparser
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from cohortium.archive.storage import Cold, cut
from cohortium.config import Store
from cohortium.errors import ConfigError, Corrupt, Unavailable
from cohortium.keys import read_private

if TYPE_CHECKING:  # they are there for type checkers alone
    from obstore import Attributes
    from obstore.store import ClientConfig, S3Config

__all__ = ["Bucket"]

PATIENCE: ClientConfig = {"connect_timeout": "10s", "timeout": "15m"}
FETCHED_FOR = 7  # days that what was fetched from cold storage can be read
UNREACHABLE = "the object storage cannot be reached or refuses; look at [store] objects, its credentials and the server"


class Bucket:
    """A storage below `s3://BUCKET/PREFIX`."""

    def __init__(self, settings: Store, folder: Path) -> None:
        url = urlsplit(settings.objects)
        options: S3Config = {"region": settings.region or "us-east-1", "virtual_hosted_style_request": False}
        if settings.endpoint:
            options["endpoint"] = settings.endpoint
        if settings.credentials_file:
            options |= _credentials(folder / settings.credentials_file)
        self._settings, self._options = settings, options
        self._bucket, self._prefix = url.netloc, f"{url.path.strip('/')}/".lstrip("/")
        self.has_cold = bool(settings.cold_class)
        plain = urlsplit(settings.endpoint).scheme == "http"  # config lets that be on this machine alone
        self._store = S3Store(
            url.netloc,
            prefix=url.path.strip("/") or None,
            config=options,
            client_options={**PATIENCE, "allow_http": plain},
            retry_config={"max_retries": 3},
        )

    def write(self, name: str, content: bytes) -> bool:
        with _in_words():
            try:
                obstore.put(self._store, name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            except FileNotFoundError:
                raise Unavailable(UNREACHABLE) from None  # there is no such bucket
        return True

    def write_all(self, contents: Iterable[tuple[str, bytes]]) -> list[bool]:
        return [self.write(*each) for each in contents]

    def replace(self, name: str, content: bytes) -> None:
        with _in_words():
            obstore.put(self._store, name, content, use_multipart=False)

    def cool(self, name: str) -> None:
        content = bytes(self.read(name))
        with _in_words():
            kind: Attributes = {"Storage-Class": self._settings.cold_class}
            obstore.put(self._store, name, content, use_multipart=False, attributes=kind)

    def fetch(self, name: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        wish = {"Days": FETCHED_FOR, "GlacierJobParameters": {"Tier": "Standard"}}
        try:
            self._client().restore_object(Bucket=self._bucket, Key=f"{self._prefix}{name}", RestoreRequest=wish)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "RestoreAlreadyInProgress":
                raise Unavailable(UNREACHABLE) from None
        except BotoCoreError:
            raise Unavailable(UNREACHABLE) from None

    def _client(self) -> Any:
        """What asks for a restore, which obstore cannot."""
        try:
            import boto3
        except ModuleNotFoundError:
            raise ConfigError("store.cold_class: pip install 'cohortium[cold]'") from None
        return boto3.client(
            "s3",
            endpoint_url=self._settings.endpoint or None,
            region_name=self._options["region"],
            aws_access_key_id=self._options.get("access_key_id"),
            aws_secret_access_key=self._options.get("secret_access_key"),
            aws_session_token=self._options.get("session_token"),
        )

    def has(self, name: str) -> bool:
        return self.modified(name) is not None

    def modified(self, name: str) -> datetime | None:
        with _in_words():
            try:
                return obstore.head(self._store, name)["last_modified"]
            except FileNotFoundError:
                return None

    def read(self, name: str) -> memoryview:
        with _in_words():
            return memoryview(obstore.get(self._store, name).bytes())

    def ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[memoryview]:
        starts, ends = [start for start, _ in spans], [end for _, end in spans]
        with _in_words():
            return [memoryview(each) for each in obstore.get_ranges(self._store, name, starts=starts, ends=ends)]

    def remove(self, names: Iterable[str]) -> None:
        gone = list(names)
        if gone:
            with _in_words():
                obstore.delete(self._store, gone)

    def names(self, below: str = "") -> Iterator[tuple[str, int]]:
        with _in_words():
            for some in obstore.list(self._store, below.rstrip("/") or None):
                yield from ((each["path"], each["size"]) for each in some)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError("no such object") from None
    except BaseError as error:
        if "InvalidObjectState" in str(error):
            raise Cold("it is in cold storage and is being fetched; ask again later") from None
        if isinstance(found := cut(error), Corrupt):
            raise found from None
        raise Unavailable(UNREACHABLE) from None


def _credentials(path: Path) -> S3Config:
    """What a file in the form of AWS's own says under `[default]`."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_file(io.StringIO(read_private(path, "the credentials of the object storage")))
        section = parser["default"]
        found: S3Config = {
            "access_key_id": section["aws_access_key_id"],
            "secret_access_key": section["aws_secret_access_key"],
        }
    except (configparser.Error, KeyError):
        raise ConfigError(
            f"{path.name}: [default] with aws_access_key_id and aws_secret_access_key is expected"
        ) from None
    if token := section.get("aws_session_token"):
        found["session_token"] = token
    return found
