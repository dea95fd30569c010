"""The pipelines, ready to run: which sources each takes from, how it de-identifies and checks, and where it sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cohortium.archive import Archive
from cohortium.check import Specification
from cohortium.check import load as load_specification
from cohortium.config import ARCHIVE, Config, Pacs, Pipeline, Source, Watched
from cohortium.deidentify import Deidentifier
from cohortium.deidentify.clinical.files import is_ruled
from cohortium.deidentify.ctp.filters import Filter, read_filter
from cohortium.deidentify.ctp.ruling import read
from cohortium.deidentify.ctp.store import tables_for
from cohortium.deidentify.protocol import load as load_protocol
from cohortium.deidentify.subjects import Subjects
from cohortium.deidentify.table import means
from cohortium.dicom.slow import UNREADABLE as NONSENSE
from cohortium.dicom.slow import peek
from cohortium.errors import ConfigError, Malformed, Refused
from cohortium.keys import SiteKey
from cohortium.spool import Item
from cohortium.values import Protocol

__all__ = ["Line", "Lines", "folders_of", "protocol_of", "sources_of"]


@dataclass(frozen=True, slots=True)
class Line:
    """One pipeline, ready to run; `rivals` are all pipelines into its project: they share its UIDs and pseudonyms."""

    pipeline: Pipeline
    sources: frozenset[str]
    destinations: tuple[str, ...]
    tables: tuple[str, ...]  # where clinical tables go
    project_id: int
    rivals: tuple[str, ...]
    filter: Filter | None
    protocol: Protocol
    deidentifier: Deidentifier
    specification: Specification


def sources_of(config: Config) -> dict[str, Source]:
    """Every source by name; a folder that pipelines themselves name is called after the first of them."""
    found = {each.name: each for each in config.sources}
    folders: dict[Path, str] = {}
    for pipeline in config.pipelines:
        path = pipeline.source.resolve()
        if _names_folder(config, pipeline) and path not in folders:
            folders[path] = f"{pipeline.name}.folder"
            found[folders[path]] = Watched(folders[path], path, 0)
    return found


def folders_of(config: Config, pipeline: str) -> list[Watched]:
    """The folders that a pipeline takes from; `Refused` where there is no such pipeline."""
    found = next((each for each in config.pipelines if each.name == pipeline), None)
    if found is None:
        raise Refused(f"no pipeline is called {pipeline}; see `cohortium config show`")
    watched = [each for each in sources_of(config).values() if isinstance(each, Watched)]
    own = found.source.resolve() if _names_folder(config, found) else None
    return [each for each in watched if each.name in found.sources or each.path.resolve() == own]


def protocol_of(config: Config, pipeline: Pipeline) -> Protocol:
    """The protocol that the pipeline names, a shipped one or a file beside the configuration."""
    return load_protocol(_shipped_or_path(config, pipeline.protocol), pipeline.level)


class Lines:
    """All pipelines of a configuration, in its order."""

    def __init__(self, config: Config, key: SiteKey, archive: Archive) -> None:
        self._config = config
        self._key = key
        self._archive = archive
        self.sources = sources_of(config)
        self.by_name: Mapping[str, Line] = {pipeline.name: self._line(pipeline) for pipeline in config.pipelines}

    def first_of(self, source: str) -> str:
        """The first pipeline that takes from the source; what comes by it is accounted there until one takes it."""
        names = [name for name, line in self.by_name.items() if source in line.sources]
        return names[0] if names else self._config.first_of(source)

    def taking(self, item: Item, content: bytes) -> Line | None:
        """The first pipeline that takes what the item is; what cannot be read goes to one that takes everything."""
        return next((line for line in self._of(item.source) if _takes(line, content)), None)

    def taking_table(self, item: Item, names: Sequence[str], by: str) -> tuple[Line, str] | None:
        """The first pipeline that has a rule for a table of one of these names, and which; or the pipeline `by`.

        One with a filter cannot apply it to a table, and takes none.
        """
        lines = [self.by_name[by]] if by in self.by_name else self._of(item.source)
        able = [line for line in lines if line.filter is None]
        return next(((line, name) for line in able for name in names if is_ruled(name, line.protocol)), None)

    def _of(self, source: str) -> Sequence[Line]:
        return [line for line in self.by_name.values() if source in line.sources]

    def _line(self, pipeline: Pipeline) -> Line:
        config = self._config
        project = config.project(pipeline.project)
        protocol = protocol_of(config, pipeline)
        return Line(
            pipeline=pipeline,
            sources=frozenset(self._sources(pipeline)),
            destinations=pipeline.destinations or (ARCHIVE,),
            tables=pipeline.tables or pipeline.destinations or (ARCHIVE,),
            project_id=self._archive.open_project(project, protocol),
            rivals=tuple(each.name for each in config.pipelines if each.project == project.name),
            filter=read_filter(pipeline.filter) if pipeline.filter else None,
            protocol=protocol,
            deidentifier=self._deidentifier(protocol, project.name),
            specification=load_specification(_shipped_or_path(config, pipeline.specification)),
        )

    def _sources(self, pipeline: Pipeline) -> Sequence[str]:
        path = pipeline.source.resolve()
        folders = [name for name, each in self.sources.items() if isinstance(each, Watched) and each.path == path]
        moved = [
            each.receiver for each in self.sources.values() if isinstance(each, Pacs) and each.name in pipeline.sources
        ]
        return [*pipeline.sources, *filter(None, moved), *(folders if _names_folder(self._config, pipeline) else ())]

    def _deidentifier(self, protocol: Protocol, project: str) -> Deidentifier:
        tables = tables_for(protocol, self._key, project, self._config.site.data)
        return Deidentifier(protocol, self._key, project, self._subjects(protocol, project), tables)

    def _subjects(self, protocol: Protocol, project: str) -> Subjects:
        if protocol.subject.kind == "fresh":
            raise ConfigError(
                f"project {project}: {protocol.label} forgets whose its identifiers were, and a gateway remembers what "
                "became of everything; `cohortium pull` the version and `cohortium anonymise` it, "
                'or name a copy of that protocol whose [subject] says kind = "keyed"'
            )
        secret, table = means(self._config.site, self._key, project, protocol)
        return Subjects(protocol, self._key, project, secret, table, self._config.site.issuer)


UNREADABLE: tuple[type[Exception], ...] = (Malformed, *NONSENSE)


def _shipped_or_path(config: Config, name: str) -> str | Path:
    return config.file.parent / name if name.endswith(".toml") else name


def _names_folder(config: Config, pipeline: Pipeline) -> bool:
    return pipeline.source != config.file.parent


def _takes(line: Line, content: bytes) -> bool:
    wanted = line.pipeline.modalities
    try:
        return (not wanted or peek(content).Modality in wanted) and (
            line.filter is None or line.filter.accepts(read(content))
        )
    except UNREADABLE:
        return False
