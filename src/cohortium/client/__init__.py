"""A small typed client of the API: `Client(url, token)`, and what it answers are the types of `cohortium.wire.api`.

Nothing it writes is half: a file gets its name once its digest is right, and what is broken off is gone on with.
"""

from cohortium.client.client import Client
from cohortium.client.pulling import Pulled

__all__ = ["Client", "Pulled"]
