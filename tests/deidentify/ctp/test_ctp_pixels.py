"""Which rectangles a pixel script asks to blank."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from cohortium.deidentify import ctp
from cohortium.deidentify.pixels import Hold, regions
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
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    dataset.Modality, dataset.Manufacturer, dataset.Rows, dataset.Columns = modality, maker, 480, 640
    return dataset


def blanked(script: str, dataset: Dataset) -> list[tuple[int, int, int, int]]:
    """Rows and columns (first, behind the last) of what is blanked in the only frame."""
    areas = regions(dataset, ctp.read_pixels(script).rules())
    assert not isinstance(areas, Hold)
    places = [each.within(dataset.Rows, dataset.Columns) for each in areas[0]]
    return [(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in places]


def test_the_first_matching_signature_decides():
    assert [signature.line for signature in ctp.read_pixels(SCRIPT).signatures] == [3, 7, 9]
    assert blanked(SCRIPT, image("US", "Acme Inc")) == [(0, 41, 0, 640), (460, 480, 600, 640)]


def test_negative_coordinates_count_from_the_other_edge():
    assert blanked(SCRIPT, image("US")) == [(470, 480, 540, 640)]


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_risk_that_no_region_answers_is_held(modality):
    """A signature without regions says that nothing is written there; nobody has looked."""
    assert isinstance(regions(image(modality), ctp.read_pixels(SCRIPT).rules()), Hold)


def test_regions_are_cut_to_the_image():
    script = "{true}(-9999,-9999,5,5)(600,470,9999,9999)(700,0,10,10)"
    assert blanked(script, image("CT")) == [(0, 6, 0, 6), (470, 480, 600, 640), (0, 11, 700, 700)]


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
