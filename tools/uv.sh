#!/bin/sh
# The uv of .venv, set up as pip is on this machine, whose configuration it does not read: the same index, and the
# system's certificates, to which a hospital adds its own.
set -eu
index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS=true
exec .venv/bin/uv --quiet "$@"
