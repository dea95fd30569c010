"""Which rectangles a pixel script asks to blank."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from cohortium.deidentify import ctp
from cohortium.deidentify.ctp import Rectangle
from cohortium.errors import ConfigError

SCRIPT = """Known regions (of our own devices)

  { Modality.equals("US") *
    [0008,0070].containsIgnoreCase("ACME") }
  (0,0,640,40) (600, -20, 100, 20)

  { Modality.equals("US") }   any other
  (-100,-10,100,10)
  { Modality.equals("CT") }
"""


def image(modality: str, maker: str = "") -> Dataset:
    dataset = Dataset()
    dataset.Modality, dataset.Manufacturer, dataset.Rows, dataset.Columns = modality, maker, 480, 640
    return dataset


def test_the_first_matching_signature_decides():
    script = ctp.read_pixels(SCRIPT)
    assert [signature.line for signature in script.signatures] == [3, 7, 9]
    assert script.rectangles(image("US", "Acme Inc")) == (Rectangle(0, 0, 640, 41), Rectangle(600, 460, 640, 480))


def test_negative_coordinates_count_from_the_other_edge():
    assert ctp.read_pixels(SCRIPT).rectangles(image("US")) == (Rectangle(540, 470, 640, 480),)


def test_a_signature_without_regions_blanks_nothing():
    script = ctp.read_pixels(SCRIPT)
    assert script.matching(image("CT")) is not None
    assert script.rectangles(image("CT")) == ()
    assert script.matching(image("MR")) is None


def test_regions_are_cut_to_the_image():
    script = ctp.read_pixels("{true}(-9999,-9999,5,5)(600,470,9999,9999)(700,0,10,10)")
    assert script.rectangles(image("CT")) == (Rectangle(0, 0, 6, 6), Rectangle(600, 470, 640, 480))


def test_all_mistakes_are_named_with_their_lines():
    with pytest.raises(ConfigError) as caught:
        ctp.read_pixels('{ Modality.equal("US") }\n(1,2,3)\n{\nModality }\n(0,0,1,1)')
    message = str(caught.value)
    assert "line 1: no such method" in message
    assert "line 2: a region is" in message
    assert "line 4: attribute.method" in message


def test_a_script_needs_a_signature(tmp_path):
    with pytest.raises(ConfigError, match="no signature in braces"):
        ctp.read_pixels("(0,0,1,1)")
    with pytest.raises(ConfigError, match="cannot be read"):
        ctp.read_pixels(tmp_path / "none")
