"""What the generated reference says is what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from cohortium import cli, config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    specification = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_generated_parts_are_fresh(reference: ModuleType, page: Path) -> None:
    text = page.read_text("utf-8")
    assert reference.renewed(text) == text, "run `make docs`"


def test_every_setting_has_a_line_and_a_help_text() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for name, _, help in config.settings():
        section, _, key = name.partition(".")
        assert help
        assert f"| `{key}` |" in page.partition(f"## `[{section}]`")[2]


def test_every_command_and_every_option_is_described(reference: ModuleType) -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    root = reference.typer.main.get_command(cli.app)
    described = 0
    for name, command in walk("cohortium", root):
        section = page.partition(f"### `{name}`\n")[2].partition("\n### ")[0]
        assert command.help, f"{name} has no help"
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"
            for option in (each for each in parameter.opts if each.startswith("--")):
                assert option in section
                described += 1
    assert described > 10


def test_every_exit_code_has_a_row() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for code, meaning in cli.EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page


def walk(name, command):
    yield name, command
    for child, each in getattr(command, "commands", {}).items():
        yield from walk(f"{name} {child}", each)
