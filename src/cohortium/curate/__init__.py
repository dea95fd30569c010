"""What the archive holds, checked as a delivery is: runs, and their findings as rows that people work through.

What is wrong, how a finding is known again and which state it is in, `check` alone says; here is what has to do with
rows, with sealed objects, and with who did what.
"""

from cohortium.curate.running import CHECK, carry_out
from cohortium.curate.runs import Run, Standing, ask, latest, report, run
from cohortium.curate.worklist import Entry, Wanted, entries, reopen, waive

__all__ = [
    "CHECK",
    "Entry",
    "Run",
    "Standing",
    "Wanted",
    "ask",
    "carry_out",
    "entries",
    "latest",
    "reopen",
    "report",
    "run",
    "waive",
]
