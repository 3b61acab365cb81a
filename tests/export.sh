#!/usr/bin/env bash
# Exports events from the release binary as NDJSON, CSV and Parquet, and has DuckDB and pandas' reader
# hold the files against each other (tests/export.py).
# Needs LOGSTRATA_BIN, python3 with venv, PyPI and a free port.
set -eu
cd "$(dirname "$0")/.."

bin=${LOGSTRATA_BIN:?names the binary}
venv=target/python-venv-export
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT

fail() { echo "export: $*" >&2; cat "$dir/log" >&2; exit 1; }

# The versions are pinned; the folder is kept as long as they are the same.
if ! cmp -s tests/export-requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/export-requirements.txt
    cp tests/export-requirements.txt "$venv/requirements.txt"
fi
python="$venv/bin/python"

: >"$dir/out"
"$bin" serve --listen 127.0.0.1:0 --data "$dir/store" >"$dir/out" 2>"$dir/log" &
server=$!
url=
for _ in $(seq 600); do
    url=$(sed -n 's/^listening on //p' "$dir/out")
    [ -z "$url" ] || break
    kill -0 "$server" 2>/dev/null || fail "the server ended"
    sleep 0.1
done
[ -n "$url" ] || fail "the server does not listen"

"$python" tests/export.py events >"$dir/events.ndjson"
"$bin" ingest "$dir/events.ndjson" --server "$url" 2>&1 | grep -q 'stored 70000 events' || fail "not ingested"
"$bin" export --server "$url" --order asc -o "$dir/all.ndjson"
for format in csv parquet; do
    "$bin" export --server "$url" --order asc --format $format -o "$dir/all.$format"
    "$bin" export --server "$url" --order asc --format $format -o "$dir/some.$format" \
        --fields 'id,timestamp,order,n,ratio,tags,message' 'level:error'
    "$bin" export --server "$url" --format $format -o "$dir/table.$format" \
        '| stats count() as events, sum(ratio) as total, avg(n) as mean by service, bin(1h)'
done
"$python" tests/export.py check "$dir" || fail "files differ"

echo "export: CSV and Parquet have what NDJSON has"
