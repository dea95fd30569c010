"""NumPy's own format of one array (NEP 1). Arrays of objects are pickles, which are programs: refused."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator

import numpy as np

from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["claims", "read"]

MAGIC = b"\x93NUMPY"
PLAIN = re.compile(r"[<>|=]?[biufc][0-9]{1,2}")
LONGEST_HEADER = 1 << 16


def claims(content: bytes) -> bool:
    return content.startswith(MAGIC)


def read(content: bytes) -> Iterator[Said]:
    """Nothing: an array of numbers, whose header is of its three fields and blanks, and that fills the rest."""
    wide = content[6] > 1
    (length,) = struct.unpack_from("<I" if wide else "<H", content, 8)
    begin = 12 if wide else 10
    if length > LONGEST_HEADER:
        raise Refused("not admitted: its header is longer than that of any array")
    text = content[begin : begin + length].decode("ascii")
    header = ast.literal_eval(text)
    if repr(header).replace(" ", "") != text.strip().replace(" ", "").replace(",}", "}"):
        raise Refused("not admitted: its header holds more than the fields of an array")
    descr, shape, order = header.pop("descr"), header.pop("shape"), header.pop("fortran_order")
    if header or not isinstance(order, bool) or not all(type(each) is int and each >= 0 for each in shape):
        raise Refused("not admitted: its header holds more than the fields of an array")
    if not isinstance(descr, str) or not PLAIN.fullmatch(descr):
        raise Refused(
            "not admitted: it is no array of plain numbers; texts, records and objects (pickles) are not taken"
        )
    count = 1
    for each in shape:
        count *= each
    if len(content) - begin - length != count * np.dtype(descr).itemsize:
        raise Refused("not admitted: it is cut, or something follows its last element")
    yield from ()
