"""define.xml: what stands in the package, as CDISC's Define-XML 2.1 (an extension of ODM 1.3.2) says it.

What always holds: it says only what is so: types and lengths as the data have them, the terms that are used, and of
origins that they are not known here, but where this package itself gave the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from cohortium.clinical import sdtm
from cohortium.clinical.sdtm import Core
from cohortium.clinical.submission.described import Group, Item, Kind, Term, Value

__all__ = ["Study", "define"]

ODM, DEF = "http://www.cdisc.org/ns/odm/v1.3", "http://www.cdisc.org/ns/def/v2.1"
XLINK, XML = "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace"
for _prefix, _uri in (("", ODM), ("def", DEF), ("xlink", XLINK)):
    ElementTree.register_namespace(_prefix, _uri)
IG, CT, WHENCE, NUMBERED = "STD.IG", "STD.CT", "COM.WHENCE", "MT.SEQ"
ASSIGNED = ("DOMAIN", "RDOMAIN", "IDVAR", "IDVARVAL", "QNAM", "QLABEL")
"""Variables that say only what the package itself decides."""


@dataclass(frozen=True, slots=True)
class Study:
    """What a package is of: the study, the SDTMIG that it follows, whence it is, and who made it when."""

    name: str
    sdtmig: str
    whence: str
    identity: str
    software: str
    made: datetime


def define(study: Study, groups: Sequence[Group], files: Sequence[str]) -> bytes:
    """The document; each group's table is the file of that name beside it."""
    moment = study.made.isoformat(timespec="seconds")
    odm = Element(
        f"{{{ODM}}}ODM",
        {
            "ODMVersion": "1.3.2",
            "FileType": "Snapshot",
            "FileOID": f"DEFINE.{study.identity}",
            "CreationDateTime": moment,
            "AsOfDateTime": moment,
            "SourceSystem": "Cohortium",
            "SourceSystemVersion": study.software,
            f"{{{DEF}}}Context": "Submission",
        },
    )
    within = _add(odm, "Study", OID="STUDY")
    about = _add(within, "GlobalVariables")
    for name in ("StudyName", "StudyDescription", "ProtocolName"):
        _add(about, name).text = study.name
    version = _add(within, "MetaDataVersion", OID=f"MDV.{study.identity}", Name=f"{study.name}, data definitions")
    version.set(f"{{{DEF}}}DefineVersion", "2.1.0")
    version.set(f"{{{DEF}}}CommentOID", WHENCE)
    for element in _content(study, groups, files):
        version.append(element)
    ElementTree.indent(odm)
    written: bytes = ElementTree.tostring(odm, "UTF-8", xml_declaration=True)
    return written + b"\n"


def _content(study: Study, groups: Sequence[Group], files: Sequence[str]) -> Iterator[Element]:
    """What a MetaDataVersion holds, in the order of its schema."""
    standards = Element(f"{{{DEF}}}Standards")
    status = {"Status": "Final"}
    _add(standards, "Standard", DEF, OID=IG, Name="SDTMIG", Type="IG", Version=study.sdtmig, **status)
    ct = {"Name": "CDISC/NCI", "Type": "CT", "PublishingSet": "SDTM", "Version": sdtm.TERMINOLOGY}
    _add(standards, "Standard", DEF, OID=CT, **ct, **status)
    yield standards
    valued = [(group, item) for group in groups for item in group.items if item.values]
    yield from (_value_list(group, item) for group, item in valued)
    yield from _wheres(valued)
    yield from (_group(group, file) for group, file in zip(groups, files, strict=True))
    for group in groups:
        yield from (_item(group, item) for item in group.items)
    yield from (_value(group, item, value) for group, item in valued for value in item.values)
    yield from _codelists(groups)
    if any(group.numbered for group in groups):
        method = Element(f"{{{ODM}}}MethodDef", OID=NUMBERED, Name="Sequence numbers", Type="Computation")
        _describe(
            method, "Records of a subject are numbered from 1, in the order of partners and of rows in their tables."
        )
        yield method
    comment = Element(f"{{{DEF}}}CommentDef", OID=WHENCE)
    _describe(comment, study.whence)
    yield comment


def _group(group: Group, file: str) -> Element:
    made = Element(
        f"{{{ODM}}}ItemGroupDef",
        {
            "OID": f"IG.{group.name}",
            "Name": group.name,
            "Domain": group.domain.code,
            "SASDatasetName": group.name,
            "Repeating": "No" if group.name == "DM" else "Yes",
            "IsReferenceData": "No",
            "Purpose": "Tabulation",
            f"{{{DEF}}}Structure": group.domain.structure,
            f"{{{DEF}}}StandardOID": IG,
            f"{{{DEF}}}ArchiveLocationID": f"LF.{group.name}",
        },
    )
    if not group.rows:
        made.set(f"{{{DEF}}}HasNoData", "Yes")
    _describe(made, group.domain.label)
    for number, item in enumerate(group.items, 1):
        variable = item.variable
        required = "Yes" if variable.core is Core.REQUIRED and not item.missing else "No"
        ref = _add(made, "ItemRef", ItemOID=_oid(group, item), OrderNumber=str(number), Mandatory=required)
        if variable.role:
            ref.set("Role", variable.role)
        if variable.name in group.keys:
            ref.set("KeySequence", str(group.keys.index(variable.name) + 1))
        if group.numbered and variable.general == "--SEQ":
            ref.set("MethodOID", NUMBERED)
        if item.missing == group.rows:
            ref.set(f"{{{DEF}}}HasNoData", "Yes")
    _add(made, "Class", DEF, Name=group.domain.observations)
    leaf = _add(made, "leaf", DEF, ID=f"LF.{group.name}")
    leaf.set(f"{{{XLINK}}}href", file)
    _add(leaf, "title", DEF).text = file
    return made


def _item(group: Group, item: Item) -> Element:
    variable = item.variable
    made = _typed(_oid(group, item), variable.name, item.kind)
    made.set("SASFieldName", variable.name)
    _describe(made, variable.label or variable.name)
    if item.terms:
        _add(made, "CodeListRef", CodeListOID=f"CL.{group.name}.{variable.name}")
    numbered = group.numbered and variable.general == "--SEQ"
    if numbered or variable.name in ASSIGNED:
        _add(made, "Origin", DEF, Type="Derived" if numbered else "Assigned", Source="Sponsor")
    else:
        _add(made, "Origin", DEF, Type="Not Available")
    if item.values:
        _add(made, "ValueListRef", DEF, ValueListOID=f"VL.{group.name}.{variable.name}")
    return made


def _value_list(group: Group, item: Item) -> Element:
    made = Element(f"{{{DEF}}}ValueListDef", OID=f"VL.{group.name}.{item.variable.name}")
    for number, value in enumerate(item.values, 1):
        ref = _add(made, "ItemRef", ItemOID=_value_oid(group, item, value), OrderNumber=str(number), Mandatory="No")
        _add(ref, "WhereClauseRef", DEF, WhereClauseOID=_where_oid(group, value))
    return made


def _wheres(valued: Sequence[tuple[Group, Item]]) -> Iterator[Element]:
    """Each condition once."""
    known = set()
    for group, item in valued:
        for value in item.values:
            oid = _where_oid(group, value)
            if oid not in known:
                known.add(oid)
                made = Element(f"{{{DEF}}}WhereClauseDef", OID=oid)
                check = _add(made, "RangeCheck", Comparator="EQ", SoftHard="Soft")
                check.set(f"{{{DEF}}}ItemOID", f"IT.{group.name}.{value.of}")
                _add(check, "CheckValue").text = value.where
                yield made


def _value(group: Group, item: Item, value: Value) -> Element:
    name = value.where if value.of == "QNAM" else item.variable.name
    made = _typed(_value_oid(group, item, value), name, value.kind)
    made.set("SASFieldName", name)
    _describe(made, value.label)
    if value.terms:
        _add(made, "CodeListRef", CodeListOID=f"CL.{group.name}.{item.variable.name}.{value.where}")
    _add(made, "Origin", DEF, Type="Not Available")
    return made


def _codelists(groups: Sequence[Group]) -> Iterator[Element]:
    for group in groups:
        for item in group.items:
            name = item.variable.name
            codes = item.variable.codelists
            if item.terms:
                yield _codelist(f"CL.{group.name}.{name}", f"{group.name} {name}", item.terms, item.codelist)
            for value in item.values:
                if value.terms:
                    oid, called = f"CL.{group.name}.{name}.{value.where}", f"{group.name} {name} of {value.where}"
                    yield _codelist(oid, called, value.terms, codes[0] if len(codes) == 1 else "")


def _codelist(oid: str, name: str, terms: Sequence[Term], code: str) -> Element:
    made = Element(f"{{{ODM}}}CodeList", OID=oid, Name=name, DataType="text")
    made.set(f"{{{DEF}}}StandardOID", CT)
    decoded = all(term.decode for term in terms)
    for term in terms:
        item = _add(made, "CodeListItem" if decoded else "EnumeratedItem", CodedValue=term.value)
        if decoded:
            _text(_add(item, "Decode"), term.decode)
        if term.code:
            _alias(item, term.code)
        else:
            item.set(f"{{{DEF}}}ExtendedValue", "Yes")
    if code:
        _alias(made, code)
    return made


def _typed(oid: str, name: str, kind: Kind) -> Element:
    made = Element(f"{{{ODM}}}ItemDef", OID=oid, Name=name, DataType=kind.type)
    if kind.length:
        made.set("Length", str(kind.length))
    if kind.type == "float":
        made.set("SignificantDigits", str(kind.digits))
    return made


def _oid(group: Group, item: Item) -> str:
    return f"IT.{group.name}.{item.variable.name}"


def _value_oid(group: Group, item: Item, value: Value) -> str:
    return f"{_oid(group, item)}.{value.where}"


def _where_oid(group: Group, value: Value) -> str:
    return f"WC.{group.name}.{value.of}.{value.where}"


def _alias(element: Element, code: str) -> None:
    _add(element, "Alias", Context="nci:ExtCodeID", Name=code)


def _describe(element: Element, text: str) -> None:
    _text(_add(element, "Description"), text)


def _text(element: Element, text: str) -> None:
    said = _add(element, "TranslatedText")
    said.set(f"{{{XML}}}lang", "en")
    said.text = text


def _add(parent: Element, name: str, namespace: str = ODM, **attributes: str) -> Element:
    return SubElement(parent, f"{{{namespace}}}{name}", attributes)
