#!/bin/sh
# Makes a virtual environment with pip and uv in it: `tools/bootstrap.sh .venv`. Needs Python 3.11 or newer, no more.
# PYTHON names the interpreter to take; without it, the newest suitable one is found.
set -eu
venv=$1

suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

stop() {
    echo "cohortium: $1" >&2
    exit 1
}

found=
for python in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    suitable "$python" || continue
    found=${found:-$python}
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        found=$python
        break
    fi
done
[ -n "$found" ] || stop "Python 3.11 or newer is needed; PYTHON=/path/to/python makes a choice of your own"

# Debian and Ubuntu leave ensurepip out of Python and keep it in a package of its own.
if ! "$found" -c 'import ensurepip' 2>/dev/null; then
    package=python$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        stop "this Python cannot make virtual environments; run: sudo apt-get install $package"
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" >/dev/null
fi

"$found" -m venv --clear "$venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check uv
