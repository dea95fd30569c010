"""Turn what the DICOM standard says into the tables that `cohortium.deidentify.standard` reads.

    python tools/standards.py --standards DIR        (needs the extra `standards`)

DIR holds `ps3.15-table-e1-1.csv`, Table E.1-1 as published, and `safe_private_attributes.csv`, the private attributes
that PS3.15 E.3.10 and The Cancer Imaging Archive know to be safe. The types of attributes come from highdicom's maps of
PS3.3. The same sources always give the same bytes; `sources.toml` says which sources those were.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pydicom
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.uid import UID_dictionary

DATA = Path(__file__).parents[1] / "src" / "cohortium" / "deidentify" / "data"
TABLE = "ps3.15-table-e1-1.csv"
PRIVATE = "safe_private_attributes.csv"
DATED = {"date": "M"}  # as cohortium.values.Action has it
STRICTEST_FIRST = ("1", "1C", "2", "2C")  # type 3 is what an attribute has that is not written down
OPTIONS = (
    "retain_safe_private",
    "retain_uids",
    "retain_device_identity",
    "retain_institution_identity",
    "retain_patient_characteristics",
    "retain_longitudinal_full_dates",
    "retain_longitudinal_modified_dates",
    "clean_descriptors",
    "clean_structured_content",
    "clean_graphics",
)

Row = Iterable[str]


def write(standards: Path, into: Path = DATA) -> None:
    """Write every table into the folder `into`."""
    published = list(csv.DictReader((standards / TABLE).open(encoding="utf-8", newline="")))
    listed = {row["keyword"] for row in published if row["keyword"]} | {"BurnedInAnnotation"} | _free_texts()
    classes = list(sop_classes(_highdicom("sop_class_iod_map"), _highdicom("iod_module_map")))
    modules = list(iod_modules(_highdicom("iod_module_map"), {iod for _, iod, _ in classes}))
    types = list(module_types(_highdicom("module_attribute_map"), {module for _, module, _ in modules}, listed))
    into.mkdir(parents=True, exist_ok=True)
    _table(into / "confidentiality.csv", ("tag", "keyword", "vr", "basic", *OPTIONS), confidentiality(published))
    safe = list(csv.DictReader((standards / PRIVATE).open(encoding="utf-8", newline="")))
    header = ("group", "creator", "vr", "action", "source", "elements")
    _table(into / "safe_private.csv", header, safe_private(safe))
    _table(into / "sop_classes.csv", ("uid", "iod", "name"), classes)
    _table(into / "iod_modules.csv", ("iod", "module", "usage"), modules)
    _table(into / "module_types.csv", ("module", "path", "types"), types)
    (into / "sources.toml").write_text(sources(standards), encoding="utf-8")


def _free_texts() -> set[str]:
    """Attributes in which anything may be written, which the protocol removes where the IOD can do without."""
    return {keyword for vr, _, _, _, keyword in DicomDictionary.values() if vr in ("LT", "ST", "UT")}


def confidentiality(published: Iterable[dict[str, str]]) -> Iterator[Row]:
    """Table E.1-1: tag, keyword, VR, the code of the Basic Profile and of each option."""
    for row in sorted(published, key=lambda row: _tag(row["tag"])):
        tag = _tag(row["tag"])
        yield (tag, row["keyword"], _vr(tag), row["basic"], *(row[option] for option in OPTIONS))


def sop_classes(iods: dict[str, str], modules: dict[str, list[dict[str, str]]]) -> Iterator[tuple[str, str, str]]:
    """SOP class, its IOD, and the name that people read: those alone whose objects belong to one patient."""
    for uid, iod in sorted(iods.items()):
        if any(module["key"] == "patient" for module in modules[iod]):
            name = UID_dictionary[uid][0] if uid in UID_dictionary else iod.replace("-", " ").title()
            yield uid, iod, name.removesuffix(" Storage")


def iod_modules(modules: dict[str, list[dict[str, str]]], iods: set[str]) -> Iterator[tuple[str, str, str]]:
    """The modules of each of the IODs, with their usage (M, C, U)."""
    for iod in sorted(iods):
        yield from sorted((iod, entry["key"], entry["usage"]) for entry in modules[iod])


def module_types(
    attributes: dict[str, list[dict[str, Any]]], modules: set[str], listed: set[str]
) -> Iterator[tuple[str, str, str]]:
    """Module, path of sequences, and `Keyword:type` of the listed attributes there that are not of type 3."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for module in modules & attributes.keys():
        for attribute in attributes[module]:
            keyword, kind = attribute["keyword"], attribute["type"]
            if keyword in listed and kind in STRICTEST_FIRST:
                here = found[module, "/".join(attribute["path"])]
                here[keyword] = min(kind, here.get(keyword, kind), key=STRICTEST_FIRST.index)
    for (module, path), types in sorted(found.items()):
        yield module, path, " ".join(f"{keyword}:{kind}" for keyword, kind in sorted(types.items()))


def safe_private(rows: Iterable[dict[str, str]]) -> Iterator[Row]:
    """Group, creator, VR, action and source of private attributes, and the low bytes of those that share all these."""
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        vr = row["vr"].partition("/")[0] or "UN"
        source = "PS3.15 E.3.10" if row["in_ps3_15_e3_10"] == "Y" else "TCIA"
        key = row["group"], row["private_creator"], vr, DATED.get(row["action"], row["action"]), source
        found[key].append(row["element"].removeprefix("xx"))
    for key, elements in sorted(found.items()):
        yield *key, " ".join(sorted(elements))


def sources(standards: Path) -> str:
    table, private = (hashlib.sha256((standards / name).read_bytes()).hexdigest() for name in (TABLE, PRIVATE))
    return (
        "# Written by tools/standards.py, as are the .csv files that it names there.\n"
        f'table_e1_1 = "{table}"  # SHA-256 of {TABLE}: Basic Profile 2026c, options 2024e\n'
        f'safe_private = "{private}"  # SHA-256 of {PRIVATE}: PS3.15 E.3.10, TCIA 2024-02\n'
        f'highdicom = "{version("highdicom")}"  # maps of PS3.3\n'
        f'pydicom = "{pydicom.__version__}"  # data dictionary, names of SOP classes\n'
    )


def _highdicom(name: str) -> Any:
    return json.loads((files("highdicom") / "_standard" / f"{name}.json").read_text("utf-8"))


def _tag(published: str) -> str:
    """`(0008,0050)` as 00080050, `(60XX,3000)` as 60xx3000, the row of private attributes as `odd`."""
    return "odd" if "ODD" in published else published.strip("()").replace(",", "").lower()


def _vr(tag: str) -> str:
    try:
        number = int(tag.replace("xx", "00"), 16)
    except ValueError:
        return ""
    return dictionary_VR(number) if dictionary_has_tag(number) else ""


def _table(path: Path, header: Row, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--standards", type=Path, required=True, metavar="DIR", help=f"folder that holds {TABLE}")
    write(parser.parse_args().standards)
