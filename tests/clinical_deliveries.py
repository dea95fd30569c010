"""The clinical tables of a made-up delivery, as SDTM has them and without a fault, and one violation of each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deliveries import Delivery

Row = dict[str, str]
Violation = Callable[["Delivery"], None]

DM, LB, MB, PR = (f"p01_{domain}.csv" for domain in ("dm", "lb", "mb", "pr"))


def tables(patients: int) -> dict[str, list[Row]]:
    """Demographics, laboratory, microbiology, procedures and death of the patients P001, P002..."""
    subjects = [f"P{number:03}" for number in range(1, patients + 1)]
    return {
        DM: [demographics(subject) for subject in subjects],
        LB: [row for subject in subjects for row in laboratory(subject)],
        MB: [microbiology(subject) for subject in subjects],
        PR: [procedure(subject) for subject in subjects],
        "p01_dd.csv": [death(subject) for subject in subjects[:1]],
    }


def _keys(domain: str, subject: str) -> Row:
    return {"STUDYID": "DRAGON", "DOMAIN": domain, "USUBJID": subject}


def demographics(subject: str) -> Row:
    return {
        **_keys("DM", subject),
        "SUBJID": subject,
        "RFSTDTC": "2020-03-04",
        "RFENDTC": "2020-03-18",
        "RFXSTDTC": "",
        "RFXENDTC": "",
        "RFICDTC": "",
        "RFPENDTC": "2020-04",
        "DTHDTC": "2020-04" if subject == "P001" else "",
        "DTHFL": "Y" if subject == "P001" else "",
        "SITEID": "1",
        "AGE": "61",
        "AGEU": "YEARS",
        "SEX": "F",
        "RACE": "NOT REPORTED",
        "ARMCD": "",
        "ARM": "",
        "ACTARMCD": "",
        "ACTARM": "",
        "ARMNRS": "NOT ASSIGNED",
        "ACTARMUD": "",
        "COUNTRY": "NLD",
    }


def laboratory(subject: str) -> list[Row]:
    """A number, another of it later, a number without a unit, a word, and a test that was not done."""
    rows = [
        ("ALB", "Albumin", "1751-7", "3.8", "g/dL", "38", "38", "g/L", "", "2020-03-04T08:30"),
        ("ALB", "Albumin", "1751-7", "3.9", "g/dL", "39", "39", "g/L", "", "2020-03-05"),
        ("PH", "pH", "2744-1", "7.4", "", "7.4", "7.4", "", "", "2020-03-04T08:30"),
        ("COLOR", "Color", "", "YELLOW", "", "YELLOW", "", "", "", "2020-03-04T08:30"),
        ("CRP", "C Reactive Protein", "1988-5", "", "", "", "", "", "NOT DONE", "2020-03-04"),
    ]
    names = ("TESTCD", "TEST", "LOINC", "ORRES", "ORRESU", "STRESC", "STRESN", "STRESU", "STAT", "DTC")
    others = {
        "LBCAT": "CHEMISTRY",
        "LBORNRLO": "",
        "LBORNRHI": "",
        "LBSTNRLO": "",
        "LBSTNRHI": "",
        "LBNRIND": "",
        "LBLOBXFL": "",
        "VISITNUM": "1",
    }
    return [
        {
            **_keys("LB", subject),
            "LBSEQ": str(number),
            **{f"LB{name}": value for name, value in zip(names, row, strict=True)},
            **others,
        }
        for number, row in enumerate(rows, 1)
    ]


def microbiology(subject: str) -> Row:
    return {
        **_keys("MB", subject),
        "MBSEQ": "1",
        "MBTESTCD": "SARSCOV2",
        "MBTEST": "Severe Acute Resp Syndrome Coronavirus 2",
        "MBTSTDTL": "DETECTION",
        "MBORRES": "POSITIVE",
        "MBSTRESC": "POSITIVE",
        "MBSPEC": "SWABBED MATERIAL",
        "MBMETHOD": "REVERSE TRANSCRIPTASE PCR",
        "VISITNUM": "1",
        "MBDTC": "2020-03-04",
    }


def procedure(subject: str) -> Row:
    return {
        **_keys("PR", subject),
        "PRSEQ": "1",
        "PRTRT": "Mechanical ventilation",
        "PRDECOD": "MECHANICAL VENTILATION",
        "PRSCTID": "40617009",
        "PRSTDTC": "2020-03-06",
        "PRENDTC": "2020-03-16",
        "PRDUR": "P10D",
        "PRSTDY": "3",
    }


def death(subject: str) -> Row:
    """As Table 9 has it, but for the variables that SDTM requires."""
    return {
        **_keys("DD", subject),
        "DDSEQ": "1",
        "DDTESTCD": "PRCDTH",
        "DDTEST": "Primary Cause of Death",
        "DDORRES": "Pneumonia",
        "DDSTRESC": "PNEUMONIA",
        "DDICD10": "J18.9",
        "DDPTCD": "10035664",
        "DDDTC": "2020-04",
    }


def _cells(path: str, row: int = 0, **cells: str) -> Violation:
    """Other cells in one row of a table."""
    return lambda made: made.tables[path][row].update(cells)


def _without(path: str, column: str) -> Violation:
    def violate(made: Delivery) -> None:
        for row in made.tables[path]:
            del row[column]

    return violate


def _all(path: str, **cells: str) -> Violation:
    """Other cells in all rows of a table, or further ones."""

    def violate(made: Delivery) -> None:
        for row in made.tables[path]:
            row.update(cells)

    return violate


def _alias(made: Delivery) -> None:
    for row in made.tables[MB]:
        row["MBTESTDTL"] = row.pop("MBTSTDTL")


def _unknown(made: Delivery) -> None:
    """The second patient in no table."""
    for path, rows in made.tables.items():
        made.tables[path] = [row for row in rows if row["USUBJID"] != "P002"]


def _without_table(path: str) -> Violation:
    return lambda made: made.tables.__delitem__(path)


def _again(path: str, **cells: str) -> Violation:
    """The first row once more, with other cells."""
    return lambda made: made.tables[path].append(made.tables[path][0] | cells)


def _twice(made: Delivery) -> None:
    """A row in another file of its domain."""
    made.tables["p02_mb.csv"] = made.tables[MB][:1]


def _questions(made: Delivery) -> None:
    """Tests of a domain that has no list of them."""
    made.tables["p01_qs.csv"] = [
        {
            **_keys("QS", "P001"),
            "QSSEQ": "1",
            "QSTESTCD": "1-WALK",
            "QSTEST": "Walking",
            "QSORRES": "5",
            "QSSTRESC": "5",
        }
    ]


def _cut(made: Delivery) -> None:
    made.files["p01_su.csv"] = b'STUDYID,DOMAIN,USUBJID\r\nDRAGON,SU,"P001\r\n'


def _western(made: Delivery) -> None:
    """A table as an old spreadsheet writes it: other letters, semicolons."""
    rows = made.tables.pop(PR)
    rows[0]["PRTRT"] = "Beatmung, künstlich"
    lines = [";".join(rows[0]), *(";".join(row.values()) for row in rows)]
    made.files[PR] = "\r\n".join(lines).encode("cp1252")


VIOLATIONS: dict[str, Violation] = {
    "core.issue": _cells(DM, DTHFL="N"),
    "privacy.table": _all(DM, BRTHDTC="1958-07-04"),
    "sdtm.alias": _alias,
    "sdtm.code": _cells(DM, SEX="Female"),
    "sdtm.date": _cells(LB, LBDTC="04.03.2020"),
    "sdtm.day": _cells(PR, PRSTDY="2"),
    "sdtm.death": _cells(DM, DTHFL=""),
    "sdtm.domain": _cells(MB, DOMAIN="LB"),
    "sdtm.domains": _without_table(MB),
    "sdtm.domains-expected": _without_table(PR),
    "sdtm.duration": _cells(PR, PRDUR="10 days"),
    "sdtm.encoding": _western,
    "sdtm.guide": _without(DM, "COUNTRY"),
    "sdtm.icd10": _cells("p01_dd.csv", DDICD10="J189"),
    "sdtm.images": _again(DM, USUBJID="P003", SUBJID="P003"),
    "sdtm.key": _cells(LB, row=1, LBSEQ="1"),
    "sdtm.loinc": _cells(LB, LBLOINC="1751-8"),
    "sdtm.meddra": _cells("p01_dd.csv", DDPTCD="Pneumonia"),
    "sdtm.missing": _cells(LB, row=1, LBSTRESU=""),
    "sdtm.number": _cells(DM, AGE="61 years"),
    "sdtm.occurrence": _all(PR, PROCCUR="Y"),
    "sdtm.order": _cells(PR, PRENDTC="2020-03-05"),
    "sdtm.patient": _unknown,
    "sdtm.readable": _cut,
    "sdtm.repeated": _again(MB, MBSEQ="2"),
    "sdtm.required": _without(PR, "PRTRT"),
    "sdtm.result": _cells(LB, LBSTRESC="<38"),
    "sdtm.snomed": _cells(PR, PRSCTID="40617008"),
    "sdtm.split": _twice,
    "sdtm.status": _cells(LB, row=4, LBORRES="12", LBSTRESC="12", LBSTRESN="12", LBORRESU="mg/L", LBSTRESU="mg/L"),
    "sdtm.study": _cells(MB, STUDYID="DRAGON-2"),
    "sdtm.subject": _again(MB, USUBJID="P003"),
    "sdtm.term": _cells(MB, MBMETHOD="Reverse-transcriptase PCR"),
    "sdtm.test": _cells(LB, row=2, LBTEST="Acidity"),
    "sdtm.testcode": _questions,
    "sdtm.unit": _cells(LB, row=1, LBSTRESU="g/dL", LBSTRESC="3.9", LBSTRESN="3.9"),
    "sdtm.unlisted": _all(LB, WARD="7B"),
    "sdtm.width": _cells(PR, PRTRT="ventilation " * 20),
}
