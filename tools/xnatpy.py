"""Fetch the tests that xnatpy's authors run against XNAT, with the images they send: `tools/xnatpy.py FOLDER`.

Installed packages are without them. What comes is what was pinned, byte for byte, and it is unpacked below the folder.
"""

import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

PINNED = Path(__file__).with_suffix(".txt")
FROM = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
FROM += ["--no-binary", ":all:", "--require-hashes", "--requirement", str(PINNED)]

target = Path(sys.argv[1])
with TemporaryDirectory() as folder:
    subprocess.run([*FROM, "--dest", folder], check=True)
    (package,) = Path(folder).glob("*.tar.gz")
    with tarfile.open(package) as archive:
        wanted = [each for each in archive if "/xnat/tests/" in each.name]
        archive.extractall(target, wanted, filter="data")
