"""The tables in the package are what `tools/standards.py` makes of the standard, byte for byte."""

import importlib.util
import tomllib
from pathlib import Path

import pydicom
import pytest

from cohortium.deidentify import standard

ROOT = Path(__file__).parents[2]
highdicom = pytest.importorskip("highdicom", reason="needs the extra `standards`")


@pytest.mark.shared_data
def test_the_tables_can_be_made_again(tmp_path, shared_data):
    sources = tomllib.loads((standard.DATA / "sources.toml").read_text("utf-8"))
    if (sources["highdicom"], sources["pydicom"]) != (highdicom.__version__, pydicom.__version__):
        pytest.skip(f"made with highdicom {sources['highdicom']} and pydicom {sources['pydicom']}")
    spec = importlib.util.spec_from_file_location("standards", ROOT / "tools" / "standards.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.write(shared_data / "standards", tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(made) == {
        "confidentiality.csv",
        "sop_classes.csv",
        "iod_modules.csv",
        "module_types.csv",
        "safe_private.csv",
        "sources.toml",
    }
    for name, content in made.items():
        assert content == (standard.DATA / name).read_bytes(), name


def test_the_tables_stay_small():
    assert sum(path.stat().st_size for path in standard.DATA.iterdir()) < 1_500_000
