"""What all slices of a series share, with planted identity wherever people really put it.

Text of several character sets, sequences three deep, private elements, elements whose VR a sender did not know.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage

from cohortium.demo.canvas import FIELD, PIXEL, SIZE
from cohortium.demo.encoding import as_unknown, code, item, uid
from cohortium.demo.people import Patient, Study
from cohortium.demo.phantom import THICKNESS

__all__ = ["clock", "header_of", "unknown_of"]


def clock(study: Study, seconds: float) -> str:
    """The time of day (TM) some seconds after the study began."""
    moment = datetime.strptime(study.date + study.time, "%Y%m%d%H%M%S") + timedelta(seconds=seconds)
    return f"{moment:%H%M%S.%f}"


def header_of(patient: Patient, study: Study) -> Dataset:
    """What all slices of the series share."""
    header = Dataset()
    root, date = patient.scan["root"], study.date
    header.SpecificCharacterSet = study.charset
    for source in (patient.scanner, study.header, patient.header, study.identity):
        for keyword, value in source.items():
            setattr(header, keyword, value)
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.SOPClassUID = CTImageStorage
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = date
    header.StudyTime, header.SeriesTime = clock(study, 0.218), clock(study, 41)
    header.InstanceCreationDate, header.PerformedProcedureStepStartDate = date, date
    header.PerformedProcedureStepStartTime = study.time
    header.Modality = "CT"
    header.PatientAge = study.PatientAge
    header.PatientIdentityRemoved = "NO"
    header.EthnicGroup = ""
    header.PregnancyStatus = 4
    header.PatientPosition = "HFS"
    header.BodyPartExamined = "CHEST"
    header.BurnedInAnnotation = "NO"
    header.StudyInstanceUID = uid(root, patient.number, date)
    header.SeriesInstanceUID = uid(root, patient.number, date, "series")
    header.FrameOfReferenceUID = uid(root, patient.number, date, "frame")
    header.IrradiationEventUID = uid(root, patient.number, date, "irradiation")
    header.DeviceUID = uid(root, patient.number, "device")
    header.SeriesNumber, header.AcquisitionNumber = 3, 1
    header.PositionReferenceIndicator = "SN"
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.SliceThickness = header.SpacingBetweenSlices = THICKNESS
    header.DataCollectionDiameter, header.ReconstructionDiameter = 500, round(FIELD, 1)
    header.DistanceSourceToDetector, header.DistanceSourceToPatient = "1085.6", "595"
    header.GantryDetectorTilt, header.TableHeight = 0, "148"
    header.RotationDirection = "CW"
    header.RevolutionTime = 0.5
    header.CTDIvol = 6.4
    header.ExposureModulationType = "XYZ_EC"
    header.ReconstructionTargetCenterPatient = [0.0, 0.0, 0.0]
    header.DateOfLastCalibration, header.TimeOfLastCalibration = f"{date[:4]}0102", "053000"
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows = header.Columns = SIZE
    header.PixelSpacing = [PIXEL, PIXEL]
    header.BitsAllocated = 16
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = patient.scan["intercept"], 1, "HU"
    header.add(_signed("PixelPaddingValue", patient, 0, -2000))
    header.add(_signed("SmallestImagePixelValue", patient, 0, -2000))
    header.add(_signed("LargestImagePixelValue", patient, 4095, 3071))
    header.BitsStored = 12 if patient.scan["intercept"] else 16
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = 0 if patient.scan["intercept"] else 1
    header.LossyImageCompression = "00"
    _sequences(header, patient, study)
    _private(header, patient)
    return header


def _signed(keyword: str, patient: Patient, unsigned: int, signed: int) -> DataElement:
    """An element whose VR follows the sign of the samples."""
    return DataElement(keyword, "US", unsigned) if patient.scan["intercept"] else DataElement(keyword, "SS", signed)


def _sequences(header: Dataset, patient: Patient, study: Study) -> None:
    who, own = patient.identity, patient.header
    other = item(PatientID=own["AdmissionID"], TypeOfPatientID="TEXT", IssuerOfPatientID=own["IssuerOfPatientID"])
    header.OtherPatientIDsSequence = [other]
    header.ReferencedStudySequence = [
        item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=header.StudyInstanceUID)
    ]
    header.ProcedureCodeSequence = [code("24627-2", "LN", "CT Chest")]
    header.PerformingPhysicianIdentificationSequence = [
        item(
            InstitutionName=who["clinic"],
            PersonTelephoneNumbers=own["ReferringPhysicianTelephoneNumbers"],
            PersonAddress=own["ReferringPhysicianAddress"],
            PersonIdentificationCodeSequence=[
                code(who["physician_code"], "99SITE", who["physician_name"], ContextGroupExtensionFlag="N"),
            ],
        )
    ]
    step = study.identity["ScheduledProcedureStepID"]
    header.RequestAttributesSequence = [
        item(
            SpecificCharacterSet="ISO_IR 144",
            RequestingPhysician=who["cyrillic_physician"],
            RequestedProcedureID=study.identity["RequestedProcedureID"],
            ScheduledProcedureStepID=step,
        )
    ]
    header.OperatorIdentificationSequence = [
        item(
            InstitutionCodeSequence=[code("NW-01", "99SITE", who["clinic"])],
            PersonIdentificationCodeSequence=[
                code(
                    "T-17",
                    "99SITE",
                    "Technologist",
                    EquivalentCodeSequence=[
                        item(
                            SpecificCharacterSet="ISO_IR 126",
                            CodeValue="T-17",
                            CodingSchemeDesignator="99SITE",
                            CodeMeaning=who["greek_technician"],
                        ),
                    ],
                )
            ],
        )
    ]
    header.TextValue = who["long_text"]


def _private(header: Dataset, patient: Patient) -> None:
    who = patient.identity
    block = header.private_block(0x0011, patient.scan["creator"], create=True)
    block.add_new(0x10, "LO", who["private_name"])
    inner = Dataset()
    inner.private_block(0x0013, "DEMO NESTED", create=True).add_new(0x02, "ST", who["private_deep"])
    outer = Dataset()
    outer.private_block(0x0013, "DEMO NESTED", create=True).add_new(0x01, "SQ", [inner])
    nested = header.private_block(0x0013, "DEMO NESTED", create=True)
    nested.add_new(0x01, "SQ", [outer])
    undefined = Dataset()
    undefined.PatientName = patient.header["PatientMotherBirthName"]
    undefined.is_undefined_length_sequence_item = True
    nested.add_new(0x03, "SQ", [undefined])
    nested[0x03].is_undefined_length = True


def unknown_of(patient: Patient) -> dict[int, bytes]:
    """Values whose VR a sender did not know: a private one, a text, and a sequence of defined length."""
    who = patient.identity
    return {
        0x00111011: who["private_nested"].encode("ascii"),
        Tag("BranchOfService"): who["un_text"].encode("ascii"),
        Tag("PatientInsurancePlanCodeSequence"): as_unknown(code("109", "99SITE", who["un_sequence"])),
    }
