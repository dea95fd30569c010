"""What a program can ask of an archive. Lists that the server gives in pages come as iterators."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from cohortium.client.connection import Connection, Form, whole
from cohortium.client.pulling import Advance, Pulled, Wanted, pull
from cohortium.errors import Corrupt, Refused
from cohortium.wire import api
from cohortium.wire.names import instance_path

__all__ = ["Client"]

MANIFEST = "manifest.jsonl"
JOBS = 8
Said = TypeVar("Said", bound=BaseModel)


def _silent(_files: int, _bytes: int) -> None:
    pass


class Client:
    """An archive at `url`, with what the owner of the API token may do there. Threads may share it."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = Connection(url, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._connection.close()

    def me(self) -> api.Me:
        """Whose token this is."""
        return self._one(api.Me, "/account")

    def projects(self) -> list[api.Project]:
        """The projects that may be known of."""
        return list(self._all(api.Project, "/projects"))

    def subjects(self, project: str, words: str = "") -> Iterator[api.Subject]:
        """Subjects with their sessions and scans; with `words`, those that hold every one."""
        return self._all(api.Subject, f"/projects/{quote(project)}/subjects", words=words)

    def clinical(self, project: str, dataset: str = "") -> list[api.ClinicalTable]:
        """The project's clinical tables, or those of a dataset version."""
        return list(self._all(api.ClinicalTable, f"/projects/{quote(project)}/clinical", dataset=dataset))

    def cohort(self, project: str, wish: api.CohortWish) -> Iterator[api.CohortSubject]:
        """Subjects for which conditions on clinical rows and images hold."""
        after: str | None = wish.after
        while after is not None:
            asked = {**wish.model_dump(), "after": after}
            page = self._one(api.Cohort, f"/projects/{quote(project)}/cohort", "POST", asked)
            yield from page.subjects
            after = page.after

    def timeline(self, project: str, PatientID: str, dataset: str = "") -> Iterator[api.Event]:
        """A subject's sessions and clinical rows in the order of time, those without a date last."""
        path = f"/projects/{quote(project)}/subjects/{quote(PatientID, safe='')}/timeline"
        return self._all(api.Event, path, dataset=dataset)

    def sessions(self, project: str = "", **attributes: str) -> Iterator[api.SessionFound]:
        """Sessions by attributes, as DICOM matches: `sessions("lung", StudyDate="20240101-")`."""
        return self._all(api.SessionFound, "/sessions", project=project, **attributes)

    def scans(self, project: str = "", **attributes: str) -> Iterator[api.ScanFound]:
        """Scans by attributes: `scans("lung", Modality="CT")`."""
        return self._all(api.ScanFound, "/scans", project=project, **attributes)

    def instances(self, project: str = "", **attributes: str) -> Iterator[api.InstanceFound]:
        """Instances by attributes: `instances(SeriesInstanceUID=uid)`."""
        return self._all(api.InstanceFound, "/instances", project=project, **attributes)

    def scan(self, scan_id: int) -> api.Scan:
        """A scan with its frames, findings and flags."""
        return self._one(api.Scan, f"/scans/{scan_id}")

    def header(self, instance_id: int) -> dict[str, Any]:
        """An instance's header as DICOM JSON."""
        found: dict[str, Any] = self._connection.send("GET", f"/instances/{instance_id}/header").json()
        return found

    def download(
        self, folder: Path, project: str = "", *, jobs: int = JOBS, advance: Advance = _silent, **attributes: str
    ) -> Pulled:
        """Fetch the instances that match into `folder`/subject/study/series, and again only what is missing."""
        wanted = (
            Wanted(
                f"/instances/{each.instance_id}/file",
                instance_path(each.PatientID, each.StudyInstanceUID, each.SeriesInstanceUID, each.SOPInstanceUID),
                each.digest,
                each.size,
            )
            for each in self.instances(project, limit="1000", **attributes)
        )
        return pull(self._connection, wanted, folder, jobs=jobs, advance=advance)

    def flag(self, scan_id: int, verdict: str, reason: str, SOPInstanceUID: str = "") -> api.Flag:
        """Flag a scan, or an instance of it, questionable or unusable."""
        wish = {"verdict": verdict, "reason": reason, "SOPInstanceUID": SOPInstanceUID}
        return self._one(api.Flag, f"/scans/{scan_id}/flags", "POST", wish)

    def take_back(self, scan_id: int, flag_id: int) -> api.Flag:
        """End a flag."""
        return self._one(api.Flag, f"/scans/{scan_id}/flags/{flag_id}", "DELETE")

    def save_list(self, project: str, name: str, series: list[str]) -> api.ScanList:
        """Let the project's list of that name hold exactly these series."""
        return self._one(api.ScanList, f"/projects/{quote(project)}/lists/{quote(name)}", "PUT", {"series": series})

    def lists(self, project: str) -> list[api.ScanList]:
        """The project's saved lists."""
        return list(self._all(api.ScanList, f"/projects/{quote(project)}/lists"))

    def files(self, project: str, level: str = "", of: int | None = None) -> list[api.Resource]:
        """Files beside the images of a project, or of one subject, session or scan (`of`), in their newest versions."""
        about = {"level": level, "of": "" if of is None else str(of)}
        return list(self._all(api.Resource, f"/projects/{quote(project)}/files", **about))

    def upload(
        self,
        project: str,
        file: Path,
        *,
        kind: str,
        label: str,
        level: str = "project",
        of: int | None = None,
        name: str = "",
        consent: str = "",
        receipt: str = "",
    ) -> api.File:
        """Bring a file to a project, or to its subject, session or scan `of`; `Refused` says why it may not come in.

        `receipt`: a site's signed word for it, as `cohortium prove receipt` prints it. The same bytes again change
        nothing, others become a new version.
        """
        fields = {"level": level, "of": "" if of is None else str(of), "kind": kind, "label": label}
        fields |= {"consent": consent, "receipt": receipt}

        def form() -> Form:
            return fields, {"file": (name or file.name, BytesIO(file.read_bytes()))}

        answer = self._connection.send("POST", f"/projects/{quote(project)}/files", form=form)
        (said,) = map(api.Upload.model_validate, answer.json())
        if said.file is None:
            raise Refused(said.problem)
        return said.file

    def datasets(self, project: str) -> list[api.Version]:
        """The project's dataset versions, newest first."""
        return list(self._all(api.Version, f"/projects/{quote(project)}/datasets"))

    def dataset(self, project: str, called: str) -> api.Version:
        """A version by its digest or name."""
        return self._one(api.Version, _dataset(project, called))

    def freeze(
        self, project: str, name: str, *, description: str = "", of: str | None = None, with_unusable: bool = False
    ) -> api.Version:
        """Freeze the project, or its saved list `of`, into a version."""
        wish = {"name": name, "description": description, "list": of, "with_unusable": with_unusable}
        return self._one(api.Version, f"/projects/{quote(project)}/datasets", "POST", wish)

    def compare(self, project: str, first: str, second: str) -> api.Comparison:
        """How much two versions share."""
        return self._one(api.Comparison, f"{_dataset(project, first)}/compare/{quote(second)}")

    def differences(self, project: str, first: str, second: str) -> Iterator[api.Difference]:
        """Files that are not the same in both."""
        return self._all(api.Difference, f"{_dataset(project, first)}/compare/{quote(second)}/differences")

    def gone(self, project: str, called: str) -> list[api.Gone]:
        """Files of a version that were removed or withdrawn since."""
        return list(self._all(api.Gone, f"{_dataset(project, called)}/gone"))

    def cite(self, project: str, called: str) -> api.Citation:
        """How to cite a version."""
        return self._one(api.Citation, f"{_dataset(project, called)}/citation")

    def check(self, project: str, dataset: str = "", *, specification: str = "", ocr: bool = True) -> api.Check:
        """Ask for a check of the project, or of a version of it, by a shipped specification or the project's own."""
        wish = {"dataset": dataset, "specification": specification, "ocr": ocr}
        return self._one(api.Check, f"/projects/{quote(project)}/checks", "POST", wish)

    def checks(self, project: str) -> Iterator[api.Check]:
        """The project's checks, newest first."""
        return self._all(api.Check, f"/projects/{quote(project)}/checks")

    def checked(self, project: str, check_id: int) -> api.CheckTold:
        """A check: how far it is, and what became of each rule."""
        return self._one(api.CheckTold, f"/projects/{quote(project)}/checks/{check_id}")

    def report(self, project: str, check_id: int) -> dict[str, Any]:
        """The report of the newest check, as `cohortium check --json` writes it."""
        path = f"/projects/{quote(project)}/checks/{check_id}/report"
        found: dict[str, Any] = self._connection.send("GET", path).json()
        return found

    def findings(self, project: str, dataset: str = "", **wanted: str) -> Iterator[api.FindingRow]:
        """The work list of a project, or of a version: `findings("lung", state="open", severity="error")`."""
        return self._all(api.FindingRow, f"/projects/{quote(project)}/findings", dataset=dataset, **wanted)

    def waive(self, project: str, findings: list[str], reason: str, dataset: str = "") -> list[api.FindingRow]:
        """Let findings be, by their ids; returns those that were not waived so before."""
        wish = {"dataset": dataset, "findings": findings, "reason": reason}
        return self._several(api.FindingRow, f"/projects/{quote(project)}/findings/waive", wish)

    def reopen(self, project: str, findings: list[str], dataset: str = "") -> list[api.FindingRow]:
        """Take back that findings were waived; returns those that were."""
        wish = {"dataset": dataset, "findings": findings}
        return self._several(api.FindingRow, f"/projects/{quote(project)}/findings/reopen", wish)

    def pull(
        self,
        project: str,
        called: str,
        folder: Path,
        *,
        jobs: int = JOBS,
        advance: Advance = _silent,
        only: Callable[[str], bool] = bool,
    ) -> Pulled:
        """Fetch a version into `folder`, and again only what is missing. Its manifest comes first.

        All of it, or the files whose paths in the manifest are `only` those wanted.
        """
        version = self.dataset(project, called)
        manifest = self._manifest(project, version, folder)
        wanted = (each for each in _wanted(project, version, manifest) if only(each.path))
        return pull(self._connection, wanted, folder, jobs=jobs, advance=advance)

    def _manifest(self, project: str, version: api.Version, folder: Path) -> Path:
        """The manifest in the folder, with the version's digest."""
        place = folder / MANIFEST
        if place.exists():
            if sha256(place.read_bytes()).hexdigest() != version.digest:
                raise Refused("the folder holds another dataset version; give each version a folder of its own")
            return place
        folder.mkdir(parents=True, exist_ok=True)
        part, digest = folder / f".{MANIFEST}.part", sha256()
        lines = self._connection.stream("GET", f"{_dataset(project, version.digest)}/manifest")
        with lines as answer, part.open("wb") as file:
            for piece in whole(answer):
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != version.digest:
            raise Corrupt("the manifest is not what was frozen; tell the archive's administrator")
        return part.replace(place)

    def _one(self, kind: type[Said], path: str, method: str = "GET", body: Any = None) -> Said:
        return kind.model_validate(self._connection.send(method, path, body=body).json())

    def _several(self, kind: type[Said], path: str, body: Any) -> list[Said]:
        return list(map(kind.model_validate, self._connection.send("POST", path, body=body).json()))

    def _all(self, kind: type[Said], path: str, **query: str) -> Iterator[Said]:
        asked = {name: text for name, text in query.items() if text}
        while True:
            answer = self._connection.send("GET", path, query=asked)
            yield from map(kind.model_validate, answer.json())
            following = answer.links.get("next")
            if following is None:
                return
            there = urlsplit(following["url"])  # its path and query: the server may know itself by another name
            path, asked = there.path.removeprefix("/api/v1"), {}
            path = f"{path}?{there.query}"


def _dataset(project: str, called: str) -> str:
    return f"/projects/{quote(project)}/datasets/{quote(called)}"


def _wanted(project: str, version: api.Version, manifest: Path) -> Iterator[Wanted]:
    files = f"{_dataset(project, version.digest)}/files"
    with manifest.open("rb") as lines:
        next(lines)
        for line in lines:
            each = json.loads(line)
            yield Wanted(f"{files}/{each['digest']}", each["path"], each["digest"], each["size"])
