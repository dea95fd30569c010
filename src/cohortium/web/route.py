"""One address and who may call it. Each group of addresses brings a tuple of these; `routes` joins them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cohortium.govern.roles import May
from cohortium.web.auth import Access

__all__ = ["Route"]


@dataclass(frozen=True, slots=True)
class Route:
    """`status` and `media_type` are those of its answer when all is well; the endpoint's types say the rest."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    access: Access | May
    status: int = 200
    media_type: str = "application/json"
