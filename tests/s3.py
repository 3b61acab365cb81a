"""The archive over SeaweedFS, with a proxy between that fails as told. Called by tests/s3.sh."""

import hashlib
import http.server
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import s3_cold
from s3_harness import BIN, HERE, Proxy, Server, Store, restore, settings


def refused(env, *words):
    """An archive that can't work is told, and the server serves on."""
    server = Server(os.path.join(HERE, "refused"), env)
    server.ingest(0, 10)
    status, answer = server.ask("POST", "/api/v1/archive/run", b"")
    message = answer["error"]["message"]
    assert status == 503, (status, answer)
    assert all(word in message for word in words), message
    shown = server.ok("GET", "/api/v1/archive")
    assert shown["state"] == "failing" and shown["error"], shown
    assert server.count() == 10
    server.stop()
    shutil.rmtree(os.path.join(HERE, "refused"))


def exported(store, through):
    """A day as files, through a proxy that fails; read back past it, and counted."""
    env = settings(through, LOGSTRATA_ARCHIVE_EXPORT_AFTER="1d")
    env["LOGSTRATA_ARCHIVE_URL"] = "s3://logs/exporting"
    data = os.path.join(HERE, "exporting")
    server = Server(data, env)

    def old(first, count):
        dice = random.Random(first)
        line = '{"timestamp":"2024-02-29T%02d:00:00Z","message":"%d %0256x"}'
        lines = [line % (n % 24, n, dice.getrandbits(1_024)) for n in range(first, first + count)]
        server.ok("POST", "/api/v1/logs", "\n".join(lines).encode(), kind="application/x-ndjson")
        server.ok("POST", "/api/v1/admin/flush", b"")

    def export():
        for _ in range(30):
            status, answer = server.ask("POST", "/api/v1/archive/export", b"day=2024-02-29")
            if status == 200:
                return answer
            assert status == 503, (status, answer)
        raise AssertionError("it never came through")

    def read(name):
        folder = "buckets/logs/exporting/export/default/2024/02/29"
        url = f"http://127.0.0.1:{store.ports['filer']}/{folder}/{name}"
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.read()

    # A server that starts makes up for the run that it missed: it shall find nothing yet, or the day would come in
    # files too small for parts.
    assert export()["files"] == 0
    for start in range(0, 60_000, 5_000):
        old(start, 5_000)
    parts = Proxy.counts["parts"]
    Proxy.faults = {"500": 5, "cut": 7, "lost": 9}
    export()
    old(60_000, 100)
    export()
    Proxy.faults = {}
    assert export() == {"days": 0, "files": 0, "events": 0, "bytes": 0}
    assert Proxy.counts["parts"] > parts, "no multipart upload"
    # One that was begun and cut off may have become a manifest of its own: the last one counts.
    manifest, number = None, 1
    while True:
        try:
            manifest = json.loads(read(f"manifest-{number:04}.json"))
        except urllib.error.HTTPError as error:
            assert error.code == 404 and number > 2, (number, error)
            break
        number += 1
    numbers = []
    for file in manifest["files"]:
        content = read(file["name"])
        assert len(content) == file["bytes"], file
        assert hashlib.sha256(content).hexdigest() == file["sha256"], file
        lines = subprocess.run(
            ["zstd", "-dc"], input=content, capture_output=True, check=True
        ).stdout.splitlines()
        assert len(lines) == file["events"], file
        numbers += [int(json.loads(line)["message"].split()[0]) for line in lines]
    assert sorted(numbers) == list(range(60_100)), len(numbers)
    assert any("-late-" in file["name"] for file in manifest["files"]), manifest
    server.stop()
    shutil.rmtree(data)


def main():
    store = Store()
    store.start()
    direct = f"http://127.0.0.1:{store.port}"
    Proxy.target = store.port
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    through = f"http://127.0.0.1:{proxy.server_port}"

    refused(settings(direct, secret="wrong"), "credentials")
    refused(settings(direct, bucket="nowhere"), "bucket")
    refused(settings("http://127.0.0.1:9"), "archive.endpoint")
    print("s3: wrong credentials, a missing bucket and an unreachable store are told")

    data = os.path.join(HERE, "data")
    env = settings(through)
    server = Server(data, env)
    server.ingest(0, 60_000)
    # What was sealed may be copied already, by the first pass of the server itself.
    server.ok("POST", "/api/v1/archive/run", b"")
    shown = server.ok("GET", "/api/v1/archive")
    assert shown["copied"]["files"] >= 1 and shown["copied"]["bytes"] > 5 << 20, shown
    assert Proxy.counts["parts"] >= 2, "no multipart upload"
    assert shown["state"] == "idle" and shown["waiting"]["files"] == 0, shown
    assert sum(day["events_copied"] for day in shown["days"]) == 60_000, shown
    verified = server.ok("POST", "/api/v1/archive/verify", b"deep=true")
    assert verified["damage"] == [] and verified["orphans"] == 0, verified
    restore(settings(direct), "restored", 60_000)
    print(f"s3: multipart ({Proxy.counts['parts']} parts), verified and restored")

    exported(store, through)
    print("s3: an exported day has each event once, read back and counted")

    for keys in (None, f"test:{secrets.token_hex(32)}"):
        s3_cold.check(store, through, keys)
    print("s3: what left the disk is found, through failures, and purged for good; encrypted, too")

    Proxy.faults = {"500": 5, "cut": 7, "lost": 11, "half": 13}
    events = 60_000
    for _ in range(4):
        server.ingest(events, 3_000)
        events += 3_000
        for _ in range(20):
            status, answer = server.ask("POST", "/api/v1/archive/run", b"")
            if status == 200:
                break
            assert status == 503, (status, answer)
        else:
            raise AssertionError("it never came through")
        server.ok("POST", "/api/v1/admin/compact", b"")
    for _ in range(20):
        if server.ask("POST", "/api/v1/archive/run", b"")[0] == 200:
            break
    else:
        raise AssertionError("it never came through")
    Proxy.faults = {}
    whats, methods = ({key[place] for key in Proxy.failed} for place in (0, 1))
    assert whats == {"500", "cut", "lost", "half"}, Proxy.failed
    assert methods >= {"GET", "HEAD", "PUT", "POST"}, Proxy.failed
    verified = server.ok("POST", "/api/v1/archive/verify", b"deep=true")
    assert verified["damage"] == [] and verified["orphans"] == 0, verified
    restore(settings(direct), "restored", events)
    failed = sum(Proxy.failed.values())
    print(f"s3: {failed} of {Proxy.counts['requests']} requests failed, nothing is lost")

    store.stop()
    server.ingest(events, 1_000)
    events += 1_000
    status, answer = server.ask("POST", "/api/v1/archive/run", b"")
    assert status == 503, (status, answer)
    assert server.count() == events
    store.start()
    for _ in range(20):
        if server.ask("POST", "/api/v1/archive/run", b"")[0] == 200:
            break
        time.sleep(0.5)
    else:
        raise AssertionError("it never came back")
    shown = server.ok("GET", "/api/v1/archive")
    assert shown["error"] is None and shown["waiting"]["files"] == 0, shown
    print("s3: a store that was away is used again")

    # The disk is lost; what is left is the object store.
    server.kill()
    shutil.rmtree(data)
    restore(settings(direct), "restored", events)

    # Two that restored the same store: one goes on.
    servers = []
    for name in ("one", "two"):
        place = os.path.join(HERE, name)
        done = subprocess.run(
            [BIN, "archive", "restore", "--no-verify", "--data", place],
            env=settings(direct), capture_output=True, text=True, timeout=600,
        )
        assert done.returncode == 0, done
        servers.append(Server(place, settings(direct)))
        servers[-1].ingest(events, 10)
    answers = [None, None]

    def run(place):
        answers[place] = servers[place].ask("POST", "/api/v1/archive/run", b"")

    threads = [threading.Thread(target=run, args=(place,)) for place in (0, 1)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    again = [server.ask("POST", "/api/v1/archive/run", b"") for server in servers]
    won = [place for place in (0, 1) if again[place][0] == 200]
    assert len(won) == 1, (answers, again)
    lost = again[1 - won[0]][1]["error"]["message"]
    assert "taken over" in lost or "another history" in lost, lost
    verified = servers[won[0]].ok("POST", "/api/v1/archive/verify", b"deep=true")
    assert verified["damage"] == [], verified
    [server.stop() for server in servers]
    restore(settings(direct), "restored", events + 10)
    print("s3: of two servers with the same store, one archives")
    store.stop()


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        for name in ("server.log", "weed.log"):
            path = os.path.join(HERE, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as log:
                    sys.stderr.write("".join(log.readlines()[-30:]))
        raise
    finally:
        shutil.rmtree(HERE, ignore_errors=True)
