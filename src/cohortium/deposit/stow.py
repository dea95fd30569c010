"""STOW-RS (PS3.18 10.5) to a hub of Cohortium or to any DICOMweb archive, over connections that go nowhere else.

Nobody's word but a hub's counts: an archive that states no digest is asked for what it stored, which must be the same
bytes or, where it writes files anew, the same data elements.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from cohortium import keys, tls
from cohortium.config import Stow
from cohortium.deposit.comparing import compared
from cohortium.deposit.hubfiles import upload
from cohortium.deposit.parcels import Answer, Confirmed, How, Parcel, TableParcel
from cohortium.errors import Malformed, Refused, Unavailable
from cohortium.wire import private
from cohortium.wire.multipart import Reader, Writer, media_type

__all__ = ["StowRs"]

DICOM, JSON = "application/dicom", "application/dicom+json"
AS_STORED = f'multipart/related; type="{DICOM}"; transfer-syntax=*'
TOGETHER = 1 << 26  # bytes of a request, and its last instance
PATIENCE = 10.0  # seconds for an answer to nothing
TIMEOUT = httpx.Timeout(300.0, connect=10.0)
PER_INSTANCE = (400, 409, 413, 422)  # what is wrong lies in what was sent
NOT_NOW = (429, 503)
BROKEN = "the connection to the destination broke off"
RESOURCES = range(0xA700, 0xA800)  # PS3.18 10.5.3: out of resources
HOPELESS = 3  # instances that fail one after the other until the rest is not tried
MORE = 1 << 20  # bytes by which what is read back may be longer

STORED, FAILED = "00081199", "00081198"
UID, REASON = "00081155", "00081197"


class StowRs:
    """One address; `below` is the folder from which files of the settings are named."""

    def __init__(self, settings: Stow, below: Path) -> None:
        self._url = settings.url.rstrip("/")
        doubt = "; does it take this site's certificate?"  # TLS 1.3 tells no earlier, if at all
        self._broken = BROKEN + (doubt if settings.certificate else "")
        token = keys.read_private(below / settings.token_file, "the token") if settings.token_file else ""
        bearer = {"Authorization": f"Bearer {token}"} if token and not settings.user else {}
        self._http = httpx.Client(
            verify=tls.client(settings, below),
            auth=(settings.user, token) if settings.user else None,
            headers={"Accept-Encoding": "identity", **bearer},
            timeout=TIMEOUT,
            trust_env=False,  # no proxy, no .netrc
            follow_redirects=False,
        )

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[Answer]:  # noqa: ARG002  the address says it
        """See `Sender`."""
        return [answer for group in _groups(parcels) for answer in self._store(group)]

    def send_table(self, project: str, parcel: TableParcel) -> Answer:  # noqa: ARG002
        """See `Sender`. STOW-RS has no tables: a hub takes them by its API, beside the images."""
        try:
            return upload(self._http, self._url, parcel)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(_unreached(error)) from None
        except httpx.TransportError:
            raise Unavailable("the connection to the destination broke off") from None

    def probe(self) -> None:
        """See `Sender`: a request that brings nothing goes through the same door as those that do."""
        writer = _Writer()
        try:
            answer = self._http.post(
                f"{self._url}/studies", content=writer.end(), headers=writer.headers([]), timeout=PATIENCE
            )
        except httpx.TransportError as error:
            raise Unavailable(_unreached(error)) from None
        if not (answer.is_success or answer.status_code in PER_INSTANCE):
            raise Unavailable(_objection(answer.status_code))

    def close(self) -> None:
        """See `Sender`."""
        self._http.close()

    def _store(self, group: Sequence[Parcel]) -> list[Answer]:
        """One answer each; where the request fails as a whole, every instance in one of its own."""
        try:
            answer = self._http.post(
                f"{self._url}/studies", content=_body(writer := _Writer(), group), headers=writer.headers(group)
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(_unreached(error)) from None
        except httpx.TransportError:
            return self._apart(group, Unavailable(self._broken))
        status = answer.status_code
        if status in (200, 202, 409) and (said := _document(answer)) is not None:
            return self._judged(group, said)
        if status in PER_INSTANCE:
            return self._apart(group, Refused(f"the destination refuses it ({status})"))
        if status < 500 or status in NOT_NOW:
            raise Unavailable(_objection(status))
        return self._apart(group, Unavailable(f"the destination cannot store it now ({status})"))

    def _apart(self, group: Sequence[Parcel], otherwise: Answer) -> list[Answer]:
        """Each in a request of its own, until it shows that none goes; `otherwise` for what cannot be parted."""
        if len(group) == 1:
            return [otherwise]
        answers: list[Answer] = []
        for parcel in group:
            if len(answers) >= HOPELESS and all(isinstance(each, Unavailable) for each in answers):
                answers.append(answers[0])
            else:
                answers += self._store([parcel])
        return answers

    def _judged(self, group: Sequence[Parcel], said: Mapping[str, Any]) -> list[Answer]:
        stored, failed = _by_uid(said, STORED), _by_uid(said, FAILED)
        if len(group) == 1 and not stored and (nameless := _items(said, FAILED)):
            failed = {group[0].instance.SOPInstanceUID: nameless[0]}
        return [self._answer(each, stored, failed) for each in group]

    def _answer(self, parcel: Parcel, stored: Mapping[str, Any], failed: Mapping[str, Any]) -> Answer:
        wanted, uid = parcel.instance.digest, parcel.instance.SOPInstanceUID
        if uid in failed:
            return _failure(failed[uid])
        if uid in stored and private.digest_in(stored[uid]) == wanted:
            return Confirmed(wanted, How.STATED)
        return self._read_back(parcel)

    def _read_back(self, parcel: Parcel) -> Answer:
        """What the destination itself shows under the instance's UIDs."""
        of = parcel.instance
        place = f"studies/{of.StudyInstanceUID}/series/{of.SeriesInstanceUID}/instances/{of.SOPInstanceUID}"
        try:
            with self._http.stream("GET", f"{self._url}/{place}", headers={"Accept": AS_STORED}) as answer:
                if answer.status_code in (401, 403):
                    return Refused("the destination does not show what it stored; let this site read there, too")
                if answer.status_code != 200:
                    return Unavailable(f"the destination does not show what it stored ({answer.status_code})")
                content = _only_part(answer, of.size + MORE)
        except httpx.TransportError:
            return Unavailable(self._broken)
        except Malformed:
            return Unavailable("the destination shows what it stored in a way that cannot be read")
        if sha256(content).hexdigest() == of.digest:
            return Confirmed(of.digest, How.READ_BACK)
        return compared(parcel, content)


class _Writer(Writer):
    """Knows how long a request will be, which not every archive takes without."""

    def __init__(self) -> None:
        super().__init__(DICOM)

    def of(self, parcel: Parcel) -> bytes:
        return self.head(DICOM, receipt=json.dumps(asdict(parcel.receipt)), follows=parcel.earlier)

    def headers(self, group: Sequence[Parcel]) -> dict[str, str]:
        length = sum(len(self.of(each)) + each.instance.size for each in group) + len(self.end())
        return {"Accept": JSON, "Content-Type": self.content_type, "Content-Length": str(length)}


def _body(writer: _Writer, group: Sequence[Parcel]) -> Iterator[bytes]:
    for each in group:
        yield writer.of(each)
        yield each.content()
    yield writer.end()


def _groups(parcels: Sequence[Parcel]) -> Iterator[list[Parcel]]:
    group: list[Parcel] = []
    size = 0
    for each in parcels:
        group.append(each)
        size += each.instance.size
        if size >= TOGETHER:
            yield group
            group, size = [], 0
    if group:
        yield group


def _document(answer: httpx.Response) -> Mapping[str, Any] | None:
    """The Store Instances Response, where there is one."""
    try:
        said = answer.json()
    except ValueError:
        return None
    found = said[0] if isinstance(said, list) and said else said
    return found if isinstance(found, dict) and (STORED in found or FAILED in found) else None


def _items(said: Mapping[str, Any], tag: str) -> list[dict[str, Any]]:
    found = said.get(tag, {}).get("Value", [])
    return [each for each in found if isinstance(each, dict)]


def _by_uid(said: Mapping[str, Any], tag: str) -> dict[str, dict[str, Any]]:
    return {str(_first(each, UID)): each for each in _items(said, tag)}


def _first(item: Mapping[str, Any], tag: str) -> object:
    values = item.get(tag, {}).get("Value") or [""]
    return values[0]


def _failure(item: Mapping[str, Any]) -> Answer:
    number = _first(item, REASON)
    if isinstance(number, int) and number in RESOURCES:
        return Unavailable("the destination is out of resources")
    code = f"{number:04X}H" if isinstance(number, int) else "no reason"
    words = private.reason_in(item)
    return Refused(f"the destination refuses it ({code})" + (f": {words}" if words else ""))


def _only_part(answer: httpx.Response, limit: int) -> bytes:
    kind = media_type(answer.headers.get("content-type", ""))
    reader = Reader(kind.parameters.get("boundary", ""), limit)
    parts = [part for piece in answer.iter_bytes() for part in reader.feed(piece)]
    reader.close()
    if len(parts) != 1:
        raise Malformed("not one instance")
    return parts[0].content


def _objection(status: int) -> str:
    if status in NOT_NOW:
        return f"the destination asks to wait ({status})"
    if status in (401, 403):
        return (
            f"the destination does not let this site in ({status}); look at its token or certificate, and what it opens"
        )
    if 300 <= status < 400:
        return f"the destination points elsewhere ({status}), where nothing is sent; mend its url"
    return f"the destination does not take what is sent to its address ({status}); mend its url"


def _unreached(error: httpx.TransportError) -> str:
    if "CERTIFICATE" in str(error):
        return "the destination's certificate is of no authority that is trusted"
    return "the destination does not answer"
