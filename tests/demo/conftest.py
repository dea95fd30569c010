"""One small hospital for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohortium.demo import hospital


@pytest.fixture(scope="session")
def small_hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "hospital"
    hospital.make(folder, slices=4)
    return folder
