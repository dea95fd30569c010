"""The examples are true: the configuration loads and shows every way in and out, and systemd takes the unit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cohortium import config
from cohortium.config.whole import LISTS
from cohortium.gateway.state import SILENT

EXAMPLES = Path(__file__).parents[2] / "examples"
UNIT = EXAMPLES / "cohortium-gateway.service"
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
EXPOSED = 2.0  # of 10, by `systemd-analyze security`

systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")


@pytest.fixture
def site() -> config.Config:
    return config.load(EXAMPLES / "cohortium.toml", {})


def settings(name: str) -> list[str]:
    """What the unit says of that setting, line by line."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it would be on this machine."""
    copy = tmp_path / UNIT.name
    program = str(Path(sys.executable).with_name("cohortium"))
    copy.write_text(UNIT.read_text("utf-8").replace("/opt/cohortium/.venv/bin/cohortium", program), "utf-8")
    return copy


def test_every_kind_of_source_and_destination_is_there(site: config.Config) -> None:
    assert [name for name in LISTS if not site.listed(name)] == []


def test_everything_that_is_configured_is_used(site: config.Config) -> None:
    used = {name for pipeline in site.pipelines for name in (*pipeline.sources, *pipeline.destinations)}
    assert {each.name for each in (*site.sources, *site.destinations)} == used - {config.ARCHIVE}


def test_the_unit_lets_through_the_addresses_of_the_configuration_and_no_others(site: config.Config) -> None:
    peers = {peer for each in site.sources if isinstance(each, config.Receiver) for peer in each.peers}
    wanted = {found[0] for text in (*site.gateway.egress, *peers) if (found := ADDRESS.search(text))}
    assert set(ADDRESS.findall(" ".join(settings("IPAddressAllow")))) == wanted
    assert settings("IPAddressDeny") == ["any"]


def test_the_unit_names_files_of_the_configuration(site: config.Config) -> None:
    (credential,) = settings("LoadCredential")
    assert credential == f"site.key:{site.site.key}"
    assert settings("Environment") == ["COHORTIUM_SITE__KEY=%d/site.key"]
    assert f"/var/lib/{settings('StateDirectory')[0]}" == str(site.site.data)


def test_systemd_waits_for_what_the_gateway_tells_it() -> None:
    """What that is, tests/gateway/test_notices.py hears."""
    assert settings("Type") == ["notify"]
    (minutes,) = settings("WatchdogSec")
    assert timedelta(minutes=int(minutes.removesuffix("min"))) > SILENT, "people are told before it is started anew"


@systemd
def test_systemd_takes_the_unit(unit: Path) -> None:
    found = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    mine = [line for line in found.stderr.splitlines() if unit.name in line]
    assert mine == []


@systemd
def test_the_unit_exposes_little(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    said = re.search(r"Overall exposure level for \S+: ([\d.]+)", found.stdout)
    assert said, found.stderr
    assert float(said[1]) < EXPOSED
