"""What only a server can do wrong: not answer, refuse, sort by a language, stand elsewhere without TLS."""

from __future__ import annotations

import subprocess
import sys

import pytest

import databases
from cohortium.errors import ConfigError, Refused, Unavailable
from cohortium.store import on_postgres, open_store

SECRET = "tulipan"


def test_a_store_that_another_process_keeps_locked_is_to_be_tried_again(postgres: databases.Server) -> None:
    with postgres.database() as url:
        engine, other = open_store(url), open_store(url + "&options=-c%20lock_timeout=50ms")
        with engine.begin(), pytest.raises(Unavailable, match="again"):
            other.begin().__enter__()


@pytest.mark.parametrize(
    "address", ["postgresql://cohortium@127.0.0.1:1/none", "postgresql://cohortium@/x?host=/nowhere"]
)
def test_a_server_that_does_not_answer_is_to_be_tried_again(address: str) -> None:
    with pytest.raises(Unavailable, match=r"store\.url"):
        open_store(address)


def test_a_database_that_is_not_there(postgres: databases.Server) -> None:
    with pytest.raises(Unavailable, match=r"store\.url"):
        open_store(postgres.url("none"))


def test_no_password_is_in_what_a_failure_says(
    postgres: databases.Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with pytest.raises(Unavailable) as caught:
        open_store(f"postgresql://nobody@/none?host={postgres.socket}")
    shown: BaseException | None = caught.value
    while shown is not None:
        assert SECRET not in str(shown) + repr(shown)
        shown = shown.__cause__ or shown.__context__
    assert SECRET not in "".join(capfd.readouterr())


def test_a_connection_that_the_server_ended_is_made_anew(postgres: databases.Server) -> None:
    with postgres.database() as url:
        engine = open_store(url)
        postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cohortium'")
        with engine.begin() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_connection_that_ends_within_a_transaction_is_to_be_tried_again(postgres: databases.Server) -> None:
    with postgres.database() as url, open_store(url).connect() as connection:
        connection.begin()
        postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cohortium'")
        with pytest.raises(Unavailable):
            connection.exec_driver_sql("SELECT 1")


@pytest.mark.parametrize("options", ["ENCODING 'SQL_ASCII'", "LOCALE 'en_US.utf8'"])
def test_a_database_that_sorts_otherwise_is_refused(postgres: databases.Server, options: str) -> None:
    if "LOCALE" in options and b"en_US.utf8" not in subprocess.run(["locale", "-a"], capture_output=True).stdout:
        pytest.skip("this machine knows no language to sort by")
    with postgres.database(f"TEMPLATE template0 {options}") as url, pytest.raises(Refused, match="createdb --locale=C"):
        open_store(url)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "nonsense"])
def test_a_server_elsewhere_without_tls_is_refused(mode: str) -> None:
    with pytest.raises(Refused, match="TLS"):
        on_postgres.engine(f"postgresql://cohortium@db.example/x?sslmode={mode}")


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        ("postgresql://u@db.example/x", "verify-full"),
        ("postgresql://u@/x?host=192.0.2.1,localhost", "verify-full"),
        ("postgresql://u@localhost/x?hostaddr=192.0.2.1", "verify-full"),
        ("postgresql://u@db.example/x?sslmode=require", "require"),
        ("postgresql://u@localhost/x", None),
        ("postgresql://u@[::1]/x", None),
        ("postgresql://u@/x?host=/run/postgresql", None),
    ],
)
def test_elsewhere_is_reached_by_tls_with_a_certificate_that_is_checked(address: str, mode: str | None) -> None:
    engine = on_postgres.engine(address)
    _, arguments = engine.dialect.create_connect_args(engine.url)
    assert ({**arguments, **on_postgres._encryption(engine.url)}).get("sslmode") == mode


def test_without_the_driver_the_message_says_what_to_install() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
from cohortium.store import open_store
try:
    open_store("postgresql://u@/x")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "ConfigError store.url names PostgreSQL: pip install 'cohortium[postgres]'\n"


@pytest.mark.parametrize("address", ["", "x", "postgresql://u@h:port/x"])
def test_what_is_no_address_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError, match="is expected") as caught:
        on_postgres.engine(address)
    assert "port/x" not in str(caught.value)
