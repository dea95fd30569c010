"""Proof after the fact: who did what, what came from what, and which site vouches for it."""

from cohortium.prove import audit, provenance, receipts

__all__ = ["audit", "provenance", "receipts"]
