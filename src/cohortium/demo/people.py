"""Who was scanned, and how, in the made-up hospital: `identity.toml` and `scans.toml` as values.

Whatever stands in `identity.toml` is identifying, and `planted` returns all of it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["Patient", "Study", "patients", "planted", "site"]


@dataclass(frozen=True, slots=True)
class Study:
    """One study: `identity` by keyword, and the rest of what distinguishes it."""

    identity: Mapping[str, str]
    charset: str | list[str]
    date: str
    time: str
    radius: float  # of the nodule, mm
    contrast: float  # share of full enhancement
    shift: int  # slices that the patient lies further up than in the phantom
    PatientAge: str
    missing: bool
    header: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient: `identity` holds the free texts by their place, `header` what goes by keyword."""

    number: int
    identity: Mapping[str, str]
    header: Mapping[str, Any]
    scanner: Mapping[str, Any]
    scan: Mapping[str, Any]
    studies: tuple[Study, ...]


@cache
def site() -> Mapping[str, str]:
    """Planted values that stand outside the two patients' own studies."""
    return dict(_read("identity")["site"])


def patients() -> tuple[Patient, ...]:
    pairs = zip(_read("identity")["patient"], _read("scans")["patient"], strict=True)
    return tuple(_patient(number, identity, scan) for number, (identity, scan) in enumerate(pairs, 1))


def planted() -> tuple[str, ...]:
    """Every identifying value that the hospital contains."""
    return tuple(sorted(set(_texts(_read("identity")))))


def _patient(number: int, identity: dict[str, Any], scan: dict[str, Any]) -> Patient:
    header, studies = identity.pop("header"), identity.pop("study")
    scanner, scans = scan.pop("header"), scan.pop("study")
    return Patient(
        number=number,
        identity=identity,
        header=header,
        scanner=scanner,
        scan=scan,
        studies=tuple(
            Study(identity=who, **{"missing": False, "header": {}, **how})
            for who, how in zip(studies, scans, strict=True)
        ),
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text("utf-8"))
