"""What a domain's variables cannot hold, as SUPP-- has it: columns that are no variables, and the rest of long texts.

A text of more than 200 characters is cut between words, at one space that joins the pieces again (SDTMIG 4.5.3.2);
what cannot be cut so, or may not, is told and not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from cohortium.clinical import sdtm
from cohortium.clinical.reading import ROW
from cohortium.clinical.sdtm import Core, Holds, Variable
from cohortium.clinical.submission.joining import FILE, SEQ, Form, Joined

__all__ = ["WIDEST", "pieces", "supplement"]

WIDEST = 200  # bytes of a text in a SAS transport file
NAME = re.compile(r"[A-Z][A-Z0-9_]{0,7}")
ASCII = r"^[\x20-\x7e]*$"
PROSE = ("--TERM", "--TRT")  # topics in somebody's own words
LABEL = 40
UNKNOWN_ORIGIN = "Not Available"
SUPPLEMENTAL = {
    name: Core.EXPECTED if name in ("IDVAR", "IDVARVAL", "QEVAL") else Core.REQUIRED
    for name in ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM", "QLABEL", "QVAL", "QORIG", "QEVAL")
}


def supplement(made: Joined, form: Form) -> Joined | None:
    """Take out of the domain what its variables cannot hold; its SUPP--, if there is anything for it."""
    parts = list(_columns(made))
    if form is Form.XPORT:
        _ascii(made)
        parts = [each for part in parts for each in _long(made, part)]
        for variable in made.variables:
            if made.frame.schema[variable.name] == pl.String:
                parts += _rest(made, variable)
    made.frame = made.frame.select(*(variable.name for variable in made.variables), ROW, FILE)
    if not parts:
        return None
    rows = pl.concat(parts, how="vertical")
    variables = tuple(
        Variable(f"SUPP{made.domain}", name, core, Holds.TEXT, role=_role(name)) for name, core in SUPPLEMENTAL.items()
    )
    supp = Joined(f"SUPP{made.domain}", rows, variables, made.files, made.told)
    supp.fault(
        "submission.key",
        "two values have one name in SUPP--",
        "QNAM",
        pl.struct("USUBJID", "IDVARVAL", "QNAM").is_duplicated(),
    )
    order = [pl.col("USUBJID"), pl.col("IDVARVAL").cast(pl.Float64, strict=False), pl.col("QNAM")]
    supp.frame = rows.sort(order, maintain_order=True)
    return supp


def pieces(text: str) -> list[str]:
    """The text in pieces of at most 200 characters that one space joins again; none where that cannot be."""
    found = []
    while len(text) > WIDEST:
        cut = next(
            (at for at in range(WIDEST, 0, -1) if text[at] == " " and " " not in (text[at - 1], text[at + 1])), 0
        )
        if not cut:
            return []
        found.append(text[:cut])
        text = text[cut + 1 :]
    return [*found, text]


def _role(name: str) -> str:
    return "Topic" if name == "QNAM" else "Record Qualifier" if name.startswith("Q") else "Identifier"


def _columns(made: Joined) -> Iterator[pl.DataFrame]:
    """Columns that are no variables of the domain, each a part of SUPP--."""
    own = {each.name for each in made.variables} | {ROW, FILE}
    beside = [name for name in made.frame.columns if name not in own]
    wrong = [name for name in beside if not NAME.fullmatch(name)]
    if wrong:
        columns = "1 column" if len(wrong) == 1 else f"{len(wrong)} columns"
        made.told.tell(
            "submission.name", f"{columns} of {made.domain} have names that no variable may have", made.files[0]
        )
    kept = [name for name in beside if name not in wrong]
    if kept and not wrong:
        columns = "1 column" if len(kept) == 1 else f"{len(kept)} columns"
        fact = f"{columns} that {made.domain} does not have went to SUPP{made.domain}"
        made.told.tell("submission.supplemental", fact, made.files[0])
    for name in kept:
        yield _part(made, name, sdtm.label(made.domain, name) or name, pl.col(name))


def _part(made: Joined, name: str, label: str, value: pl.Expr) -> pl.DataFrame:
    """The values of one name, as rows of SUPP--."""
    seq = made.own(SEQ) if made.domain != "DM" else ""
    study = pl.col("STUDYID") if "STUDYID" in made.frame.columns else pl.lit(None, pl.String)
    chosen = made.frame.lazy().with_columns(value.cast(pl.String).alias("QVAL")).filter(pl.col("QVAL").is_not_null())
    return chosen.select(
        study.alias("STUDYID"),
        pl.lit(made.domain).alias("RDOMAIN"),
        pl.col("USUBJID"),
        pl.lit(seq or None, pl.String).alias("IDVAR"),
        (pl.col(seq).cast(pl.String) if seq else pl.lit(None, pl.String)).alias("IDVARVAL"),
        pl.lit(name).alias("QNAM"),
        pl.lit(label[:LABEL]).alias("QLABEL"),
        pl.col("QVAL"),
        pl.lit(UNKNOWN_ORIGIN).alias("QORIG"),
        pl.lit(None, pl.String).alias("QEVAL"),
        pl.col(ROW),
        pl.col(FILE),
    ).collect()


def _ascii(made: Joined) -> None:
    for name, kind in made.frame.schema.items():
        if kind == pl.String:
            shown = name if NAME.fullmatch(name) else ""
            made.fault(
                "submission.ascii",
                f"{shown} has letters or signs beyond ASCII",
                shown,
                ~pl.col(name).str.contains(ASCII),
            )


def _long(made: Joined, part: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """A part of SUPP-- with its long values in pieces of further names."""
    long = pl.col("QVAL").str.len_bytes() > WIDEST
    if not part.select(long.any()).item():
        yield part
        return
    name, label = part.select("QNAM", "QLABEL").row(0)
    cut, most = _cut(made, name, part["QVAL"].filter(part.select(long).to_series()))
    for number in range(most):
        piece = pl.col("QVAL").replace_strict(
            {text: held[number] if number < len(held) else None for text, held in cut.items()},
            default=pl.col("QVAL") if number == 0 else pl.lit(None, pl.String),
            return_dtype=pl.String,
        )
        named = pl.lit(_further(name, number)).alias("QNAM"), pl.lit(_numbered(label, number)).alias("QLABEL")
        yield part.with_columns(piece.alias("QVAL"), *named).filter(pl.col("QVAL").is_not_null())


def _rest(made: Joined, variable: Variable) -> Iterator[pl.DataFrame]:
    """The first piece of long texts stays, the rest goes to SUPP--."""
    column = made.frame[variable.name]
    long = column.filter((column.str.len_bytes() > WIDEST).fill_null(False))
    if not long.len():
        return
    splits = ("Qualifier" in variable.role and variable.general != "--TEST") or variable.general in PROSE
    cut, most = _cut(made, variable.name, long, splits)
    for number in range(1, most):
        held = {text: parts[number] if number < len(parts) else None for text, parts in cut.items()}
        value = pl.col(variable.name).replace_strict(held, default=None, return_dtype=pl.String)
        yield _part(made, _further(variable.name, number), _numbered(variable.label or variable.name, number), value)
    if most:
        made.frame = made.frame.with_columns(
            pl.col(variable.name).replace({text: parts[0] for text, parts in cut.items()})
        )
        made.told.tell(
            "submission.split", f"long texts of {variable.name} go on in SUPP{made.domain}", variable=variable.name
        )


def _cut(made: Joined, name: str, texts: pl.Series, may: bool = True) -> tuple[dict[str, list[str]], int]:
    """Each text in pieces, and how many they are at most; nothing where one cannot be cut, which is told."""
    cut = {text: pieces(text) if may else [] for text in texts.unique()}
    stuck = [text for text, held in cut.items() if not held]
    if stuck:
        fact = f"{name} has more than {WIDEST} characters, and cannot be cut between words,"
        made.fault("submission.length", fact, name, pl.col(name).is_in(stuck).fill_null(False))
        return {}, 0
    return cut, max(map(len, cut.values()))


def _further(name: str, number: int) -> str:
    """The name of a piece: MHTERM1 for the second of MHTERM, within 8 characters."""
    return f"{name[: 8 - len(str(number))]}{number}" if number else name


def _numbered(label: str, number: int) -> str:
    return f"{label[: LABEL - 1 - len(str(number))]} {number}" if number else label
