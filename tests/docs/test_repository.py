"""What holds for the repository as a whole: public names explained, links that lead somewhere, no machine's paths."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRACKED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
FILES = [ROOT / name for name in TRACKED.split("\0") if name and (ROOT / name).is_file()]
TEXTS = {path: text for path in FILES if b"\0" not in (raw := path.read_bytes()) and (text := raw.decode("utf-8"))}
PAGES = [path for path in FILES if path.suffix == ".md"]
PACKAGES = sorted(".".join(path.parent.relative_to(ROOT / "src").parts) for path in (ROOT / "src").rglob("__init__.py"))
MACHINE_PATHS = re.compile(r"/(?:home|root|work|Users|tmp/lab)/[\w.]|file:///")


def test_no_path_of_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATHS.search(line) and path != Path(__file__)
    ]
    assert not found


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_explained(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__doc__, f"{name} has no docstring"
    for public in getattr(package, "__all__", ()):
        value = getattr(package, public)
        if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
            assert inspect.getdoc(value), f"{name}.{public} has no docstring"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.suffix == ".py" and path.is_relative_to(ROOT / "src")],
    ids=lambda path: str(path.relative_to(ROOT / "src")),
)
def test_every_module_says_why_it_exists(path: Path) -> None:
    if "versions" in path.parts or not path.read_bytes():
        return
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text("utf-8")))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}
    for name in listed:
        assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", (folder / name).read_text("utf-8"), re.MULTILINE), name
