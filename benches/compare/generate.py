#!/usr/bin/env python3
"""Writes a workload: events as NDJSON, in the order in which they are sent, and what questions must find.

usage: generate.py {plain,wide} FOLDER EVENTS [--seed 7] [--messages LOGS] [--start 2026-11-07]

FOLDER gets chunk-00000.ndjson and so on, and facts.json. The same arguments write the same bytes.

plain  24 hours of a dozen services: sentences with numbers, traces of up to 20 events, users, durations.
wide   14 days of 50 tenants: 5 % of the events come up to two days late, each has up to 8 of 2,000
       attributes and nested objects, 3 % are stack traces of many lines, 1 % are lines of 50 kB.

Messages are those of vocabulary.py, or with --messages the lines of all *.log files below a folder (the Loghub
samples, for instance), of which two runs of digits in five are drawn anew.
"""

import argparse
import collections
import datetime
import json
import math
import pathlib
import random
import re

import vocabulary
from truth import Truth

DAYS = {"plain": 1, "wide": 14}
TENANTS = 50
LATE = 0.05
LATE_MAX_S = 2 * 86_400
TRACES = 0.03
LONG = 0.01
RARE_EVENTS = 12
PLANTED_EVENTS = 20
NEEDLES = 8
RUNNING = 64
DIGITS = re.compile(r"\d{2,}|#+")


class Messages:
    """Sentences whose numbers are drawn."""

    def __init__(self, draw: random.Random, folder: pathlib.Path | None):
        self.draw = draw
        if folder is None:
            self.of = dict.fromkeys(vocabulary.SERVICES, [self.cut(s, 1) for s in vocabulary.SENTENCES])
            return
        self.of = {}
        for path in sorted(folder.rglob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()
            name = path.stem.removesuffix("_2k").lower()
            self.of[name] = [self.cut(line.rstrip(), 0.4) for line in lines if line.strip()]

    def cut(self, line: str, share: float) -> tuple[list[str], list[int]]:
        """The texts between those numbers that are drawn anew, and the lengths of these."""
        texts, lens, at = [], [], 0
        for run in DIGITS.finditer(line):
            if self.draw.random() < share:
                texts.append(line[at:run.start()])
                lens.append(run.end() - run.start())
                at = run.end()
        return texts + [line[at:]], lens

    def make(self, service: str) -> str:
        """A message of a service."""
        sentences = self.of[service]
        texts, lens = sentences[int(self.draw.random() * len(sentences))]
        parts = [texts[0]]
        for len_, text in zip(lens, texts[1:]):
            parts.append("%0*d" % (len_, int(self.draw.random() * 10 ** min(len_, 15))))
            parts.append(text)
        return "".join(parts)


class Traces:
    """Traces that run at the same time, of up to 20 events each. Some of them are needles."""

    def __init__(self, draw: random.Random, events: int):
        self.draw = draw
        self.running = [self.new() for _ in range(RUNNING)]
        self.counts = collections.Counter()
        self.wanted = {(2 * k + 1) * events // (2 * NEEDLES) for k in range(NEEDLES)}
        self.needles = {}

    def new(self) -> list:
        return ["%032x" % self.draw.getrandbits(128), self.draw.randint(1, 20), 0]

    def next(self, number: int) -> str:
        """The trace of the event of that number."""
        slot = int(self.draw.random() * RUNNING)
        trace = self.running[slot]
        trace[1] -= 1
        trace[2] += 1
        if number in self.wanted or trace[0] in self.needles:
            self.needles[trace[0]] = trace[2]
        if trace[1] == 0:
            self.running[slot] = self.new()
        return trace[0]


class Workload:
    """The events of one kind, and the right answers."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.draw = args, random.Random(args.seed)
        self.is_wide = args.kind == "wide"
        self.messages = Messages(self.draw, args.messages)
        self.services = list(self.messages.of)
        self.service_weights = [1 / (place + 1) ** 0.7 for place in range(len(self.services))]
        self.traces = Traces(self.draw, args.events)
        self.truth = Truth()
        start = datetime.datetime.combine(args.start, datetime.time(), datetime.timezone.utc)
        self.begin = int(start.timestamp()) * 1_000_000
        self.step = DAYS[args.kind] * 86_400e6 / args.events
        self.rare = self.plant(vocabulary.RARE, RARE_EVENTS)
        names = self.draw.sample(vocabulary.ATTRIBUTES, NEEDLES) if self.is_wide else []
        self.planted = self.plant([(name, "needle-%08x" % self.draw.getrandbits(32)) for name in names], PLANTED_EVENTS)

    def plant(self, things, times: int) -> dict:
        """Which event has which of the things: each has so many events."""
        numbers = self.draw.sample(range(self.args.events), len(things) * times)
        return dict(zip(numbers, [thing for thing in things for _ in range(times)]))

    def micros(self, number: int) -> int:
        """When an event was, in microseconds since 1970."""
        micros = self.begin + int((number + self.draw.random()) * self.step)
        if self.is_wide and self.draw.random() < LATE:
            micros = max(self.begin, micros - int(self.draw.random() * LATE_MAX_S * 1e6))
        return micros

    def event(self, number: int, service: str, level: str) -> dict:
        """The event of that number, which is counted."""
        draw, chance = self.draw, self.draw.random
        micros = self.micros(number)
        event = {"timestamp": rfc3339(micros), "level": level, "service": service}
        if self.is_wide:
            event["tenant"] = "t%02d" % int(TENANTS * chance() ** 2)
        event["host"] = "node-%02d" % int(chance() * 40)
        event["message"] = self.message(number, event)
        event["trace_id"] = self.traces.next(number)
        event["span_id"] = "%016x" % draw.getrandbits(64)
        event["user_id"] = "u%05d" % int(10_000 * chance() ** 3)
        event["category"] = vocabulary.CATEGORIES[int(chance() * 8)]
        if chance() < 0.5:
            self.add_request(event)
        if self.is_wide:
            event["attributes"] = self.attributes(number)
        self.truth.add(event, micros)
        return event

    def message(self, number: int, event: dict) -> str:
        kind = self.draw.random() if self.is_wide else 1
        if kind < LONG:
            message = vocabulary.long_line(self.draw)
        elif kind < LONG + TRACES:
            name, message = vocabulary.stack_trace(self.draw)
            self.truth.add_exception(name, event["tenant"])
        else:
            message = self.messages.make(event["service"])
        if number in self.rare:
            word = self.rare[number]
            self.truth.rare[word] += 1
            message += " " + word
        return message

    def add_request(self, event: dict) -> None:
        chance = self.draw.random
        path, status = vocabulary.PATHS[int(chance() * 8)], vocabulary.STATUSES[int(chance() * 8)]
        duration = round(-40 * math.log(1 - chance()), 2)
        if self.is_wide:
            method = vocabulary.METHODS[int(chance() * 6)]
            event["http"] = {"method": method, "status": status, "url": {"path": path, "query": {"page": int(9 * chance())}}}
        else:
            event.update(path=path, status=status)
        event["duration_ms"] = duration

    def attributes(self, number: int) -> dict:
        names = vocabulary.ATTRIBUTES
        # The cube of an even draw: some are in many events, most in few.
        drawn = [names[int(len(names) * self.draw.random() ** 3)] for _ in range(self.draw.randint(1, 8))]
        attributes = {name: vocabulary.attribute_value(self.draw, name) for name in drawn}
        if number in self.planted:
            attributes.update([self.planted[number]])
        return attributes

    def write(self) -> dict:
        """Writes all events. Returns the facts."""
        args, folder = self.args, self.args.folder
        folder.mkdir(parents=True, exist_ok=True)
        levels = self.draw.choices(list(vocabulary.LEVELS), list(vocabulary.LEVELS.values()), k=args.events)
        services = self.draw.choices(self.services, self.service_weights, k=args.events)
        lines, chunks, total = [], 0, 0
        for number, (service, level) in enumerate(zip(services, levels)):
            event = self.event(number, service, level)
            lines.append(json.dumps(event, separators=(",", ":"), ensure_ascii=False))
            if len(lines) == args.chunk or number == args.events - 1:
                body = ("\n".join(lines) + "\n").encode()
                (folder / ("chunk-%05d.ndjson" % chunks)).write_bytes(body)
                chunks, total, lines = chunks + 1, total + len(body), []
        facts = self.facts() | {"chunks": chunks, "bytes": total}
        (folder / "facts.json").write_text(json.dumps(facts, indent=1))
        return facts

    def facts(self) -> dict:
        hours = 24 * DAYS[self.args.kind]
        windows = []
        for k in range(NEEDLES):
            # From and to lie within an hour: no answer is a sum of whole ones.
            begin, end = (self.begin + int((k + at) * hours / 24 * 3600e6) for at in (0.37, 12.61))
            count = self.truth.count_between(begin, end)
            windows.append({"from": rfc3339(begin), "to": rfc3339(end), "count": count})
        planted = collections.Counter(self.planted.values())
        facts = {"kind": self.args.kind, "events": self.args.events, "hours": hours, "windows": windows,
                 "start": rfc3339(self.begin), "needles": sorted(self.traces.needles.items())}
        if planted:
            facts["attributes"] = [[name, value, count] for (name, value), count in sorted(planted.items())]
        return facts | self.truth.facts()


def rfc3339(micros: int) -> str:
    """A time in microseconds since 1970, as it is sent."""
    time = datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S") + ".%06dZ" % (micros % 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=DAYS)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("events", type=int)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--chunk", type=int, default=5_000, help="events of a request")
    parser.add_argument("--messages", type=pathlib.Path, help="a folder with *.log files")
    parser.add_argument("--start", type=datetime.date.fromisoformat, help="the first day; by default the last ends today")
    args = parser.parse_args()
    least = NEEDLES * PLANTED_EVENTS
    if args.events < least:
        parser.error("fewer than %d events have no room for what is looked for" % least)
    if args.start is None:
        today = datetime.datetime.now(datetime.timezone.utc).date()
        args.start = today - datetime.timedelta(days=DAYS[args.kind])
    facts = Workload(args).write()
    print(json.dumps({name: facts[name] for name in ("kind", "events", "bytes", "chunks", "start")}))


if __name__ == "__main__":
    main()
