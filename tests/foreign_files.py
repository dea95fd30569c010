"""Files beside images, made byte by byte or by the libraries that people use: plain ones, and ones that tell a name."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

__all__ = ["PLAIN", "TELLING", "jpeg", "mp4", "nifti", "npy", "nrrd", "pdf", "png", "tiff"]


def npy(*numbers: float) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(numbers or (1.0,), "<f4"), allow_pickle=False)
    return file.getvalue()


def nifti(*, order: str = "<", extension: bytes = b"", voxels: int = 64, datatype: int = 2, **texts: str) -> bytes:
    places = {"data_type": 4, "db_name": 14, "descrip": 148, "aux_file": 228, "intent_name": 328}
    head = bytearray(348)
    struct.pack_into(f"{order}i", head, 0, 348)
    struct.pack_into(f"{order}8h", head, 40, 3, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into(f"{order}hh", head, 70, datatype, 8)
    struct.pack_into(f"{order}f", head, 108, 352 + len(extension))
    head[344:348] = b"n+1\0"
    for name, text in texts.items():
        head[places[name] : places[name] + len(text)] = text.encode("latin-1")
    return bytes(head) + (b"\1\0\0\0" if extension else bytes(4)) + extension + bytes(voxels)


def nifti_2(descrip: str = "") -> bytes:
    head = bytearray(540)
    struct.pack_into("<i8shh", head, 0, 540, b"n+2\0\r\n\x1a\n", 2, 8)
    struct.pack_into("<8q", head, 16, 3, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into("<q", head, 168, 544)
    head[240 : 240 + len(descrip)] = descrip.encode("latin-1")
    return bytes(head) + bytes(4 + 64)


def packed(content: bytes, name: str = "") -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=file, mtime=0) as stream:
        stream.write(content)
    return file.getvalue()


def nrrd(extra: str = "", *, encoding: str = "raw") -> bytes:
    head = f"NRRD0005\n# Complete NRRD file format specification at:\n{extra}type: uchar\ndimension: 3\nsizes: 2 2 2\n"
    head += f"space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: {encoding}\n\n"
    return head.encode() + (packed(bytes(8)) if encoding == "gzip" else bytes(8))


def picture(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(600, dtype="u2").astype("u1").reshape(20, 30)).save(file, kind, **options)
    return file.getvalue()


def png(text: str = "", *, how: str = "add_text", **options: object) -> bytes:
    about = PngInfo()
    if text:
        getattr(about, how)("Comment", text)
    return picture("PNG", pnginfo=about, **options)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png()[:33] + chunk + png()[33:]


def jpeg(comment: str = "", **options: object) -> bytes:
    return picture("JPEG", comment=comment.encode(), **options)


def tiff(description: str = "", **options: object) -> bytes:
    return picture("TIFF", **({"description": description} if description else {}), **options)


def exif(text: str) -> Image.Exif:
    made = Image.Exif()
    made[315] = text
    return made


def pdf(change: Callable[[PdfWriter], object] = lambda writer: None, *, says: str = "") -> bytes:
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    writer.metadata = None
    if says:
        font = DictionaryObject(
            {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")}
        )
        font[NameObject("/BaseFont")] = NameObject("/Helvetica")
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        contents = DecodedStreamObject()
        contents.set_data(f"BT /F1 12 Tf 20 100 Td ({says}) Tj ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(contents)
    change(writer)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def atom(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def mp4(
    *more: bytes, created: int = 0, handler: str = "VideoHandler", compressor: str = "", free: bytes = b""
) -> bytes:
    """The atoms of one silent picture track; `more` stands in `moov`."""
    name = compressor.encode()
    entry = bytes(6) + b"\0\1" + bytes(34) + bytes([len(name)]) + name.ljust(31, b"\0") + b"\0\x18\xff\xff"
    samples = atom(b"stsd", bytes(4) + struct.pack(">I", 1), atom(b"avc1", entry, atom(b"avcC", bytes(8))))
    tables = atom(b"stbl", samples, *(atom(kind, bytes(8)) for kind in (b"stts", b"stsc", b"stco")))
    reference = atom(b"dinf", atom(b"dref", bytes(4) + struct.pack(">I", 1), atom(b"url ", b"\0\0\0\1")))
    named = atom(b"hdlr", bytes(8), b"vide", bytes(12), handler.encode() + b"\0")
    media = atom(b"mdia", atom(b"mdhd", bytes(24)), named, atom(b"minf", atom(b"vmhd", bytes(12)), reference, tables))
    head = atom(b"mvhd", bytes(4), struct.pack(">I", created), bytes(92))
    movie = atom(b"moov", head, atom(b"trak", atom(b"tkhd", bytes(84)), media), *more)
    return atom(b"ftyp", b"isom", bytes(4), b"isommp41") + movie + atom(b"free", free) + atom(b"mdat", bytes(32))


def title(text: str, kind: bytes = b"\xa9nam") -> bytes:
    item = atom(kind, atom(b"data", bytes(8) + text.encode()))
    return atom(
        b"udta", atom(b"meta", bytes(4), atom(b"hdlr", bytes(8) + b"mdir" + b"appl" + bytes(9)), atom(b"ilst", item))
    )


PLAIN = {
    "application/x-npy": [npy(1, 2, 3)],
    "application/x-nifti": [nifti(), nifti(order=">"), nifti(descrip="FSL5.0"), nifti_2()],
    "application/x-nifti+gzip": [packed(nifti()), packed(nifti_2(), "mask.nii")],
    "application/x-nrrd": [nrrd(), nrrd(encoding="gzip")],
    "image/png": [png(), png("mask"), png_chunk(b"pHYs", bytes(9))],
    "image/jpeg": [jpeg(), jpeg(progressive=True), jpeg("mask")],
    "image/tiff": [tiff(), tiff(compression="tiff_lzw"), tiff("mask")],
    "application/pdf": [pdf(), pdf(says="Dice score per fold: 0.91")],
    "video/mp4": [mp4(), mp4(title("video"))],
    "application/json": [json.dumps({"model": "nnunet", "dice": [0.9, 1e-3], "epochs": 100}).encode()],
    "text/csv": [b"subject,age,glcm_JointEntropy\n1,55,0.5\n2,61,0.25\n", b"\xef\xbb\xbfroi;volume\nlesion;12.5\n"],
    "text/tab-separated-values": [b"fold\tdice\n1\t0.9\n"],
    "text/plain": [b"The mask and the features are of the first session.\n"],
}


def TELLING(text: str) -> dict[str, bytes]:
    """Files that tell `text`, by where they tell it."""
    return {
        "NIfTI descrip": nifti(descrip=text),
        "NIfTI aux_file": nifti(aux_file=text[:24]),
        "NIfTI intent_name": nifti(intent_name=text[:16]),
        "NIfTI db_name": nifti(db_name=text[:18]),
        "NIfTI behind a zero": nifti(descrip="\0" + text),
        "NIfTI extension": nifti(extension=struct.pack("<ii", 8 + 40, 6) + text.encode().ljust(40, b"\0")),
        "NIfTI-2 descrip": nifti_2(text),
        "NIfTI in gzip": packed(nifti(descrip=text)),
        "gzip name": packed(nifti(), text),
        "NRRD comment": nrrd(f"# {text}\n"),
        "NRRD key/value": nrrd(f"patient:={text}\n"),
        "NRRD content": nrrd(f"content: {text}\n"),
        "PNG text": png(text),
        "PNG packed text": png(text, how="add_itxt"),
        "PNG EXIF": png(exif=exif(text)),
        "PNG unknown chunk": png_chunk(b"teSt", text.encode()),
        "PNG tail": png() + text.encode(),
        "JPEG comment": jpeg(text),
        "JPEG EXIF": jpeg(exif=exif(text)),
        "JPEG tail": jpeg() + text.encode(),
        "TIFF description": tiff(text),
        "TIFF tail": tiff() + text.encode(),
        "PDF author": pdf(lambda writer: writer.add_metadata({"/Author": text})),
        "PDF text": pdf(says=text),
        "PDF attachment": pdf(lambda writer: writer.add_attachment("x.txt", text.encode())),
        "PDF tail": pdf() + b"%" + text.encode(),
        "MP4 title": mp4(title(text)),
        "MP4 unknown item": mp4(title(text, b"abcd")),
        "MP4 uuid": mp4(atom(b"uuid", bytes(16) + text.encode())),
        "MP4 handler": mp4(handler=text),
        "MP4 compressor": mp4(compressor=text[:30]),
        "MP4 free": mp4(free=text.encode()),
        "JSON value": json.dumps({"remark": text}).encode(),
        "JSON key": json.dumps({text: 1}).encode(),
        "JSON double key": f'{{"a": "{text}", "a": 1}}'.encode(),
        "CSV cell": f"roi,remark\n1,{text}\n".encode(),
        "CSV column of names": f"name,age\n{text},50\n".encode(),
        "CSV heading": f"roi,{text}\n1,2\n".encode(),
        "TSV cell": f"roi\tremark\n1\t{text}\n".encode(),
        "text": f"This is the report of {text}.\n".encode(),
    }
