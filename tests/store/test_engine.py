"""What a store does on either database; what only one of them can do wrong is in the files named after them."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Integer, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from cohortium.errors import Unavailable
from cohortium.prove import audit
from cohortium.store import insert_once, is_ready, now, open_store, schema, total
from cohortium.store.schema import project, site

SOURCES = Path(__file__).parents[2] / "src" / "cohortium"
ENTRY = {"title": "", "admit": "check", "protocol": "", "protocol_digest": "", "created": ""}


def test_a_store_of_a_newer_release_is_left_alone(place: Path | str) -> None:
    with open_store(place).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="newer"):
        open_store(place)


def test_a_store_is_ready_at_this_releases_schema_only(place: Path | str) -> None:
    engine = open_store(place)
    assert is_ready(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert not is_ready(engine)


def test_a_row_is_inserted_once(place: Path | str) -> None:
    row = {"name": "north", "public_key": "k", "enrolled": now()}
    with open_store(place).begin() as connection:
        assert insert_once(connection, site, row)
        assert not insert_once(connection, site, {**row, "public_key": "another"})
        assert connection.scalars(select(site.c.public_key)).all() == ["k"]


def test_an_error_of_the_store_quotes_no_value(place: Path | str) -> None:
    twice = [{"name": "Müller", "public_key": "k", "enrolled": "t"}] * 2
    with open_store(place).begin() as connection, pytest.raises(IntegrityError) as caught:
        connection.execute(insert(site), twice)
    shown: BaseException | None = caught.value
    while shown is not None:
        assert "Müller" not in str(shown) + repr(shown)
        shown = shown.__cause__ or shown.__context__


def test_of_many_writers_at_once_each_sees_what_the_one_before_wrote(place: Path | str) -> None:
    engine = open_store(place)

    def write(who: int) -> None:
        for n in range(8):
            with engine.begin() as connection:
                audit.record(connection, f"w{who}", "count", str(n))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with engine.execution_options(reading=True).begin() as connection:
        assert audit.verify_chain(connection) == 32


def test_a_reader_waits_for_no_writer_and_sees_one_moment(place: Path | str) -> None:
    engine = open_store(place)
    count = select(func.count()).select_from(site)
    with engine.execution_options(reading=True).begin() as reader:
        assert reader.scalar(count) == 0
        with engine.begin() as writer:
            writer.execute(insert(site).values(name="north", public_key="k", enrolled=now()))
            assert reader.scalar(count) == 0
        assert reader.scalar(count) == 0
    with engine.execution_options(reading=True).begin() as reader:
        assert reader.scalar(count) == 1


def test_text_of_any_length_is_kept_and_sorted_by_code_point(place: Path | str) -> None:
    names = ["Zebra", "apfel", "Äpfel", "a b", "a-b", "aB", "x" * 500, "名前"]
    with open_store(place).begin() as connection:
        connection.execute(insert(project), [{"name": name, **ENTRY} for name in names])
        assert list(connection.scalars(select(project.c.name).order_by(project.c.name))) == sorted(names)
        after = select(project.c.name).where(project.c.name > "a-b").order_by(project.c.name)
        assert list(connection.scalars(after)) == [name for name in sorted(names) if name > "a-b"]


def test_a_sum_is_a_whole_number(place: Path | str) -> None:
    with open_store(place).begin() as connection:
        found = connection.scalar(select(total(schema.instance.c.size)))
    assert type(found) is int
    assert found == 0


def test_a_number_that_no_row_can_have_finds_none(place: Path | str) -> None:
    with open_store(place).begin() as connection:
        assert connection.scalar(select(project.c.id).where(project.c.id == 2**63 - 1)) is None


def test_rows_that_number_themselves_do_so_in_64_bits() -> None:
    for table in schema.metadata.sorted_tables:
        for column in table.primary_key:
            if isinstance(column.type, Integer) and not column.foreign_keys:
                assert isinstance(column.type, BigInteger), f"{table.name}.{column.name}: its type is schema.Id"


def test_every_command_opens_the_store_that_is_configured() -> None:
    """A path given to `open_store` means SQLite, whatever the configuration says."""
    for module in SOURCES.rglob("*.py"):
        for call in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "open_store":
                assert isinstance(call.args[0], ast.Name | ast.Attribute), module
                name = call.args[0].id if isinstance(call.args[0], ast.Name) else call.args[0].attr
                assert name in ("config", "settings"), f"{module}: open_store({name})"
