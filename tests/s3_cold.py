"""Events that are in the object store only: searched, missed while it is away, purged, restored."""

import json
import os
import random
import shutil
import subprocess
import time
import urllib.parse

from s3_harness import BIN, HERE, Proxy, Server, restore, settings

EVENTS = 20_000
#: The event that goes. Words with digits are in the index by themselves.
NEEDLE = "needle7q4z"


def ingest(server):
    """Events of two days, the first of which may leave the disk."""
    dice = random.Random(3)
    for age, first in ((4, 0), (0, EVENTS // 2)):
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - age * 86_400))
        for start in range(first, first + EVENTS // 2, 5_000):
            lines = []
            for number in range(start, start + 5_000):
                what = NEEDLE if number == 777 else f"event{number}"
                # Late in the day of now would be in the future.
                event = {
                    "timestamp": f"{day}T00:00:{number % 60:02}Z",
                    "message": f"{what} event {number} {dice.getrandbits(512):x}",
                    "level": "info",
                }
                lines.append(json.dumps(event))
            server.ok("POST", "/api/v1/logs", "\n".join(lines).encode(), kind="application/x-ndjson")
        server.ok("POST", "/api/v1/admin/flush", b"")
    server.ok("POST", "/api/v1/admin/compact", b"")


def archived(server):
    """A pass that works; its predecessors may fail."""
    for _ in range(30):
        status, answer = server.ask("POST", "/api/v1/archive/run", b"")
        if status == 200:
            return
        assert status == 503, (status, answer)
        time.sleep(0.2)
    raise AssertionError("it never came through")


def found(server, query, **more):
    asked = urllib.parse.urlencode({"q": query, "limit": 10, **more})
    return server.ask("GET", f"/api/v1/logs?{asked}")


def until(check, what):
    for _ in range(150):
        answer = check()
        if answer is not None:
            return answer
        time.sleep(0.2)
    raise AssertionError(what)


def purged(server):
    asked = urllib.parse.urlencode({"q": NEEDLE, "exact": "true"})
    counted = server.ok("DELETE", f"/api/v1/logs/purge?{asked}&dry_run=true")
    assert counted["purged"]["events"] == 1, counted
    return server.ok("DELETE", f"/api/v1/logs/purge?{asked}&confirm={counted['confirm']}")


def check(store, through, keys):
    """One life of an archive; with `keys` of an encrypted one."""
    data = os.path.join(HERE, "cold")
    env = settings(through, LOGSTRATA_ARCHIVE_LOCAL_KEEP="1d")
    env["LOGSTRATA_ARCHIVE_URL"] = "s3://logs/cold-" + ("keyed" if keys else "plain")
    if keys:
        env["LOGSTRATA_ENCRYPTION_KEY"] = keys
    server = Server(data, env)
    ingest(server)
    archived(server)

    def left():
        status = server.ok("GET", "/api/v1/archive")
        gone = [file for file in status["files"] if not file["local"]]
        archived(server)
        return gone or None

    until(left, "nothing has left the disk")
    server.stop()

    # Another process: nothing is in memory. Every fifth request fails, or is cut off half way.
    server = Server(data, env)
    Proxy.faults = {"500": 5, "cut": 7, "half": 9}
    status, hot = found(server, NEEDLE, tier="hot")
    assert status == 200 and hot["logs"] == [], hot
    status, cold = found(server, NEEDLE)
    assert status == 200 and len(cold["logs"]) == 1 and not cold.get("partial"), cold
    assert cold["tiers"]["archive"]["bytes_fetched"] > 0, cold["tiers"]
    assert server.count() == EVENTS
    Proxy.faults = {}
    assert Proxy.failed, "nothing failed"

    # What nobody has asked for yet is missed while the store is away, and the answer says so.
    server.stop()
    shutil.rmtree(os.path.join(data, "cache"))
    server = Server(data, env)
    store.stop()
    status, answer = found(server, NEEDLE, timeout="5s")
    assert status == 200 and answer["logs"] == [] and answer["partial"], answer
    status, answer = found(server, NEEDLE, timeout="5s", partial="false")
    assert status in (503, 504), (status, answer)
    status, answer = found(server, "event15777")
    assert status == 200 and len(answer["logs"]) == 1, answer
    store.start()

    def back():
        status, answer = found(server, NEEDLE)
        return True if status == 200 and len(answer["logs"]) == 1 else None

    until(back, "it never came back")

    # One event goes, here, there, and from what was kept of there.
    gone = purged(server)
    assert gone["archive"] == "erased" and gone["purged"]["events"] == 1, gone
    status, answer = found(server, NEEDLE)
    assert status == 200 and answer["logs"] == [], answer
    assert server.count() == EVENTS - 1
    verified = server.ok("POST", "/api/v1/archive/verify", b"deep=true")
    assert verified["damage"] == [] and verified["orphans"] == 0, verified
    assert not os.path.exists(os.path.join(data, "ERASING")), "the archive has given it up"
    server.stop()
    shutil.rmtree(data)
    restore(env, "cold-restored", EVENTS - 1, word="event 7 ")
    if keys:
        refused = subprocess.run(
            [BIN, "archive", "restore", "--data", os.path.join(HERE, "no-key")],
            env={name: value for name, value in env.items() if "ENCRYPTION" not in name},
            capture_output=True, text=True, timeout=60,
        )
        assert refused.returncode != 0 and "test" in refused.stderr, refused
