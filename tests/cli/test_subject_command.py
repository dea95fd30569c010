"""`cohortium subject`: secrets, lists, and who is in a project. No identifier ever stands on a command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

import factory
from cohortium import keys
from cohortium.cli import app
from cohortium.errors import CohortiumError
from cohortium.find import inclusion
from cohortium.prove import audit, provenance
from cohortium.store import open_store, schema
from cohortium.verify import record

OWN = """name = "own"
version = "1"
title = "Own"
edition = "2026c"
base = "basic"
{before}
[subject]
kind = "{kind}"
{more}
"""
OPTION = 'options = ["Retain Longitudinal Temporal Information {} Dates"]'


def call(site: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """The command in this process, for there are many calls here; `main` is held to its exit codes elsewhere."""
    with chdir(site):
        done = CliRunner().invoke(app, arguments, input=typed)
    code, said = done.exit_code, done.stderr
    if isinstance(done.exception, CohortiumError):
        code, said = done.exception.exit_code, f"{said}cohortium: {done.exception}"
    return subprocess.CompletedProcess(arguments, code, done.stdout, said)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    assert call(tmp_path, "init").returncode == 0
    (tmp_path / "incoming" / "one").write_bytes(factory.ct(AccessionNumber="1"))
    return tmp_path


def by_kind(site: Path, kind: str, more: str = "", before: str = "") -> None:
    (site / "own.toml").write_text(OWN.format(kind=kind, more=more, before=before))
    file = site / "cohortium.toml"
    file.write_text(file.read_text().replace('protocol = "basic"', 'protocol = "own.toml"'))


def run_gateway(site: Path) -> Any:
    done = call(site, "gateway", "once", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["keyed", "hash", "random", "context"])
def test_a_site_asks_whether_a_patient_is_in(site: Path, kind: str) -> None:
    by_kind(site, kind)
    if kind == "hash":
        assert "cohortium subject secret" in call(site, "gateway", "once").stderr
        assert call(site, "subject", "secret", "--project", "study").returncode == 0
    run_gateway(site)
    yes = call(site, "subject", "includes", "--project", "study", typed=f" {factory.ID}\n")
    assert (yes.returncode, yes.stdout) == (0, "yes\n"), yes.stderr
    no = call(site, "subject", "includes", "--project", "study", "--json", typed="somebody\n")
    assert json.loads(no.stdout) == {"project": "study", "included": False}
    assert call(site, "subject", "includes", "--project", "study", "--issuer", "W", typed=factory.ID).stdout == "no\n"
    with open_store(site / "data").begin() as connection:
        assert audit.count(connection, "subject includes", "") == 3
        audit.verify_chain(connection)
    stored = b"".join(path.read_bytes() for path in (site / "data").rglob("*") if path.is_file())
    assert factory.planted_in(stored, [factory.ID, "MUELLER"]) == []


def test_questions_are_few(site: Path) -> None:
    with open_store(site / "data").begin() as connection:
        for _ in range(10):
            audit.record(connection, "somebody", "subject includes", "study")
    refused = call(site, "subject", "includes", "--project", "study", typed=f"{factory.ID}\n")
    assert refused.returncode == 5
    assert "wait" in refused.stderr
    assert factory.ID not in refused.stderr
    with open_store(site / "data").begin() as connection:
        assert audit.count(connection, "subject includes refused", "") == 1, "who asks too much is on record as well"
        assert audit.count(connection, "subject includes", "") == 10, "and is not kept waiting for longer by it"


def test_an_identifier_on_the_command_line_is_refused(site: Path) -> None:
    assert call(site, "subject", "includes", "--project", "study", factory.ID).returncode == 2
    assert "missing" in call(site, "subject", "includes", "--project", "study").stderr
    assert "no pipeline" in call(site, "subject", "includes", "--project", "other", typed="x").stderr


def test_a_weak_secret_is_taken_only_when_accepted_and_reported(site: Path) -> None:
    by_kind(site, "hash")
    arguments = ("subject", "secret", "--project", "study", "--import")
    assert call(site, *arguments, typed="summer2020\n").returncode == 3
    assert call(site, *arguments, "--accept-weak", typed="summer2020\n").returncode == 0
    assert any(each["rule"] == "subject.weak-secret" for each in run_gateway(site)["findings"])
    expected = hashlib.new("sha512_256", b"summer2020" + factory.ID.encode()).hexdigest()
    assert call(site, "deidentify", "incoming", "out", "--project", "study", "--protocol", "own.toml").returncode == 0
    assert (site / "out" / expected).is_dir()


def test_a_list_is_imported_and_who_is_not_in_it_waits(site: Path) -> None:
    by_kind(site, "lookup")
    assert run_gateway(site)["quarantined"] == {"no pseudonym for this patient": 1}
    (site / "list.csv").write_text(f"patient_id,subject\n{factory.ID},SUBJECT-7\n")
    done = call(site, "subject", "import", "--project", "study", "list.csv")
    assert done.returncode == 0, done.stderr
    assert factory.ID not in done.stdout
    assert call(site, "deidentify", "incoming", "out", "--project", "study", "--protocol", "own.toml").returncode == 0
    assert (site / "out" / "SUBJECT-7").is_dir()


def test_fresh_identifiers_are_for_one_run(site: Path) -> None:
    by_kind(site, "fresh")
    assert "cohortium anonymise" in call(site, "gateway", "once").stderr
    names = []
    for out in ("a", "b"):
        assert call(site, "deidentify", "incoming", out, "--protocol", "own.toml").returncode == 0
        names.append([path.name for path in (site / out).iterdir()])
    assert len({str(each) for each in names}) == 2
    again = call(site, "deidentify", "incoming", "a", "--protocol", "own.toml")
    assert again.returncode == 3
    assert "empty" in again.stderr
    recorded = call(site, "deidentify", "incoming", "c", "--protocol", "own.toml", "--record", "c.record")
    assert recorded.returncode == 3
    assert "keep nothing" in recorded.stderr


def test_eight_workers_and_one_new_patient_give_one_pseudonym(site: Path) -> None:
    by_kind(site, "random")
    for number in range(70):  # more than two batches
        instance = f"{factory.INSTANCE}.{number}"
        (site / "incoming" / f"{number}").write_bytes(factory.ct(SOPInstanceUID=instance, AccessionNumber="1"))
    arguments = ("--protocol", "own.toml", "--project", "study", "--jobs", "8")
    assert call(site, "deidentify", "incoming", "out", *arguments).returncode == 0
    (folder,) = (path for path in (site / "out").iterdir())
    assert len(list(folder.rglob("*.dcm"))) == 71
    run_gateway(site)
    with open_store(site / "data").begin() as connection:
        assert inclusion.includes(connection, "study", {folder.name}), "the gateway gave the same, from the same table"


def test_two_hospitals_1001_are_two_people_through_the_gateway(site: Path) -> None:
    by_kind(site, "random")
    for number, issuer in enumerate(("WEST", "EAST", "WEST", "")):
        uids = {
            "SOPInstanceUID": f"1.2.3.{number}",
            "SeriesInstanceUID": f"1.2.4.{number}",
            "StudyInstanceUID": f"1.2.5.{number}",
        }
        content = factory.ct(PatientID="1001", PatientName="X", IssuerOfPatientID=issuer, AccessionNumber="1", **uids)
        (site / "incoming" / f"{number}").write_bytes(content)
    (site / "incoming" / "one").unlink()
    run_gateway(site)
    with open_store(site / "data").begin() as connection:
        assert len(connection.execute(select(schema.instance.c.id)).all()) == 4
        assert len(connection.execute(select(schema.subject.c.id)).all()) == 3, "WEST, EAST, and nobody's"


def test_who_holds_the_key_merges_and_links(site: Path) -> None:
    """Two identifiers of one person: found as candidates, merged by hand, linked to another project; all on record."""
    by_kind(site, "context")
    file = site / "cohortium.toml"
    file.write_text(
        file.read_text()
        + '\n[[project]]\nname = "second"\n[[pipeline]]\nname = "other"\nsource = "elsewhere"\nproject = "second"\n'
        + 'protocol = "own.toml"\nspecification = "basic"\n'
    )
    (site / "elsewhere").mkdir()
    names = {"1": "Maier^Anna", "2": "Meier^Anne"}
    (site / "incoming" / "one").unlink()
    for number, name in names.items():
        uids = {
            "SOPInstanceUID": f"1.2.3.{number}",
            "SeriesInstanceUID": f"1.2.4.{number}",
            "StudyInstanceUID": f"1.2.5.{number}",
        }
        for folder in ("incoming", "elsewhere"):  # the same bytes would be a duplicate
            who = {"PatientID": number, "PatientName": name, "PatientSex": "F", "AccessionNumber": folder}
            (site / folder / number).write_bytes(factory.ct(**who, **uids))
    report = run_gateway(site)
    assert "subject.candidate" in {each["rule"] for each in report["findings"]}
    ((pair),) = json.loads(call(site, "subject", "candidates", "--project", "study", "--json").stdout)
    linked = call(site, "subject", "link", "--project", "study", "--to", "second", typed=f"{pair['subject']}\n")
    assert linked.returncode == 0, linked.stderr
    with open_store(site / "data").begin() as connection:
        assert inclusion.includes(connection, "second", {linked.stdout.strip()})
    merged = call(site, "subject", "merge", "--project", "study", typed=f"{pair['subject']}\n{pair['like']}\n")
    assert merged.returncode == 0, merged.stderr
    assert "stays" in merged.stdout
    assert call(site, "subject", "candidates", "--project", "study").stdout.startswith("No two")
    assert call(site, "subject", "merge", "--project", "study", typed="a\nb\n").returncode == 3
    with open_store(site / "data").begin() as connection:
        assert [audit.count(connection, f"subject {what}", "") for what in ("candidates", "link", "merge")] == [2, 1, 2]
        audit.verify_chain(connection)


def test_what_was_pseudonymised_elsewhere_is_on_record(site: Path) -> None:
    by_kind(site, "context", "elsewhere = true")
    report = run_gateway(site)
    assert "subject.pseudonymised-elsewhere" in {each["rule"] for each in report["findings"]}
    with open_store(site / "data").begin() as connection:
        (output,) = connection.execute(select(schema.provenance.c.output)).scalars()
        (made,) = provenance.of(connection, output)
    assert made.subjects == "pseudonymised elsewhere"
    arguments = ("--protocol", "own.toml", "--project", "study", "--record", "run.record")
    assert call(site, "deidentify", "incoming", "out", *arguments).returncode == 0
    key = keys.load(site / "keys" / "site.key", site / "data")
    assert record.read(site / "run.record", key).subjects == "pseudonymised elsewhere"


def test_a_project_that_undoes_what_another_did_to_dates_is_reported(site: Path) -> None:
    by_kind(site, "keyed", before=OPTION.format("Full"))
    run = ("deidentify", "incoming", "--protocol", "own.toml", "--json")
    plain = json.loads(call(site, *run[:2], "a", *run[2:], "--project", "keeping").stdout)
    assert "subject.overlap" not in plain["findings"]
    by_kind(site, "keyed", before=OPTION.format("Modified"))
    undone = json.loads(call(site, *run[:2], "b", *run[2:], "--project", "shifting").stdout)
    assert undone["findings"]["subject.overlap"] == 1
    assert "subject.overlap" in {each["rule"] for each in run_gateway(site)["findings"]}


def test_who_bears_an_identifier_of_a_script_cannot_be_asked(site: Path) -> None:
    (site / "own.script").write_text('<s><e en="T" t="00100020" n="PatientID">@hash(this)</e></s>')
    by_kind(site, "keyed", '[ctp]\nscript = "own.script"')
    done = call(site, "subject", "includes", "--project", "study", typed="P-1\n")
    assert done.returncode == 2
    assert "a CTP script makes the identifiers" in done.stderr
