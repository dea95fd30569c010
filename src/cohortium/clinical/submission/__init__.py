"""Clinical tables as a package for submission: a file for each domain, in SDTM's order and types, and define.xml.

What always holds: a package is whole, or there is none; and no value is cut or changed on the way. What a format
cannot hold is a finding with its rule, variable and row, and then nothing is written (extra `clinical`).
"""

from cohortium.clinical.submission.faults import Told
from cohortium.clinical.submission.joining import Form, Source
from cohortium.clinical.submission.package import About, Package, below, write

__all__ = ["About", "Form", "Package", "Source", "Told", "below", "write"]
