"""The key in one safe, the table in another: a bare machine gives the pseudonyms of before, and nobody else opens."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from sqlalchemy import select

from called import Run, called
from cohortium import config, keys
from cohortium.deidentify.rows import path_of
from cohortium.deidentify.subjects import Patient
from cohortium.deidentify.table import Table
from cohortium.store import open_store, schema
from cohortium.values import SubjectRule

PATIENTS = [Patient("4711", ""), Patient("TULIPAN-7", "")]


@pytest.fixture
def cohortium(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command in this process."""
    yield from called(monkeypatch, capsys)


@pytest.fixture
def site(tmp_path: Path, cohortium: Run) -> Path:
    """A site with a table, a project's secret, and a recipient for each of two safes."""
    assert cohortium("init", "site", cwd=tmp_path).returncode == 0
    assert cohortium("subject", "secret", "--project", "study", cwd=tmp_path / "site").returncode == 0
    for name in ("ana", "ben"):
        made = cohortium("key", "identity", f"{name}.txt", cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        (tmp_path / f"{name}.pub").write_text(f"# {name}\n{made.stdout}")
    pseudonyms(tmp_path / "site")
    return tmp_path / "site"


def pseudonyms(site: Path) -> list[str]:
    settings = config.load(site / "cohortium.toml").site
    key = keys.load(settings.key, settings.data)
    table = Table(path_of(settings.data), key, "study", SubjectRule("table"), settings.name)
    return [known.pseudonym for patient in PATIENTS for known in table.admit(patient).values()]


def exported(cohortium: Run, site: Path) -> None:
    for what, who in (("key", "ana"), ("table", "ben")):
        done = cohortium(what, "export", f"../{what}.age", "--recipient", f"../{who}.pub", cwd=site)
        assert done.returncode == 0, done.stderr


def test_a_bare_machine_gives_the_pseudonyms_of_before(cohortium: Run, site: Path, tmp_path: Path) -> None:
    before = pseudonyms(site)
    assert len(set(before)) == len(PATIENTS)
    exported(cohortium, site)
    bare = tmp_path / "bare"
    bare.mkdir()
    done = cohortium("key", "import", "../key.age", "--identity", "../ana.txt", cwd=bare)
    assert done.returncode == 0, done.stderr
    (bare / "cohortium.toml").write_bytes((site / "cohortium.toml").read_bytes())
    assert (bare / "keys" / "site.key").read_bytes() == (site / "keys" / "site.key").read_bytes()
    assert (bare / "keys" / "study.secret").read_bytes() == (site / "keys" / "study.secret").read_bytes()
    done = cohortium("table", "import", "../table.age", "--identity", "../ben.txt", cwd=bare)
    assert done.returncode == 0, done.stderr
    assert pseudonyms(bare) == before
    made = [path for path in bare.rglob("*") if path.is_file() and path.name != "cohortium.toml"]
    assert [path for path in made if path.stat().st_mode & 0o077] == []
    again = cohortium("table", "import", "../table.age", "--identity", "../ben.txt", cwd=bare)
    assert again.returncode == 3, "what is there is never overwritten"
    assert cohortium("key", "import", "../key.age", "--identity", "../ana.txt", cwd=bare).returncode == 3


def test_each_envelope_opens_to_its_keeper_alone_and_holds_one_of_the_two(
    cohortium: Run, site: Path, tmp_path: Path
) -> None:
    exported(cohortium, site)
    ana, ben = (
        pyrage.x25519.Identity.from_str((tmp_path / f"{name}.txt").read_text().split()[-1]) for name in ("ana", "ben")
    )
    key, table = ((tmp_path / f"{name}.age").read_bytes() for name in ("key", "table"))
    letter = json.loads(pyrage.decrypt(key, [ana]))
    assert letter["key"] == (site / "keys" / "site.key").read_text().strip()
    assert letter["key"].encode() not in pyrage.decrypt(table, [ben])
    assert b"4711" not in pyrage.decrypt(table, [ben]), "the table is still sealed under the site's key"
    for name, other in (("key", "ben"), ("table", "ana")):
        done = cohortium(name, "import", f"../{name}.age", "--identity", f"../{other}.txt", cwd=site)
        assert done.returncode == 3
        assert "encrypted to somebody else" in done.stderr
    done = cohortium("table", "import", "../key.age", "--identity", "../ana.txt", cwd=site)
    assert (done.returncode, "holds no table" in done.stderr) == (3, True)


@pytest.mark.parametrize("at", [0.3, 0.6, 0.95])
def test_a_changed_envelope_does_not_open(cohortium: Run, site: Path, tmp_path: Path, at: float) -> None:
    exported(cohortium, site)
    head, *lines, tail = (tmp_path / "key.age").read_text().splitlines()
    content = bytearray(base64.b64decode("".join(lines)))
    content[int(len(content) * at)] ^= 1
    (tmp_path / "key.age").write_text(f"{head}\n{base64.encodebytes(bytes(content)).decode()}{tail}\n")
    (site / "keys" / "site.key").unlink()
    done = cohortium("key", "import", "../key.age", "--identity", "../ana.txt", cwd=site)
    assert done.returncode == 3
    assert not (site / "keys" / "site.key").exists()


def test_a_table_of_another_site_is_refused(cohortium: Run, site: Path, tmp_path: Path) -> None:
    exported(cohortium, site)
    assert cohortium("init", "other", cwd=tmp_path).returncode == 0
    done = cohortium("table", "import", "../table.age", "--identity", "../ben.txt", cwd=tmp_path / "other")
    assert done.returncode == 3
    assert "sealed under the key" in done.stderr
    assert not path_of(tmp_path / "other" / "data").exists()


def test_who_took_what_out_stands_in_the_audit(cohortium: Run, site: Path) -> None:
    exported(cohortium, site)
    with open_store(site / "data").begin() as connection:
        rows = connection.execute(select(schema.audit.c.what, schema.audit.c.object)).all()
    recipients = [(site.parent / f"{name}.pub").read_text().split()[-1] for name in ("ana", "ben")]
    assert [(row.what, row.object) for row in rows][-2:] == [
        ("site key exported", f"to {recipients[0]}"),
        ("table of correspondence exported", f"to {recipients[1]}"),
    ]


def test_files_that_are_no_recipients_and_no_identities(cohortium: Run, site: Path, tmp_path: Path) -> None:
    exported(cohortium, site)
    (tmp_path / "none.pub").write_text("# nobody\n")
    (tmp_path / "bad.pub").write_text("age1notreally\n")
    for name in ("none", "bad", "missing"):
        done = cohortium("key", "export", "../new.age", "--recipient", f"../{name}.pub", cwd=site)
        assert (done.returncode, (tmp_path / "new.age").exists()) == (2, False)
    (tmp_path / "ana.txt").chmod(0o644)
    done = cohortium("key", "import", "../key.age", "--identity", "../ana.txt", cwd=site)
    assert (done.returncode, "chmod 600" in done.stderr) == (3, True)


def test_a_copy_is_whole_while_the_table_is_written(cohortium: Run, site: Path, tmp_path: Path) -> None:
    """Somebody is in the middle of a change: the copy is of the moment before."""
    before = pseudonyms(site)
    with sqlite3.connect(path_of(site / "data"), isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM subject")
        exported(cohortium, site)
        writer.execute("ROLLBACK")
    path_of(site / "data").unlink()
    done = cohortium("table", "import", "../table.age", "--identity", "../ben.txt", cwd=site)
    assert done.returncode == 0, done.stderr
    assert pseudonyms(site) == before
