"""C-STORE and C-ECHO: a sender hears of success only when the bytes are durable and sealed.

The data set stays the bytes that came; nothing decodes them here. Who may send is a list of AE titles with their
addresses, and everybody else is rejected before a byte of data is taken.
"""

from __future__ import annotations

import logging
import socket
import ssl
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.transport import ThreadedAssociationServer

from cohortium.acquire.intake import Intake
from cohortium.config import Receiver as Settings
from cohortium.errors import CohortiumError, Refused, Unavailable

__all__ = ["Receiver"]

log = logging.getLogger(__name__)
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # its messages quote what is sent

VERIFICATION = "1.2.840.10008.1.1"
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000  # PS3.4 B.2.3
REJECTED, BY_USER, CALLING_TITLE_UNKNOWN = 0x01, 0x01, 0x03  # PS3.8 9.3.4
PDU = 1 << 18  # bytes: DCMTK's are at most 128 KiB, and a large one costs less than many
TOGETHER = 50  # associations
TIMEOUT = 60  # seconds without a word


class Receiver:
    """One listening AE; a context manager while which it takes in."""

    def __init__(self, settings: Settings, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._peers = {tuple(peer.split("@", 1)) for peer in settings.peers}
        self._server: ThreadedAssociationServer | None = None

    def __enter__(self) -> Receiver:
        _config.UNRESTRICTED_STORAGE_SERVICE = True  # any storage class, any transfer syntax: raw bytes are kept
        ae = AE(ae_title=self._settings.ae_title)
        ae.add_supported_context(VERIFICATION)
        ae.require_called_aet = True
        ae.require_calling_aet = [title for title, _ in self._peers] or ["nobody"]
        ae.maximum_pdu_size, ae.maximum_associations = PDU, TOGETHER
        ae.network_timeout = ae.acse_timeout = ae.dimse_timeout = TIMEOUT
        handlers: Any = [
            (evt.EVT_CONN_OPEN, _answer_at_once),
            (evt.EVT_REQUESTED, self._demand_peer),
            (evt.EVT_C_STORE, self._store),
        ]
        address = self._settings.host, self._settings.port
        try:
            server = ae.start_server(address, block=False, evt_handlers=handlers, ssl_context=self._tls())
        except OSError as error:
            raise Unavailable(f"source {self._settings.name} cannot listen at its port: {error.strerror}") from None
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.shutdown()
            self._server = None

    @property
    def port(self) -> int:
        """Where it listens; chosen by the system where the configuration says 0."""
        return int(self._server.server_address[1]) if self._server else self._settings.port

    def _demand_peer(self, event: evt.Event) -> None:
        requestor: Any = event.assoc.requestor
        if (requestor.primitive.calling_ae_title, requestor.address) not in self._peers:
            log.warning("source %s: an association was rejected, its AE title and address are no peer's", self._name)
            event.assoc.acse.send_reject(REJECTED, BY_USER, CALLING_TITLE_UNKNOWN)
            event.assoc.kill()

    def _store(self, event: evt.Event) -> int:
        request: Any = event.request
        try:
            self._intake.take(str(request.AffectedSOPInstanceUID), [event.encoded_dataset()])
        except Unavailable as error:
            log.error("source %s: %s", self._name, error)
            return OUT_OF_RESOURCES
        except Refused:
            return CANNOT_UNDERSTAND
        except (CohortiumError, OSError, ValueError, AttributeError) as error:
            log.error("source %s: an instance could not be taken in (%s)", self._name, type(error).__name__)
            return OUT_OF_RESOURCES
        return SUCCESS

    @property
    def _name(self) -> str:
        return self._settings.name

    def _tls(self) -> ssl.SSLContext | None:
        if not self._settings.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._settings.certificate, self._settings.certificate_key)
        if self._settings.authority:
            context.load_verify_locations(self._settings.authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _answer_at_once(event: evt.Event) -> None:
    """An answer is one small packet, for which the sender waits."""
    transport: Any = event.assoc.dul.socket
    transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
