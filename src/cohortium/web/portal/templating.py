"""Templates, and the few ways in which values are written for people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from cohortium import __version__
from cohortium.govern import grants
from cohortium.govern.roles import ALLOWED, May
from cohortium.govern.users import User
from cohortium.web.auth import form_token, reading

__all__ = ["count", "error_page", "render"]

FOLDER = Path(__file__).parent / "templates"
PLACES = (  # of the site: for whom, where, and what it is called
    (May.OPERATE, "/gateway", "Gateway"),
    (May.ADMINISTER, "/people", "Accounts"),
    (May.AUDIT, "/audit", "Audit"),
    (May.MAINTAIN, "/site", "This site"),
)


def render(request: Request, template: str, code: int = 200, **values: Any) -> Response:
    """The page; it always knows who is logged in and the token for its forms."""
    who = getattr(request.state, "user", None)
    trusted, owns = _projects(request, who)
    known = {"who": who, "form": form_token(request), "version": __version__, "trusted": trusted, "owns": owns}
    may = ALLOWED[who.standing] & who.scope if who and not who.must_choose else frozenset()
    known |= {"may": may, "places": [place for right, *place in PLACES if right in may]}
    return HTMLResponse(_environment.get_template(template).render(known | values), code)


def _projects(request: Request, who: User | None) -> tuple[list[str], list[str]]:
    """Of projects, what every page needs: titles of those that take in the unchecked, names of the person's own."""
    if who is None or who.must_choose:
        return [], []
    with reading(request).connect() as connection:
        return grants.trusted(connection, who), grants.names(connection, who, May.MANAGE)


def error_page(request: Request, status: int, title: str, detail: str) -> Response:
    """A page that says what is wrong and where to go."""
    return render(request, "error.html", status, status=status, title=title, detail=detail)


def date(value: str) -> str:
    """20240131 as 2024-01-31; anything else as it stands."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if re.fullmatch(r"\d{8}", value) else value


def day(moment: str) -> Markup:
    """The day of a moment, as one word that no line breaks."""
    return Markup('<time datetime="{0}">{0}</time>').format(moment[:10])


def size(value: int) -> str:
    """Bytes as a person reads them."""
    number = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def count(number: int, noun: str) -> str:
    """1 scan, 2 scans, 3 studies, 4 series."""
    many = noun if noun.endswith("s") else re.sub("(?<![aeo])ys$", "ies", f"{noun}s")
    return f"{number:,} {noun if number == 1 else many}"


def words(keyword: str) -> str:
    """SliceThickness as Slice Thickness, PatientID as Patient ID."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", keyword)


def value(content: Any) -> str:
    """An attribute's value: numbers without noise, several of them with a stroke between."""
    if isinstance(content, list):
        shown = " \\ ".join(value(each) for each in content[:24])
        return shown + (" …" if len(content) > 24 else "")
    return f"{content:.6g}" if isinstance(content, float) else str(content)


def code(text: str) -> Markup:
    """Words between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped before


def _environment_() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {each.__name__: each for each in (date, day, size, count, words, value, code)}
    return made


_environment = _environment_()
