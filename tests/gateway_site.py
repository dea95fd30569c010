"""A site whose gateway has worked once: things sent, held and quarantined, with identifying values planted in all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

import databases
from cohortium import config, gateway, keys
from cohortium.govern import users
from cohortium.govern.roles import Standing
from hospital import slice_of
from portal_site import PASSWORD, Served

__all__ = ["EDGE", "PEOPLE", "SECTIONS", "people", "worked"]

EDGE = 96
PEOPLE = ("manager", "administrator", "maintainer", "person")
SECTIONS = """
[gateway]
quiet_seconds = 0
[[project]]
name = "lung"
title = "Lung study"
[[source.folder]]
name = "ward"
path = "ward"
settle_seconds = 0
look_seconds = 1
[[source.receiver]]
name = "pacs"
peers = ["PACS@127.0.0.1"]
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "looked-at"
sources = ["ward"]
project = "lung"
modalities = ["CT"]
hold = true
specification = "basic"
[[pipeline]]
name = "straight"
sources = ["pacs", "ward"]
project = "lung"
modalities = ["MR", "OT"]
destinations = ["archive", "share"]
specification = "basic"
"""


def screenshot(number: int) -> bytes:
    """A secondary capture with something bright in it, as burned-in text would be: nobody knows where."""

    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        dataset.Modality, dataset.ConversionType = "OT", "WSD"
        dataset.Rows = dataset.Columns = EDGE
        dataset.SeriesInstanceUID = "1.2.826.0.3.77"
        samples = np.full((EDGE, EDGE), 200, "<i2")
        samples[8:18, 10:70] = 3000
        dataset.PixelData = samples.tobytes()
        dataset.SOPInstanceUID = f"1.2.826.0.77.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

    return slice_of(number, change, series=77)


def _larger(dataset: Dataset) -> None:
    dataset.Rows = dataset.Columns = EDGE
    down, across = np.mgrid[:EDGE, :EDGE]
    disk = np.where((down - 48) ** 2 + (across - 48) ** 2 < 1500, 1064, 24)
    dataset.PixelData = disk.astype("<i2").tobytes()


def worked(folder: Path, place: Path | str = "") -> config.Config:
    """The configuration of a site that took in, once, three slices to be looked at, two screenshots and a torso."""
    file = folder / "cohortium.toml"
    file.write_text(SECTIONS, "utf-8")
    settings = config.load(file, {"COHORTIUM_STORE__URL": place} if isinstance(place, str) and place else {})
    keys.create(settings.site.key)
    if not settings.store.url:
        databases.put_sqlite(settings.site.data)
    for name in ("ward", "share"):
        (folder / name).mkdir(exist_ok=True)
    for number in range(1, 4):
        (folder / "ward" / f"{number}.dcm").write_bytes(slice_of(number, _larger))
        if number < 3:
            (folder / "ward" / f"shot-{number}.dcm").write_bytes(screenshot(number))
    whole = slice_of(9, series=9)
    (folder / "ward" / "torso.dcm").write_bytes(whole[: len(whole) - 100])
    gateway.run(settings, lambda *_: None)
    return settings


def people(site: Served) -> None:
    """An account for each of `PEOPLE`."""
    with site.engine.begin() as connection:
        for name in PEOPLE:
            users.create(connection, name, Standing(name))
            users.choose_password(connection, users.named(connection, name), PASSWORD)
