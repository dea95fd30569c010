"""Clinical tables travel as images do: under the same pseudonyms and dates, held, sent and confirmed, or set aside."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

import dying
from cohortium import config, keys
from cohortium.archive import Archive
from cohortium.errors import ConfigError
from cohortium.gateway.comparing import compare
from cohortium.spool import Decision, Spool, Verdict, choose
from cohortium.store import open_store, schema

Make = Callable[..., bytes]

PROTOCOL = """
name = "study"
version = "1"
title = "Images and tables"
edition = "2026c"
base = "basic"
options = ["Retain Longitudinal Temporal Information Modified Dates"]
[dates]
rule = "shift"
[clinical]
base = "sdtm"
[clinical.tables.patients]
files = ["patients*.csv"]
patient = "PatNr"
[clinical.tables.patients.columns]
PatNr = "pseudonym"
Seen = "date"
Size = "number"
"""
HEADING = "PatNr,Name,Seen,Size"


def rows(*each: str) -> bytes:
    return "\n".join((HEADING, *each, "")).encode()


TWO = rows("PAT-0815,Ottilie Kranzler,2024-02-03,12", "PAT-0816,Anselm Vogt,2024-03-04,9")


@pytest.fixture
def site(hospital: Any) -> Any:
    """Of which the protocol has rules for tables, and whose pipeline sends to its archive and a folder."""
    (hospital.root / "study.toml").write_text(PROTOCOL)
    (hospital.root / "share").mkdir()
    text = hospital.file.read_text().replace(
        'specification = "strict.toml"',
        'specification = "basic"\nprotocol = "study.toml"\ndestinations = ["archive", "share"]',
    )
    hospital.file.write_text(text + '[[destination.folder]]\nname = "share"\npath = "share"\n')
    return hospital


def shared(site: Any) -> dict[str, bytes]:
    """The tables in the folder, by name."""
    return {path.name: path.read_bytes() for path in (site.root / "share").iterdir() if path.is_file()}


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def items(site: Any) -> list[dict[str, Any]]:
    return [row for row in site.rows(schema.item) if row["SOPInstanceUID"].endswith(".csv")]


def test_a_table_goes_out_under_the_names_of_the_images(site: Any, make: Make, planted: tuple[str, ...]) -> None:
    site.put("images/1.dcm", make(1))
    patient = read_patient(make(1))
    site.put("patients_2024.csv", rows(f"{patient},Ottilie,2024-02-03,12"))
    summary = site.run()
    assert summary.states["sent"] == 2, summary
    (name,) = shared(site)
    assert name == "site_patients.csv"
    (row,) = read(shared(site)[name])
    (image,) = (path for path in (site.root / "share").rglob("*.dcm"))
    assert row["PatNr"] == image.relative_to(site.root / "share").parts[0]
    assert row.keys() == {"PatNr", "Seen", "Size"}
    assert row["Seen"] != "2024-02-03"
    (item,) = items(site)
    assert item["digest"] == sha256(shared(site)[name]).hexdigest()
    confirmed = {
        row["destination"]: row["receipt"] for row in site.rows(schema.delivery) if row["item_id"] == item["id"]
    }
    assert confirmed == {
        "archive": f"{item['digest']} digest stated by the receiver",
        "share": f"{item['digest']} read back, same digest",
    }
    (file,) = site.rows(schema.resource_file)
    assert (file["name"], file["digest"], file["admitted"]) == ("site_patients.csv", item["digest"], "receipt")
    assert not [path for path in (site.root / "data" / "spool").rglob("*") if path.is_file() and path.name != ".lock"]
    kept = [path for path in (site.root / "data").rglob("*") if path.is_file()]
    told = b"".join(path.read_bytes() for path in [*kept, site.root / "share" / name])
    assert not [each for each in (*planted, "Ottilie", "patients_2024") if each.encode() in told]


def read_patient(content: bytes) -> str:
    return str(dcmread(io.BytesIO(content)).PatientID)


def test_the_same_table_again_is_one_and_another_of_its_kind_gets_a_number(site: Any) -> None:
    site.put("patients_a.csv", TWO)
    site.put("copy/patients_b.csv", TWO)
    assert site.run().states["duplicate"] == 1
    site.put("patients_c.csv", rows("PAT-0817,Jo,2024-02-03,1"))
    assert site.run().states["sent"] == 2
    assert shared(site).keys() == {"site_patients.csv", "site_patients_2.csv"}
    assert site.run().new_files == 0
    assert {row["name"] for row in site.rows(schema.resource_file)} == shared(site).keys()


def test_tables_of_sdtm_are_known_by_partner_and_domain(site: Any) -> None:
    site.put("maastro_dm.csv", b"STUDYID,DOMAIN,USUBJID,SEX\nS,DM,PAT-0815,F\n")
    assert site.run().states["sent"] == 1
    assert shared(site).keys() == {"site_dm.csv"}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("other.csv", TWO, "no rule of the protocol takes this table"),
        ("patients.csv", b"\xff\xfe" + TWO.decode().encode("utf-16-le"), "not a table that its rule can read"),
        (
            "patients.csv",
            "PatNr,Name,Seen,Size\n1,Müller,2024-02-03,1\n".encode("latin-1"),
            "not a table that its rule can read",
        ),
        ("patients.csv", b'PatNr,Name,Seen,Size\n1,"cut off', "not a table that its rule can read"),
        ("patients.csv", b"1,Ottilie,2024-02-03,12\n", "not a table that its rule can read"),
        ("patients.csv", b"PatNr,patnr,Seen,Size\n1,2,2024-02-03,1\n", "not a table that its rule can read"),
        ("patients.csv", b"\0" * 4096, "not a table that its rule can read"),
        ("patients.csv", b"PatNr,Seen\n1," + b"9" * (1 << 18) + b"\n", "not a table that its rule can read"),
        ("patients.csv", ",".join(f"c{n}" for n in range(5000)).encode(), "not a table that its rule can read"),
        ("patients.csv", rows("1,Ottilie,soon,12"), "no row of the table could go on"),
        ("patients.csv", b"", "empty file"),
    ],
)
def test_what_cannot_be_made_waits_with_a_reason(site: Any, name: str, content: bytes, reason: str) -> None:
    site.put(name, content)
    summary = site.run()
    assert summary.quarantined == {reason: 1}
    assert shared(site) == {}
    assert "Ottilie" not in str(summary)
    assert "Müller" not in str(summary)


def test_a_table_beyond_the_limit_is_accounted_for_and_not_taken_in(site: Any) -> None:
    site.file.write_text("[limits]\nfile_megabytes = 1\n" + site.file.read_text())
    site.put("patients.csv", rows(*("PAT-0815,Ottilie,2024-02-03,12" for _ in range(40_000))))
    assert site.run().quarantined == {"larger than the limit": 1}
    assert not list((site.root / "data" / "spool" / "incoming").iterdir())


def test_a_table_of_which_rows_stay_behind_is_held_until_somebody_says_so(site: Any, cohortium: Any) -> None:
    site.put("patients.csv", rows("PAT-0815,Ottilie,2024-02-03,12", "PAT-0816,Anselm,soon,9"))
    summary = site.run()
    (aside,) = summary.set_aside
    assert (aside.state, aside.reason, aside.detail) == ("held", "rows of the table stay behind", "1 of 2")
    assert shared(site) == {}
    (item,) = items(site)
    (told,) = [each["message"] for each in item["findings"] if each["rule"] == "clinical.rows-behind"]
    assert told == "1 rows stay behind: Seen: no date that can be read (row 3; the heading is row 1)"
    released = cohortium("gateway", "release", aside.item, "--why", "that one is not needed", cwd=site.root)
    assert released.returncode == 0, released.stderr
    assert site.run().states["sent"] == 1
    assert len(read(shared(site)["site_patients.csv"])) == 1


def test_rows_of_who_withdrew_do_not_leave(site: Any, make: Make) -> None:
    site.put("1.dcm", make(1))
    patient = read_patient(make(1))
    site.run()
    (subject,) = [row["PatientID"] for row in site.rows(schema.subject)]
    site.put("patients_a.csv", rows(f"{patient},Ottilie,2024-02-03,12", "PAT-0816,Anselm,soon,9", "3,Jo,2024-02-03,1"))
    assert site.run().states["held"] == 1
    withdraw(site, subject)
    site.put("patients_b.csv", rows(f"{patient},Ottilie,2024-03-03,14", "PAT-0816,Anselm,2024-02-03,9"))
    summary = site.run()
    assert (summary.states["sent"], summary.states["held"]) == (2, 1), "the image went before"
    (table,) = shared(site).values()
    assert len(read(table)) == 1
    assert subject.encode() not in table
    release(site, "rows of the table stay behind")
    assert site.run().states["held"] == 0
    assert len(shared(site)) == 2
    assert not [each for each in shared(site).values() if subject.encode() in each]
    told = [each["message"] for item in items(site) for each in item["findings"]]
    assert told.count("1 rows stay behind: the patient withdrew") == 2


def test_who_withdraws_while_a_destination_is_away_is_not_sent_there(site: Any, make: Make) -> None:
    site.put("1.dcm", make(1))
    patient = read_patient(make(1))
    site.run()
    (subject,) = [row["PatientID"] for row in site.rows(schema.subject)]
    (site.root / "share").rename(site.root / "away")
    site.put("patients.csv", rows(f"{patient},Ottilie,2024-02-03,12", "PAT-0816,Anselm,2024-02-03,9"))
    assert site.run().states["outbox"] == 1
    withdraw(site, subject)
    (site.root / "away").rename(site.root / "share")
    with open_store(site.root / "data").begin() as connection:
        connection.execute(schema.pause.delete())
    summary = site.run()
    assert (summary.states["sent"], summary.states["outbox"]) == (2, 0)
    (table,) = shared(site).values()
    assert len(read(table)) == 1
    assert subject.encode() not in table
    versions = sorted((row["version"], row["digest"]) for row in site.rows(schema.resource_file))
    assert [number for number, _ in versions] == [1, 2], "the archive had the first, which it took before"
    assert versions[1][1] == sha256(table).hexdigest()


def withdraw(site: Any, subject: str) -> None:
    settings = config.load(site.file)
    engine = open_store(settings)
    archive = Archive(engine, settings.site.data, keys.load(settings.site.key, settings.site.data))
    archive.withdraw("study", subject, who="ada", reason="asked")
    engine.dispose()


def release(site: Any, reason: str) -> None:
    settings = config.load(site.file)
    engine = open_store(settings)
    spool = Spool(engine, settings.site.data / "spool", keys.load(settings.site.key, settings.site.data))
    with spool.reading() as connection:
        waiting = choose(connection, reason=reason)
    assert spool.decide(waiting, Decision(Verdict.RELEASE, "ada", "looked at")) == len(waiting) > 0
    engine.dispose()


def test_in_a_cumulative_transfer_a_table_has_versions(site: Any) -> None:
    text = site.file.read_text().replace('name = "study"\n', 'name = "study"\nsame_uid = "version"\n')
    site.file.write_text(text.replace('specification = "basic"', 'specification = "basic"\ntransfer = "cumulative"'))
    first, second = TWO, rows("PAT-0815,Ottilie Kranzler,2024-02-03,13")
    newest = []
    for content in (first, second, first, second):
        site.put("patients.csv", content)
        summary = site.run()
        assert (summary.states["sent"], summary.quarantined) == (1, {})
        found = shared(site)
        newest.append(found.pop("site_patients.csv"))
        held = max(site.rows(schema.resource_file), key=lambda row: row["version"])
        assert held["digest"] == sha256(newest[-1]).hexdigest()
        assert all(name.endswith(".earlier") for name in found)
    assert newest[0] == newest[2] != newest[1] == newest[3]
    (site.source / "patients.csv").unlink()
    (delivery,) = compare(config.load(site.file), "all", "ada").values()
    assert [each.SOPInstanceUID for each in delivery.absent] == ["patients.csv"]


def test_tables_go_where_the_pipeline_says(site: Any) -> None:
    text = site.file.read_text()
    site.file.write_text(text.replace('"archive", "share"]', '"archive", "share"]\ntables = ["archive"]'))
    site.put("patients.csv", TWO)
    assert site.run().states["sent"] == 1
    assert shared(site) == {}
    assert len(site.rows(schema.resource_file)) == 1


def test_a_peer_of_dicom_takes_no_tables_and_they_wait(site: Any) -> None:
    text = '[gateway]\negress = ["127.0.0.1:9"]\n' + site.file.read_text().replace('"archive", "share"', '"pacs"')
    text += '[[destination.dicom]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 9\n'
    site.file.write_text(text)
    site.put("patients.csv", TWO)
    summary = site.run()
    assert summary.quarantined == {"refused by the archive": 1}
    (aside,) = summary.set_aside
    assert aside.detail.startswith("a peer by C-STORE takes images and no tables")
    site.file.write_text(text.replace('["pacs"]', '["pacs", "share"]\ntables = ["share"]'))
    again(site)
    assert site.run().states["sent"] == 1, "nothing is lost"
    site.file.write_text(text.replace('["pacs"]', '["pacs", "share"]\ntables = ["pacs"]'))
    with pytest.raises(ConfigError, match="C-STORE carries images alone"):
        config.load(site.file)
    site.file.write_text(text.replace('["pacs"]', '["pacs"]\ntables = ["share"]'))
    with pytest.raises(ConfigError, match="none of its destinations"):
        config.load(site.file)


def again(site: Any) -> None:
    settings = config.load(site.file)
    engine = open_store(settings)
    spool = Spool(engine, settings.site.data / "spool", keys.load(settings.site.key, settings.site.data))
    with spool.reading() as connection:
        waiting = choose(connection)
    assert spool.decide(waiting, Decision(Verdict.AGAIN, "ada", "mended")) == len(waiting) > 0
    engine.dispose()


def test_a_pipeline_with_a_filter_takes_no_table(site: Any) -> None:
    text = site.file.read_text()
    site.file.write_text(text.replace('specification = "basic"', 'specification = "basic"\nfilter = "true."'))
    site.put("patients.csv", TWO)
    assert site.run().quarantined == {"no rule of the protocol takes this table": 1}


def test_a_table_given_its_right_name_goes_on_when_made_anew(site: Any) -> None:
    site.put("wrong.csv", TWO)
    assert site.run().quarantined == {"no rule of the protocol takes this table": 1}
    (site.source / "wrong.csv").rename(site.source / "patients.csv")
    site.run()
    again(site)
    assert site.run().states["sent"] == 1


def test_killed_at_any_moment_each_table_goes_out_once(
    site: Any, tmp_path: Path, sample: Callable[[int, int], int], run_mortal: dying.AtWork
) -> None:
    for number in range(6):
        site.put(f"patients_{number}.csv", rows(f"PAT-{number},Ottilie,2024-02-03,{number}"))
    site.put("patients_x.csv", rows("PAT-1,Ottilie,2024-02-03,1", "PAT-2,Anselm,soon,1"))
    site.put("other.csv", TWO)
    undisturbed = site.another(tmp_path / "undisturbed")
    touches, kills = run_mortal(undisturbed.file) or 0, 0
    for seed in range(sample(4, 100)):
        killed = site.another(tmp_path / f"site-{seed}")
        for moment in dying.moments(random.Random(seed), touches):
            kills += run_mortal(killed.file, at=moment) is None
        killed.run()
        assert killed.memory() == undisturbed.memory(), f"seed {seed}"
        assert shared(killed) == shared(undisturbed)
    assert kills >= sample(4, 100)
