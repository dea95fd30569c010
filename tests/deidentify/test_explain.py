"""What is explained is what is done."""

from __future__ import annotations

from io import BytesIO

import pydicom
import pytest
from pydicom.data import get_testdata_file

from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.explain import explain
from cohortium.keys import SiteKey

CT = "1.2.840.10008.5.1.4.1.1.2"
WRITTEN_ANEW = {"PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"}
WRITTEN_ANEW |= {"LongitudinalTemporalInformationModified"}


@pytest.mark.parametrize("name", ["basic", "dragon"])
def test_each_attribute_of_a_real_slice_is_treated_as_explained(name: str) -> None:
    protocol = load_protocol(name)
    explained = {row.keyword: row.action for row in explain(protocol, CT) if row.keyword}
    with open(get_testdata_file("CT_small.dcm"), "rb") as file:  # noqa: PTH123 - pydicom gives text
        content = file.read()
    result = Deidentifier(protocol, SiteKey(bytes(32)), "project")(content)
    assert isinstance(result, Deidentified)
    before = pydicom.dcmread(BytesIO(content))
    after = pydicom.dcmread(BytesIO(b"".join(result.slices)))
    for element in before:
        if element.tag.is_private:
            assert element.tag not in after
            continue
        keyword, action = element.keyword, explained[element.keyword]
        if action == "keep":
            assert after[keyword].value == element.value, keyword
        elif action == "remove" and keyword not in WRITTEN_ANEW:
            assert keyword not in after
        elif action == "empty":
            assert after[keyword].is_empty, keyword
        elif action in ("dummy", "map UID") and not element.is_empty:
            assert after[keyword].value != element.value, keyword
            assert not after[keyword].is_empty, keyword


def test_every_row_has_a_reason_and_the_last_ones_are_what_nobody_knows() -> None:
    rows = list(explain(load_protocol("dragon"), CT))
    assert len(rows) > 4000
    assert all(row.why and row.action for row in rows)
    assert [(row.tag, row.action) for row in rows[-2:]] == [("(odd,xxxx)", "remove"), ("(other)", "remove")]
