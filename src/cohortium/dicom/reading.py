"""Reads text in a picture (OCR) on this machine: the models lie in the wheel of `rapidocr`, nothing is fetched or sent.

A reader finds most text and never all of it, so it is a second guard and not the only one. What always holds: it does
not change the picture, remembers nothing of it, and what it read stands in no message and no log.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cohortium.dicom.redact import Rectangle
from cohortium.errors import ConfigError

__all__ = ["Reader", "Text", "available", "shades"]

Array = np.ndarray[Any, Any]

PIXEL_THRESHOLD, BOX_THRESHOLD = 0.2, 0.35  # lower than the detector's own 0.3 and 0.5: rather a box too many
SHORT_EDGE, LONG_EDGE = 736, 4096  # a smaller picture is enlarged for the detector, a larger one shrunk
MODELS = {"Det.model_path": "PP-OCRv6_det_small.onnx", "Rec.model_path": "PP-OCRv6_rec_small.onnx"}
MARGIN = 0.15  # of a box's height, around it: letters reach beyond their box
SMALLEST = 3  # edges of a box that could hold a letter
BLACK, WHITE = 0, 255
OUTLIERS = (0.5, 99.5)  # percentiles between which a picture's own contrast lies


@dataclass(frozen=True, slots=True)
class Text:
    """Where something was taken for text, what it seems to say (empty: unreadable), and how sure that is, 0 to 1.

    `text` may name the patient.
    """

    rectangle: Rectangle
    text: str
    score: float


def available() -> bool:
    """Whether the extra `ocr` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


class Reader:
    """The detector and the recogniser, loaded once; calls must not overlap."""

    def __init__(self) -> None:
        if not available():
            raise ConfigError("text in pixels is read with the extra `ocr`; install cohortium[ocr]")
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # it reads this as it is loaded: later it has a file and has sent
        import onnxruntime
        import rapidocr

        onnxruntime.disable_telemetry_events()  # where that variable means nothing: on Windows
        folder = Path(rapidocr.__file__).parent / "models"
        if missing := [name for name in MODELS.values() if not (folder / name).is_file()]:
            raise ConfigError(f"rapidocr came without its model {missing[0]}; install cohortium[ocr] as it is locked")
        self._engine: Any = rapidocr.RapidOCR(
            params={
                **{key: str(folder / name) for key, name in MODELS.items()},
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.text_score": 0.0,
                "Global.max_side_len": LONG_EDGE,
                "Det.limit_side_len": SHORT_EDGE,
                "Det.thresh": PIXEL_THRESHOLD,
                "Det.box_thresh": BOX_THRESHOLD,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def __call__(self, shade: Array) -> tuple[Text, ...]:
        """What is taken for text in a picture of 8 bits, (rows, columns) or (rows, columns, 3), with a small margin."""
        picture = np.ascontiguousarray(np.repeat(shade[..., None], 3, axis=-1) if shade.ndim == 2 else shade[..., ::-1])
        boxes = self._engine(picture, use_det=True, use_cls=False, use_rec=False).boxes
        return tuple(self._read(picture, each) for each in _rectangles(boxes, picture.shape))

    def _read(self, picture: Array, box: Rectangle) -> Text:
        crop = np.ascontiguousarray(picture[box.within(*picture.shape[:2])])
        found = self._engine(crop, use_det=False, use_cls=False, use_rec=True)
        texts, scores = found.txts or ("",), found.scores or (0.0,)
        return Text(box, str(texts[0]).strip(), float(scores[0]))


def shades(samples: Array) -> Iterator[Array]:
    """A frame in 8 bits as a reader looks at it: whole range, and for deeper samples the picture's own contrast too."""
    if samples.dtype == np.uint8:
        yield samples
        return
    values = samples.astype(np.float32)
    limits = {(float(values.min()), float(values.max())), tuple(map(float, np.percentile(values, OUTLIERS)))}
    for low, high in sorted(limits):
        if high > low:
            yield ((values - low) * (WHITE / (high - low))).clip(BLACK, WHITE).astype(np.uint8)


def _rectangles(boxes: Array | None, shape: Sequence[int]) -> Iterator[Rectangle]:
    """Upright rectangles around the detector's quadrilaterals, with a margin."""
    for corners in boxes if boxes is not None else ():
        (left, top), (right, bottom) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        margin = int(np.ceil(MARGIN * min(bottom - top, right - left))) + 1
        left, top = max(0, int(left) - margin), max(0, int(top) - margin)
        width, height = min(shape[1], int(right) + margin) - left, min(shape[0], int(bottom) + margin) - top
        if width >= SMALLEST and height >= SMALLEST:
            yield Rectangle(left, top, width, height)
