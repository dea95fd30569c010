"""A site that asked a PACS: requests in every state, about made-up patients, and a folder that was compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import databases
from cohortium import config, keys
from cohortium.spool import Absent, Delivery
from cohortium.spool.accounts import Account
from cohortium.spool.comparisons import Comparisons
from cohortium.spool.requests import TRIES, Requests
from cohortium.spool.wanted import Counts, Series, Standing, Study
from cohortium.store import open_store
from cohortium.values import State

__all__ = ["ASKED", "SECTIONS", "UID", "asked", "configured"]

ASKED = "ACC-4711-17"
UID = "1.2.826.0.4711"
GONE = Absent("0123456789ab", State.SENT, "SUBJ-001", "1.2.3", "1.2.3.4")
SECTIONS = """
[gateway]
egress = ["pacs.hospital.example:104", "old.hospital.example:104"]
[[project]]
name = "lung"
title = "Lung study"
same_uid = "version"
[[source.receiver]]
name = "scanners"
ae_title = "COHORTIUM"
peers = ["PACS@127.0.0.1"]
[[source.pacs]]
name = "pacs"
ae_title = "PACS"
host = "pacs.hospital.example"
receiver = "scanners"
studies_hour = 60
[[source.pacs]]
name = "old-pacs"
ae_title = "OLDPACS"
host = "old.hospital.example"
hours = "19-6"
[[source.folder]]
name = "ward"
path = "ward"
[[pipeline]]
name = "ct"
sources = ["pacs", "old-pacs", "scanners"]
project = "lung"
[[pipeline]]
name = "incoming"
sources = ["ward"]
project = "lung"
transfer = "cumulative"
"""


def configured(folder: Path, place: Path | str = "", *, sections: str = SECTIONS) -> config.Config:
    """A site of those sections of which nothing was asked yet."""
    file = folder / "cohortium.toml"
    file.write_text(sections, "utf-8")
    settings = config.load(file, {"COHORTIUM_STORE__URL": place} if isinstance(place, str) and place else {})
    keys.create(settings.site.key)
    if not settings.store.url:
        databases.put_sqlite(settings.site.data)
    (folder / "ward").mkdir(exist_ok=True)
    return settings


def asked(settings: config.Config) -> None:
    """Requests 1 to 5: complete; done with studies missing; open and under way; cancelled; paused."""
    engine, key = open_store(settings), keys.load(settings.site.key, settings.site.data)
    requests = Requests(engine, key)
    _filled(requests, 2, lost=0)
    _filled(requests, 6, lost=3)
    requests.ask("pacs", [{"AccessionNumber": f"{ASKED}-{n}"} for n in range(118)], "manager", studies_hour=20)
    for n in range(40):
        requests.answered(3, n, [Study(n, f"{UID}.3.{n}", 300)], "")
    for number in range(12):
        wanted = requests.next_study("pacs", [3])
        assert wanted
        requests.moving(wanted)
        requests.note_list(wanted, _study(wanted.study.query, wanted.study.StudyInstanceUID))
        if number < 10:
            requests.arrived(wanted)
        requests.count(wanted, _account(300, 300 if number < 10 else 120, sent=280 if number < 8 else 0))
    requests.ask("old-pacs", [{"AccessionNumber": "ACC-OLD"}], "manager")
    requests.change(4, Standing.CANCELLED, "otto")
    march = [{"StudyDate": f"202403{day:02d}", "ModalitiesInStudy": "CT"} for day in range(1, 32)]
    requests.ask("old-pacs", march, "manager")
    requests.change(5, Standing.PAUSED, "otto")
    Comparisons(engine, key).keep("ward", Delivery(120, 8, 1, (GONE,)), "manager")
    engine.dispose()


def _study(query: int, uid: str, images: int = 150) -> Study:
    series = (Series(f"{uid}.{n}", images, ((f"{uid}.{n}.1", "1.2.840.10008.5.1.4.1.1.2"),)) for n in (1, 2))
    return Study(query, uid, 2 * images, tuple(series))


def _filled(requests: Requests, count: int, lost: int) -> None:
    id = requests.ask("pacs", [{"AccessionNumber": f"{ASKED}-{n}"} for n in range(count + 1)], "manager")
    for n in range(count):
        requests.answered(id, n, [Study(n, f"{UID}.{id}.{n}", 300)], "")
    nothing = [] if lost else [Study(count, f"{UID}.{id}.{count}", 300)]
    requests.answered(id, count, nothing, "" if nothing else "the PACS holds no such study")
    number = 0
    while wanted := requests.next_study("pacs", [id]):
        requests.moving(wanted)
        requests.note_list(wanted, _study(wanted.study.query, wanted.study.StudyInstanceUID))
        is_lost = number < lost
        if is_lost:
            requests.later(replace(wanted, tries=TRIES), "the PACS says that it could not send 38 images")
        else:
            requests.arrived(wanted)
        requests.count(wanted, _account(300, 262 if is_lost else 300, sent=262 if is_lost else 300))
        number += 1


def _account(listed: int, arrived: int, sent: int) -> Account:
    part = Counts(listed // 2, arrived - arrived // 2, arrived // 2, 0, sent // 2, sent // 2)
    rest = Counts(listed // 2, arrived // 2, arrived // 2, 0, sent // 2, sent // 2)
    ways = {"archive": {"digest stated by the receiver": sent}, "share": {"read back, same digest": sent}}
    held = ways if sent else {}
    aside = arrived - sent if sent and arrived > sent else 0
    whole = Counts(listed, arrived, arrived, aside, sent, sent)
    words = f"{listed - arrived} of {listed} images have not arrived" if arrived < listed else ""
    is_over = arrived == listed == sent
    return Account(whole, (part, rest), held, (), frozenset(), words, is_over)
