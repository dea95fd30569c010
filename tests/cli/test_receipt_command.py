"""`cohortium prove receipt`: what a site signs for a file, an archive that knows its key believes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cohortium import config, keys
from cohortium.deidentify import load_protocol
from cohortium.prove import receipts

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_file_gets_the_sites_word(cohortium: Run, tmp_path: Path) -> None:
    assert cohortium("init", "site", cwd=tmp_path).returncode == 0
    site, mask = tmp_path / "site", tmp_path / "mask.npy"
    mask.write_bytes(b"looked at")
    settings = config.load(site / "cohortium.toml")
    project = settings.pipelines[0].project
    done = cohortium("prove", "receipt", project, str(mask), cwd=site)
    assert (done.returncode, done.stderr) == (0, "")
    made = receipts.parse(done.stdout)
    key = keys.load(settings.site.key, settings.site.data).signer().public_key().public_bytes_raw().hex()
    receipts.verify(made, key)
    assert (made.project, made.digest) == (project, sha256(b"looked at").hexdigest())
    assert made.protocol == load_protocol(settings.pipelines[0].protocol).digest
    audit = cohortium("prove", "audit", "export", cwd=site)
    assert "sign receipt" in [json.loads(line).get("what") for line in audit.stdout.splitlines()]
    assert cohortium("prove", "receipt", "elsewhere", str(mask), cwd=site).returncode == 2
    assert cohortium("prove", "receipt", project, str(tmp_path / "Schmidt.nii"), cwd=site).returncode == 3
