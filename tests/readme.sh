#!/usr/bin/env bash
# Does with the release binary what README.md shows, and looks at the answers.
# Needs LOGSTRATA_BIN, curl and a free port.
set -eu

bin=${LOGSTRATA_BIN:?names the binary}
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT

fail() { echo "readme: $*" >&2; cat "$dir/log" >&2; exit 1; }

# Starts a server with the arguments; sets $server and $url.
serve() {
    : >"$dir/out"
    "$bin" serve --listen 127.0.0.1:0 "$@" >"$dir/out" 2>"$dir/log" &
    server=$!
    for _ in $(seq 600); do
        url=$(sed -n 's/^listening on //p' "$dir/out")
        [ -z "$url" ] || return 0
        kill -0 "$server" 2>/dev/null || fail "the server ended"
        sleep 0.1
    done
    fail "the server does not listen"
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server did not end with status 0"
    server=
}

# The demo lives in a temporary directory of its own.
export TMPDIR="$dir"
serve --demo
"$bin" search 'level:error' --server "$url" | grep -q error || fail "the demo has no errors"
"$bin" stats --group-by service,level --server "$url" | grep -q critical || fail "no table"
curl -sfG "$url/api/v1/logs" --data-urlencode 'q=level:error' -d limit=3 | grep -q '"logs":\[{' || fail "no page"
stop

serve --data "$dir/store"
echo '{"level":"error","service":"pay","message":"card declined","order":{"id":7}}' |
    curl -sf "$url/api/v1/logs" -H 'Content-Type: application/x-ndjson' --data-binary @- |
    grep -q '"accepted":1' || fail "not accepted"
printf '2026-01-02 03:04:05,678 WARN disk almost full\n' | gzip >"$dir/app.log.gz"
"$bin" ingest "$dir/app.log.gz" --server "$url" 2>&1 | grep -q 'stored 1 events' || fail "not ingested"
"$bin" search 'service:pay order.id:7' --from now-1h --server "$url" | grep -q 'card declined' || fail "not found"
"$bin" search 'service:app disk' --server "$url" --json | grep -q '"timestamp":"2026-01-02T03:04:05.678Z","level":"warn"' || fail "time or level not detected"
"$bin" stats 'level:error' --group-by service --interval 1h --agg 'p95(duration_ms)' --server "$url" | grep -q pay || fail "no figures"
curl -sf -X POST "$url/api/v1/admin/flush" >/dev/null || fail "no flush"
stop
"$bin" inspect "$dir"/store/MANIFEST-* | grep -q 'next sequence number 3' || fail "manifest"
"$bin" inspect "$dir"/store/segments/*.l0 --dump | grep -q 'card declined' || fail "segment"
"$bin" verify "$dir/store" --deep --strict | grep -q '^sound' || fail "verify"
"$bin" config | grep -q '^listen' || fail "config"

echo "readme: what README.md shows works"
