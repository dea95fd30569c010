"""Scripts of RSNA CTP, which hospitals already have: read, carried out as CTP would, explained, converted.

    read(path or text) -> Script               a DicomAnonymizer script
    apply(script, dataset, tables) -> Dataset  the whole dataset, or a SetAside
    evaluate(script, dataset, tag, tables)     one attribute
    read_filter(path or text) -> Filter        a DicomFilter script
    read_pixels(path or text) -> PixelScript   a DicomPixelAnonymizer script: which rectangles apply

What CTP does is kept, also where it is odd; what it leaks is named by `explain`, and mended where the script meets the
Basic Profile, not here. No message names a value.
"""

from cohortium.deidentify.ctp.filters import Filter, read_filter
from cohortium.deidentify.ctp.interpreter import Kind, Outcome, apply, evaluate
from cohortium.deidentify.ctp.pixels import PixelScript, read_pixels
from cohortium.deidentify.ctp.script import Remark, Rule, Script, read
from cohortium.deidentify.ctp.tables import Tables, read_lookup

__all__ = [
    "Filter",
    "Kind",
    "Outcome",
    "PixelScript",
    "Remark",
    "Rule",
    "Script",
    "Tables",
    "apply",
    "evaluate",
    "read",
    "read_filter",
    "read_lookup",
    "read_pixels",
]
