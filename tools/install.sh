#!/bin/sh
# Installs into .venv what the arguments name, at the locked versions, from the index that pip is set up to use
# (uv does not read pip's configuration).
set -eu
index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
exec .venv/bin/uv pip install --quiet --python .venv/bin/python --constraints constraints.txt "$@"
