#!/usr/bin/env python3
"""Holds a build of the server against another: what each kind of query costs, in turn, in one run.

usage: builds.py OLD NEW WORKLOAD [--rounds 12] [--each 8] [--first-touch]

OLD and NEW are the binaries, WORKLOAD is a folder of *.ndjson with facts.json. Both servers get the same
events, flush and compact; then each query is asked of one and the other in turn, with other parameters each
time. Figures are of the server: CPU time of its threads for a query, and the time until the answer is there.

With --first-touch both are stopped and started anew before each round, files in the page cache, and the needles and
rare words of the workload are asked once: most of them are the first to read their blocks.
"""
import argparse
import glob
import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse

RANGE = {"from": "2026-11-19T00:00:00Z", "to": "2026-11-22T00:00:00Z"}


class Server:
    def __init__(self, binary, chunks):
        self.dir = tempfile.mkdtemp(prefix="compare-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.args = [binary, "serve", "--data", self.dir, "--listen", "127.0.0.1:%d" % self.port]
        self.start()
        for chunk in chunks:
            with open(chunk, "rb") as body:
                self.call("POST", "/api/v1/logs", body.read())
        self.call("POST", "/api/v1/admin/flush")
        self.call("POST", "/api/v1/admin/compact")

    def start(self):
        self.process = subprocess.Popen(self.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until_ready()

    def start_anew(self):
        self.end()
        for path in glob.glob(self.dir + "/segments/*"):
            with open(path, "rb") as file:
                while file.read(1 << 20):
                    pass
        self.start()
        # What the server brings into its cache by itself is there by then.
        time.sleep(1)
        self.call("GET", "/api/v1/logs?" + urllib.parse.urlencode(dict(RANGE, q="trace_id:%032x" % 1)))

    def wait_until_ready(self):
        for _ in range(600):
            try:
                return self.call("GET", "/readyz")
            except (OSError, RuntimeError):
                time.sleep(0.1)
        raise RuntimeError("the server does not become ready")

    def call(self, method, path, body=None):
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            connection.request(method, path, body, {"Content-Type": "application/x-ndjson"})
            response = connection.getresponse()
            answer = response.read()
            connection.close()
            if response.status == 429 and method == "POST":
                time.sleep(0.05)
                continue
            if response.status >= 300:
                raise RuntimeError("%s %s: %d %s" % (method, path, response.status, answer[:300]))
            return answer

    def cpu_ns(self):
        total = 0
        for path in glob.glob("/proc/%d/task/*/schedstat" % self.process.pid):
            with open(path) as stat:
                total += int(stat.read().split()[0])
        return total

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def stop(self):
        self.end()
        shutil.rmtree(self.dir, ignore_errors=True)


def kinds(facts):
    """Each kind of query: its path, and its parameters for the k-th time."""
    names = {key: list(facts[key]) for key in ("rare", "words", "phrases", "regexes", "by_service", "by_level")}
    needles = [needle for needle, _ in facts["needles"]]
    windows = [{end: window[end] for end in ("from", "to")} for window in facts["windows"]]

    def of(key, k):
        return names[key][k % len(names[key])]

    logs, stats = "/api/v1/logs", "/api/v1/logs/stats"
    return {
        "needle by trace id": (logs, lambda k: {"q": "trace_id:" + needles[k % len(needles)]}),
        "absent needle": (logs, lambda k: {"q": "trace_id:%032x" % random.getrandbits(128)}),
        "rare word": (logs, lambda k: {"q": of("rare", k)}),
        "latest 100": (logs, lambda k: {"limit": 90 + k % 20}),
        "latest 100 errors of a service": (logs, lambda k: {"q": "level:error service:" + of("by_service", k)}),
        "a range of numbers": (logs, lambda k: {"q": "duration_ms:>%d" % (100 + k % 50)}),
        "a word that is negated": (logs, lambda k: {"q": "level:error NOT " + of("words", k)}),
        "count by hour and level": (stats, lambda k: dict(windows[k % len(windows)], group_by="level", interval="1h")),
        "common word by service": (stats, lambda k: {"q": of("words", k), "group_by": "service"}),
        "phrase by service": (stats, lambda k: {"q": '"%s"' % of("phrases", k), "group_by": "service"}),
        "either of two words": (stats, lambda k: {"q": "%s OR %s" % (of("words", k), of("words", k + 1))}),
        "regular expression": (stats, lambda k: {"q": "message:/%s/" % of("regexes", k)}),
        "top users of a level": (stats, lambda k: {"q": "level:" + of("by_level", k), "group_by": "user_id", "top": 10}),
        "95th percentile by service": (
            stats,
            lambda k: {"q": "duration_ms:>%d" % (k % 9), "group_by": "service", "agg": "p95(duration_ms)"},
        ),
    }


def show(name, cpu, walls):
    """A line of the table: medians of the old build and of the new one."""
    (old, new), walls = map(statistics.median, cpu), map(statistics.median, walls)
    print("%-32s %10.2f %10.2f %7.2f   %10.2f %10.2f" % (name, old, new, new / old, *walls), flush=True)


def first_touch(servers, facts, rounds, each):
    cpu, wall = {}, {}
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            server = servers[which]
            server.start_anew()
            for name in ("needle by trace id", "rare word"):
                path, parameters = kinds(facts)[name]
                before = server.cpu_ns()
                for k in range(each):
                    query = urllib.parse.urlencode(dict(RANGE, **parameters(k)))
                    started = time.monotonic()
                    server.call("GET", path + "?" + query)
                    wall.setdefault(name, ([], []))[which].append((time.monotonic() - started) * 1e3)
                cpu.setdefault(name, ([], []))[which].append((server.cpu_ns() - before) / each / 1e6)
    for name in cpu:
        show(name + ", first touch", cpu[name], wall[name])


def compare(servers, facts, rounds, each):
    for name, (path, parameters) in kinds(facts).items():
        cpu, wall, k = [[], []], [[], []], 0
        for turn in range(rounds):
            asked = [dict(RANGE, **parameters(k + n)) for n in range(each)]
            k += each
            for which in (0, 1) if turn % 2 else (1, 0):
                server = servers[which]
                before = server.cpu_ns()
                for query in asked:
                    started = time.monotonic()
                    server.call("GET", path + "?" + urllib.parse.urlencode(query))
                    wall[which].append((time.monotonic() - started) * 1e3)
                cpu[which].append((server.cpu_ns() - before) / each / 1e6)
        # The first turn pays for opening files and for what is kept of them.
        show(name, [figures[1:] for figures in cpu], [figures[each:] for figures in wall])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("workload")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--first-touch", action="store_true")
    args = parser.parse_args()
    with open(os.path.join(args.workload, "facts.json")) as facts:
        facts = json.load(facts)
    chunks = sorted(glob.glob(os.path.join(args.workload, "*.ndjson")))
    servers = []
    try:
        for binary in (args.old, args.new):
            servers.append(Server(binary, chunks))
        print("%-32s %10s %10s %7s   %10s %10s" % ("", "old CPU ms", "new CPU ms", "ratio", "old ms", "new ms"))
        measure = first_touch if args.first_touch else compare
        measure(servers, facts, args.rounds, args.each)
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
