"""What a person gets to see: values, windows, colours, geometry."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.uid import generate_uid

import portal_site
from cohortium.dicom import codecs, render
from cohortium.dicom.render import Window

FILES = Path(pydicom.__file__).parent / "data" / "test_files"  # by path: asking pydicom for one may download it


def shipped(name: str) -> Dataset:
    return codecs.read((FILES / name).read_bytes())


def made(**changes: object) -> Dataset:
    dataset = portal_site.ct_slice(5, "S-0001", generate_uid(), generate_uid())
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return codecs.read(portal_site.encode(dataset))


def test_ct_is_in_hounsfield_units_and_16_bits() -> None:
    shown = render.picture(made())
    assert shown.samples.dtype == np.int16
    assert (shown.samples == 50).all()
    assert shown.unit == "HU"
    assert shown.geometry.position == (-80.0, -80.0, 12.5)
    assert shown.geometry.orientation == (1, 0, 0, 0, 1, 0)
    assert shown.geometry.spacing == (2.5, 2.5)


def test_a_fractional_slope_gives_float_values() -> None:
    shown = render.picture(made(RescaleSlope=0.5, RescaleIntercept=0))
    assert shown.samples.dtype == np.float32
    assert (shown.samples == 537).all()


def test_the_first_of_several_windows_is_used_as_the_standard_defines_it() -> None:
    narrow = render.picture(made(WindowCenter=[40, 400], WindowWidth=[80, 2000]))
    assert narrow.window == Window("As acquired", 39.5, 79)
    wide = render.picture(made(WindowCenter=[40, 400], WindowWidth=[400, 2000]))
    assert wide.window == Window("As acquired", 40, 400)
    exact = render.picture(made(VOILUTFunction="LINEAR_EXACT"))
    assert exact.window == Window("As acquired", 128, 512)


@pytest.mark.parametrize("width", [0, -5])
def test_a_window_that_shows_nothing_is_not_believed(width: int) -> None:
    assert render.picture(made(WindowWidth=width)).window.name == "Soft tissue"


def test_without_a_window_outliers_do_not_decide() -> None:
    dataset = made(Modality="MR", WindowCenter=None, WindowWidth=None, RescaleIntercept=0)
    pixels = np.random.default_rng(0).integers(100, 200, (portal_site.EDGE, portal_site.EDGE)).astype("<u2")
    pixels[0, 0] = 30_000
    dataset.PixelData = pixels.tobytes()
    window = render.picture(dataset).window
    assert 140 < window.centre < 160
    assert window.width < 120


def test_pet_starts_at_zero_whatever_its_header_says() -> None:
    window = render.picture(made(Modality="PT", Units="BQML", WindowCenter=5, WindowWidth=1)).window
    assert window.centre - window.width / 2 == 0


def test_monochrome1_keeps_its_values_and_says_that_it_is_inverted() -> None:
    shown = render.picture(made(PhotometricInterpretation="MONOCHROME1"))
    assert shown.inverted
    assert (shown.samples == 50).all()


@pytest.mark.parametrize(
    "name",
    ["examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm", "SC_rgb_rle_16bit.dcm"],
)
def test_colour_comes_as_eight_bits_of_red_green_blue(name: str) -> None:
    shown = render.picture(shipped(name))
    assert shown.samples.dtype == np.uint8
    assert shown.samples.shape[2] == 3
    assert shown.samples.max() > 100


def test_ybr_becomes_the_colour_that_was_meant() -> None:
    assert tuple(render.picture(shipped("SC_ybr_full_422_uncompressed.dcm")).samples[5, 50]) == pytest.approx(
        tuple(render.picture(shipped("SC_rgb_jpeg_gdcm.dcm")).samples[5, 50]), abs=4
    )


def test_dose_is_scaled_and_every_frame_is_there() -> None:
    dataset = shipped("rtdose.dcm")
    dataset.DoseUnits = "GY"
    first, last = (render.picture(dataset, n) for n in (0, codecs.frames(dataset) - 1))
    assert first.unit == "Gy"
    stored, _ = codecs.decode(dataset, 0)
    assert first.samples == pytest.approx(stored * float(dataset.DoseGridScaling), rel=1e-5)
    assert not np.array_equal(first.samples, last.samples)


def test_a_thumbnail_keeps_the_shape_of_what_was_imaged() -> None:
    tall = made(PixelSpacing=[5, 2.5])
    image = Image.open(BytesIO(render.png(render.picture(tall), 100)))
    assert image.size == (50, 100)


def test_the_thumbnail_is_dark_where_the_window_says_so() -> None:
    dark, light = (made(WindowCenter=centre, WindowWidth=100) for centre in (500, -500))
    means = [np.asarray(Image.open(BytesIO(render.png(render.picture(each), 32)))).mean() for each in (dark, light)]
    assert means == [0, 255]


def test_presets_are_offered_for_ct_alone() -> None:
    assert [window.name for window in render.presets("CT")] == ["Soft tissue", "Lung", "Bone", "Brain", "Mediastinum"]
    assert render.presets("MR") == ()
