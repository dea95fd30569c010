"""A frozen version of the archive as the source of a second pipeline, as two-step anonymisation has it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import select

import portal_site
from cohortium import config, gateway
from cohortium.archive import datasets
from cohortium.errors import ConfigError
from cohortium.store import open_store
from cohortium.store.schema import instance, project

SECOND = """
[[project]]
name = "lung"
[[project]]
name = "second"
[[source.dataset]]
name = "curated"
version = "{version}"
[[pipeline]]
name = "step-two"
sources = ["curated"]
project = "second"
protocol = "basic"
specification = "basic"
"""


def uids(settings: config.Config, name: str) -> set[str]:
    wanted = select(instance.c.SOPInstanceUID).join(project, instance.c.project_id == project.c.id)
    with open_store(settings).connect() as connection:
        return set(connection.scalars(wanted.where(project.c.name == name)))


def test_what_was_frozen_goes_through_a_second_protocol_once(tmp_path: Path) -> None:
    settings = portal_site.configuration(tmp_path)
    engine = open_store(settings)
    portal_site.fill(engine, settings.site.data, "lung", "Lung", portal_site.slices(3))
    with engine.begin() as connection:
        version = datasets.freeze(connection, 1, "first", "ada")
    portal_site.fill(engine, settings.site.data, "lung", "Lung", portal_site.slices(2))  # what is not in it stays out
    settings.file.write_text(SECOND.format(version=version.digest[:16]))
    settings = config.load(settings.file, {})
    for _ in range(2):
        summary = gateway.run(settings, lambda *_: None)
        assert (summary.files, summary.states["sent"]) == (3, 3), summary
    assert len(uids(settings, "second")) == 3
    assert uids(settings, "second") & uids(settings, "lung") == set()


def test_fresh_subjects_are_refused_and_a_copy_with_keyed_ones_is_not(tmp_path: Path) -> None:
    settings = portal_site.configuration(tmp_path)
    engine = open_store(settings)
    portal_site.fill(engine, settings.site.data, "lung", "Lung", portal_site.slices(2))
    with engine.begin() as connection:
        version = datasets.freeze(connection, 1, "first", "ada")
    text = SECOND.format(version=version.digest)
    settings.file.write_text(text.replace('"basic"', '"chaimeleon-anonymise"', 1))
    with pytest.raises(ConfigError, match=r"chaimeleon-anonymise 1.0 forgets .* `cohortium anonymise`"):
        gateway.run(config.load(settings.file, {}), lambda *_: None)
    shipped = (files("cohortium.deidentify.protocols") / "chaimeleon-anonymise.toml").read_text("utf-8")
    copied = shipped.replace('kind = "fresh"', 'kind = "keyed"').replace('name = "chaim', 'name = "our-chaim')
    (tmp_path / "second.toml").write_text(copied)
    settings.file.write_text(text.replace('"basic"', '"second.toml"', 1))
    summary = gateway.run(config.load(settings.file, {}), lambda *_: None)
    assert summary.states["sent"] == 2, summary
    assert uids(settings, "second") & uids(settings, "lung") == set()


def test_a_version_that_is_not_there_is_told(tmp_path: Path) -> None:
    settings = portal_site.configuration(tmp_path)
    settings.file.write_text(SECOND.format(version="ab" * 32))
    with pytest.raises(ConfigError, match="no such dataset version"):
        gateway.run(config.load(settings.file, {}), lambda *_: None)
