"""Clean Graphics: drawings keep their shapes; overlays and curves, which nobody reads, go under every protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

import factory
from cohortium.deidentify import Deidentifier, load_protocol
from cohortium.deidentify.protocol import action_for
from cohortium.values import Action

PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
CODES = {
    "Clean Graphics": "113103",
    "Clean Structured Content": "113104",
    "Clean Descriptors": "113105",
    "Retain Longitudinal Temporal Information Full Dates": "113106",
}


def presentation_state(**changes: Any) -> bytes:
    """A drawing of somebody's on the factory's slice: a line, a text, a layer."""
    image = {"ReferencedSOPClassUID": factory.CT_IMAGE, "ReferencedSOPInstanceUID": factory.INSTANCE + ".9"}
    line = {
        "GraphicAnnotationUnits": "PIXEL",
        "GraphicDimensions": 2,
        "NumberOfGraphicPoints": 2,
        "GraphicData": [1.0, 1.0, 5.5, 5.5],
        "GraphicType": "POLYLINE",
        "GraphicFilled": "N",
        "TrackingID": factory.NAME,
        "TrackingUID": factory.INSTANCE + ".8",
    }
    texts = [
        {"BoundingBoxAnnotationUnits": "PIXEL", "UnformattedTextValue": text, "AnchorPoint": [1.0, 2.0]}
        for text in (f"Tumor 12 mm, Dr. {factory.NAME}", factory.NAME)
    ]
    annotation = {
        "ReferencedImageSequence": [image],
        "GraphicLayer": "LAYER1",
        "TextObjectSequence": texts,
        "GraphicObjectSequence": [line],
    }
    layer = {"GraphicLayer": "LAYER1", "GraphicLayerOrder": "1", "GraphicLayerDescription": f"Tumor of {factory.NAME}"}
    return factory.ct(
        SOPClassUID=PRESENTATION_STATE,
        Modality="PR",
        PixelData=None,
        GraphicAnnotationSequence=[annotation],
        GraphicLayerSequence=[layer],
        ContentCreatorName=factory.NAME,
        **changes,
    )


def drawn(output: bytes) -> Dataset:
    (annotation,) = factory.read(output).GraphicAnnotationSequence
    return annotation


def test_shapes_stay_and_their_texts_are_cleaned(clean: Callable[..., bytes], cleaning: Deidentifier) -> None:
    annotation = drawn(clean(presentation_state(), cleaning))
    (line,) = annotation.GraphicObjectSequence
    assert line.GraphicData == [1.0, 1.0, 5.5, 5.5]
    assert line.TrackingID == "REMOVED"
    assert line.TrackingUID.startswith("2.25.")
    found, nothing = (each.UnformattedTextValue for each in annotation.TextObjectSequence)
    assert found == "Tumor 12 mm"
    assert nothing == "REMOVED"
    assert annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID.startswith("2.25.")


def test_the_description_of_a_layer_is_cleaned(clean: Callable[..., bytes], cleaning: Deidentifier) -> None:
    (layer,) = factory.read(clean(presentation_state(), cleaning)).GraphicLayerSequence
    assert layer.GraphicLayer == "LAYER1"
    assert layer.GraphicLayerDescription.startswith("Tumor")


def test_without_the_option_no_drawing_is_left(clean: Callable[..., bytes]) -> None:
    """Absent, not empty: the module of a presentation state that draws nothing is left out."""
    after = factory.read(clean(presentation_state()))
    assert "GraphicAnnotationSequence" not in after
    assert "UnformattedTextValue" not in factory.keywords(after)


def test_texts_outside_of_drawings_stay_dummies() -> None:
    protocol = load_protocol(Path(__file__).with_name("clean.toml"))
    assert action_for(protocol, 0x00700006, "", (0x0040B020,))[0] is Action.DUMMY
    assert action_for(protocol, 0x00700006, "", (0x00700001, 0x00700008))[0] is Action.CLEAN


@pytest.mark.parametrize("kind", ["G", "R"])
def test_overlays_and_curves_go_whatever_they_say_they_are(
    clean: Callable[..., bytes], cleaning: Deidentifier, kind: str
) -> None:
    """A region of interest (R) is a bitmap too, and its type is a device's word for it."""
    raw = {
        0x50000010: factory.element(0x50000010, b"\1\0", "US"),
        0x50003000: factory.element(0x50003000, bytes(8), "OW"),
        0x60000010: factory.element(0x60000010, b"\x08\0", "US"),
        0x60000040: factory.element(0x60000040, kind.encode() + b" ", "CS"),
        0x60003000: factory.element(0x60003000, bytes(6), "OW"),
        0x60004000: factory.element(0x60004000, factory.NAME.encode(), "LT"),
    }
    after = factory.read(clean(factory.ct(raw=raw), cleaning))
    assert [each.tag for each in after if each.tag.group in (0x5000, 0x6000)] == []


def test_options_are_stamped_with_their_codes(clean: Callable[..., bytes], cleaning: Deidentifier) -> None:
    after = factory.read(clean(presentation_state(), cleaning))
    stamped = {each.CodeMeaning.removesuffix(" Option"): each.CodeValue for each in after[0x00120064].value}
    assert stamped == CODES | {"Basic Application Confidentiality Profile": "113100"}
