"""Faces in pictures of a head: the skin is peeled off in CT, the face cut off in MR, series by series.

What always holds: a picture that may show a head leaves only as part of a whole series from which the face was removed
and for which that was checked, or on the word of a person that it shows no face; what cannot be judged is taken for a
head, and what cannot be cleaned is held.
"""

from cohortium.deidentify.faces.head import may_show
from cohortium.deidentify.faces.series import available, deface

__all__ = ["available", "deface", "may_show"]
