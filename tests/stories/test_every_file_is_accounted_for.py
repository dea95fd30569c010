"""Whatever lies in the folder, each file ends in one of the counts, and a second run changes none of them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from cohortium.errors import ConfigError, Unavailable
from cohortium.store import open_store, schema

Make = Callable[..., bytes]


def counted(hospital: Any) -> dict[str, int]:
    summary = hospital.run()
    assert sum(summary.states.values()) == summary.files
    return {state: number for state, number in summary.states.items() if number}


def test_something_of_everything(crowded: Any) -> None:
    assert counted(crowded) == {"sent": 7, "held": 5, "quarantined": 3, "duplicate": 2, "not DICOM": 1}
    assert crowded.run().quarantined == {
        "empty file": 1,
        "same SOPInstanceUID, other bytes": 1,
        "truncated": 1,
    }


def test_a_second_run_changes_nothing(crowded: Any) -> None:
    crowded.run()
    before = crowded.memory()
    crowded.run()
    assert crowded.memory() == before


def test_the_bytes_of_what_was_deposited_leave_the_spool(crowded: Any) -> None:
    crowded.run()
    kept = {path.name for path in (crowded.root / "data/spool/incoming").iterdir()}
    wanted = {row["id"] for row in crowded.rows(schema.item) if row["state"] in ("held", "quarantined")}
    empty = {row["id"] for row in crowded.rows(schema.item) if row["reason"] == "empty file"}
    assert kept == wanted - empty
    assert len(list((crowded.root / "data/spool/outgoing").iterdir())) == 5  # held, and nothing else


def test_a_late_slice_frees_a_held_series(crowded: Any, make: Make) -> None:
    crowded.run()
    crowded.put("late.dcm", make(4, series=2))
    summary = crowded.run()
    assert (summary.states["held"], summary.states["sent"]) == (0, 13)
    assert summary.findings == ()


def test_the_first_to_arrive_keeps_the_uid(hospital: Any, make: Make) -> None:
    hospital.put("a.dcm", make(1))
    hospital.put("b.dcm", make(1, lambda dataset: setattr(dataset, "PixelData", b"\7" * 512)))
    (aside,) = hospital.run().set_aside
    first, second = sorted(hospital.rows(schema.item), key=lambda row: row["number"])
    assert (first["state"], second["state"]) == ("sent", "quarantined")
    assert second["id"].startswith(aside.item)
    assert first["id"][:12] in aside.detail


def test_a_file_that_grew_is_read_again_and_both_arrivals_count(hospital: Any, make: Make) -> None:
    path = hospital.put("1.dcm", make(1)[:-50])
    assert counted(hospital) == {"quarantined": 1}
    path.write_bytes(make(1))
    assert counted(hospital) == {"quarantined": 1, "sent": 1}


def test_a_file_that_was_only_touched_is_not_taken_twice(hospital: Any, make: Make) -> None:
    path = hospital.put("1.dcm", make(1))
    hospital.run()
    os.utime(path, (1, 1))
    assert counted(hospital) == {"sent": 1}


def test_a_renamed_file_is_a_duplicate(hospital: Any, make: Make) -> None:
    path = hospital.put("1.dcm", make(1))
    hospital.run()
    path.rename(path.with_name("2.dcm"))
    assert counted(hospital) == {"sent": 1, "duplicate": 1}


def test_links_and_things_that_are_no_files(hospital: Any, make: Make, tmp_path: Path) -> None:
    real = hospital.put("real.dcm", make(1))
    outside = tmp_path / "outside.dcm"
    outside.write_bytes(make(2))
    for name, target in {
        "inside": real,  # reached by its own path
        "outside": outside,
        "outside-folder": tmp_path,
        "nowhere": tmp_path / "nothing",
        "loop": hospital.source,
        "itself": hospital.source / "itself",
    }.items():
        (hospital.source / name).symlink_to(target)
    os.mkfifo(hospital.source / "pipe")
    assert counted(hospital) == {"sent": 1, "quarantined": 5}
    assert {aside.reason for aside in hospital.run().set_aside} == {"file cannot be read"}


def test_a_device_is_not_read(hospital: Any) -> None:
    try:
        os.mknod(hospital.source / "zero.dcm", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root can make devices")
    assert counted(hospital) == {"quarantined": 1}


def test_folders_nested_beyond_any_limit(hospital: Any, make: Make) -> None:
    deep = "import os\nfor _ in range(2100):\n os.mkdir('d')\n os.chdir('d')"  # a path of more than PATH_MAX bytes
    subprocess.run([sys.executable, "-c", deep], cwd=hospital.source, check=True)
    hospital.put("1.dcm", make(1))
    try:
        assert counted(hospital) == {"sent": 1, "quarantined": 1}
    finally:
        subprocess.run(["rm", "-r", "d"], cwd=hospital.source, check=True)


def test_what_cannot_be_read_and_then_can(hospital: Any, make: Make) -> None:
    file, folder = hospital.put("1.dcm", make(1)), hospital.put("closed/2.dcm", make(2)).parent
    file.chmod(0)
    folder.chmod(0)
    program = (
        "import sys; from pathlib import Path; from cohortium import config, gateway;"
        "print(gateway.run(config.load(Path(sys.argv[1])), lambda *_: None).quarantined)"
    )
    humble = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run([*humble, sys.executable, "-c", program, hospital.file], capture_output=True, text=True)
    assert done.stdout == "{'file cannot be read': 2}\n", done.stderr
    file.chmod(0o600)
    folder.chmod(0o700)
    assert counted(hospital) == {"sent": 2}


def test_a_file_above_the_limit_and_then_below_it(hospital: Any, make: Make) -> None:
    hospital.put("1.dcm", make(1) + bytes(1_000_000))
    hospital.file.write_text(hospital.file.read_text() + "\n[limits]\nfile_megabytes = 1\n")
    assert hospital.run().quarantined == {"larger than the limit": 1}
    hospital.file.write_text(hospital.file.read_text().replace("= 1\n", "= 2\n"))
    assert "larger than the limit" not in hospital.run().quarantined
    assert hospital.run().files == 1


def test_names_that_are_no_text(hospital: Any, make: Make) -> None:
    (hospital.source / os.fsdecode(b"M\xfcller\n.dcm")).write_bytes(make(1))
    assert counted(hospital) == {"sent": 1}


def test_two_patients_who_would_share_a_pseudonym(hospital: Any, make: Make) -> None:
    hospital.put("1.dcm", make(1))
    hospital.run()
    with open_store(hospital.root / "data").begin() as connection:  # a collision cannot be made: HMAC is too good
        connection.execute(update(schema.item).values(subject_mark="of somebody else"))
    hospital.put("2.dcm", make(2))
    assert hospital.run().quarantined == {"two patients would get one pseudonym": 1}


def test_a_source_that_is_not_mounted(hospital: Any) -> None:
    hospital.source.rmdir()
    with pytest.raises(Unavailable, match="source"):
        hospital.run()


def test_modalities_that_no_pipeline_takes(hospital: Any, make: Make) -> None:
    hospital.put("1.dcm", make(1))
    hospital.file.write_text(hospital.file.read_text() + 'modalities = ["MR"]\n')
    assert hospital.run().quarantined == {"no pipeline takes its modality": 1}


def test_a_pipeline_that_was_taken_away_while_items_were_on_their_way(crowded: Any) -> None:
    crowded.run()
    crowded.file.write_text(crowded.file.read_text().replace('name = "all"', 'name = "new"'))
    with pytest.raises(ConfigError, match="all"):
        crowded.run()
