#!/usr/bin/env bash
# Holds the server against its own description: the document is OpenAPI 3.1, and what is sent by it,
# right and wrong, is answered as it says. Needs LOGSTRATA_BIN, curl, python3 with venv, a free port, and
# a package index when it runs for the first time.
set -eu
cd "$(dirname "$0")/.."

bin=${LOGSTRATA_BIN:?names the binary}
here=$PWD/tests/contract
venv=$PWD/target/contract-venv
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT

fail() { echo "contract: $*" >&2; tail -n 40 "$dir/log" >&2; exit 1; }

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi

# The demo's events: the store lies in a temporary directory of its own. It stays small, so that a disk
# that is nearly full is no reason to refuse what the document allows.
# It has an archive and exports days, so that each path has something to answer.
mkdir "$dir/tmp" "$dir/archive"
: >"$dir/out"
LOGSTRATA_ARCHIVE_URL="file://$dir/archive" LOGSTRATA_ARCHIVE_EXPORT_AFTER=7d TMPDIR="$dir/tmp" "$bin" serve --demo --listen 127.0.0.1:0 --disk-reserve 1MiB >"$dir/out" 2>"$dir/log" &
server=$!
for _ in $(seq 600); do
    url=$(sed -n 's/^listening on //p' "$dir/out")
    [ -z "$url" ] || break
    kill -0 "$server" 2>/dev/null || fail "the server ended"
    sleep 0.1
done
[ -n "$url" ] || fail "the server does not listen"
curl -sf -X POST "$url/api/v1/admin/compact" >/dev/null || fail "not compacted"

curl -sf "$url/api/v1/openapi.json" -o "$dir/openapi.json" || fail "no document"
"$venv/bin/openapi-spec-validator" --schema 3.1 "$dir/openapi.json" || fail "no OpenAPI 3.1"
"$venv/bin/python" "$here/samples.py" "$dir/openapi.json" "$url" || fail "a sample does not work"

# The same requests every time; CONTRACT_SEED and CONTRACT_EXAMPLES look further.
cd "$dir"
SCHEMATHESIS_HOOKS="$here/hooks.py" PYTHONPATH="$here" timeout 600 "$venv/bin/schemathesis" \
    --config-file "$here/schemathesis.toml" run "$dir/openapi.json" --url "$url" \
    --seed "${CONTRACT_SEED:-1}" --max-examples "${CONTRACT_EXAMPLES:-25}" ||
    fail "the server is not what it says"
kill -0 "$server" 2>/dev/null || fail "the server ended"

echo "contract: the server is what its document says"
