"""Text in pixels: which parts of a picture are blanked before it leaves, and which pictures do not leave at all.

What always holds: a picture that may carry text goes on only where a rule knows its kind, or a person has looked at it.
Reading the picture (OCR) adds to what the rule blanks and may hold the picture back; it never lets one go on that no
rule knows.
"""

from cohortium.deidentify.pixels.review import Review, Reviewer, by_person, review
from cohortium.deidentify.pixels.rules import Hold, Rules, regions, shipped

__all__ = ["Hold", "Review", "Reviewer", "Rules", "by_person", "regions", "review", "shipped"]
