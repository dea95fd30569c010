"""A report as one page that needs nothing from outside; pages of different packages have one frame and one look.

What always holds: whatever stands in a value is shown as text (autoescape), and a name that a template asks for and
nobody gave is an error, never an empty place.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["rendered"]

STYLE, FRAME = "page.css", "frame.html"


def rendered(package: str, template: str, style: str, **values: Any) -> str:
    """The page of a template below the package, which extends the frame; its own style comes after the common one."""

    def read(name: str) -> str:
        return (files(__package__ if name == FRAME else package) / name).read_text("utf-8")

    environment = Environment(
        loader=FunctionLoader(read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    both = (files(__package__) / STYLE).read_text("utf-8") + read(style)
    return environment.get_template(template).render(style=Markup(both), **values)  # noqa: S704  (files of the package)
