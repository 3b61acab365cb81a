#!/usr/bin/env bash
# The archive of the release binary over a real S3-compatible store (SeaweedFS): copy, verify, a store
# that fails, search and purge of what left the disk, restore on an empty directory (tests/s3.py).
# Needs LOGSTRATA_BIN, python3 with venv, PyPI and free ports.
set -eu
cd "$(dirname "$0")/.."

: "${LOGSTRATA_BIN:?names the binary}"
venv=target/python-venv-s3

# The version is pinned; the folder is kept as long as it is the same.
if ! cmp -s tests/s3-requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/s3-requirements.txt
    cp tests/s3-requirements.txt "$venv/requirements.txt"
fi
WEED="$venv/bin/weed" "$venv/bin/python" tests/s3.py
echo "s3: what is archived comes back"
