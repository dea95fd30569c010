"""Blanks parts of a picture, and touches nothing else.

A native picture is blanked where its samples lie. Of a compressed one, only frames with a rectangle are decoded,
blanked and compressed again without loss in the same way; the others are handed on as they are. What cannot be
compressed again without loss (lossy syntaxes, JPEG lossless for want of an encoder, a frame that does not survive
its encoder) is written in explicit VR little endian, and a finding says so.

What always holds: a sample outside of what is to be blanked has the value that it had, as decoded, and one inside has
the blank value; a frame that was compressed again has been decoded again and compared.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from openjpeg.utils import encode_pixel_data
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from cohortium.dicom import codecs, filemeta, pixels
from cohortium.errors import Malformed
from cohortium.values import Finding, Severity

__all__ = ["Areas", "Outline", "Rectangle", "Redacted", "redact"]

Array = np.ndarray[Any, Any]
Slices = list[bytes | memoryview]

NOT_HERE = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")  # nothing that was de-identified is in these
SAME = (RLELossless, JPEGLSLossless, JPEG2000Lossless)  # compressed again in the syntax they came in
LOSSY = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
}
"""Transfer syntaxes that may lose, and the name of the method in (0028,2114), PS3.3 C.7.6.1.1.5.2."""
SEVERAL_SAMPLES = {"RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_RCT": 3, "YBR_ICT": 3}
EXTENDED_OFFSETS = (0x7FE00001, 0x7FE00002)
LARGEST_OFFSET = 0xFFFFFFFF
LARGEST_PALETTE = 1 << 16
ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Columns from `left` and rows from `top` on, in pixels of a frame; what lies outside the frame does not count."""

    left: int
    top: int
    width: int
    height: int

    def within(self, rows: int, columns: int) -> tuple[slice, slice]:
        """The rows and columns of a frame that it covers."""
        bottom, right = min(rows, self.top + self.height), min(columns, self.left + self.width)
        top, left = max(0, self.top), max(0, self.left)
        return slice(top, max(top, bottom)), slice(left, max(left, right))


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The pixels where `mask` (rows, columns) is true, of a picture with one sample a pixel, and what becomes of them.

    `value` is the sample as stored; a picture in colours, or of single bits, has no outlines.
    """

    mask: Array
    value: int

    def within(self, rows: int, columns: int) -> tuple[Array, Array]:
        """The rows and columns of its pixels."""
        if self.mask.shape != (rows, columns):
            raise Malformed("what is to be redacted is not as large as the picture")
        down, across = np.nonzero(self.mask)
        return down, across


Areas = Mapping[int, Sequence[Rectangle]]
"""What to blank, by frame, counted from 0."""

_Wanted = Mapping[int, Sequence[Rectangle | Outline]]


@dataclass(frozen=True, slots=True)
class Redacted:
    """The file as slices to be written in order, some of them views of the input, and what was done to it."""

    slices: Slices
    findings: tuple[Finding, ...]


def redact(buffer: bytes | memoryview, areas: Areas, outlines: Mapping[int, Outline] | None = None) -> Redacted:
    """Blank `areas` of a whole, de-identified Part 10 file, and an outline by frame; `Malformed` where it cannot."""
    view = memoryview(buffer)
    picture = _read(view)
    wanted: dict[int, tuple[Rectangle | Outline, ...]] = {index: tuple(each) for index, each in areas.items() if each}
    for index, outline in (outlines or {}).items():
        _refuse_colours(picture)
        wanted[index] = (*wanted.get(index, ()), outline)
    if outside := [index for index in wanted if not 0 <= index < picture.frames]:
        raise Malformed(f"frame {outside[0] + 1} of {picture.frames} cannot be redacted: it does not exist")
    if not wanted:
        return Redacted([view], ())
    try:
        if not picture.compressed:
            return _native(picture, wanted)
        again = _compressed(picture, wanted) if picture.syntax in SAME else None
        return again or _decompressed(picture, wanted)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"the picture cannot be redacted ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True)
class _Picture:
    """A file's bytes, its header without pixels, and where the pixel element and its value begin."""

    view: memoryview
    header: Dataset
    start: int
    value: int

    @property
    def syntax(self) -> str:
        return str(self.header.file_meta.TransferSyntaxUID)

    @property
    def compressed(self) -> bool:
        return bool(self.header.file_meta.TransferSyntaxUID.is_encapsulated)

    @property
    def frames(self) -> int:
        return max(1, int(self.header.get("NumberOfFrames") or 1))

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.header.Rows), int(self.header.Columns)

    @property
    def samples(self) -> int:
        return int(self.header.get("SamplesPerPixel", 1))

    @property
    def photometric(self) -> str:
        return str(self.header.PhotometricInterpretation)


def _read(view: memoryview) -> _Picture:
    syntax = filemeta.read(view[: codecs.HEADER]).TransferSyntaxUID
    if syntax in NOT_HERE:
        raise Malformed("only de-identified pictures are redacted, and those are in little endian and not deflated")
    try:
        stream = BytesIO(view)
        header = dcmread(stream, stop_before_pixels=True)
        start = stream.tell()
        explicit = syntax != "1.2.840.10008.1.2"
        value = start + (12 if explicit else 8)
        picture = _Picture(view, header, start, value)
        _ = picture.frames, picture.shape, picture.samples, picture.photometric
    except codecs.BAD_INPUT as error:
        raise Malformed(f"the picture's header cannot be read ({type(error).__name__})") from None
    if bytes(view[start : start + 4]) != b"\xe0\x7f\x10\x00":
        raise Malformed("there is no picture to redact", start)
    return picture


def _native(picture: _Picture, areas: _Wanted) -> Redacted:
    """Blanked where the samples lie; frames without a rectangle are handed on by reference."""
    view, bits = picture.view, int(picture.header.BitsAllocated)
    rows, columns = picture.shape
    size = rows * columns * bits * (2 if picture.photometric == "YBR_FULL_422" else picture.samples)
    if picture.value + (size * picture.frames + 7) // 8 > len(view):
        raise Malformed("truncated: pixel data are missing", len(view))
    if bits == 1:
        return Redacted(_single_bits(picture, areas), (_done(areas, "in place"),))
    slices: Slices = []
    run = 0
    for index in sorted(areas):
        begin = picture.value + index * size // 8
        samples = np.frombuffer(view, _dtype(picture.header), size // bits, begin).copy()
        for area in areas[index]:
            _blank_native(picture, samples, area)
        slices += (view[run:begin], samples.tobytes())
        run = begin + size // 8
    slices.append(view[run:])
    return Redacted([piece for piece in slices if len(piece)], (_done(areas, "in place"),))


def _blank_native(picture: _Picture, samples: Array, area: Rectangle | Outline) -> None:
    """Blank one area of one frame's samples, which lie as the header says (PS3.3 C.7.6.3.1)."""
    rows, columns = picture.shape
    if isinstance(area, Outline):
        _blank_samples(picture, samples.reshape(rows, columns), area, picture.photometric)
        return
    down, across = area.within(rows, columns)
    blank = _blank(picture.header, picture.photometric)
    if picture.photometric == "YBR_FULL_422":  # Y Y Cb Cr: two columns share their colour, so both go
        if columns % 2:
            raise Malformed("a picture in YBR_FULL_422 has an odd number of columns")
        if across.start == across.stop:
            return
        pairs = samples.reshape(rows, columns // 2, 4)
        pairs[down, across.start // 2 : (across.stop + 1) // 2] = blank[[0, 0, 1, 2]]
    elif picture.samples > 1 and picture.header.get("PlanarConfiguration", 0) == 1:
        samples.reshape(picture.samples, rows, columns)[:, down, across] = blank[:, None, None]
    else:
        samples.reshape(rows, columns, picture.samples)[down, across] = blank


def _single_bits(picture: _Picture, areas: _Wanted) -> Slices:
    """The whole file, one bit a pixel: frames and rows may begin within a byte, the lowest bit first (PS3.5 8.1.1)."""
    rows, columns = picture.shape
    data = bytearray(picture.view[picture.value :])
    for index, rectangles in areas.items():
        for rectangle in rectangles:
            assert isinstance(rectangle, Rectangle)
            down, across = rectangle.within(rows, columns)
            for row in range(down.start, down.stop):
                start = (index * rows + row) * columns
                _clear(data, start + across.start, across.stop - across.start)
    return [picture.view[: picture.value], bytes(data)]


def _clear(data: bytearray, start: int, count: int) -> None:
    if count:
        first, last = start // 8, (start + count - 1) // 8 + 1
        mask = (1 << count) - 1 << start - 8 * first
        kept = int.from_bytes(data[first:last], "little") & ~mask
        data[first:last] = kept.to_bytes(last - first, "little")


def _dtype(header: Dataset) -> np.dtype[Any]:
    bits = int(header.BitsAllocated)
    if bits not in (8, 16, 32, 64):
        raise Malformed(f"pictures of {bits} bits allocated cannot be redacted")
    return np.dtype(f"<{'i' if header.get('PixelRepresentation', 0) else 'u'}{bits // 8}")


def _blank(header: Dataset, photometric: str) -> Array:
    """What a blank pixel holds, sample by sample: the padding value where there is one, else black."""
    stored = int(header.get("BitsStored", header.BitsAllocated))
    padding = header.get("PixelPaddingValue")
    if photometric.startswith("YBR_FULL"):
        values = [0, 1 << stored - 1, 1 << stored - 1]
    elif photometric in SEVERAL_SAMPLES or int(header.get("SamplesPerPixel", 1)) > 1:
        values = [0] * int(header.SamplesPerPixel)
    elif photometric == "PALETTE COLOR":
        values = [_darkest(header, stored)]
    elif isinstance(padding, int):
        values = [padding]
    else:
        signed = bool(header.get("PixelRepresentation", 0))
        values = [(1 << stored - signed) - 1 if photometric == "MONOCHROME1" else 0]
    return np.array(values).astype(_dtype(header))


def _darkest(header: Dataset, stored: int) -> int:
    """The index that a palette shows darkest."""
    indexes = np.arange(min(1 << stored, LARGEST_PALETTE), dtype="<u2")
    return int(np.asarray(apply_color_lut(indexes, header)).astype(int).sum(axis=-1).argmin())


def _compressed(picture: _Picture, areas: _Wanted) -> Redacted | None:
    """Frames with a rectangle compressed again in their own syntax; None where one does not survive it."""
    frames, behind = _frames(picture)
    new: dict[int, bytes] = {}
    for index, wanted in areas.items():
        samples, photometric = _decoded(picture, frames[index])
        for area in wanted:
            _blank_samples(picture, samples, area, photometric)
        encoded = _encoded(picture, samples, photometric)
        if encoded is None:
            return None
        new[index] = encoded
    header = copy.deepcopy(picture.header)
    extended = any(tag in header for tag in EXTENDED_OFFSETS)
    with_table = extended or picture.view[picture.value + 4 : picture.value + 8] != bytes(4)
    out = [[new[index]] if index in new else frame for index, frame in enumerate(frames)]
    head = _without_extended_offsets(header) if extended else picture.view[: picture.start]
    slices: Slices = [head, picture.view[picture.start : picture.value], *_items(out, with_table=with_table)]
    slices.append(picture.view[behind:])
    name = picture.header.file_meta.TransferSyntaxUID.name
    return Redacted([piece for piece in slices if len(piece)], (_done(areas, f"and compressed again, {name}"),))


def _frames(picture: _Picture) -> tuple[list[list[memoryview]], int]:
    """The fragments of each frame, and the offset behind the pixel element."""
    _, fragments, behind = pixels.read_fragments(picture.view, picture.value)
    if picture.syntax == RLELossless or len(fragments) == picture.frames:
        frames = [[fragment] for fragment in fragments]
    else:
        j2k = picture.syntax in pixels.JPEG_2000
        frames = list(pixels.frames_of(picture.view, fragments, b"\xff\x4f" if j2k else b"\xff\xd8"))
    if len(frames) != picture.frames:
        raise Malformed(f"{len(frames)} frames of compressed pixel data, {picture.frames} are announced")
    return [[picture.view[at : at + size] for at, size in frame] for frame in frames], behind


def _decoded(picture: _Picture, frame: list[memoryview]) -> tuple[Array, str]:
    """A frame's samples as stored, and the photometric interpretation that they have."""
    return codecs.decode(_alone(picture.header, b"".join(frame)), raw=picture.syntax in SAME)


def _alone(header: Dataset, frame: bytes) -> Dataset:
    """An object with one frame, so that a decoder need not look for it."""
    alone = Dataset()
    alone.update({each.tag: each for each in header.group_dataset(0x0028) if each.keyword != "NumberOfFrames"})
    alone.file_meta = header.file_meta
    alone.NumberOfFrames = 1
    alone.PixelData = encapsulate([frame], has_bot=False)
    alone["PixelData"].is_undefined_length = True
    return alone


def _encoded(picture: _Picture, samples: Array, photometric: str) -> bytes | None:
    """The frame compressed without loss; None where decoding it does not give the same samples."""
    header = picture.header
    stored = "YBR_RCT" if picture.photometric == "YBR_RCT" else photometric
    options: dict[str, Any] = {
        "rows": header.Rows,
        "columns": header.Columns,
        "samples_per_pixel": picture.samples,
        "number_of_frames": 1,
        "bits_allocated": header.BitsAllocated,
        "bits_stored": header.BitsStored,
        "pixel_representation": header.PixelRepresentation,
        "photometric_interpretation": stored,
        "pixel_keyword": "PixelData",
    }
    if picture.samples > 1:
        options["planar_configuration"] = 0
    try:
        if picture.syntax == JPEG2000Lossless:  # pydicom's own way asks for one more package, which adds nothing
            encoded = bytes(encode_pixel_data(_container(samples, options["bits_stored"]), **options))
        else:
            encoded = bytes(get_encoder(header.file_meta.TransferSyntaxUID).encode(samples, **options))
        again, _ = codecs.decode(_alone(header, encoded), raw=True)
    except (*codecs.BAD_INPUT, Malformed):
        return None
    return encoded + b"\0" * (len(encoded) % 2) if np.array_equal(again, samples) else None


def _container(samples: Array, stored: int) -> bytes:
    """Samples in as many bytes as OpenJPEG wants for these bits."""
    size = 1 if stored <= 8 else 2 if stored <= 16 else 4
    return samples.astype(f"<{samples.dtype.kind}{size}").tobytes()


def _blank_samples(picture: _Picture, samples: Array, area: Rectangle | Outline, photometric: str) -> None:
    """Blank one area of a decoded frame."""
    down, across = area.within(*picture.shape)
    if isinstance(area, Outline):
        samples[down, across] = area.value
    else:
        blank = _blank(picture.header, photometric)
        samples[down, across] = blank if len(blank) > 1 else blank[0]


def _refuse_colours(picture: _Picture) -> None:
    """Outlines are for pictures whose samples are numbers of something."""
    if picture.samples != 1 or not picture.photometric.startswith("MONOCHROME") or picture.header.BitsAllocated == 1:
        raise Malformed("only a monochrome picture is redacted by outline")


def _items(frames: list[list[Any]], *, with_table: bool) -> Iterator[bytes | memoryview]:
    """Encapsulated frames with a basic offset table, empty where none was wanted or it cannot reach (PS3.5 A.4)."""
    sizes = [sum(8 + len(fragment) for fragment in frame) for frame in frames]
    offsets = [0, *np.cumsum(sizes[:-1], dtype=np.int64).tolist()]
    table = b""
    if with_table and offsets[-1] <= LARGEST_OFFSET:
        table = np.array(offsets, "<u4").tobytes()
    yield ITEM + len(table).to_bytes(4, "little") + table
    for frame in frames:
        for fragment in frame:
            yield ITEM + len(fragment).to_bytes(4, "little")
            yield fragment
    yield END


def _without_extended_offsets(header: Dataset) -> bytes:
    """They would be wrong; a basic offset table takes their place."""
    for tag in EXTENDED_OFFSETS:
        header.pop(tag, None)
    return _file(header)


def _decompressed(picture: _Picture, areas: _Wanted) -> Redacted:
    """Every frame in explicit VR little endian, and a header that tells what the samples have become."""
    frames, behind = _frames(picture)
    slices: Slices = []
    photometric = picture.photometric
    dtype = _dtype(picture.header)
    for index, frame in enumerate(frames):
        samples, photometric = codecs.decode(_alone(picture.header, b"".join(frame)))
        samples = samples.astype(dtype)
        for area in areas.get(index, ()):
            _blank_samples(picture, samples, area, photometric)
        slices.append(samples.tobytes())
    size = sum(map(len, slices))
    if size + 1 > LARGEST_OFFSET:
        raise Malformed("the redacted picture is too large for explicit VR little endian")
    header = _changed(picture, photometric, size / max(1, behind - picture.value))
    vr = b"OW" if picture.header.BitsAllocated > 8 else b"OB"
    element = b"\xe0\x7f\x10\x00" + vr + b"\0\0" + (size + size % 2).to_bytes(4, "little")
    name = picture.header.file_meta.TransferSyntaxUID.name
    text = f"the transfer syntax was changed from {name} to explicit VR little endian, so that nothing more is lost"
    findings = _done(areas, "and the picture decompressed"), Finding("pixels.decompressed", Severity.INFO, text)
    slices = [_file(header), element, *slices, b"\0" * (size % 2), picture.view[behind:]]
    return Redacted([piece for piece in slices if len(piece)], findings)


def _changed(picture: _Picture, photometric: str, ratio: float) -> Dataset:
    """The header of a picture that was decompressed. What was lossy stays so (PS3.3 C.7.6.1.1.5)."""
    header = copy.deepcopy(picture.header)
    for tag in EXTENDED_OFFSETS:
        header.pop(tag, None)
    if picture.syntax in LOSSY and "LossyImageCompression" not in header:
        header.LossyImageCompression = "01"
        header.LossyImageCompressionRatio = f"{ratio:.4g}"
        header.LossyImageCompressionMethod = LOSSY[picture.syntax]
    header.PhotometricInterpretation = photometric
    if picture.samples > 1:
        header.PlanarConfiguration = 0
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return header


def _file(header: Dataset) -> bytes:
    out = BytesIO()
    header.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _done(areas: _Wanted, how: str) -> Finding:
    count, frames = sum(map(len, areas.values())), len(areas)
    return Finding("pixels.redacted", Severity.INFO, f"{count} areas in {frames} frames were blanked {how}")
