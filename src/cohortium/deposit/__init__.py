"""Handing over: from a site's outbox into an archive, with the site's word for every file."""

from cohortium.deposit.outbox import Depositor

__all__ = ["Depositor"]
