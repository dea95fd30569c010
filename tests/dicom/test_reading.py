"""The reader finds text, on this machine alone, and stays above a floor."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cohortium.dicom import reading
from cohortium.dicom.reading import Reader, shades
from cohortium.errors import ConfigError

pytestmark = pytest.mark.skipif(not reading.available(), reason="the extra `ocr` is not installed")

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "ocr.py"))
FLOOR = {"bright": 0.95, "dark": 0.95, "faint": 0.8}  # bench/ocr.py prints what it is: 0.99, 1.00 and 0.91


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def test_found_is_at_least(reader, full):
    """12 pictures a polarity in small samples, 40 in full ones."""
    found, drawn = Counter[str](), Counter[str]()
    for picture, texts in BENCH["cases"]((14, 26) if not full else BENCH["SIZES"]):
        boxes = BENCH["covered"](reader, picture)
        for text in texts:
            drawn[text.polarity] += 1
            found[text.polarity] += BENCH["is_found"](text, boxes)
    assert drawn.keys() == FLOOR.keys()
    assert {polarity: found[polarity] / drawn[polarity] >= FLOOR[polarity] for polarity in drawn} == dict.fromkeys(
        FLOOR, True
    )


def test_what_is_read_is_the_text(reader):
    picture, _ = BENCH["draw"]("ultrasound", "latin", "bright", 26)
    read = {text.text.replace(" ", "") for text in reader(picture)}
    assert {"DOE,JANE", "03/02/1961"} <= read


def test_colour_is_read_too(reader):
    picture, _ = BENCH["draw"]("ultrasound", "latin", "bright", 26)
    colour = np.stack([picture, picture // 2, np.zeros_like(picture)], axis=-1)
    assert any("JANE" in text.text for text in reader(colour))


def test_nothing_is_found_where_nothing_is(reader):
    assert reader(np.zeros((512, 512), np.uint8)) == ()
    assert reader(np.full((60, 900), 200, np.uint8)) == ()


def test_boxes_stay_within_the_picture(reader):
    picture, _ = BENCH["draw"]("ct", "latin", "bright", 40)
    for shade in shades(picture):
        for text in reader(shade):
            each = text.rectangle
            assert 0 <= each.left < each.left + each.width <= picture.shape[1]
            assert 0 <= each.top < each.top + each.height <= picture.shape[0]


def test_shades_use_all_greys():
    values = np.array([[-1024, 0], [40, 3071]], np.int16)
    first = next(shades(values))
    assert (first.min(), first.max(), first.dtype) == (0, 255, np.uint8)


def test_a_flat_picture_has_no_shades():
    assert list(shades(np.full((4, 4), 7, np.int16))) == []


def test_a_few_bright_pixels_do_not_hide_the_rest():
    values = np.tile(np.arange(100, dtype=np.int16), (100, 1))
    values[0, 0] = 30000
    assert max(int(shade[50].max()) - int(shade[50].min()) for shade in shades(values)) > 200


def test_nothing_is_fetched_and_nothing_is_sent(tmp_path):
    """In a process of its own, where every attempt of Python's at a network ends it, and libraries find a home for what
    they would keep or send: ONNX Runtime puts its reports there, and who this machine is.
    """
    program = """
import sys
def hook(event, _arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"):
        raise SystemExit(f"the network was touched: {event}")
sys.addaudithook(hook)
import numpy as np
from cohortium.dicom.reading import Reader
Reader()(np.zeros((64, 64), np.uint8))
"""
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.rglob("*")) == []


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    monkeypatch.setattr(reading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"cohortium\[ocr\]"):
        Reader()
