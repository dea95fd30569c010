"""From stored samples to what a person looks at: rescaled values, a window that shows something, a thumbnail.

Values are those of the modality (Hounsfield units, Bq/ml, Gy) and are never clipped or windowed here; only `png` draws.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from cohortium.dicom import codecs
from cohortium.errors import Malformed

__all__ = ["Geometry", "Picture", "Window", "encoded", "picture", "png", "presets"]

Array = np.ndarray[Any, Any]

LEVELS = 256  # of grey on a screen
FROM_ZERO = ("PT", "NM", "RTDOSE")  # what is not there is 0, so a window starts there


@dataclass(frozen=True, slots=True)
class Window:
    """PS3.3 C.11.2.1.2: what lies below centre - width/2 is black, above centre + width/2 white."""

    name: str
    centre: float
    width: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the frame lies in the patient, in mm (PS3.3 C.7.6.2); None where it does not say.

    `spacing` is the distance between rows, then between columns; of a frame without one in mm, `aspect` is the
    height of a pixel by its width.
    """

    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    aspect: float


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame: `samples` are int16 or float32 (rows, columns), or uint8 (rows, columns, 3) in colour."""

    samples: Array
    window: Window
    inverted: bool
    unit: str
    geometry: Geometry

    @property
    def is_colour(self) -> bool:
        return self.samples.ndim == 3


def picture(dataset: Dataset, index: int = 0) -> Picture:
    """Frame `index` in the units of its modality; `Malformed` where it cannot be shown."""
    stored, interpretation = codecs.decode(dataset, index)
    groups = tuple(_groups(dataset, index))
    try:
        return _picture(dataset, groups, stored, interpretation)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"frame {index + 1} cannot be shown ({type(error).__name__})") from None


@cache
def presets(modality: str) -> tuple[Window, ...]:
    """The named windows for a modality; none where nobody agrees on any."""
    table: Mapping[str, list[dict[str, Any]]] = tomllib.loads(
        files("cohortium.dicom").joinpath("windows.toml").read_text("utf-8")
    )
    return tuple(Window(**entry) for entry in table.get(modality, ()))


def png(shown: Picture, edge: int) -> bytes:
    """The picture under its own window, fitted into a square of `edge` pixels, as PNG."""
    return encoded(shown, (edge, edge), "PNG")


def encoded(shown: Picture, viewport: tuple[int, int] | None, form: str, quality: int = 90) -> bytes:
    """The picture under its own window as `form` (JPEG, PNG), fitted into `viewport`; without one, in its own size."""
    image = Image.fromarray(shown.samples if shown.is_colour else _grey(shown))
    height = max(1, round(image.height * shown.geometry.aspect))
    width_most, height_most = viewport or (image.width, height)
    scale = min(width_most / image.width, height_most / height)
    size = (max(1, round(image.width * scale)), max(1, round(height * scale)))
    out = BytesIO()
    resampling = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    image.resize(size, resampling).save(out, form, quality=quality)
    return out.getvalue()


def _picture(dataset: Dataset, groups: Sequence[Dataset], stored: Array, interpretation: str) -> Picture:
    geometry = _geometry(groups)
    if stored.ndim == 3 or interpretation == "PALETTE COLOR":
        samples = apply_color_lut(stored, dataset) if interpretation == "PALETTE COLOR" else stored
        return Picture(_eight_bits(samples, dataset), Window("Full range", 127.5, 255), False, "", geometry)
    samples = _smallest(_rescaled(dataset, groups, stored))
    modality = str(dataset.get("Modality", ""))
    return Picture(
        samples=samples,
        window=_window(dataset, groups, samples, stored, modality),
        inverted=interpretation == "MONOCHROME1",
        unit=_unit(dataset, groups, modality),
        geometry=geometry,
    )


def _groups(dataset: Dataset, index: int) -> Iterator[Dataset]:
    """Where a frame's attributes may stand, nearest first: its own functional groups, the shared ones, the object."""
    for keyword, number in (("PerFrameFunctionalGroupsSequence", index), ("SharedFunctionalGroupsSequence", 0)):
        items = dataset.get(keyword)
        if items and len(items) > number:
            for element in items[number]:
                if element.VR == "SQ" and element.value:
                    yield element.value[0]
    yield dataset


def _find(groups: Sequence[Dataset], keyword: str) -> Any:
    return next((value for group in groups if (value := group.get(keyword)) not in (None, "")), None)


def _numbers(groups: Sequence[Dataset], keyword: str, count: int) -> tuple[float, ...] | None:
    value = _find(groups, keyword)
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != count:
        return None
    numbers = tuple(float(number) for number in value)
    return numbers if np.all(np.isfinite(numbers)) else None


def _rescaled(dataset: Dataset, groups: Sequence[Dataset], stored: Array) -> Array:
    if "DoseGridScaling" in dataset:
        return np.asarray(stored * np.float32(dataset.DoseGridScaling))
    if "ModalityLUTSequence" in dataset:
        return np.asarray(apply_modality_lut(stored, dataset))
    slope, intercept = _find(groups, "RescaleSlope"), _find(groups, "RescaleIntercept")
    if slope is None or intercept is None or (slope, intercept) == (1, 0):
        return stored
    if float(slope).is_integer() and float(intercept).is_integer():
        return np.asarray(stored.astype(np.int64) * int(slope) + int(intercept))
    return np.asarray(stored.astype(np.float64) * float(slope) + float(intercept))


def _smallest(samples: Array) -> Array:
    """int16 where nothing is lost by it, float32 else."""
    if samples.dtype.kind in "iub" and samples.min() >= -(1 << 15) and samples.max() < 1 << 15:
        return np.ascontiguousarray(samples, dtype="<i2")
    return np.asarray(np.nan_to_num(np.ascontiguousarray(samples, dtype="<f4"), posinf=0, neginf=0))


def _eight_bits(samples: Array, dataset: Dataset) -> Array:
    if samples.dtype == np.uint8:
        return np.ascontiguousarray(samples[..., :3])
    bits = 16 if "RedPaletteColorLookupTableData" in dataset else int(dataset.BitsStored)
    return np.ascontiguousarray((samples[..., :3] >> max(0, bits - 8)).astype(np.uint8))


def _window(dataset: Dataset, groups: Sequence[Dataset], samples: Array, stored: Array, modality: str) -> Window:
    """The object's own window, else the first that its modality is read in, else one from the values."""
    own = None if modality == "PT" else _own_window(groups)  # those of PET mean little
    usual = presets(modality)
    return own or (usual[0] if usual else _robust_window(dataset, samples, stored, modality))


def _own_window(groups: Sequence[Dataset]) -> Window | None:
    """The first window that the object brings, if it is one."""
    centre, width = (_first(_find(groups, keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not width >= 1 or not np.isfinite([centre, width]).all():
        return None
    linear = str(_find(groups, "VOILUTFunction") or "LINEAR") == "LINEAR"
    if linear and width < LEVELS:  # PS3.3 C.11.2.1.2.1: half a step lower; in wider windows less than a grey level
        return Window("As acquired", centre - 0.5, max(1.0, width - 1))
    return Window("As acquired", centre, width)


def _first(value: Any) -> float | None:
    if value is None or isinstance(value, str):
        return None
    return float(value[0]) if hasattr(value, "__len__") else float(value)


def _robust_window(dataset: Dataset, samples: Array, stored: Array, modality: str) -> Window:
    """Nearly all values but not the outliers: a metal artefact must not turn the rest black."""
    padding = dataset.get("PixelPaddingValue")
    values = samples[stored != padding] if isinstance(padding, int) else samples.ravel()
    values = values[:: max(1, values.size >> 16)] if values.size else samples.ravel()
    if modality in FROM_ZERO:
        low, high = 0.0, float(np.percentile(values[values > 0], 99.5)) if (values > 0).any() else 1.0
    else:
        low, high = (float(each) for each in np.percentile(values, (1, 99)))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return Window("Automatic", (low + high) / 2, (high - low) or 1.0)


def _unit(dataset: Dataset, groups: Sequence[Dataset], modality: str) -> str:
    if modality == "CT":
        return "HU"
    if modality == "PT":
        return {"BQML": "Bq/ml", "GML": "g/ml", "CNTS": "counts"}.get(str(dataset.get("Units", "")), "")
    if modality == "RTDOSE":
        return "Gy" if dataset.get("DoseUnits") == "GY" else ""
    return "HU" if _find(groups, "RescaleType") == "HU" else ""


def _geometry(groups: Sequence[Dataset]) -> Geometry:
    spacing = _numbers(groups, "PixelSpacing", 2) or _numbers(groups, "ImagerPixelSpacing", 2)
    if spacing is not None and min(spacing) <= 0:
        spacing = None
    ratio = spacing or _numbers(groups, "PixelAspectRatio", 2)
    aspect = ratio[0] / ratio[1] if ratio and min(ratio) > 0 else 1.0
    return Geometry(
        orientation=_numbers(groups, "ImageOrientationPatient", 6),
        position=_numbers(groups, "ImagePositionPatient", 3),
        spacing=(spacing[0], spacing[1]) if spacing else None,
        aspect=aspect if 0.05 < aspect < 20 else 1.0,
    )


def _grey(shown: Picture) -> Array:
    low = shown.window.centre - shown.window.width / 2
    grey = np.clip((shown.samples.astype(np.float32) - low) * (255 / shown.window.width), 0, 255).astype(np.uint8)
    return np.asarray(255 - grey if shown.inverted else grey)
