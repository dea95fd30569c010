"""What is collected from the inputs, and what is deliberately not."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from cohortium.texts.identifying import identifying
from cohortium.verify.values import Values, collect, manufacturers, stop_words

UID = "1.2.276.0.99.4711"


def saved(path: Path, **elements: object) -> Path:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, UID
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def collected(path: Path, **elements: object) -> Values:
    return collect([saved(path / "in.dcm", **elements)], ())


def item(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def test_names_by_group_component_and_word(tmp_path: Path) -> None:
    kinds = collected(tmp_path, PatientName="Yamada^Tarou=山田^太郎").kinds
    assert {"Yamada", "Tarou", "山田", "太郎", "Yamada^Tarou", "Yamada^Tarou=山田^太郎"} <= kinds.keys()
    assert kinds["Yamada"] == "name"


def test_names_at_every_depth(tmp_path: Path) -> None:
    inner = item(PersonIdentificationCodeSequence=[item(PersonName="Zwickenpflug^Roswitha")])
    assert "Zwickenpflug" in collected(tmp_path, PerformingPhysicianIdentificationSequence=[inner]).kinds


def test_single_letters_and_empty_names_give_nothing(tmp_path: Path) -> None:
    kinds = collected(tmp_path, PatientName="A^B", ReferringPhysicianName="").kinds
    assert "name" not in kinds.values()


def test_private_text_but_not_its_creator(tmp_path: Path) -> None:
    dataset = item(PatientName="Doe^Jane")
    dataset.private_block(0x0011, "ACME CREATOR", create=True).add_new(1, "LO", "Kesselflicker Ursel")
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, UID
    dataset.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    kinds = collect([tmp_path / "in.dcm"], ()).kinds
    assert kinds["Kesselflicker Ursel"] == kinds["Kesselflicker"] == "private text"
    assert "ACME CREATOR" not in kinds


def test_uids_of_objects_but_no_standard_ones(tmp_path: Path) -> None:
    kinds = collected(tmp_path, StudyInstanceUID="1.2.276.0.99.1").kinds
    assert {text for text, kind in kinds.items() if kind == "UID"} == {UID, "1.2.276.0.99.1"}


def test_a_birth_date_that_is_also_a_kept_date_is_no_proof(tmp_path: Path) -> None:
    assert "19570312" in collected(tmp_path, PatientBirthDate="19570312").kinds
    values = collected(tmp_path, PatientBirthDate="20210406", StudyDate="20210406")
    assert "20210406" not in values.kinds
    assert values.left_out == 1


def test_a_name_or_an_id_is_sought_even_where_a_coded_value_is_the_same(tmp_path: Path) -> None:
    values = collected(tmp_path, PatientName="Axialis^Max", PatientID="HELICAL7", ScanOptions=["HELICAL7", "AXIALIS"])
    assert {"Axialis", "HELICAL7"} <= values.kinds.keys()


def test_words_of_the_stop_list_are_set_apart_and_told(tmp_path: Path) -> None:
    values = collected(tmp_path, PatientName="Phantom^Thorax^Riesmeier")
    assert values.stopped == {"Phantom", "Thorax"}
    assert "Riesmeier" in values.kinds


def test_planted_values_come_first_and_are_never_left_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.dcm", PatientName="Phantom^Max")
    assert list(collect([path], ["Phantom", "12"]).kinds.items())[:2] == [("Phantom", "planted"), ("12", "planted")]


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_file_that_pydicom_cannot_read_still_gives_its_names(tmp_path: Path, keep: float) -> None:
    content = saved(tmp_path / "in.dcm", PatientName="Quistorp^Leberecht", PatientID="QUI-48151623").read_bytes()
    place = content.index(b"\x10\x00\x10\x00PN")
    broken = content[:place] + b"\x10\0\x08\0SQ\0\0\xf0\xff\xff\xff" + content[place:]
    (tmp_path / "broken").write_bytes(broken[: max(place + 60, int(len(broken) * keep))])
    kinds = collect([tmp_path / "broken"], ()).kinds
    assert kinds["Quistorp"] == "name"


def test_what_is_no_dicom_gives_nothing_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("Dear colleague")
    inputs = [tmp_path / "empty", tmp_path / "text", tmp_path / "gone"]
    assert collect(inputs, ()).kinds == {}


def test_the_table_names_attributes_of_the_standard_in_order() -> None:
    keywords = list(identifying())
    assert all(map(tag_for_keyword, keywords))
    assert keywords == sorted(keywords)


@pytest.mark.parametrize("name", ["stoplist.txt", "manufacturers.txt"])
def test_lists_are_sorted_lower_case_words(name: str) -> None:
    lines = (files("cohortium.verify") / name).read_text("utf-8").splitlines()
    entries = [line for line in lines if not line.startswith("#")]
    assert entries == sorted(set(entries))
    assert all(re.fullmatch("[a-z]{2,}", entry) for entry in entries)


def test_no_common_surname_is_on_the_stop_list() -> None:
    surnames = {
        "mueller", "müller", "schmidt", "schneider", "fischer", "weber", "meyer", "wagner", "becker", "smith", "jones",
        "brown", "miller", "davis", "wilson", "anderson", "taylor", "martin", "garcia", "rossi", "russo", "ferrari",
        "dubois", "petit", "durand", "jansen", "devries", "nielsen", "hansen", "novak", "kowalski", "ivanov", "silva",
        "santos", "wang", "zhang", "chen", "kim", "lee", "park", "nguyen", "tanaka", "suzuki", "sato", "yamada", "king",
        "young", "long", "field", "stern", "klein", "gross", "lang", "roth", "baker", "cook", "hill", "green", "black",
    }  # fmt: skip
    assert not surnames & stop_words()
    assert not surnames & manufacturers()
