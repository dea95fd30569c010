"""Sites that hand over to this hub: each by an account of its own, and nothing but what it vouches for itself."""

from __future__ import annotations

from cohortium.errors import Refused
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.values import Receipt

__all__ = ["demand_own_word"]


def demand_own_word(who: User, receipt: Receipt | None) -> None:
    """Raise `Refused` where a site offers what another one, or nobody, vouches for."""
    if who.standing is Standing.SITE and (receipt is None or receipt.site != who.name):
        raise Refused(f"site {who.name} hands over with its own receipts, and nothing else")
