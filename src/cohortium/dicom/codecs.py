"""Turns one frame of one object into an array, whatever it is compressed with.

Sizes are never believed: a frame may have at most `MAX_SAMPLES` samples, and a compressed frame must say the same size
as the header around it before a decoder sees it. Compressed frames are decoded in a process of their own. Whatever goes
wrong in a decoder comes out as `Malformed`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any, cast

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from cohortium.dicom import filemeta
from cohortium.dicom.isolation import Workers
from cohortium.errors import Malformed

__all__ = ["MAX_SAMPLES", "be_ready", "decode", "frames", "read"]

MAX_SAMPLES = 1 << 26  # of one frame: 8192 x 8192 of one sample; mammography needs a fifth of it
MAX_INFLATED = 1 << 30  # bytes of a deflated object
HEADER = 1 << 16  # bytes in which the file meta information ends
FLOAT_OR_INTEGER = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

OPTIONS = {
    "rows": "Rows",
    "columns": "Columns",
    "samples_per_pixel": "SamplesPerPixel",
    "photometric_interpretation": "PhotometricInterpretation",
    "planar_configuration": "PlanarConfiguration",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "pixel_representation": "PixelRepresentation",
}
Decoded = tuple[np.ndarray[Any, Any], str]

# What pydicom and its plugins raise on bad input, as far as it can be listed: they promise no single type.
BAD_INPUT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    RuntimeError,  # NotImplementedError is one
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
DECODERS = Workers(__name__, BAD_INPUT)


def be_ready() -> None:
    """Start a decoder, which takes longer than most frames, before one is asked for."""
    with suppress(Malformed):
        DECODERS.run(bool)


def read(content: bytes) -> Dataset:
    """The object in `content`, elements still unparsed."""
    header = filemeta.read(content[:HEADER])
    try:
        if header.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
            content = content[: header.end] + _inflated(content[header.end :])
        return dcmread(BytesIO(content))
    except BAD_INPUT as error:
        raise Malformed(f"cannot be read as DICOM ({type(error).__name__})") from None


def frames(dataset: Dataset) -> int:
    """How many frames the object has; 0 without pixels."""
    if not any(keyword in dataset for keyword in FLOAT_OR_INTEGER):
        return 0
    try:
        return max(1, int(dataset.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        raise Malformed("NumberOfFrames is not a number") from None


def decode(dataset: Dataset, index: int = 0, *, raw: bool = False) -> tuple[np.ndarray[Any, Any], str]:
    """Frame `index` as (rows, columns) or (rows, columns, 3), and its photometric interpretation as decoded.

    Samples are as stored: no rescaling, no window. YBR has become RGB, unless they are wanted `raw`.
    """
    count = frames(dataset)
    if not 0 <= index < count:
        raise Malformed(f"frame {index + 1} of {count} does not exist")
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        _refuse_size(dataset)
        if syntax.is_encapsulated:
            stream = get_frame(dataset.PixelData, index, number_of_frames=count)
            _refuse_other_size(dataset, syntax, stream)
            return cast(Decoded, DECODERS.run(_decoded, syntax, stream, _options(dataset), raw))
        array, properties = get_decoder(syntax).as_array(dataset, index=index, raw=raw)
    except BAD_INPUT as error:
        raise Malformed(f"pixels of frame {index + 1} cannot be decoded ({type(error).__name__})") from None
    return array, str(properties["photometric_interpretation"])


def _options(dataset: Dataset) -> dict[str, Any]:
    """What a decoder must know beside the stream, under the names that pydicom gives it."""
    values = {name: dataset.get(keyword) for name, keyword in OPTIONS.items()}
    one_frame = {"number_of_frames": 1, "pixel_keyword": "PixelData"}
    return one_frame | {name: value for name, value in values.items() if value is not None}


def _decoded(syntax: str, stream: bytes, options: dict[str, Any], raw: bool) -> Decoded:
    array, properties = get_decoder(UID(syntax)).as_array(encapsulate([stream]), index=0, raw=raw, **options)
    return array, str(properties["photometric_interpretation"])


def _inflated(deflated: bytes) -> bytes:
    """The data set, deflated again without compression: pydicom inflates without a limit, here there is one."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = stream.decompress(deflated, MAX_INFLATED)
    if stream.unconsumed_tail:
        raise Malformed("a deflated object unfolds to more than the limit")
    return zlib.compress(plain, 0, -zlib.MAX_WBITS)


def _refuse_size(dataset: Dataset) -> None:
    samples = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel", 1))
    if not 0 < samples <= MAX_SAMPLES:
        raise Malformed(f"a frame of {samples} samples; 1 to {MAX_SAMPLES} are accepted")


def _refuse_other_size(dataset: Dataset, syntax: UID, stream: bytes) -> None:
    if syntax in JPEG2000TransferSyntaxes:
        size = _size_of_jpeg2000(stream)
    elif syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        size = _size_of_jpeg(stream)
    else:
        return  # RLE: cannot expand more than 64-fold
    if size != (int(dataset.Rows), int(dataset.Columns)):
        raise Malformed("the compressed frame has another size than the header says")


def _size_of_jpeg2000(stream: bytes) -> tuple[int, int]:
    """(rows, columns) in the SIZ marker; ISO/IEC 15444-1 A.5.1."""
    start = stream.find(b"\xff\x4f\xff\x51", 0, 4096)  # behind the boxes of a JP2, where there are any
    if start < 0:
        raise Malformed("no JPEG 2000 codestream")
    x1, y1, x0, y0 = struct.unpack_from(">4I", stream, start + 8)
    return y1 - y0, x1 - x0


def _size_of_jpeg(stream: bytes) -> tuple[int, int]:
    """(rows, columns) in the start-of-frame marker; ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2."""
    for marker, offset in _markers(stream):
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = struct.unpack_from(">2H", stream, offset + 3)
            return rows, columns
    raise Malformed("no JPEG frame")


def _markers(stream: bytes) -> Iterator[tuple[int, int]]:
    """Each marker before the first scan, with the offset of its length field."""
    position = 2
    while position + 4 <= len(stream) and stream[position] == 0xFF:
        marker = stream[position + 1]
        if marker == 0xDA:  # start of scan
            return
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        yield marker, position + 2
        position += 2 + struct.unpack_from(">H", stream, position + 2)[0]
