#!/usr/bin/env python3
"""Holds log stores against each other: the same events, the same questions, every answer checked.

usage: run.py --logstrata target/release/logstrata --postgres --out FOLDER [--events 1000000] [--workload FOLDER]...
              [--victorialogs http://HOST:PORT[,pid=PID][,data=FOLDER]] [--quickwit …] [--loki …] [--elasticsearch …]

Without --workload a plain and a wide one are made (generate.py), run, and removed. FOLDER gets results.json, one
table and two plots for each workload. Systems run one after the other; figures compare within one run only.
README.md says what is measured, and how.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import plots
import report
from elasticsearch import Elasticsearch
from logstrata import Logstrata
from loki import Loki
from postgres import Postgres
from questions import QUESTIONS, wrong
from quickwit import Quickwit
from system import Peak, System, Unsupported
from victorialogs import VictoriaLogs

HERE = pathlib.Path(__file__).resolve().parent
# Bodies that are encoded ahead, so that encoding is not timed; in bytes.
AHEAD = 512 << 20
# Background work is over once a system takes less than this part of a core for two seconds.
IDLE_SHARE = 0.05
PATIENCE_S = 300
# A question that is slow is asked less often.
QUESTION_S = 20
ADDRESSES = {system.name: system for system in (VictoriaLogs, Quickwit, Loki, Elasticsearch)}
PROGRAMS = pathlib.Path("/usr/lib/postgresql")


def send(system: System, bodies: list[bytes], connections: int) -> tuple[float, list[float]]:
    """Sends the bodies over so many connections. Returns how long that took, and each wait; in seconds."""
    todo, waits, errors = queue.SimpleQueue(), [], []
    for body in bodies:
        todo.put(body)

    def sender():
        try:
            connection = system.connect()
            while not errors:
                body = todo.get_nowait()
                began = time.perf_counter()
                system.push(connection, body)
                waits.append(time.perf_counter() - began)
        except queue.Empty:
            connection.close()
        except Exception as error:  # reported by the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=sender) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.perf_counter() - began, waits


def windows(system: System, chunks: list[pathlib.Path]):
    """The bodies for these chunks, as many at a time as fit into memory."""
    bodies, size = [], 0
    for chunk in chunks:
        for body in system.encode(chunk.read_bytes()):
            bodies.append(body)
            size += len(body)
        if size > AHEAD:
            yield bodies
            bodies, size = [], 0
    yield bodies


def settle(system: System, least_s: float) -> None:
    """Returns once background work has come to rest, as far as that can be seen."""
    time.sleep(least_s)
    end = time.monotonic() + PATIENCE_S
    while (before := system.cpu_s()) is not None and time.monotonic() < end:
        time.sleep(2)
        if system.cpu_s() - before < 2 * IDLE_SHARE:
            return


def ingest(system: System, chunks: list[pathlib.Path], args: argparse.Namespace) -> dict:
    """Sends a workload. Returns rates, waits, and what it took."""
    events, idle, took, waits = system.facts["events"], system.cpu_s(), 0.0, []
    with Peak(system) as peak:
        for bodies in windows(system, chunks):
            seconds, some = send(system, bodies, args.connections)
            took += seconds
            waits += some
        began = time.perf_counter()
        system.flush()
        flush = time.perf_counter() - began
    settle(system, args.settle)
    cpu, disk = system.cpu_s(), system.disk_bytes()
    waits.sort()
    return {
        "events_per_s_acknowledged": round(events / took),
        "events_per_s_searchable": round(events / (took + flush)),
        "wait_p50_ms": round(1e3 * waits[len(waits) // 2], 2),
        "wait_p99_ms": round(1e3 * waits[int(len(waits) * 0.99)], 2),
        "cpu_us_per_event": None if cpu is None else round((cpu - idle) / events * 1e6, 2),
        "disk_bytes_per_event": None if disk is None else round(disk / events, 1),
        "memory_peak_mb": None if peak.bytes is None else round(peak.bytes / 1e6),
    }


def ask(system: System, repetitions: int) -> dict:
    """Asks every question that the workload has facts for. Returns times in ms, and what was wrong."""
    found = {}
    for question in QUESTIONS:
        if question.needs not in system.facts:
            continue
        times, faults = [], []
        try:
            for k in range(repetitions):
                parameters, right = question.case(system.facts, k)
                began = time.perf_counter()
                answer = getattr(system, question.name)(*parameters)
                times.append(time.perf_counter() - began)
                if fault := wrong(answer, right):
                    faults.append("%s: %s" % (" ".join(parameters), fault))
                if sum(times) > QUESTION_S:
                    break
        except Unsupported as reason:
            found[question.title] = {"unsupported": str(reason)}
            continue
        found[question.title] = {"median_ms": round(1e3 * statistics.median(times), 2), "worst_ms": round(1e3 * max(times), 2),
                                 "asked": len(times), "wrong": faults}
    return found


def measure(make, facts: dict, chunks: list[pathlib.Path], args: argparse.Namespace) -> dict:
    """Everything of one system and one workload."""
    system = make(facts)
    result = {"title": system.title, "ack": system.ack, "note": system.note}
    try:
        system.start()
        result |= ingest(system, chunks, args)
        result["questions"] = ask(system, args.repetitions)
    finally:
        system.stop()
    return result


def compare(workload: pathlib.Path, makers: dict, args: argparse.Namespace) -> dict:
    """One workload into every system. A system that fails is told, and does not stop the others."""
    facts = json.loads((workload / "facts.json").read_text())
    chunks = sorted(workload.glob("chunk-*.ndjson"))
    result = {name: facts[name] for name in ("events", "bytes", "hours")} | {"machine": machine(), "systems": {}}
    result["kind"] = facts.get("kind", "plain")
    for name, make in makers.items():
        try:
            result["systems"][name] = measure(make, facts, chunks, args)
        except Exception as error:  # the others still have their turn
            result["systems"][name] = {"title": name, "error": repr(error)[:1_000]}
        print(name, json.dumps(result["systems"][name], indent=1), flush=True)
    return result


def machine() -> str:
    """The processor, and how many of its cores there are."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return "%d x %s, Linux %s" % (os.cpu_count(), model, platform.release().split("-")[0])


def makers_of(args: argparse.Namespace) -> dict:
    """What makes each system that is wanted."""
    makers = {}
    if args.logstrata:
        makers["logstrata"] = lambda facts: Logstrata(facts, args.logstrata)
    if args.postgres:
        makers["postgres"] = lambda facts: Postgres(facts, args.postgres)
    for name, system in ADDRESSES.items():
        if where := getattr(args, name):
            address, *more = where.split(",")
            more = dict(option.split("=", 1) for option in more)
            known = {"pids": tuple(map(int, more["pid"].split("+"))) if "pid" in more else (),
                     "data": pathlib.Path(more["data"]) if "data" in more else None}
            makers[name] = lambda facts, system=system, address=address, known=known: system(facts, address, **known)
    return makers


def workloads_of(args: argparse.Namespace, stack: contextlib.ExitStack):
    """The folders of the workloads, one after the other; those that are made go when they were run."""
    yield from args.workload
    for kind in () if args.workload else ("plain", "wide"):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="workload-"))
        more = ["--messages", str(args.messages)] if args.messages else []
        subprocess.run([sys.executable, HERE / "generate.py", kind, folder, str(args.events), *more], check=True)
        yield pathlib.Path(folder)


def newest_postgres() -> str:
    """The folder with the programs of the newest PostgreSQL that Debian's packages have installed."""
    versions = sorted(PROGRAMS.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    return str(versions[-1].parent) if versions else ""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logstrata", help="the binary")
    parser.add_argument("--postgres", nargs="?", const=newest_postgres(), help="the folder of initdb and postgres")
    for name in ADDRESSES:
        parser.add_argument("--" + name, metavar="ADDRESS", help="with ,pid=PID CPU and memory are measured, with ,data=FOLDER the disk")
    parser.add_argument("--workload", type=pathlib.Path, action="append", default=[], help="a folder with chunk-*.ndjson and facts.json")
    parser.add_argument("--events", type=int, default=1_000_000, help="of each workload that is made")
    parser.add_argument("--messages", type=pathlib.Path, help="a folder with *.log files for messages that are made")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=8)
    parser.add_argument("--settle", type=float, default=5, help="seconds at least before CPU and disk are read")
    args = parser.parse_args()
    if args.postgres == "":
        parser.error("no PostgreSQL in %s: apt-get install postgresql" % PROGRAMS)
    return args


def main() -> int:
    # Who ends it wants the stores to end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    results, makers = {}, makers_of(args)
    with contextlib.ExitStack() as stack:
        for workload in workloads_of(args, stack):
            result = compare(workload, makers, args)
            kind = result["kind"]
            results[kind] = result
            (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
            (args.out / ("compare-%s.md" % kind)).write_text(report.table(result))
            for name, picture in plots.pictures(result).items():
                (args.out / ("compare-%s-%s.svg" % (kind, name))).write_text(picture)
    failed = [name for result in results.values() for name, system in result["systems"].items() if "error" in system]
    print("failed: " + ", ".join(failed) if failed else "tables and plots: %s" % args.out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
