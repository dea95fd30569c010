"""A script in the shape of those that come with CTP: a rule for each attribute, most of them switched off."""

from __future__ import annotations

from pydicom._dicom_dict import DicomDictionary

from cohortium.deidentify import standard
from cohortium.deidentify.ctp import names

PARAMETERS = {
    "DATEINC": "-3210",
    "SITEID": "99",
    "SITENAME": "Site",
    "TRIALNAME": "Trial",
    "UIDROOT": "1.2.840.113654.2.70.1",
}
OWN = {
    0x00080005: "@keep()",
    0x00080008: '@if(ImageType,contains,"SCREEN SAVE"){@quarantine()}{@keep()}',
    0x00080016: "@keep()",
    0x00080050: "@hash(this,16)",
    0x00080060: "@require()",
    0x00081032: "@process()",
    0x00081140: "@keep()",
    0x00082112: "@process()",
    0x00100010: "@hashname(this,6,2)",
    0x00100020: "@param(@TRIALNAME)-@hashptid(@SITEID,this,10)",
    0x00100040: "@keep()",
    0x00101010: "@round(this,5)",
    0x00120030: "@always()@lookup(ClinicalTrialProtocolID,ssid,empty)",
    0x00120040: "@hashptid(@SITEID,PatientID)",
    0x00120062: "@always()YES",
    0x00120063: "@always()@append(){CTP: @param(@TRIALNAME): @date():@time()}",
    0x00120064: "113100/113105/113107/113108/113109",
    0x00180015: "@require()",
    0x00400275: "@keep()",
}
BY_VR = {"UI": "@hashuid(@UIDROOT,this)", "DA": "@incrementdate(this,@DATEINC)", "DT": "@incrementdate(this,@DATEINC)"}


def script(*globals_: str, parameters: dict[str, str] | None = None) -> str:
    """The script, with global rules switched on."""
    lines = [f' <p t="{name}">{value}</p>' for name, value in (PARAMETERS | (parameters or {})).items()]
    for tag in sorted(DicomDictionary):
        name = names.spelling(standard.keyword(tag))
        if name and 0x0008 <= tag >> 16 <= 0x4010 and tag >> 16 != 0x0028:
            text = OWN.get(tag) or _usual(tag)
            enabled = "T" if text else "F"
            lines.append(f' <e en="{enabled}" t="{tag:08x}" n="{name}">{text.replace("<", "&lt;")}</e>')
    lines += [' <e en="T" t="00131010" n="ProjectName">@param(@TRIALNAME)</e>', ' <k en="F" t="0018">Keep group 18</k>']
    lines += [f' <r en="T" t="{name}">x</r>' for name in globals_]
    return "\n".join(["<script>", *lines, "</script>"])


def _usual(tag: int) -> str:
    """What such a script says of an attribute: nothing where the standard says nothing."""
    code = standard.basic(tag)
    if not code:
        return ""
    return BY_VR.get(standard.vr(tag)) or ("@empty()" if code.startswith("Z") else "@remove()")
