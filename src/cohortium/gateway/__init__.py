"""The hospital's side: acquire, deidentify, check, deposit. `chain` is where to start reading."""

from cohortium.gateway.chain import Progress
from cohortium.gateway.once import run
from cohortium.spool import Summary

__all__ = ["Progress", "Summary", "run"]
