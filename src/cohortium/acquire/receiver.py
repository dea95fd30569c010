"""Listens for senders by C-STORE and C-ECHO.

Who may send is a list of AE titles with their addresses; everybody else is turned away before a byte of data is taken.
"""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from time import monotonic

from cohortium import tls
from cohortium.acquire.association import Acceptor, serve
from cohortium.acquire.intake import Intake
from cohortium.acquire.upper import LOOK, Connection, rejected
from cohortium.config import Receiver as Settings
from cohortium.errors import Unavailable

__all__ = ["Receiver"]

log = logging.getLogger(__name__)

TOGETHER = 50  # associations
AT_THE_DOOR = 4 * TOGETHER  # connections; all but TOGETHER of them are told to try again
NO_PEER = rejected(0x01, 0x01, 0x03)  # its AE title is not recognised (PS3.8 9.3.4)
HANDSHAKE = 30.0  # seconds
LEAVE = 10.0  # seconds for what is under way when the receiver closes
SAID = 60.0  # seconds in which a reason is logged once


class Receiver:
    """One listening AE; a context manager while which it takes in. `below` is the folder of the configuration."""

    def __init__(self, settings: Settings, intake: Intake, below: Path) -> None:
        peers = frozenset((title, _plain(address)) for title, _, address in map(_parts, settings.peers))
        self._settings = settings
        self._tls = tls.server(settings, below) if settings.certificate else None
        self._acceptor = Acceptor(settings.name, settings.ae_title, peers, intake)
        self._addresses = frozenset(address for _, address in peers)
        self._stop = threading.Event()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Receiver:
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        try:
            self._listener = socket.create_server((self._settings.host, self._settings.port), family=family)
        except OSError as error:
            raise Unavailable(f"source {self._settings.name} cannot listen at its port: {error.strerror}") from None
        self._listener.settimeout(LOOK)
        self._thread = threading.Thread(target=self._listen, args=(self._listener,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let who is in the middle of an object finish it, for a while; nobody else is waited for."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        until = monotonic() + LEAVE
        for thread in self._threads():
            thread.join(max(0.0, until - monotonic()))
        with self._lock:
            for connected in self._open.values():
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)
        for thread in self._threads():
            thread.join()

    @property
    def port(self) -> int:
        """Where it listens; chosen by the system where the configuration says 0."""
        return int(self._listener.getsockname()[1]) if self._listener else self._settings.port

    def _listen(self, listener: socket.socket) -> None:
        with listener:
            while not self._stop.is_set():
                try:
                    connected, address = listener.accept()
                except TimeoutError:
                    continue
                except OSError as error:  # of this connection, or of the number of files that may be open
                    self._say(f"a connection could not be accepted ({error.strerror})")
                    self._stop.wait(LOOK)
                    continue
                self._meet(connected, _plain(address[0]))

    def _meet(self, connected: socket.socket, address: str) -> None:
        """Hand the connection to a thread of its own, or hang up."""
        number = len(self._open)
        if address not in self._addresses:
            self._say(f"{address} is no peer's address, and was turned away")
            self._turn_away(connected)
        elif number >= AT_THE_DOOR:
            self._say("too many connections at once")
            connected.close()
        else:
            thread = threading.Thread(target=self._attend, args=(connected, address, number >= TOGETHER))
            with self._lock:
                self._open[thread] = connected
            thread.start()

    def _attend(self, connected: socket.socket, address: str, is_full: bool) -> None:
        try:
            connected = self._secured(connected)
            serve(Connection(connected, self._stop), address, self._acceptor, is_full=is_full)
        except OSError as error:  # serve ends without one
            self._say(f"no TLS with {address} ({type(error).__name__})")
        finally:
            connected.close()
            with self._lock:
                del self._open[threading.current_thread()]

    def _secured(self, connected: socket.socket) -> socket.socket:
        if not self._tls:
            return connected
        secured = self._tls.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open[threading.current_thread()] = secured
        secured.settimeout(HANDSHAKE)
        secured.do_handshake()
        return secured

    def _turn_away(self, connected: socket.socket) -> None:
        with connected, suppress(OSError):
            if not self._tls:
                connected.settimeout(0)
                connected.send(NO_PEER)

    def _threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._open)

    def _say(self, what: str) -> None:
        """Log it, and not again for a while."""
        if monotonic() - self._said.get(what, -SAID) >= SAID:
            self._said = {each: when for each, when in self._said.items() if monotonic() - when < SAID}
            self._said[what] = monotonic()
            log.warning("source %s: %s", self._settings.name, what)


def _parts(peer: str) -> tuple[str, str, str]:
    return peer.rpartition("@")


def _plain(address: str) -> str:
    """One spelling of an address; of IPv4 as IPv6 tells it, the one of IPv4."""
    found = ip_address(address.partition("%")[0])
    return str(found.ipv4_mapped or found) if isinstance(found, IPv6Address) else str(found)
