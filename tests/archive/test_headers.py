"""Headers in the index: what stands in them is what the object itself said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from cohortium.archive import headers
from cohortium.dicom import elements, meta
from cohortium.wire import dicomjson

FILES = ("CT_small.dcm", "MR_small.dcm", "reportsi.dcm", "liver_1frame.dcm")


def plain(value: Any) -> Any:
    """Values of few decimals are written in more ways than one, and texts with blanks around them."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.strip() if isinstance(value, str) else float(value)


@pytest.mark.parametrize("name", FILES)
def test_a_header_has_the_attributes_of_its_object(name: str) -> None:
    content = Path(str(get_testdata_file(name, download=False))).read_bytes()
    theirs = meta.describe(content, "").attributes
    ours = headers.attributes(json.dumps(dicomjson.document(elements.read(content).elements)).encode())
    computed = {"NumberOfFrames", "SliceLocationVector"}
    assert {k: plain(v) for k, v in ours.items() if k not in computed} == {
        k: plain(v) for k, v in theirs.items() if k not in computed
    }
