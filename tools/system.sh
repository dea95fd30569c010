#!/bin/sh
# Installs the programs that tests use and Python packages cannot bring. Never fails: tests skip what is not there.
set -u

missing=
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="chromium"
command -v strace >/dev/null || missing="$missing strace"
command -v dciodvfy >/dev/null || missing="$missing dicom3tools"
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing="$missing orthanc orthanc-dicomweb"
set -- /usr/lib/*/faketime/libfaketimeMT.so.1
[ -e "$1" ] || missing="$missing libfaketime"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null && exit 0
fi
echo "Some tests will be skipped. To run them too: sudo apt-get install" $missing >&2
