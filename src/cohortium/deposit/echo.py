"""C-ECHO: whether a peer of DICOM answers this site under the AE titles that both are configured with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pynetdicom import AE

from cohortium import tls
from cohortium.config import Pacs, Scp
from cohortium.errors import Unavailable

__all__ = ["echo"]

VERIFICATION = "1.2.840.10008.1.1"
SUCCESS = 0x0000
PATIENCE = 8  # seconds


def echo(settings: Scp | Pacs, below: Path) -> None:
    """Return when the peer answered; `Unavailable` with what is wrong. Files are named from the folder `below`."""
    secured: Any = (tls.client(settings, below), settings.host) if settings.authority else None
    ae = AE(ae_title=settings.calling)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENCE
    ae.add_requested_context(VERIFICATION)
    association = ae.associate(settings.host, settings.port, ae_title=settings.ae_title, tls_args=secured)
    try:
        if association.is_rejected:
            raise Unavailable("the peer rejects the association; do both AE titles stand in its configuration?")
        if not association.is_established:
            raise Unavailable(
                "the peer does not answer; are address, port, TLS and both AE titles right, and is it running?"
            )
        status = association.send_c_echo()
        if not status or status.Status != SUCCESS:
            raise Unavailable("the peer took the association and did not answer the echo")
    except RuntimeError:
        raise Unavailable("the association broke over the echo") from None
    finally:
        if association.is_established:
            association.release()
