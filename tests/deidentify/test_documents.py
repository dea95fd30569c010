"""Documents, models and sound inside of DICOM: nobody has read them, so they are held, and leave by no back door."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import factory
from cohortium.deidentify import standard
from cohortium.values import Reason, SetAside

HELD = {
    "1.2.840.10008.5.1.4.1.1.104.1": "document",  # PDF
    "1.2.840.10008.5.1.4.1.1.104.2": "document",  # CDA
    "1.2.840.10008.5.1.4.1.1.104.3": "model",  # STL
    "1.2.840.10008.5.1.4.1.1.104.4": "model",  # OBJ
    "1.2.840.10008.5.1.4.1.1.104.5": "document",  # MTL
    "1.2.840.10008.5.1.4.1.1.9.4.1": "voice",
    "1.2.840.10008.5.1.4.1.1.9.4.2": "sound",
    "1.2.840.10008.5.1.4.1.1.68.1": "face",  # surface scan mesh
    "1.2.840.10008.5.1.4.1.1.68.2": "face",  # surface scan point cloud
}


def encapsulated(sop_class: str) -> bytes:
    document = {"EncapsulatedDocument": b"%PDF " + factory.NAME.encode(), "DocumentTitle": factory.NAME}
    return factory.ct(SOPClassUID=sop_class, Modality="DOC", PixelData=None, BurnedInAnnotation="NO", **document)


@pytest.mark.parametrize("protocol", ["basic", "cleaning"])
@pytest.mark.parametrize(("sop_class", "word"), HELD.items())
def test_they_are_held_with_a_reason(request: pytest.FixtureRequest, sop_class: str, word: str, protocol: str) -> None:
    """NO in BurnedInAnnotation is a word about pictures."""
    aside = request.getfixturevalue(protocol)(encapsulated(sop_class))
    assert isinstance(aside, SetAside)
    assert aside.reason is Reason.PIXELS_NOT_REVIEWED
    assert word in aside.detail
    assert factory.NAME not in aside.detail


def test_every_class_that_encapsulates_is_held() -> None:
    classes = {uid for uid, name in standard.storage_sop_classes().items() if "ncapsulated" in name}
    assert classes <= HELD.keys()
    assert len(classes) == 5


def test_a_document_inside_of_an_image_goes(clean: Callable[..., bytes]) -> None:
    after = factory.read(clean(factory.ct(EncapsulatedDocument=b"%PDF " + factory.NAME.encode())))
    assert "EncapsulatedDocument" not in after or after.EncapsulatedDocument in (b"", bytes(2))


def test_drawings_and_bytes_of_any_kind_go(clean: Callable[..., bytes]) -> None:
    after = factory.read(clean(factory.ct(HPGLDocument=factory.NAME.encode(), HPGLDocumentLabel=factory.NAME)))
    assert "HPGLDocument" not in after
    assert after.HPGLDocumentLabel == "REMOVED"
