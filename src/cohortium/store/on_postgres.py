"""The store in a PostgreSQL database, made to behave as SQLite does: one writer, order by code point, any length.

A writing transaction takes one advisory lock as it begins, so that it may read, decide and write (a chain's head, the
next number, the first administrator) without thinking of others. Why: docs/decisions/0023-one-writer.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, Connection, Engine, String, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.compiler import compiles

from cohortium.errors import ConfigError, Refused
from cohortium.store.room import in_words

__all__ = ["demand_order_by_code_point", "engine"]

ONE_WRITER = int.from_bytes(b"cohorts")  # the number of the advisory lock; of no other meaning
POOL = 10  # seconds that a request waits for one of the process's connections
ALWAYS: dict[str, Any] = {  # unless the URL says otherwise
    "application_name": "cohortium",
    "client_encoding": "utf8",
    "connect_timeout": 10,  # seconds
    "options": "-c lock_timeout=30s -c idle_in_transaction_session_timeout=5min",  # 30 s: as SQLite waits
}
ENCRYPTED = ("require", "verify-ca", "verify-full")


def engine(url: str) -> Engine:
    """An engine on the database of `url`; with a server on another machine it speaks TLS, or not at all."""
    try:
        address = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise ConfigError("store.url: `postgresql://USER@HOST/DATABASE` is expected") from None
    arguments = {key: value for key, value in ALWAYS.items() if key not in address.query} | _encryption(address)
    try:
        made = create_engine(
            address, connect_args=arguments, hide_parameters=True, pool_pre_ping=True, pool_timeout=POOL
        )
    except ModuleNotFoundError:
        raise ConfigError("store.url names PostgreSQL: pip install 'cohortium[postgres]'") from None
    event.listen(made, "begin", _begin)
    event.listen(made, "handle_error", in_words, retval=True)
    return made


def demand_order_by_code_point(engine: Engine) -> None:
    """Raise `Refused` where the database would sort and page otherwise than SQLite does."""
    question = text("SELECT 'B' < 'a' AND 'a' < 'é' AND '-b' < 'a' AND current_setting('server_encoding') = 'UTF8'")
    with engine.execution_options(reading=True).connect() as connection:
        if not connection.scalar(question):
            raise Refused("the store's database sorts text by a language; make one with `createdb --locale=C` (UTF-8)")


def _encryption(address: URL) -> dict[str, Any]:
    """The strictest mode for a server elsewhere, unless the URL names another that encrypts."""
    if all(_is_here(host) for host in _hosts(address)):
        return {}
    mode = address.query.get("sslmode")
    if mode is None:
        return {"sslmode": "verify-full"}
    if mode not in ENCRYPTED:
        raise Refused(f"store.url: a server on another machine needs TLS; sslmode is one of {', '.join(ENCRYPTED)}")
    return {}


def _hosts(address: URL) -> Iterator[str]:
    yield address.host or ""
    for key in ("host", "hostaddr"):
        for value in address.normalized_query.get(key, ()):
            yield from value.split(",")


def _is_here(host: str) -> bool:
    """Whether it is a socket of this machine, or its loopback."""
    if host.startswith("/") or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _begin(connection: Connection) -> None:
    """A writer takes its view after the lock, statement by statement; a reader keeps one view and waits for nobody."""
    if connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_WRITER})")


@compiles(String, "postgresql")
def _any_length(_type: String, _compiler: Any, **_: Any) -> str:
    """`String(64)` says what fits; on neither database does it stop what does not, such as a broken header's text."""
    return "VARCHAR"
