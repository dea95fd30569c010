"""A hospital delivers all it has, again and again: known is skipped, changed is a new version, absent is reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from cohortium import config, keys
from cohortium.acquire.intake import Intake
from cohortium.errors import ConfigError, Refused
from cohortium.gateway.comparing import compare
from cohortium.spool import Came, Spool, backlogs
from cohortium.store import open_store, schema

Make = Callable[..., bytes]


@pytest.fixture
def cumulative(hospital: Any) -> Any:
    text = hospital.file.read_text().replace('name = "study"\n', 'name = "study"\nsame_uid = "version"\n')
    text = text.replace(
        'specification = "strict.toml"',
        'specification = "basic"\ntransfer = "cumulative"\ndestinations = ["archive", "share"]',
    )
    text += '\n[[destination.folder]]\nname = "share"\npath = "share"\n'
    (hospital.root / "share").mkdir()
    hospital.file.write_text(text)
    return hospital


def told(hospital: Any) -> Any:
    (delivery,) = compare(config.load(hospital.file), "all", "otto").values()
    return delivery


def other_pixels(dataset: Any) -> None:
    dataset.PixelData = b"\7" * 512


def test_known_changed_and_absent(cumulative: Any, make: Make, planted: tuple[str, ...]) -> None:
    for number in range(1, 5):
        cumulative.put(f"TULIPAN-{number}.dcm", make(number))
    assert (told(cumulative).known, told(cumulative).new) == (0, 4)
    assert cumulative.run().states["sent"] == 4
    before = {row["SOPInstanceUID"]: row["digest"] for row in cumulative.rows(schema.instance)}
    assert told(cumulative).known == 4
    assert told(cumulative).absent == ()

    cumulative.put("TULIPAN-2.dcm", make(2, other_pixels))
    (cumulative.source / "TULIPAN-3.dcm").unlink()
    delivery = told(cumulative)
    assert (delivery.known, delivery.new, delivery.changed) == (2, 0, 1)
    (absent,) = delivery.absent
    assert absent.SOPInstanceUID in before
    assert not [value for value in planted if value in str(delivery)]

    summary = cumulative.run()
    assert summary.states["sent"] == 4
    assert summary.states["superseded"] == 1
    assert summary.quarantined == {}
    after = {row["SOPInstanceUID"]: row["digest"] for row in cumulative.rows(schema.instance)}
    assert after.keys() == before.keys(), "what is absent is deleted nowhere"
    assert len([uid for uid in after if after[uid] != before[uid]]) == 1
    assert len(cumulative.rows(schema.earlier_version)) == 1
    laid = [path for path in (cumulative.root / "share").rglob("*") if path.is_file()]
    assert {path.suffix: len([each for each in laid if each.suffix == path.suffix]) for path in laid} == {
        ".dcm": 4,
        ".earlier": 1,
    }
    assert cumulative.run().new_files == 0, "the same again changes nothing"


def test_two_files_that_differ_in_one_delivery_are_a_conflict_as_ever(cumulative: Any, make: Make) -> None:
    cumulative.put("1.dcm", make(1))
    cumulative.put("2.dcm", make(1, other_pixels))
    summary = cumulative.run()
    assert summary.states["sent"] == 1
    assert summary.quarantined == {"same SOPInstanceUID, other bytes": 1}


def test_an_incremental_transfer_takes_no_other_bytes(hospital: Any, make: Make) -> None:
    hospital.put("1.dcm", make(1))
    hospital.run()
    hospital.put("1.dcm", make(1, other_pixels))
    assert hospital.run().quarantined == {"same SOPInstanceUID, other bytes": 1}


def test_what_cannot_be_cumulative_is_told(cumulative: Any) -> None:
    with pytest.raises(Refused, match="no pipeline"):
        compare(config.load(cumulative.file), "other", "otto")
    cumulative.file.write_text(cumulative.file.read_text().replace('same_uid = "version"\n', ""))
    with pytest.raises(ConfigError, match="same_uid"):
        config.load(cumulative.file)


def test_what_was_and_is_again_becomes_the_newest_everywhere(cumulative: Any, make: Make) -> None:
    first, other = make(1), make(1, other_pixels)
    path = cumulative.put("1.dcm", first)
    moment = path.stat().st_mtime_ns
    newest = []
    for content in (first, other, first, other, first):
        cumulative.put("1.dcm", content)
        if content is first:
            os.utime(path, ns=(moment, moment))  # as a copy that keeps times brings it back
        assert (told(cumulative).new, told(cumulative).changed) == ((1, 0) if not newest else (0, 1))
        summary = cumulative.run()
        assert summary.states["sent"] == 1
        assert summary.quarantined == {}
        (held,) = cumulative.rows(schema.instance)
        (laid,) = (cumulative.root / "share").rglob("*.dcm")
        assert sha256(laid.read_bytes()).hexdigest() == held["digest"]
        newest.append(held["digest"])
    assert newest[0] != newest[1]
    assert newest[0] == newest[2] == newest[4]
    assert newest[1] == newest[3]
    assert told(cumulative).known == 1
    assert len(list((cumulative.root / "share").rglob("*.earlier"))) == 2, "each version once"


def test_a_held_version_gives_way_to_the_next(cumulative: Any, make: Make) -> None:
    cumulative.file.write_text(cumulative.file.read_text().replace('transfer = "', 'hold = true\ntransfer = "'))
    cumulative.put("1.dcm", make(1))
    assert cumulative.run().states["held"] == 1
    cumulative.put("1.dcm", make(1, other_pixels))
    states = cumulative.run().states
    assert (states["held"], states["superseded"]) == (1, 1)


def test_versions_that_come_at_once_by_a_connection_follow_each_other(cumulative: Any, make: Make) -> None:
    settings = config.load(cumulative.file)
    key = keys.load(settings.site.key, settings.site.data)
    cumulative.run()
    spool = Spool(open_store(settings), settings.site.data / "spool", key)
    intake = Intake(spool, Came("all.folder", "all"), 1 << 30, 0)
    for content in (make(2), make(2, other_pixels)):
        intake.take("ward/2", [content])
    summary = cumulative.run()
    assert summary.quarantined == {}
    assert (summary.states["sent"], summary.states["superseded"]) == (1, 1)
    assert len(cumulative.rows(schema.instance)) == 1


def test_what_waits_for_a_destination_is_not_counted_once_it_gave_way(cumulative: Any, make: Make) -> None:
    (cumulative.root / "share").rmdir()
    cumulative.put("1.dcm", make(1))
    cumulative.run()
    cumulative.put("1.dcm", make(1, other_pixels))
    cumulative.run()
    with open_store(cumulative.root / "data").begin() as connection:
        (share,) = [each for each in backlogs(connection) if each.destination == "share"]
    assert share.waiting == 1


def test_a_peer_of_dicom_cannot_be_sent_versions(cumulative: Any) -> None:
    text = cumulative.file.read_text().replace('destinations = ["archive", "share"]', 'destinations = ["pacs"]')
    text += '[[destination.dicom]]\nname = "pacs"\nae_title = "PACS"\nhost = "10.0.0.1"\n'
    cumulative.file.write_text('[gateway]\negress = ["10.0.0.1:104"]\n' + text)
    with pytest.raises(ConfigError, match="C-STORE"):
        config.load(cumulative.file)
