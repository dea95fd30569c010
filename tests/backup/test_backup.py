"""What a target holds after one backup, after many, after damage; what is refused; what races with a backup."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, insert, select

import databases
import portal_site
from cohortium import backup, keys
from cohortium.archive import withdrawal
from cohortium.archive.tombstones import Removable
from cohortium.archive.withdrawal import Withdrawal
from cohortium.backup import Folder, manifest, rows
from cohortium.backup.manifest import Manifest
from cohortium.backup.parts import Parts, name_of
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.store import RESTORING, on_sqlite, schema
from cohortium.store.migrate import migrate, revisions

PROJECT = {"title": "", "admit": "check", "protocol": "p", "protocol_digest": "d", "created": "t"}


def files(target: Path) -> dict[str, bytes]:
    found = {path.relative_to(target): path for path in target.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items() if not name.parts[0].startswith(".")}


def test_a_further_backup_copies_what_is_new(site: Any) -> None:
    first = site.back_up()
    assert (first.objects, first.new_objects, first.missing) == (5, 5, 0)
    before = files(site.target)
    second = site.back_up()
    assert (second.objects, second.new_objects) == (5, 0)
    assert second.new_bytes < first.new_bytes / 10
    site.deposit(1, "S-0001")
    third = site.back_up()
    assert (third.objects, third.new_objects) == (6, 1)
    kept = {name: content for name, content in files(site.target).items() if name in before}
    changed = {name for name, content in kept.items() if content != before[name]}
    assert changed <= {"data-keys", "withdrawals"}, "everything else is written once"
    assert site.check() == []


def test_old_backups_go_and_what_they_alone_held_goes_with_them(site: Any, tmp_path: Path) -> None:
    first = site.back_up().backup
    site.archive.remove("lung", Removable.SUBJECT, "S-0002", who="ada", reason="test")
    names = [site.back_up(keep=2).backup, site.back_up(keep=2).backup]
    assert manifest.names(site.place) == names
    assert len([name for name in files(site.target) if name.startswith("objects/")]) == 3
    assert site.check() == []
    assert len(site.restore(tmp_path / "found", names[0]).digests()) == 3
    with pytest.raises(Refused, match=f"no backup {first}"):
        site.restore(tmp_path / "gone", first)


def test_an_older_backup_brings_back_what_was_there_then(site: Any, tmp_path: Path) -> None:
    then, held = site.rows(), site.digests()
    name = site.back_up().backup
    site.archive.remove("lung", Removable.SUBJECT, "S-0002", who="ada", reason="test")
    site.deposit(4, "S-0003")
    site.back_up()
    found = site.restore(tmp_path / "found", name)
    assert found.rows() == then
    for at in found.archive.objects.storage.names():
        assert at
    assert found.digests() == held
    assert site.restore(tmp_path / "newest").rows() == site.rows()


def test_nothing_at_the_target_can_be_read_by_others_or_without_the_key(site: Any) -> None:
    site.back_up()
    for name, content in files(site.target).items():
        for word in (b"S-0001", b"Lung", b"marmalade", b"lung", b"CT thorax", b"password", b'[["'):
            assert word not in content, (name, word)
    for path in (site.target, *(path for path in site.target.rglob("*") if path.is_file())):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_sites_key_is_in_no_backup(site: Any, tmp_path: Path) -> None:
    secret = site.settings.site.key.with_name("lung.secret")
    secret.write_text("x" * 64)
    site.back_up()
    found = tmp_path / "found"
    backup.configure(site.place, site.key, found / "cohortium.toml")
    assert (found / "cohortium.toml").read_bytes() == site.settings.file.read_bytes()
    assert not [path for path in found.rglob("*") if path.name == "site.key"]
    made = manifest.named(site.place, site.key)
    names = b"".join(Parts(site.place, site.key).get_lines(made.files))
    assert b"lung.secret" in names
    assert b"site.key" not in names


@pytest.mark.parametrize("kind", ["objects/", "parts/", "backups/", "data-keys", "withdrawals"])
def test_what_is_damaged_is_named_and_comes_not_back(site: Any, tmp_path: Path, kind: str) -> None:
    site.back_up()
    site.deposit(1, "S-0001")
    made = manifest.named(site.place, site.key, site.back_up().backup)
    # Of parts, one that every further backup writes alike: another may be what an older one alone holds.
    (part,) = made.tables["subject"].parts
    name = name_of(part) if kind == "parts/" else max(name for name in files(site.target) if name.startswith(kind))
    path = site.target / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (problem, *_) = site.check()
    assert ("manifest" if kind == "backups/" else {"data-keys": "data keys"}.get(kind, kind)) in problem
    with pytest.raises(Corrupt):
        site.restore(tmp_path / "found")
    path.unlink()
    site.back_up()
    assert site.check() == [], "what was deleted is there again, or is missed by nobody"
    assert site.restore(tmp_path / "again").rows() == site.rows()


def test_what_an_older_backup_alone_held_stays_missed_until_that_backup_goes(site: Any, tmp_path: Path) -> None:
    older = manifest.named(site.place, site.key, site.back_up().backup)
    newer = manifest.named(site.place, site.key, site.back_up().backup)
    (part,) = set(older.tables["audit"].parts) - set(newer.tables["audit"].parts)
    (site.target / name_of(part)).unlink()
    problems = site.check()
    assert problems[0].startswith(f"backup {older.name}: ")
    assert all(f"{name_of(part)} is missing in the target" in problem for problem in problems)
    with pytest.raises(Corrupt):
        site.restore(tmp_path / "found", older.name)
    assert site.restore(tmp_path / "again").rows() == site.rows()
    site.back_up(keep=1)
    assert site.check() == []


def test_a_manifest_under_another_name_is_not_that_backup(site: Any) -> None:
    one, other = site.back_up().backup, site.back_up().backup
    folder = site.target / "backups"
    shutil.copy(folder / f"{one}.manifest", folder / f"{other}.manifest")
    with pytest.raises(Corrupt, match="another one's"):
        manifest.named(site.place, site.key)


def test_a_target_belongs_to_one_site_and_to_nothing_else(site: Any, tmp_path: Path) -> None:
    site.back_up()
    with pytest.raises(Refused, match="belongs to the site whose key has the fingerprint"):
        manifest.demand(site.place, keys.ephemeral())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    other = Folder(tmp_path / "other", "the target")
    with pytest.raises(Refused, match="neither empty nor a backup's target"):
        manifest.claim(other, site.key)
    with pytest.raises(Refused, match="no backup is kept here"):
        manifest.demand(other, site.key)
    new = Folder(tmp_path / "new", "the target")
    manifest.claim(new, site.key)
    with pytest.raises(Refused, match="no whole backup"):
        manifest.named(new, site.key)
    (site.target / manifest.MARK).write_text('{"format": 2, "key": ""}')
    with pytest.raises(Refused, match="newer Cohortium"):
        manifest.demand(site.place, site.key)


def test_two_backups_of_a_site_are_not_made_at_once(site: Any) -> None:
    def again(stage: str, done: int, total: int) -> None:
        with pytest.raises(Unavailable, match="another backup"):
            site.back_up()

    site.back_up(progress=again)
    assert not list((site.settings.site.data / ".backup").glob("s*")), "what a backup needs for itself is gone"


def test_what_is_removed_before_it_is_copied_is_in_no_row_of_the_backup(site: Any, tmp_path: Path) -> None:
    gone = []

    def remove(stage: str, done: int, total: int) -> None:
        if stage == "rows" and done == total and not gone:
            gone.append(site.archive.remove("lung", Removable.SUBJECT, "S-0002", who="ada", reason="test"))
            with site.engine.begin() as connection:
                gone.append(withdrawal.withdraw(connection, Withdrawal("lung", "S-0001", "test", "ada", "")))
            site.archive.collect()
            site.deposit(1, "S-0003")

    taken = site.back_up(progress=remove)
    assert gone
    assert (taken.missing, taken.objects) == (0, 1)
    found = site.restore(tmp_path / "found")
    assert found.rows() == site.rows()
    assert len(found.digests()) == 1


def test_an_object_that_is_lost_is_told_and_the_rest_is_kept(site: Any, tmp_path: Path) -> None:
    (path, *_) = sorted((site.settings.site.data / "objects").rglob("*/*/*"))
    path.unlink()
    taken = site.back_up()
    assert (taken.missing, taken.objects) == (1, 4)
    assert site.check() == []
    assert site.restore(tmp_path / "found").rows() == site.rows()


def test_a_restore_goes_into_an_empty_place_only(site: Any, tmp_path: Path, postgres: databases.Server) -> None:
    first, second = site.back_up().backup, site.back_up().backup
    with pytest.raises(Refused, match="is not empty"):
        site.restore(site.settings.file.parent)
    with postgres.database() as url:
        site.restore(tmp_path / "one", url=url).engine.dispose()
        with pytest.raises(Refused, match="database is not empty"):
            site.restore(tmp_path / "two", url=url)
        assert not (tmp_path / "two" / "data" / RESTORING).exists()
    (tmp_path / "three" / "data" / ".unfinished").mkdir(parents=True)  # of a restore that was killed as it began
    (tmp_path / "three" / "data" / RESTORING).write_text(first)
    with pytest.raises(Refused, match=f"finish it with `--backup {first}`"):
        site.restore(tmp_path / "three", second)
    assert site.restore(tmp_path / "three", first).digests() == site.digests()


@pytest.mark.parametrize("revision", ["0005", *revisions()[-2:-1]])
def test_a_backup_of_an_earlier_release_comes_back_at_this_ones_schema(
    site: Any, tmp_path: Path, revision: str
) -> None:
    engine = on_sqlite.engine(tmp_path / "then")
    migrate(engine, revision)
    then, parts = MetaData(), Parts(site.place, site.key)
    then.reflect(engine)
    site.back_up()
    with engine.begin() as connection:
        connection.execute(insert(then.tables["project"]).values(id=5, name="old", **PROJECT))
        connection.execute(insert(then.tables["subject"]).values(id=1, project_id=5, PatientID="S1"))
        tables = {table.name: parts.put_lines(rows.dump(connection, table)) for table in rows.kept(then)}
    nothing = parts.put_lines([])
    manifest.write(site.place, site.key, Manifest("9", "site", "Cohortium 0.0", revision, tables, nothing, nothing))
    found = site.restore(tmp_path / "found")
    with found.engine.begin() as connection:
        assert connection.execute(select(schema.project.c.id, schema.project.c.same_uid)).all() == [(5, "refuse")]
    unknown = Manifest("99", "site", "Cohortium 9.9", "9999", tables, nothing, nothing)
    manifest.write(site.place, site.key, unknown)
    with pytest.raises(Refused, match=r"newer release \(Cohortium 9.9\)"):
        site.restore(tmp_path / "newer")


def test_what_waited_of_who_was_withdrawn_since_does_not_come_back(site: Any, tmp_path: Path) -> None:
    for subject in ("S-0001", "S-0008"):  # the latter has nothing else here
        site.archive.put_aside(portal_site.slices(1, subject=subject), "lung", "ada", "2026")
    with site.engine.connect() as connection:
        query = select(schema.prearchive.c.key_id).order_by(schema.prearchive.c.id)
        stays, goes = connection.scalars(query).all()
    older = site.back_up().backup
    site.archive.withdraw("lung", "S-0008", who="ada", reason="test")
    site.back_up()
    found = site.restore(tmp_path / "found", older)
    with found.engine.connect() as connection:
        assert connection.scalars(select(schema.prearchive.c.key_id)).all() == [stays]
        assert goes not in connection.scalars(select(schema.data_key.c.id)).all()
    assert not any(f"{goes:016x}" in name for name, _ in found.archive.objects.storage.names())
