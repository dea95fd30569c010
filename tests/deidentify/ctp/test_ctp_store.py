"""Lookup tables and running numbers: sealed, and the same in every run and for every process."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.ctp.store import Store, tables_for
from cohortium.deidentify.rows import path_of
from cohortium.errors import ConfigError, Corrupt
from cohortium.keys import SiteKey

KEY = SiteKey(bytes(32))
HEAD = 'name = "hospital"\nversion = "1"\ntitle = "T"\nedition = "2026c"\nbase = "basic"\n'


def store(folder: Path, key: SiteKey = KEY, project: str = "p") -> Store:
    return Store(path_of(folder), key, project)


def numbers(folder: Path) -> list[int]:
    """What one process gets for fifty texts; at top level, for another process runs it."""
    own = store(folder)
    return [own.integer("ptid", f"PAT-{number % 50}") for number in range(100)]


def test_a_number_is_given_once(tmp_path):
    one = store(tmp_path)
    assert [one.integer("ptid", text) for text in ("A", "B", "A")] == [1, 2, 1]
    assert one.integer("acc", "B") == 1
    again = store(tmp_path)
    assert [again.integer("ptid", text) for text in ("C", "B")] == [3, 2]


def test_processes_give_the_same_numbers(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        results = list(pool.map(numbers, [tmp_path] * 4))
    assert len({tuple(result) for result in results}) == 1
    assert sorted(set(results[0])) == list(range(1, 51))


def test_projects_number_apart(tmp_path):
    assert store(tmp_path).integer("ptid", "A") == store(tmp_path, project="other").integer("ptid", "B") == 1


def test_the_file_says_nothing(tmp_path):
    own = store(tmp_path)
    own.take("hospital", {"ptid/PAT-4711-X": "SUBJ-1"})
    own.integer("ptid", "PAT-4711-X")
    content = path_of(tmp_path).read_bytes()
    for word in (b"4711", b"SUBJ", b"hospital", b"ptid"):
        assert word not in content
    with pytest.raises(ConfigError):
        store(tmp_path, SiteKey(bytes(31) + b"\1")).lookup("hospital")


def test_a_table_is_found_by_its_name_and_told_by_its_fingerprint(tmp_path):
    own = store(tmp_path)
    one, other = own.take("h", {"ptid/1": "a"}), own.take("i", {"ptid/1": "b"})
    assert one != other
    assert own.take("h", {"ptid/1": "a"}) == one
    assert own.lookup("h") == {"ptid/1": "a"}
    assert store(tmp_path, project="q").take("h", {"ptid/1": "a"}) != one


def test_a_damaged_table_is_told(tmp_path):
    own = store(tmp_path)
    own.take("h", {"ptid/1": "a"})
    path_of(tmp_path).write_bytes(b"no database" * 1000)
    with pytest.raises(Corrupt):
        own.lookup("h")


def test_a_protocol_looks_up_and_numbers(tmp_path):
    rules = (
        '<e en="T" t="00100020" n="PatientID">@lookup(this,ptid)</e><e en="T" t="00081030" n="x">@integer(this,d,3)</e>'
    )
    (tmp_path / "s").write_text(f"<script>{rules}</script>")
    (tmp_path / "p.toml").write_text(f'{HEAD}[ctp]\nscript = "s"\nlookup = "hospital"\n')
    protocol = load_protocol(tmp_path / "p.toml")
    with pytest.raises(ConfigError, match="no lookup table"):
        tables_for(protocol, KEY, "p", tmp_path)
    store(tmp_path).take("hospital", {f"ptid/{factory.ID}": "SUBJ-1"})
    for _ in range(2):
        by = Deidentifier(protocol, KEY, "p", tables=tables_for(protocol, KEY, "p", tmp_path))
        result = by(factory.ct())
        assert isinstance(result, Deidentified)
        assert result.PatientID == "SUBJ-1"
        assert factory.read(factory.joined(result.slices)).StudyDescription == "001"
    assert not isinstance(by(factory.ct(PatientID="P-2")), Deidentified)
