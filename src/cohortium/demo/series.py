"""The CT series of the made-up hospital, slice by slice. Same input, same bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset

from cohortium.demo import marks
from cohortium.demo.canvas import FIELD, PIXEL, Plane
from cohortium.demo.encoding import encode, even, file, uid
from cohortium.demo.header import clock, header_of, unknown_of
from cohortium.demo.people import Patient, Study, site
from cohortium.demo.phantom import THICKNESS, Build, Exposure, Nodule, Thorax

__all__ = ["series"]

TOP = 100.0  # mm: z of the first slice in the patient's system


def series(patient: Patient, slices: int) -> Iterator[tuple[int, int, bytes]]:
    """(study, slice, file) of all studies of a patient, slice by slice, so that the anatomy is made once."""
    scan = patient.scan
    thorax = Thorax(Build(**scan["build"]))
    exposures = [
        Exposure(100 * patient.number + number, scan["noise"], scan["sharpness"])
        for number in range(len(patient.studies))
    ]
    headers = [header_of(patient, study) for study in patient.studies]
    for level in range(slices + max(study.shift for study in patient.studies)):
        tissue = thorax.slice(level * THICKNESS)
        for number, study in enumerate(patient.studies):
            index = level - study.shift
            if not 0 <= index < slices or (study.missing and index == slices // 2):
                continue
            plane, uptake = tissue[0] + study.contrast * tissue[1], study.contrast
            if study.radius:
                nodule = Nodule(tuple(scan["nodule"]), study.radius)
                plane = thorax.with_nodule(plane, level * THICKNESS, nodule, uptake)
            pixels = _samples(exposures[number], plane, scan["intercept"])
            yield number, index, _slice(patient, study, headers[number], index, pixels)


def _samples(exposure: Exposure, tissue: Plane, intercept: int) -> marks.Samples:
    hounsfield = np.rint(exposure.expose(tissue))
    if intercept:
        stored: marks.Samples = np.clip(hounsfield - intercept, 0, 4095).astype(np.uint16)
        stored[exposure.outside] = 0
        return stored
    signed = hounsfield.astype(np.int16)
    signed[exposure.outside] = -2000
    return signed


def _slice(patient: Patient, study: Study, header: Dataset, index: int, pixels: marks.Samples) -> bytes:
    """One file; the first four slices carry one kind of oddity each."""
    who, root = patient.identity, patient.scan["root"]
    dataset = Dataset()
    dataset.update(header)
    instance = uid(root, patient.number, study.date, index)
    z = TOP - index * THICKNESS
    moment = clock(study, 12 + index * 0.0625)
    dataset.SOPInstanceUID, dataset.InstanceNumber = instance, index + 1
    dataset.ImagePositionPatient = [round(-FIELD / 2 + PIXEL / 2, 3), round(-FIELD / 2 + PIXEL / 2, 3), round(z, 3)]
    dataset.SliceLocation = round(z, 3)
    dataset.TablePosition = float(z)
    dataset.AcquisitionTime = dataset.ContentTime = dataset.InstanceCreationTime = moment
    dataset.AcquisitionDateTime = f"{study.date}{moment}"
    current = 180 + int(70 * np.sin(index / 9.0) ** 2)
    dataset.XRayTubeCurrent, dataset.Exposure = current, current // 2
    dataset.ExposureInmAs = current / 2
    senders = site()["meta_sender"], site()["meta_calling"]
    tail = b""
    if index == 0:
        marks.icon(dataset, pixels)
        marks.curve(dataset, who["curve"])
    if index == 1:
        pixels = marks.overlays(dataset, pixels, who["overlay"], who["overlay_comment"])
    content = pixels.astype("<u2" if pixels.dtype == np.uint16 else "<i2").tobytes()
    if index == 2:
        tail = marks.after_pixels(who["after_pixels"], who["signature_text"])
    if index == 3:
        content += even(who["beyond_pixels"].encode("ascii"))
    dataset.add_new(0x7FE00010, "OW", content)
    body = encode(dataset, study.charset, unknown_of(patient), lengths=patient.number == 1)
    return file(who["preamble"], instance, body + tail, *senders, patient.scan["implementation"])
