"""The inspection page over large objects: what one image takes, on a real server over a real spool.

A mammogram of 4000 x 3000, 300 frames of 512 x 512, and a slide of 4,000 JPEG tiles; each looked at for the first time,
when it is unsealed and read, and again. Under a second for an image is what is asked for.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import databases
import gateway_site
import portal_site
from cohortium import config, gateway, keys
from cohortium.dicom import codecs
from cohortium.govern import logins, users
from cohortium.spool import Item, asides
from cohortium.values import Reason
from hospital import slice_of

EDGE, FRAMES, TILES = 512, 300, 4000
CLASSES = "1.2.840.10008.5.1.4.1.1."
random = np.random.default_rng(1)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        settings = _site(Path(name))
        with portal_site.served(settings) as site, httpx.Client(base_url=site.url, timeout=120) as client:
            gateway_site.people(site)
            with site.engine.begin() as connection:
                token = logins.open_login(connection, users.named(connection, "manager"), 1)
                found = [item for reason in Reason for item in asides.heap(connection, reason)]
            client.cookies.set("cohortium", token)
            client.get("/quarantine")
            codecs.be_ready()  # which that page has begun
            print(f"the machine's load is {os.getloadavg()[0]:.1f}; seconds, of the clock (of the processor)\n")
            for item in found:
                _measure(client, item)


def _measure(client: httpx.Client, item: Item) -> None:
    print(f"{item.outline}, {item.size / 1e6:.0f} MB, {item.state}")
    for when in ("first time", "again"):
        parts = [_timed(client, f"/inspect/{item.name}{more}") for more in ("", "/before.png", "/after.png")]
        print(f"  {when:10}  page {parts[0]}, before {parts[1]}, after {parts[2]}")


def _timed(client: httpx.Client, path: str) -> str:
    began, spent = time.perf_counter(), time.process_time()
    answer = client.get(path)
    if answer.status_code != 200:
        return "none"
    return f"{time.perf_counter() - began:.2f} ({time.process_time() - spent:.2f})"


def _site(folder: Path) -> config.Config:
    file = folder / "cohortium.toml"
    file.write_text(gateway_site.SECTIONS.replace('modalities = ["CT"]', 'modalities = ["CT", "MG", "SM"]'), "utf-8")
    settings = config.load(file)
    keys.create(settings.site.key)
    databases.put_sqlite(settings.site.data)
    for name in ("ward", "share"):
        (folder / name).mkdir()
    for number, change in enumerate((_mammogram, _frames, _slide), start=1):
        (folder / "ward" / f"{number}.dcm").write_bytes(slice_of(number, change, series=number))
    gateway.run(settings, lambda *_: None)
    return settings


def _of(dataset: Dataset, sop_class: str, modality: str, rows: int, columns: int) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CLASSES + sop_class
    dataset.Modality, dataset.Rows, dataset.Columns = modality, rows, columns


def _mammogram(dataset: Dataset) -> None:
    _of(dataset, "1.2", "MG", 4000, 3000)
    dataset.PixelRepresentation = 0
    dataset.PixelData = random.integers(0, 4000, (4000, 3000), dtype="<u2").tobytes()


def _frames(dataset: Dataset) -> None:
    _of(dataset, "2.1", "CT", EDGE, EDGE)
    dataset.NumberOfFrames = FRAMES
    dataset.PerFrameFunctionalGroupsSequence = _groups(FRAMES, "PlanePositionSequence", "ImagePositionPatient")
    dataset.PixelData = random.integers(0, 2000, (FRAMES, EDGE, EDGE), dtype="<i2").tobytes()


def _slide(dataset: Dataset) -> None:
    _of(dataset, "77.1.6", "SM", EDGE, EDGE)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "YBR_FULL_422"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.NumberOfFrames = 7, 0, TILES
    tile = BytesIO()
    Image.fromarray(random.integers(0, 255, (64, 64, 3), dtype="u1")).resize((EDGE, EDGE)).save(tile, "JPEG")
    dataset.PerFrameFunctionalGroupsSequence = _groups(TILES, "PlanePositionSlideSequence", "ImagePositionPatient")
    dataset.PixelData = encapsulate([tile.getvalue()] * TILES)
    dataset["PixelData"].VR = "OB"


def _groups(count: int, sequence: str, keyword: str) -> list[Dataset]:
    groups: list[Dataset] = []
    for number in range(count):
        group, place = Dataset(), Dataset()
        setattr(place, keyword, [0, 0, number])
        setattr(group, sequence, [place])
        groups.append(group)
    return groups


if __name__ == "__main__":
    main()
