"""The fields of a study, as its data dictionary describes them; of patients nothing stands here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["GROUP", "Dictionary", "Field", "choices", "described", "extended"]

GROUP = "redcap_data_access_group"  # the site that a record belongs to
SEPARATORS = re.compile(r"\||\\n|\n")
FIXED = {"yesno": {"1": "Yes", "0": "No"}, "truefalse": {"1": "True", "0": "False"}}
WITH_CHOICES = ("radio", "dropdown", "checkbox")
KINDS = {"select": "dropdown", "textarea": "notes"}  # REDCap's inner names, which its ODM has
VALIDATIONS = {"int": "integer", "float": "number"}


@dataclass(frozen=True, slots=True)
class Field:
    """A question: `kind` and `validation` as a data dictionary has them, `choices` by code, other flags as they are."""

    name: str
    form: str
    kind: str = "text"
    label: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    validation: str = ""
    identifier: bool = False
    annotation: str = ""
    branching: str = ""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The fields by name, and the one that names a record.

    Of ODM also the groups of items that repeat, and the codes that REDCap has for data that are missing.
    """

    record: str
    fields: Mapping[str, Field]
    groups: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()

    @property
    def forms(self) -> frozenset[str]:
        return frozenset(each.form for each in self.fields.values() if each.form)


def described(
    name: str,
    form: str,
    kind: str,
    listed: str,
    validation: str,
    *,
    label: str = "",
    identifier: bool = False,
    annotation: str = "",
    branching: str = "",
) -> Field:
    """A field as REDCap describes it, in whichever of its two vocabularies; `listed` are the choices, as text."""
    kind, validation = KINDS.get(kind, kind), VALIDATIONS.get(validation, validation)
    known = choices(listed) if kind in WITH_CHOICES else FIXED.get(kind, {})
    return Field(name, form, kind, " ".join(label.split()), known, validation, identifier, annotation, branching)


def choices(text: str) -> dict[str, str]:
    """Choices as REDCap lists them: `1, Yes | 2, No`; a label may have further commas."""
    parts = (each.partition(",") for each in SEPARATORS.split(text) if each.strip())
    return {code.strip(): label.strip() or code.strip() for code, _, label in parts}


def extended(name: str, code: str) -> str:
    """The name under which one choice of a checkbox is exported: field___code, the code in lower case."""
    return f"{name}___{re.sub(r'[^a-z_0-9]', '', code.lower().replace('-', '_').replace('.', '_'))}"
