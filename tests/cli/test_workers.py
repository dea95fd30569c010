"""Bulk work on a real Dask scheduler and two workers, over TLS, and where it is refused."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom.data import get_testdata_file

import deliveries
import nursery
from waiting import until

Run = Callable[..., subprocess.CompletedProcess[str]]
LOOPBACK = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
COPIES = 200
IN_MEMORY = {f"DASK_DISTRIBUTED__WORKER__MEMORY__{when}": "False" for when in ("TARGET", "SPILL")}
PATIENT = "MUELLER^HANS"


@dataclass(frozen=True)
class Cluster:
    address: str
    environment: dict[str, str]
    workers: list[subprocess.Popen[bytes]]
    folder: Path

    def logs(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*.log"))


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key: enough for one machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster of a test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


def start(folder: Path, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "distributed.cli.dask_" + name.split("-")[0], *arguments]
    with (folder / f"{name}.log").open("wb") as log:
        env = {**os.environ, **environment}
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)


def waited(log: Path, pattern: str, count: int = 1) -> str:
    """What the group of `pattern` matches in a log, once it is there."""
    until(lambda: len(re.findall(pattern, log.read_text())) >= count)
    return str(re.findall(pattern, log.read_text())[0])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    signed, key = certificate(folder)
    tls = ["--tls-ca-file", str(signed), "--tls-cert", str(signed), "--tls-key", str(key)]
    scheduler = start(folder, "scheduler", "--protocol", "tls", "--port", "0", *LOOPBACK, *tls)
    workers: list[subprocess.Popen[bytes]] = []
    try:
        address = waited(folder / "scheduler.log", r"Scheduler at:\s+(tls://127\.0\.0\.1:\d+)")
        one = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        workers += [start(folder, f"worker-{n}", address, *one, *LOOPBACK, *tls, **IN_MEMORY) for n in (1, 2)]
        waited(folder / "scheduler.log", r"Register worker", count=2)
        environment = {
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(signed),
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": str(signed),
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": str(key),
        }
        yield Cluster(address, environment, workers, folder)
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def site(cohortium: Run, tmp_path: Path) -> Path:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    (tmp_path / PATIENT).mkdir()
    content = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
    uid = content[content.index(b"1.3.6.1.4.1.5962.1.1.1.1.1.") :].split(b"\0")[0]
    for number in range(COPIES):
        own = uid[:-4] + b"%04d" % number
        (tmp_path / PATIENT / f"{number}.dcm").write_bytes(content.replace(uid, own))
    return tmp_path


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.dcm")}


def test_a_cluster_writes_what_one_process_writes(cohortium: Run, site: Path, cluster: Cluster) -> None:
    alone = cohortium("deidentify", PATIENT, "alone", "--jobs", 1, "--json", cwd=site)
    arguments = ("deidentify", PATIENT, "together", "--cluster", cluster.address, "--json")
    together = cohortium(*arguments, cwd=site, **cluster.environment)
    assert together.returncode == 0, together.stderr
    assert json.loads(together.stdout)["states"] == json.loads(alone.stdout)["states"] == {"de-identified": COPIES}
    assert outputs(site / "together") == outputs(site / "alone")
    assert not (site / "together" / ".cohortium-part").exists()


def test_a_cluster_finds_what_one_process_finds(cohortium: Run, tmp_path: Path, cluster: Cluster) -> None:
    made = deliveries.clean()
    deliveries.VIOLATIONS["uniqueness.instance"](made)
    deliveries.VIOLATIONS["completeness.missing"](made)
    made.write(tmp_path / "delivery")
    alone = cohortium("check", "delivery", "--jobs", 1, "--json", "-", "--no-ocr", cwd=tmp_path)
    arguments = ("check", "delivery", "--cluster", cluster.address, "--json", "-", "--no-ocr", "--resume", "kept")
    together = cohortium(*arguments, cwd=tmp_path, **cluster.environment)
    assert together.returncode == alone.returncode == 9, together.stderr
    assert json.loads(together.stdout)["findings"] == json.loads(alone.stdout)["findings"]
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_worker_that_fails_names_no_file_in_its_log(cohortium: Run, site: Path, cluster: Cluster) -> None:
    assert cohortium("deidentify", PATIENT, "out", "--jobs", 1, cwd=site).returncode == 0
    patient = next(path for path in (site / "out").iterdir())
    for path in sorted(patient.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    patient.rmdir()
    patient.write_text("in the way")
    failed = cohortium("deidentify", PATIENT, "out", "--cluster", cluster.address, cwd=site, **cluster.environment)
    assert "the destination cannot be written" in failed.stderr
    assert "Compute Failed" in cluster.logs()
    assert PATIENT not in cluster.logs() + failed.stderr


def test_a_worker_killed_in_mid_work_costs_nothing(cohortium: Run, site: Path, cluster: Cluster) -> None:
    environment = {"PATH": "/usr/bin:/bin", **cluster.environment}
    command = ("deidentify", PATIENT, "out", "--cluster", cluster.address)
    running = nursery.start(*command, cwd=site, env=environment)
    while not list((site / "out").rglob("*.dcm")):
        assert running.poll() is None
        time.sleep(0.005)
    cluster.workers[0].kill()
    assert running.wait(timeout=300) == 0
    assert len(outputs(site / "out")) == COPIES


@pytest.mark.parametrize("missing", IN_MEMORY)
def test_a_worker_that_may_write_results_to_its_disk_is_refused(
    cohortium: Run, site: Path, tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    processes = [start(folder, "scheduler", "--port", "0", *LOOPBACK)]
    try:
        address = waited(folder / "scheduler.log", r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)")
        environment = {name: value for name, value in IN_MEMORY.items() if name != missing}
        processes.append(start(folder, "worker", address, "--nthreads", "1", "--no-nanny", *LOOPBACK, **environment))
        waited(folder / "scheduler.log", r"Register worker")
        refused = cohortium("deidentify", PATIENT, "out", "--cluster", address, cwd=site)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert refused.returncode == 3
    assert missing in refused.stderr
    assert not list((site / "out").rglob("*.dcm"))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://192.0.2.1:8786", "in the clear"),
        ("tls://192.0.2.1:8786", "certificates"),
        ("127.0.0.1:8786", "--cluster wants"),
        ("tcp://127.0.0.1:9", "no Dask scheduler answers"),
    ],
)
def test_what_no_cluster_is_asked(cohortium: Run, site: Path, address: str, why: str) -> None:
    refused = cohortium("deidentify", PATIENT, "out", "--cluster", address, cwd=site)
    assert refused.returncode != 0
    assert why in refused.stderr
    assert "Traceback" not in refused.stderr
