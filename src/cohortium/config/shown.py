"""The configuration as people see it: every setting there is, those in force, and a first file to fill in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from cohortium.config.whole import LISTS, SECTIONS, Config

__all__ = ["EXAMPLE", "example", "in_force", "settings"]

EXAMPLE: Mapping[str, Mapping[str, str]] = {
    "project": {"name": "study", "title": "Our study"},
    "pipeline": {
        "name": "incoming",
        "source": "incoming",
        "project": "study",
        "protocol": "basic",
        "specification": "basic",
    },
}


def settings() -> Iterator[tuple[str, Any, str]]:
    """(name, default, help) of every setting, for `config show` and the reference."""
    for section, kind in {**SECTIONS, **{f"[{name}]": kind for name, kind in LISTS.items()}}.items():
        for each in fields(kind):
            yield f"{section}.{each.name}", each.default, each.metadata["help"]


def in_force(config: Config) -> Iterator[tuple[str, Any, str]]:
    """(name, value, origin) of every setting as `config` has it; a path as text."""
    for section in SECTIONS:
        yield from _rows(section, getattr(config, section), config.origin)
    for name in LISTS:
        for n, entry in enumerate(config.listed(name)):
            yield from _rows(f"{name}[{n}]", entry, config.origin)


def example() -> str:
    """A commented configuration file: every setting with its default, and a first project and pipeline."""
    head = "# The configuration of one Cohortium site. A setting that is commented out has the value shown.\n"
    sections = [_example(f"[{name}]", kind, {}) for name, kind in SECTIONS.items()]
    lists = [_example(f"[[{name}]]", LISTS[name], chosen) for name, chosen in EXAMPLE.items()]
    return "\n".join([head, *sections, *lists])


def _rows(section: str, values: Any, origin: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    for each in fields(values):
        value = getattr(values, each.name)
        yield (
            f"{section}.{each.name}",
            str(value) if isinstance(value, Path) else value,
            origin[f"{section}.{each.name}"],
        )


def _example(header: str, kind: type, chosen: Mapping[str, str]) -> str:
    lines = [header]
    for each in fields(kind):
        value = chosen.get(each.name, each.default)
        text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
        lines += [f"# {each.metadata['help']}", f"{'' if each.name in chosen else '# '}{each.name} = {text}"]
    return "\n".join(lines) + "\n"
