"""Whatever stands in an export, its dictionary or a mapping: it is read, or refused with a reason."""

import tempfile
import tomllib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import captured
from cohortium.clinical import capture, mapping
from cohortium.errors import ConfigError, Malformed

PROJECT = captured.study()
CELLS = st.sampled_from(
    ["", "1", "2", "P001", "UNK", "<0.5", "1e9", "nan", "2020-02-30", "1|2", "Checked", "=1+1", "é\x0b"]
)
COLUMNS = [
    *(
        "record_id",
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "age",
        "sex",
        "history___1",
    ),
    *("visit_time", "alb", "crp_unit", "pcr", "trt", "x", "Age", "Complete?"),
]
KEYS = """DM LB MH visits study partner subject missing AGE SEX LBORRES field value terms tests form when checkbox
events per unit standard factor test loinc age sex history 1 identifiers at time order several MHTERM name MHSCTID"""
WORDS = st.sampled_from(KEYS.split())
LEAVES = st.one_of(WORDS, st.text(max_size=5), st.integers(-9, 99), st.booleans(), st.floats(allow_nan=True))
TREES = st.recursive(
    LEAVES, lambda each: st.lists(each, max_size=3) | st.dictionaries(WORDS, each, max_size=4), max_leaves=12
)


def used(path: Path, dictionary: Path | None, text: str = captured.MAPPING) -> None:
    """Read an export to its end, and map it."""
    (path.parent / "m.toml").write_text(text, "utf-8")
    found = capture.read(path, dictionary)
    mapping.run(found, mapping.load(path.parent / "m.toml", found.dictionary))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=9), st.data())
def test_any_table(headings, data):
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(headings), max_size=len(headings)), max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        dictionary, flat, _ = PROJECT.write(Path(folder))
        flat.write_text(captured.as_csv([headings, *rows]), "utf-8", newline="")
        try:
            used(flat, dictionary)
        except Malformed:
            return


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_to_a_file(data):
    with tempfile.TemporaryDirectory() as folder:
        files = PROJECT.write(Path(folder))
        path = data.draw(st.sampled_from(files))
        content = path.read_bytes()
        at = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 60))
        path.write_bytes(content[:at] + data.draw(st.binary(max_size=8)) + content[at + length :])
        try:
            used(files[1], files[0])
            used(files[2], None)
        except (Malformed, ConfigError):
            return


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_elements_of_odm_in_any_order(data):
    lines = PROJECT.odm().splitlines()
    chosen = data.draw(st.lists(st.integers(1, len(lines) - 1), max_size=4))
    for at in chosen:
        other = data.draw(st.integers(1, len(lines) - 1))
        lines[at], lines[other] = lines[other], lines[at]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.xml"
        path.write_text("\n".join(lines), "utf-8")
        try:
            used(path, None)
        except (Malformed, ConfigError):
            return


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value) + '"'
    return str(value).lower()


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(WORDS, TREES, max_size=5), st.booleans())
def test_any_mapping(document, whole):
    if whole:
        document = {"study": "S", "partner": "p", **{key: each for key, each in document.items() if len(key) > 2}}
        document["DM"] = [{"AGE": "age", **document}] if document else []
    text = "\n".join(f"{_toml(key)} = {_toml(value)}" for key, value in document.items())
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise AssertionError(text) from None
    with tempfile.TemporaryDirectory() as folder:
        dictionary, flat, _ = PROJECT.write(Path(folder))
        try:
            used(flat, dictionary, text)
        except ConfigError:
            return
