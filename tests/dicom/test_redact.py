"""Redaction: inside the rectangles blank, outside untouched, in every encoding."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openjpeg.utils import encode_pixel_data
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames, parse_basic_offsets
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, generate_uid

from cohortium.dicom import codecs
from cohortium.dicom.redact import Rectangle, redact
from cohortium.errors import Malformed
from factory import ct, joined, read

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
RLE, JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
JPEG, JPEG_LS_NEAR, JPEG_2000_LOSSY = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"
KINDS = {
    "MONOCHROME2": (1, 12, 16, 0),
    "MONOCHROME1": (1, 16, 16, 0),
    "signed": (1, 12, 16, 1),
    "8 bits": (1, 8, 8, 0),
    "RGB": (3, 8, 8, 0),
    "YBR_FULL": (3, 8, 8, 0),
    "YBR_RCT": (3, 8, 8, 0),
    "PALETTE COLOR": (1, 8, 8, 0),
}


def scene(shape: tuple[int, ...], stored: int, signed: int) -> np.ndarray:
    """Something like a picture: a gradient with little noise, over the whole range of values."""
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    ramp = np.linspace(low, high, int(np.prod(shape[1:3]))).reshape(1, *shape[1:3], 1)
    grain = np.random.default_rng(0).normal(0, (high - low) / 100, shape)
    return (ramp + grain).clip(low, high).astype(f"<{'i' if signed else 'u'}{1 if stored <= 8 else 2}")


def header(kind: str, rows: int, columns: int, frames: int, syntax: str) -> Dataset:
    samples, stored, allocated, signed = KINDS[kind]
    photometric = kind if kind.isupper() else "MONOCHROME2"
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    made.SOPInstanceUID = generate_uid()
    made.Modality = "US"
    made.SamplesPerPixel, made.Rows, made.Columns, made.NumberOfFrames = samples, rows, columns, frames
    made.PhotometricInterpretation = photometric
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = allocated, stored, stored - 1, signed
    if samples > 1:
        made.PlanarConfiguration = 0
    if photometric == "PALETTE COLOR":
        values = np.roll(np.linspace(0, 65535, 256).astype("<u2"), 7)  # index 7 is black
        for colour in ("Red", "Green", "Blue"):
            setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(made, f"{colour}PaletteColorLookupTableData", values.tobytes())
    return made


def picture(
    kind: str = "MONOCHROME2",
    syntax: str = EXPLICIT,
    *,
    shape: tuple[int, int] | None = None,
    frames: int = 3,
    planar: int = 0,
    table: bool = True,
    extended: bool = False,
    **changes: Any,
) -> tuple[bytes, np.ndarray]:
    """A file, and its samples as (frames, rows, columns, samples)."""
    shape = shape or ((33, 40) if syntax in (JPEG_2000, JPEG_2000_LOSSY) else (9, 14))  # JPEG 2000 takes none smaller
    made = header(kind, *shape, frames, syntax)
    samples = scene((frames, *shape, made.SamplesPerPixel), made.BitsStored, made.PixelRepresentation)
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    if not made.file_meta.TransferSyntaxUID.is_encapsulated:
        if planar:
            made.PlanarConfiguration = 1
        laid = samples.transpose(0, 3, 1, 2) if planar else samples
        data = laid.tobytes()
        made.PixelData = data + b"\0" * (len(data) % 2)
    else:
        options = {each.keyword: each.value for each in made.group_dataset(0x0028)}
        encoded = [compressed(syntax, frame[..., 0] if frame.shape[-1] == 1 else frame, options) for frame in samples]
        made.PixelData = encapsulate(encoded, has_bot=table)
        if extended:
            made.PixelData, made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = encapsulate_extended(encoded)
    made["PixelData"].VR = "OW" if made.BitsAllocated > 8 else "OB"
    return saved(made), samples


def compressed(syntax: str, frame: np.ndarray, options: dict[str, Any]) -> bytes:
    names = {
        "rows": "Rows",
        "columns": "Columns",
        "samples_per_pixel": "SamplesPerPixel",
        "bits_allocated": "BitsAllocated",
        "bits_stored": "BitsStored",
        "pixel_representation": "PixelRepresentation",
        "photometric_interpretation": "PhotometricInterpretation",
        "planar_configuration": "PlanarConfiguration",
    }
    given_ = {name: options[keyword] for name, keyword in names.items() if keyword in options}
    more = {"jls_error": 3} if syntax == JPEG_LS_NEAR else {}
    if syntax == JPEG:
        out = BytesIO()
        Image.fromarray(frame).save(out, "JPEG", quality=80)
        return out.getvalue()
    if syntax in (JPEG_2000, JPEG_2000_LOSSY):
        ratios = {"compression_ratios": [5]} if syntax == JPEG_2000_LOSSY else {}
        return bytes(encode_pixel_data(frame.tobytes(), **given_, **ratios))
    return bytes(get_encoder(UID(syntax)).encode(frame, number_of_frames=1, **given_, **more))


def saved(dataset: Dataset) -> bytes:
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def decoded(content: bytes, *, raw: bool = True) -> np.ndarray:
    dataset = read(content)
    frames = [codecs.decode(dataset, index, raw=raw)[0] for index in range(codecs.frames(dataset))]
    return np.stack([frame if frame.ndim == 3 else frame[..., None] for frame in frames])


def fragments(content: bytes) -> list[bytes]:
    dataset = read(content)
    return list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames)))


BLANKS = {"MONOCHROME1": [65535], "YBR_FULL": [0, 128, 128], "PALETTE COLOR": [7]}


def check(before: np.ndarray, after: np.ndarray, areas: dict[int, list[Rectangle]], blank: list[int]) -> None:
    inside = np.zeros(before.shape[:3], bool)
    for index, rectangles in areas.items():
        for each in rectangles:
            inside[index, max(0, each.top) : max(0, each.top + each.height)][
                :, max(0, each.left) : max(0, each.left + each.width)
            ] = True
    assert np.array_equal(before[~inside], after[~inside])
    assert np.array_equal(after[inside], np.broadcast_to(blank, after[inside].shape))


RECTANGLES = st.builds(Rectangle, st.integers(-3, 15), st.integers(-3, 10), st.integers(0, 18), st.integers(0, 12))
AREAS = st.dictionaries(st.integers(0, 2), st.lists(RECTANGLES, max_size=3), max_size=3)
LOSSLESS = [
    *((kind, syntax, 0) for syntax in (IMPLICIT, EXPLICIT, RLE) for kind in KINDS if kind != "YBR_RCT"),
    *((kind, EXPLICIT, 1) for kind in ("RGB", "YBR_FULL")),
    *((kind, JPEG_LS, 0) for kind in KINDS if kind != "YBR_RCT"),
    *((kind, JPEG_2000, 0) for kind in KINDS if kind != "YBR_FULL"),
]


@cache
def _whole(kind: str, syntax: str, planar: int, table: bool) -> tuple[bytes, np.ndarray]:
    content, samples = picture(kind, syntax, planar=planar, table=table)
    assert np.array_equal(decoded(content), samples)
    return content, samples


@pytest.mark.parametrize(("kind", "syntax", "planar"), LOSSLESS)
@settings(max_examples=settings.default.max_examples // 2)
@given(areas=AREAS, table=st.booleans())
def test_blank_inside_and_untouched_outside(kind, syntax, planar, areas, table):
    content, before = _whole(kind, syntax, planar, table)
    done = redact(content, areas)
    after = joined(done.slices)
    check(before, decoded(after), areas, BLANKS.get(kind, [0]))
    if any(areas.values()):
        assert read(after).file_meta.TransferSyntaxUID == syntax
        assert [finding.rule for finding in done.findings] == ["pixels.redacted"]
    else:
        assert after == content


CORNER = Rectangle(0, 0, 5, 3)


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE, JPEG_LS, JPEG_2000])
def test_untouched_frames_stay_byte_identical(syntax):
    content, samples = picture(syntax=syntax, frames=4)
    after = joined(redact(content, {1: [CORNER]}).slices)
    if syntax == EXPLICIT:
        size = samples[0].nbytes
        old, new = read(content).PixelData, read(after).PixelData
        pairs = [(old[n : n + size], new[n : n + size]) for n in range(0, 4 * size, size)]
    else:
        pairs = list(zip(fragments(content), fragments(after), strict=True))
    assert [a == b for a, b in pairs] == [True, False, True, True]


@pytest.mark.parametrize("syntax", [RLE, JPEG_LS])
def test_the_header_stays_byte_identical_where_nothing_in_it_changes(syntax):
    content, _ = picture(syntax=syntax)
    after = joined(redact(content, {0: [CORNER]}).slices)
    start = content.index(b"\xe0\x7f\x10\x00")
    assert after[: start + 12] == content[: start + 12]


@pytest.mark.parametrize("syntax", [RLE, JPEG_LS, JPEG_2000])
def test_the_basic_offset_table_points_at_the_frames(syntax):
    content, _ = picture("8 bits", syntax, frames=5)
    data = read(joined(redact(content, {0: [CORNER], 3: [CORNER]}).slices)).PixelData
    offsets = parse_basic_offsets(data)
    behind = 8 + 4 * len(offsets)
    assert len(offsets) == 5
    assert offsets[0] == 0
    assert all(data[behind + offset : behind + offset + 4] == b"\xfe\xff\x00\xe0" for offset in offsets)


def test_no_table_is_made_where_there_was_none():
    content, _ = picture(syntax=RLE, table=False)
    assert parse_basic_offsets(read(joined(redact(content, {0: [CORNER]}).slices)).PixelData) == []


def test_an_extended_offset_table_gives_way_to_a_basic_one():
    content, before = picture(syntax=RLE, extended=True)
    after = joined(redact(content, {0: [CORNER]}).slices)
    dataset = read(after)
    assert "ExtendedOffsetTable" not in dataset
    assert "ExtendedOffsetTableLengths" not in dataset
    assert len(parse_basic_offsets(dataset.PixelData)) == 3
    check(before, decoded(after), {0: [CORNER]}, [0])


@pytest.mark.parametrize("syntax", [JPEG, JPEG_LS_NEAR, JPEG_2000_LOSSY])
@pytest.mark.parametrize("kind", ["8 bits", "RGB"])
def test_a_lossy_picture_is_decompressed_and_stays_lossy(syntax, kind):
    content, _ = picture(kind, syntax, shape=(32, 40))
    before = decoded(content, raw=False)
    done = redact(content, {1: [CORNER]})
    after = joined(done.slices)
    dataset = read(after)
    assert dataset.file_meta.TransferSyntaxUID == EXPLICIT
    assert dataset.LossyImageCompression == "01"
    assert dataset.LossyImageCompressionMethod.startswith("ISO_")
    assert {finding.rule for finding in done.findings} == {"pixels.redacted", "pixels.decompressed"}
    check(before, decoded(after, raw=False), {1: [CORNER]}, [0])


def test_what_the_header_says_of_losses_stays():
    content, _ = picture("8 bits", JPEG, shape=(32, 40), LossyImageCompression="01", LossyImageCompressionRatio="7")
    dataset = read(joined(redact(content, {1: [CORNER]}).slices))
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 7)


def test_a_lossless_picture_does_not_become_lossy():
    content, _ = picture(syntax=JPEG_LS)
    assert "LossyImageCompression" not in read(joined(redact(content, {1: [CORNER]}).slices))


def test_what_its_encoder_cannot_write_is_decompressed():
    """The encoder refuses frames so small; another one has written this."""
    made = header("8 bits", 9, 14, 1, JPEG_2000)
    before = scene((1, 9, 14, 1), 8, 0)
    out = BytesIO()
    Image.fromarray(before[0, ..., 0]).save(out, "JPEG2000", no_jp2=True, num_resolutions=1, irreversible=False)
    made.PixelData = encapsulate([out.getvalue()])
    after = joined(redact(saved(made), {0: [CORNER]}).slices)
    assert read(after).file_meta.TransferSyntaxUID == EXPLICIT
    assert "LossyImageCompression" not in read(after)
    check(before, decoded(after), {0: [CORNER]}, [0])


@given(areas=AREAS, columns=st.integers(1, 14))
def test_single_bits_which_share_bytes(areas, columns):
    rows, frames = 7, 3
    bits = np.random.default_rng(3).integers(0, 2, (frames, rows, columns), dtype="u1")
    made = header("8 bits", rows, columns, frames, EXPLICIT)
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = 0
    data = np.packbits(bits, bitorder="little").tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB"
    after = joined(redact(saved(made), areas).slices)
    unpacked = np.unpackbits(np.frombuffer(read(after).PixelData, "u1"), bitorder="little")
    check(bits[..., None], unpacked[: bits.size].reshape(*bits.shape, 1), areas, [0])


@given(areas=AREAS)
def test_columns_that_share_a_colour_go_together(areas):
    """In YBR_FULL_422 two columns have one colour, so a rectangle grows to whole pairs."""
    rows, columns, frames = 5, 14, 3
    made = header("YBR_FULL", rows, columns, frames, EXPLICIT)
    made.PhotometricInterpretation = "YBR_FULL_422"
    samples = scene((frames, rows, columns // 2, 4), 8, 0)
    made.PixelData = samples.tobytes()
    made["PixelData"].VR = "OB"
    after = np.frombuffer(read(joined(redact(saved(made), areas).slices)).PixelData, "u1").reshape(samples.shape)
    pairs = {
        index: [
            Rectangle(left := max(0, r.left) // 2, r.top, max(0, (max(0, r.left + r.width) + 1) // 2 - left), r.height)
            for r in rectangles
            if r.width and r.left + r.width > 0
        ]
        for index, rectangles in areas.items()
    }
    check(samples, after, pairs, [0, 0, 128, 128])


def test_padding_is_the_blank_where_there_is_any():
    content, before = picture("signed", PixelPaddingValue=-2000)
    check(before, decoded(joined(redact(content, {2: [CORNER]}).slices)), {2: [CORNER]}, [-2000])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-30], "truncated"),
        (lambda content: content[: content.index(b"\xe0\x7f\x10\x00")], "no picture"),
        (lambda content: content[:200], "cut off"),
        (lambda content: b"", "no file header"),
    ],
)
def test_a_broken_file_is_malformed(damage, words):
    content, _ = picture()
    with pytest.raises(Malformed, match=words):
        redact(damage(content), {0: [CORNER]})


@pytest.mark.parametrize("syntax", [RLE, JPEG_LS, JPEG_2000, JPEG])
@given(at=st.integers(0, 4000), byte=st.integers(0, 255))
def test_a_changed_byte_gives_a_result_or_malformed(syntax, at, byte):
    content, _ = picture("8 bits", syntax, shape=(33, 40), frames=2)
    changed = bytearray(content)
    changed[at % len(content)] = byte
    with suppress(Malformed):  # anything else fails
        read(joined(redact(bytes(changed), {0: [CORNER]}).slices))


def test_a_frame_that_is_not_there():
    content, _ = picture()
    with pytest.raises(Malformed, match="frame 4 of 3"):
        redact(content, {3: [CORNER]})


@pytest.mark.parametrize("syntax", [BIG, DEFLATED])
def test_what_no_deidentified_object_is_encoded_in(syntax):
    with pytest.raises(Malformed, match="little endian"):
        redact(ct(syntax=syntax), {0: [CORNER]})
