"""cohortium.toml and the environment, read once, into frozen dataclasses.

Each scalar comes from the environment (`COHORTIUM_SECTION__KEY`), else the file, else its default, and remembers
which. All mistakes are reported together. No other module reads an environment variable.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from cohortium.config.contradictions import contradictions
from cohortium.config.sections import Backup
from cohortium.config.whole import LISTS, SECTIONS, Config
from cohortium.errors import ConfigError

__all__ = ["backup_of_environment", "load", "notify_socket"]


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read `file` and the environment; raise one `ConfigError` that names every mistake."""
    problems: list[str] = []
    origin: dict[str, str] = {}
    document = _document(file)
    for name in sorted(_names(document) - SECTIONS.keys() - LISTS.keys()):
        problems.append(f"[{name}]: no such section; known: {', '.join([*SECTIONS, *LISTS])}")
    for name in sorted(environment):
        if name.startswith("COHORTIUM_") and not _is_setting(name):
            problems.append(f"{name}: no such setting; see `cohortium config show`")
    sections = {
        name: _section(kind, name, document.get(name, {}), environment, file.parent, problems, origin)
        for name, kind in SECTIONS.items()
    }
    lists = {
        name: tuple(
            _section(kind, f"{name}[{n}]", table, {}, file.parent, problems, origin)
            for n, table in enumerate(_tables(name, document, problems))
        )
        for name, kind in LISTS.items()
    }
    config = Config(
        file=file,
        **sections,
        projects=lists["project"],
        sources=_all(lists, "source."),
        destinations=_all(lists, "destination."),
        pipelines=lists["pipeline"],
        origin=origin,
    )
    problems += contradictions(config)
    if problems:
        raise ConfigError(f"{file}:\n" + "\n".join(f"  {problem}" for problem in problems))
    return config


def backup_of_environment(folder: Path, environment: Mapping[str, str] = os.environ) -> Backup:
    """The section `[backup]` for who restores, and has no configuration yet."""
    problems: list[str] = []
    found: Backup = _section(Backup, "backup", {}, environment, folder, problems, {})
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def notify_socket(environment: Mapping[str, str] = os.environ) -> str:
    """Where systemd, or who else started this process, wants to hear how it is (sd_notify(3)); empty: nobody does."""
    return environment.get("NOTIFY_SOCKET", "")


def _document(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration at {file}; `cohortium init` makes one") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {type(error).__name__}") from None


def _is_setting(variable: str) -> bool:
    section, _, key = variable.removeprefix("COHORTIUM_").lower().partition("__")
    return section in SECTIONS and key in {each.name for each in fields(SECTIONS[section])}


def _names(document: Mapping[str, Any]) -> set[str]:
    """The names of the file's tables; those of `[[source.folder]]` and its like in full."""
    families = {name.partition(".")[0] for name in LISTS if "." in name}
    return {
        f"{name}.{kind}" if isinstance(value, dict) and name in families else name
        for name, value in document.items()
        for kind in (value if isinstance(value, dict) and value else [""])
    }


def _all(lists: Mapping[str, tuple[Any, ...]], prefix: str) -> tuple[Any, ...]:
    return tuple(entry for name, entries in lists.items() if name.startswith(prefix) for entry in entries)


def _tables(name: str, document: Mapping[str, Any], problems: list[str]) -> list[Any]:
    family, _, kind = name.partition(".")
    found = document.get(family, [])
    tables = (found.get(kind, []) if isinstance(found, dict) else []) if kind else found
    if isinstance(tables, list):
        return tables
    problems.append(f"[{name}]: write [[{name}]], for there may be several")
    return []


def _section(
    kind: type,
    name: str,
    table: Any,
    environment: Mapping[str, str],
    folder: Path,
    problems: list[str],
    origin: dict[str, str],
) -> Any:
    if not isinstance(table, dict):
        problems.append(f"{name}: a table is expected")
        table = {}
    known = {each.name: each for each in fields(kind)}
    for key in sorted(table.keys() - known.keys()):
        problems.append(f"{name}.{key}: no such setting; known: {', '.join(known)}")
    hints = get_type_hints(kind)
    values = {}
    for key, each in known.items():
        variable = f"COHORTIUM_{name}__{key}".upper()
        if variable in environment:
            value, source = _from_text(environment[variable], hints[key]), variable
        elif key in table:
            value, source = table[key], "file"
        else:
            value, source = each.default, "default"
        origin[f"{name}.{key}"] = source
        try:
            values[key] = _typed(value, hints[key], folder)
        except TypeError as error:
            problems.append(f"{name}.{key}: {error}")
    return kind(**values)


def _from_text(text: str, hint: Any) -> Any:
    if hint is int:
        try:
            return int(text)
        except ValueError:
            return text
    if hint is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if hint == tuple[str, ...]:
        return tuple(each.strip() for each in text.split(",") if each.strip())
    return text


def _typed(value: Any, hint: Any, folder: Path) -> Any:
    if hint is Path and isinstance(value, str | Path):
        return folder / value
    if hint == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    expected = {Path: "a path", str: "text", int: "a whole number", bool: "true or false"}
    raise TypeError(f"{expected.get(hint, 'a list of texts')} is expected")
