"""A delivery as the DRAGON specification asks for it, made up, and one violation of each rule.

`clean()` is a delivery without a fault, as data; a violation changes it in one place; `write` puts it in a folder.
To add a rule: write its violation under `VIOLATIONS`, and let `clean` have what the rule asks for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

import clinical_deliveries
from factory import CT_IMAGE

ROOT = "2.25.4711"
ROWS = COLUMNS = 32
SLICES = 28
PARTNER = "p01"
SLOW = {  # rules that tests leave out unless they are about them
    "conformance.error": "a program is started for each object",
    "conformance.warning": "a program is started for each object",
    "privacy.pixels": "it takes a second a series",
}

Attributes = dict[str, Any]
Row = dict[str, str]


@dataclass
class Delivery:
    """What lies where, by path below the folder: objects as attributes by keyword, tables as rows, other bytes."""

    objects: dict[str, Attributes] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    metadata: list[Callable[[list[Row]], None]] = field(default_factory=list)  # what to change in the metadata table
    association: list[Callable[[list[Row]], None]] = field(default_factory=list)  # and in the association table

    def series(self, number: int = 0) -> list[str]:
        """Paths of the objects of one series, from the first slice to the last."""
        known = dict.fromkeys(each["SeriesInstanceUID"] for each in self.objects.values())
        return [path for path, each in self.objects.items() if each["SeriesInstanceUID"] == list(known)[number]]

    def change(self, paths: Sequence[str], **attributes: Any) -> None:
        """Other values in these objects; None removes one."""
        for path in paths:
            self.objects[path] |= attributes

    def write(self, root: Path) -> Path:
        """All of it below `root`."""
        contents = {path: encoded(each) for path, each in self.objects.items()}
        contents |= {path: as_csv(rows) for path, rows in (self.tables | self.described()).items()}
        for path, content in (contents | self.files).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return root

    def described(self) -> dict[str, list[Row]]:
        """The metadata and the association table, as the objects are, with the changes asked for."""
        series: dict[str, list[Attributes]] = {}
        for each in self.objects.values():
            series.setdefault(each["SeriesInstanceUID"], []).append(each)
        rows = [_described(objects) for objects in series.values()]
        order = [{each: row[each] for each in ("patient", "series_uid")} | {"relative_day": "0"} for row in rows]
        for change in self.metadata:
            change(rows)
        for change in self.association:
            change(order)
        return {path: rows for path, rows in (("metadata.csv", rows), ("order.csv", order)) if rows}


def _described(objects: Sequence[Attributes]) -> Row:
    first = objects[0]
    return {
        "project": "DRAGON",
        "partner": PARTNER,
        "patient": first["PatientID"],
        "modality": first["Modality"],
        "date_time": "2020-03-04T10:11:12",
        "study_uid": first["StudyInstanceUID"],
        "series_uid": first["SeriesInstanceUID"],
        "series_date_time": "2020-03-04T10:15:00",
        "slices_number": str(sum("LOCALIZER" not in each["ImageType"] for each in objects)),
        "convolution_kernel": first["ConvolutionKernel"] or "",
        "slice_thickness": first["SliceThickness"],
        "pixel_spacing": "\\".join(first["PixelSpacing"]),
    }


def clean(patients: int = 2, slices: int = SLICES) -> Delivery:
    """Two patients with one chest CT each, every object in its place, and nothing to complain of."""
    made = Delivery()
    for patient in range(1, patients + 1):
        for number in range(1, slices + 1):
            each = slice_of(patient, number)
            folder = f"{each['PatientID']}/{each['StudyInstanceUID']}/{each['SeriesInstanceUID']}"
            made.objects[f"{folder}/{each['SOPInstanceUID']}.dcm"] = each
    made.tables.update(clinical_deliveries.tables(patients))
    return made


def slice_of(patient: int, number: int) -> Attributes:
    """One slice of a patient's chest CT, 1.25 mm from the next."""
    study = f"{ROOT}.{patient}.1"
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CT_IMAGE,
        "SOPInstanceUID": f"{study}.1.{number}",
        "StudyDate": "20200304",
        "SeriesDate": "20200304",
        "AcquisitionDate": "20200304",
        "ContentDate": "20200304",
        "StudyTime": "101112",
        "SeriesTime": "101500",
        "AcquisitionTime": "101500",
        "ContentTime": "101500",
        "AccessionNumber": "",
        "Modality": "CT",
        "Manufacturer": "ACME",
        "ManufacturerModelName": "Ring 64",
        "ReferringPhysicianName": "",
        "StudyDescription": "CT CHEST",
        "SeriesDescription": "CHEST AXIAL",
        "PatientName": f"P{patient:03}",
        "PatientID": f"P{patient:03}",
        "PatientBirthDate": "",
        "PatientSex": "F",
        "PatientAge": "061Y",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "Cohortium",
        "BodyPartExamined": "CHEST",
        "SliceThickness": "1.25",
        "KVP": "120",
        "ProtocolName": "CHEST",
        "ReconstructionDiameter": "24",
        "GantryDetectorTilt": "0",
        "ExposureTime": "500",
        "XRayTubeCurrent": "200",
        "Exposure": "100",
        "FilterType": "BODY",
        "ConvolutionKernel": "B30f",
        "PatientPosition": "HFS",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.1",
        "StudyID": "",
        "SeriesNumber": "2",
        "AcquisitionNumber": "1",
        "InstanceNumber": str(number),
        "ImagePositionPatient": ["-12", "-12", f"{1.25 * number:g}"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "FrameOfReferenceUID": f"{study}.9",
        "PositionReferenceIndicator": "",
        "SliceLocation": f"{1.25 * number:g}",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "PixelSpacing": ["0.75", "0.75"],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": "40",
        "WindowWidth": "400",
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "LongitudinalTemporalInformationModified": "UNMODIFIED",
        "PixelData": picture(patient, number),
    }


def picture(patient: int, number: int) -> bytes:
    """A chest in air: soft tissue, two lungs, the spine, and a little noise."""
    return stored(body() + np.random.default_rng([patient, number]).normal(0, 8, (ROWS, COLUMNS)))


def body(size: float = 1.0, *, lungs: bool = True) -> np.ndarray:
    """Hounsfield units without noise; `size` of the body in the field of view."""
    y, x = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j] / size
    values = np.where((x / 0.9) ** 2 + (y / 0.7) ** 2 < 1, 40.0, -1000.0)
    if lungs:
        values[((abs(x) - 0.5) / 0.25) ** 2 + (y / 0.4) ** 2 < 1] = -800
    values[x**2 + (y - 0.5) ** 2 < 0.12**2] = 600
    return values


def stored(values: np.ndarray) -> bytes:
    """Hounsfield units as samples of 12 bits."""
    return (values + 1024).round().clip(0, 4095).astype("<u2").tobytes()


def encoded(attributes: Attributes) -> bytes:
    """A Part 10 file of the attributes; `_private` is the value of a private one, `_cut` how many bytes are lost."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = attributes["SOPClassUID"]
    meta.MediaStorageSOPInstanceUID = attributes["SOPInstanceUID"]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    for keyword, value in attributes.items():
        if value is not None and not keyword.startswith("_"):
            setattr(file, keyword, value)
    if "_private" in attributes:
        file.private_block(0x0009, "ACME", create=True).add_new(1, "LO", attributes["_private"])
    file["PixelData"].VR = "OW"
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, file, enforce_file_format=True)
    content = stream.getvalue()
    return content[: len(content) - attributes.get("_cut", 0)]


def as_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Rows that have the same columns, as a provider's software writes them."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def _all(**attributes: Any) -> Callable[[Delivery], None]:
    """Other values in all of the first series."""
    return lambda made: made.change(made.series(), **attributes)


def _one(number: int, **attributes: Any) -> Callable[[Delivery], None]:
    """Other values in one of its slices."""
    return lambda made: made.change(made.series()[number : number + 1], **attributes)


def _moved(place: Callable[[str], str]) -> Callable[[Delivery], None]:
    """The objects of the first series elsewhere."""

    def violate(made: Delivery) -> None:
        for path in made.series():
            made.objects[place(path)] = made.objects.pop(path)

    return violate


def _called(made: Delivery) -> None:
    path = made.series()[0]
    made.objects[f"{path.rpartition('/')[0]}/Mueller Hans.dcm"] = made.objects.pop(path)


def _private(made: Delivery) -> None:
    made.objects[made.series()[0]]["_private"] = "of whom"


def _nobody(made: Delivery) -> None:
    for path in made.series():
        made.objects[path]["PatientID"] = made.objects[path]["PatientName"] = ""


def _noted(**cells: str) -> Callable[[Delivery], None]:
    """Other cells in the first row of the metadata table."""
    return lambda made: made.metadata.append(lambda rows: rows[0].update(cells))


def _undated(made: Delivery) -> None:
    made.change(made.series(), SeriesDate=None)
    _noted(series_date_time="")(made)
    made.association.append(lambda rows: rows.clear())


def _told(change: Callable[[list[Row]], Any]) -> Callable[[Delivery], None]:
    """Another association table."""
    return lambda made: made.association.append(change)


def _contradicted(made: Delivery) -> None:
    """A second series of a day before, which the association table has on the same day."""
    _again(SeriesDate="20200303", AcquisitionDate="20200303")(made)
    made.metadata.append(lambda rows: rows[-1].update(series_date_time="2020-03-03"))


def _renamed(made: Delivery) -> None:
    """A longer identifier for the first patient."""
    for path in made.series():
        each = made.objects.pop(path) | {"PatientID": "P0000000001", "PatientName": "P0000000001"}
        made.objects[f"P0000000001/{path.partition('/')[2]}"] = each
    _called_in_tables(made, "P001", "P0000000001")


def _called_in_tables(made: Delivery, subject: str, other: str) -> None:
    for row in (row for rows in made.tables.values() for row in rows if row["USUBJID"] == subject):
        row.update({"USUBJID": other} | ({"SUBJID": other} if "SUBJID" in row else {}))


def _labelled(made: Delivery) -> None:
    """A name in all pictures of the first series."""
    canvas = Image.new("L", (320, 96), 0)
    ImageDraw.Draw(canvas).text((12, 30), "HANS MUELLER", fill=255, font=ImageFont.load_default(32))
    made.change(made.series(), Rows=96, Columns=320, PixelData=(np.asarray(canvas, "<u2") * 8).tobytes())


def _lost(*numbers: int) -> Callable[[Delivery], None]:
    def violate(made: Delivery) -> None:
        paths = made.series()
        for number in numbers:
            del made.objects[paths[number]]

    return violate


def _cut(made: Delivery) -> None:
    made.objects[made.series()[3]]["_cut"] = 100


def _twice(made: Delivery) -> None:
    """One image again under the UID of another, further up."""
    last, other = made.series()[-1], made.series()[4]
    where = ["-12", "-12", f"{1.25 * (SLICES + 1):g}"]
    copy = made.objects[last] | {"SOPInstanceUID": made.objects[other]["SOPInstanceUID"], "ImagePositionPatient": where}
    made.objects[f"{last.rpartition('/')[0]}/{ROOT}.8.8.dcm"] = copy


def _of_two_sexes(made: Delivery) -> None:
    """The second patient, who is a man, under the identifier of the first."""
    first = made.objects[made.series(0)[0]]["PatientID"]
    for path in made.series(1):
        each = made.objects.pop(path) | {"PatientID": first, "PatientName": first, "PatientSex": "M"}
        made.objects[f"{first}/{path.partition('/')[2]}"] = each
    for path, rows in made.tables.items():
        made.tables[path] = [row for row in rows if row["USUBJID"] == first]


def _drawn(change: Callable[[np.ndarray, int], np.ndarray], *numbers: int) -> Callable[[Delivery], None]:
    """Other pictures in the first series, or in some of its slices: what `change` makes of its values."""

    def violate(made: Delivery) -> None:
        for number, path in enumerate(made.series()):
            if not numbers or number in numbers:
                values = np.frombuffer(made.objects[path]["PixelData"], "<u2").reshape(ROWS, COLUMNS) - 1024.0
                made.change([path], PixelData=stored(change(values, number)))

    return violate


def _overdosed(made: Delivery) -> None:
    phantom = pydicom.Dataset()
    phantom.CodeValue, phantom.CodingSchemeDesignator = "113691", "DCM"
    phantom.CodeMeaning = "IEC Body Dosimetry Phantom"
    made.change(made.series(), CTDIvol=120.0, CTDIPhantomTypeCodeSequence=[phantom])


def _noisy(values: np.ndarray, number: int) -> np.ndarray:
    return values + np.random.default_rng(number).normal(0, 90, values.shape)


def _with_ring(values: np.ndarray, _: int) -> np.ndarray:
    y, x = np.mgrid[:ROWS, :COLUMNS] - (ROWS - 1) / 2
    return values + np.where(np.hypot(y, x).astype(int) == 7, 40, 0)


def _saturated(values: np.ndarray, _: int) -> np.ndarray:
    values = values.copy()
    values[14:18, 14:18] = 4000
    return values


def _again(**attributes: Any) -> Callable[[Delivery], None]:
    """A second series in the first study, with other values."""

    def violate(made: Delivery) -> None:
        for path in made.series():
            UID = f"{made.objects[path]['StudyInstanceUID']}.2"
            each = made.objects[path] | {"SeriesInstanceUID": UID, "SeriesNumber": "3"} | attributes
            each["SOPInstanceUID"] = f"{UID}.{each['InstanceNumber']}"
            folder = f"{each['PatientID']}/{each['StudyInstanceUID']}/{each['SeriesInstanceUID']}"
            made.objects[f"{folder}/{each['SOPInstanceUID']}.dcm"] = each

    return violate


def _of_two_acquisitions(made: Delivery) -> None:
    """The second patient's series as a second acquisition of the first's."""
    first = made.objects[made.series(0)[0]]
    known = {each: first[each] for each in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID")}
    known["FrameOfReferenceUID"] = first["FrameOfReferenceUID"]
    folder = made.series(0)[0].rpartition("/")[0]
    for path in made.series(1):
        made.objects[f"{folder}/{path.rpartition('/')[2]}"] = (
            made.objects.pop(path) | known | {"AcquisitionNumber": "2"}
        )
    for path, rows in made.tables.items():
        made.tables[path] = [row for row in rows if row["USUBJID"] == first["PatientID"]]


def _of_two(made: Delivery) -> None:
    """The second patient's series under the UID of the first's."""
    first, second = made.series(0), made.series(1)
    uid = made.objects[first[0]]["SeriesInstanceUID"]
    where = [f"{1.25 * (SLICES + number):g}" for number in range(1, SLICES + 1)]
    for path, z in zip(second, where, strict=True):
        each = made.objects.pop(path) | {"SeriesInstanceUID": uid, "ImagePositionPatient": ["-12", "-12", z]}
        made.objects[f"{each['PatientID']}/{each['StudyInstanceUID']}/{uid}/{path.rpartition('/')[2]}"] = each


def _sheared(made: Delivery) -> None:
    for number, path in enumerate(made.series(), 1):
        made.change([path], ImagePositionPatient=["-12", f"{-12 + 0.2 * number:g}", f"{1.25 * number:g}"])


def _uneven(made: Delivery) -> None:
    for number, path in enumerate(made.series()[13:], 14):
        made.change([path], ImagePositionPatient=["-12", "-12", f"{1.25 * number + 0.3:g}"])


VIOLATIONS: dict[str, Callable[[Delivery], None]] = {
    "accuracy.convolution-kernel": _all(ConvolutionKernel=None),
    "accuracy.modality": _all(Modality="OT"),
    "accuracy.pixel-spacing": _all(PixelSpacing=["0.5", "0.5"]),
    "accuracy.slice-thickness": _all(SliceThickness="3"),
    "accuracy.units": _all(RescaleType="US"),
    "chronology.association": _told(lambda rows: rows.append(rows[0] | {"series_uid": ""})),
    "chronology.contradiction": _contradicted,
    "chronology.date": _undated,
    "chronology.order": _all(AcquisitionDate="20200301"),
    "chronology.scans": _told(lambda rows: rows.pop()),
    "completeness.attributes": _all(ManufacturerModelName=""),
    "completeness.metadata": _noted(slices_number="29"),
    "completeness.missing": _lost(12),
    "completeness.slices": _lost(0, 1, 2, 3),
    "conformance.error": _all(PositionReferenceIndicator=None),
    "conformance.patient": _again(PatientAge="070Y"),
    "conformance.patient-warning": _again(PatientAge=None),
    "conformance.series": _one(5, PatientAge="070Y"),
    "conformance.series-warning": _one(5, PatientAge=None),
    "conformance.warning": _all(PatientSize="0"),
    "geometry.aside": _one(9, ImagePositionPatient=["-11", "-12", "12.5"]),
    "geometry.duplicate": _one(0, ImagePositionPatient=["-12", "-12", "2.5"]),
    "geometry.localizer": _one(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    "geometry.orientation": _one(0, ImageOrientationPatient=["1", "0", "0", "0", "0", "-1"]),
    "geometry.position": _one(0, ImagePositionPatient=None),
    "geometry.tilt": _sheared,
    "geometry.uneven": _uneven,
    "geometry.volumes": _of_two_acquisitions,
    "layout.patient": _nobody,
    "layout.place": _moved(lambda path: path.partition("/")[2]),
    "metadata.series": lambda made: made.metadata.append(lambda rows: rows.pop()),
    "metadata.table": lambda made: made.metadata.append(lambda rows: rows.clear()),
    "metadata.value": _noted(convolution_kernel="B70f"),
    "metadata.width": _renamed,
    "privacy.attribute": _all(AccessionNumber="4711"),
    "privacy.burned-in": _all(BurnedInAnnotation="YES"),
    "privacy.declared": _all(PatientIdentityRemoved=None),
    "privacy.file-name": _called,
    "privacy.pixels": _labelled,
    "privacy.private": _private,
    "privacy.text": _all(SeriesDescription="Mueller Hans"),
    "quality.clipped": _drawn(_saturated, 5),
    "quality.constant": _drawn(lambda values, _: 0 * values, 5),
    "quality.dose": _overdosed,
    "quality.empty": _drawn(lambda values, _: np.minimum(values, -980), 5),
    "quality.field": _drawn(lambda values, _: values + body(1.5) - body()),
    "quality.motion": _drawn(lambda values, number: np.roll(values, 3 if number > 13 else 0, axis=1)),
    "quality.noise": _drawn(_noisy),
    "quality.orientation": _drawn(lambda values, _: values[::-1]),
    "quality.region": _drawn(lambda values, _: values + body(lungs=False) - body()),
    "quality.rings": _drawn(_with_ring),
    "structure.readable": _cut,
    "structure.stray": lambda made: made.files.update({"notes.txt": b"who"}),
    "uniformity.patient": _of_two_sexes,
    "uniformity.value": _one(5, KVP="100"),
    "uniqueness.instance": _twice,
    "uniqueness.series": _of_two,
} | clinical_deliveries.VIOLATIONS
