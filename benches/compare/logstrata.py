"""Logstrata: its binary is started on a folder of its own."""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse

from system import HttpSystem, micros_of

# The workloads' days are older than what the presets keep.
CONFIGURATION = "[retention]\npreset = 'levels'\n" + "".join(
    "[[retention.class]]\nname = '%s'\nkeep = 'forever'\n" % name
    for name in ("exceptions", "critical", "error", "warn", "info", "debug", "trace"))


class Logstrata(HttpSystem):
    name, title = "logstrata", "Logstrata"
    ack = "fsynced"
    push_path = "/api/v1/logs"

    def __init__(self, facts: dict, binary: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(facts, "127.0.0.1:%d" % port)
        self.binary = binary

    def start(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))
        self.data = self.folder / "data"
        configuration = self.folder / "logstrata.toml"
        configuration.write_text(CONFIGURATION)
        args = [self.binary, "serve", "--data", self.data, "--listen", self.address, "--config", configuration]
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=self.log)
        self.root_pids = (self.process.pid,)
        self.wait_until(lambda: self.call("GET", "/readyz"), "ready", 60)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def check_pushed(self, answer: bytes) -> None:
        if json.loads(answer).get("rejected"):
            raise RuntimeError("lines were rejected: %s" % answer[:300])

    def flush(self) -> None:
        self.call("POST", "/api/v1/admin/flush")

    def get(self, path: str, **parameters) -> dict:
        between = {"from": self.begin.isoformat(), "to": self.end.isoformat()}
        return json.loads(self.call("GET", path + "?" + urllib.parse.urlencode(between | parameters)))

    def page(self, query: str, limit: int) -> list[dict]:
        return self.get("/api/v1/logs", q=query, limit=limit)["logs"]

    def table(self, query: str, **parameters) -> list[dict]:
        return self.get("/api/v1/logs/stats", q=query, **parameters)["rows"]

    def count(self, query: str) -> int:
        return sum(row["count"] for row in self.table(query))

    def counts(self, query: str, by: str) -> dict:
        return {row[by]: row["count"] for row in self.table(query, group_by=by)}

    def needle(self, trace: str) -> int:
        return len(self.page("trace_id:" + trace, 1_000))

    def rare_word(self, word: str) -> int:
        return len(self.page("message:" + word, 1_000))

    def latest(self):
        page = self.page("", 100)
        return [micros_of(event["timestamp"]) for event in page] if "latest_micros" in self.facts else len(page)

    def errors(self, service: str) -> int:
        return len(self.page("level:error service:" + service, 100))

    def hours(self, begin: str, end: str) -> int:
        rows = self.table("", group_by="level", interval="1h", **{"from": begin, "to": end})
        return sum(row["count"] for row in rows)

    def word(self, word: str) -> dict:
        return self.counts("message:" + word, "service")

    def phrase(self, phrase: str) -> int:
        return self.count('message:"%s"' % phrase)

    def regex(self, regex: str) -> int:
        return self.count("message:/%s/" % regex)

    def top_users(self, level: str) -> list[int]:
        return [row["count"] for row in self.table("level:" + level, group_by="user_id", top=10)]

    def percentiles(self) -> dict:
        rows = self.table("duration_ms:*", group_by="service", agg="p95(duration_ms)")
        return {row["service"]: row["p95(duration_ms)"] for row in rows}

    def tenant_errors(self, tenant: str) -> int:
        return len(self.page("level:error tenant:" + tenant, 100))

    def attribute(self, name: str, value: str) -> int:
        return len(self.page('attributes.%s:"%s"' % (name, value), 1_000))

    def exception(self, name: str) -> dict:
        return self.counts("message:" + name, "tenant")

    def server_errors(self) -> dict:
        return self.counts("http.status:>=500", "tenant")
