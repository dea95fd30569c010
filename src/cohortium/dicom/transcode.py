"""An object as Explicit VR Little Endian, and its frames one by one, for whoever cannot read what is stored.

Samples are decoded, never changed; YBR becomes RGB, and the object then says so. Nothing else in it is touched.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRLittleEndian

from cohortium.dicom import codecs
from cohortium.errors import Malformed

__all__ = ["explicit", "frame", "frame_type", "stored_frame"]

TYPES = {  # PS3.18 8.7.3.3.2
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
EXTENDED = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


def explicit(content: bytes) -> bytes:
    """The whole object in Explicit VR Little Endian; `Malformed` where its pixels cannot be decoded."""
    dataset = codecs.read(content)
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax == ExplicitVRLittleEndian:
        return content
    if syntax.is_encapsulated and "PixelData" in dataset:
        _decode(dataset)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    try:
        dataset.save_as(out, implicit_vr=False, little_endian=True)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"cannot be written in Explicit VR Little Endian ({type(error).__name__})") from None
    return out.getvalue()


def frame(dataset: Dataset, index: int) -> bytes:
    """The samples of a frame, uncompressed, as Pixel Data would hold them."""
    if UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated:
        return codecs.decode(dataset, index)[0].tobytes()
    if not 0 <= index < codecs.frames(dataset):
        raise Malformed(f"frame {index + 1} does not exist")
    try:
        bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
        content = next(dataset[keyword].value for keyword in codecs.FLOAT_OR_INTEGER if keyword in dataset)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"frame {index + 1} cannot be read ({type(error).__name__})") from None
    if bits % 8:  # frames of single bits lie against each other
        packed = np.frombuffer(content, "u1", offset=index * bits // 8)[: bits // 8 + 2]
        samples = np.unpackbits(packed, bitorder="little")[index * bits % 8 :][:bits]
        return np.packbits(samples, bitorder="little").tobytes()
    found = bytes(content[index * bits // 8 : (index + 1) * bits // 8])
    if len(found) != bits // 8:
        raise Malformed(f"frame {index + 1} is cut")
    return found


def stored_frame(dataset: Dataset, index: int) -> bytes:
    """A frame as it is stored, compressed or not."""
    if not UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated:
        return frame(dataset, index)
    count = codecs.frames(dataset)
    if not 0 <= index < count:
        raise Malformed(f"frame {index + 1} does not exist")
    try:
        return get_frame(dataset.PixelData, index, number_of_frames=count)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"frame {index + 1} cannot be read ({type(error).__name__})") from None


def frame_type(syntax: str) -> str:
    """The media type of a frame that is stored in this transfer syntax."""
    return TYPES.get(syntax, "application/octet-stream")


def _decode(dataset: Dataset) -> None:
    decoded = [codecs.decode(dataset, index) for index in range(codecs.frames(dataset))]
    samples, interpretation = decoded[0]
    content = b"".join(each.tobytes() for each, _ in decoded)
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW" if samples.itemsize > 1 else "OB"
    dataset["PixelData"].is_undefined_length = False
    dataset.PhotometricInterpretation = interpretation
    dataset.BitsAllocated = samples.itemsize * 8
    if samples.ndim == 3:
        dataset.PlanarConfiguration = 0
    for keyword in EXTENDED:
        if keyword in dataset:
            del dataset[keyword]
