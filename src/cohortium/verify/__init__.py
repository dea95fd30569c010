"""Independent proof that nothing identifying left: knows neither the de-identifier nor its scanner.

Inputs are read anew with pydicom, every name, ID, address and UID in them is collected, and every output byte is
searched for each. What is found is told by place and kind, never by value.
"""

from cohortium.verify.search import Hit, Report, search

__all__ = ["Hit", "Report", "search"]
