"""Events for exports, and whether CSV and Parquet have what the NDJSON of the same events has.

export.py events     writes the events
export.py check DIR  reads all.*, some.* and table.* there
"""

import csv
import datetime
import json
import random
import sys
from pathlib import Path

EVENTS = 70_000  # more than a row group, and than several pages
KNOWN = [
    "service", "category", "action", "message", "trace_id", "span_id", "parent_span_id",
    "correlation_id", "user_id", "resource_type", "resource_id", "ip", "error.type",
    "error.message", "error.stack",
]
TEXTS = [
    "paid", 'said "no", twice', "two\nlines", "=1+1", "-x", "@a", "+5", "-7.5e3", "größe 日本 🦀",
    "a,b;c\td", "", "'quoted'", "back\\slash", "null", "1e5",
]


def events():
    chance = random.Random(11)
    start = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
    for n in range(EVENTS):
        time = (start + datetime.timedelta(seconds=n // 3)).strftime("%Y-%m-%dT%H:%M:%S")
        event = {
            # Several at a moment, and nanoseconds.
            "timestamp": f"{time}.{n * 7_654_321 % 1_000_000_000:09}Z",
            "level": chance.choice(["info", "info", "warn", "error"]),
            "service": chance.choice(["pay", "search", "größe"]),
            "message": f"{chance.choice(TEXTS)} {n}" if n % 50 else chance.choice(TEXTS),
            "n": n,
        }
        if n % 2:
            event["order"] = {"id": n, "lines": [1, {"sku": "a"}], "to": {"zip": "007"}}
        if n % 3:
            event["ratio"] = round(chance.random(), 6)
        if n % 5 == 0:
            event["tags"] = ["red", "dark blue"]
        if n % 7 == 0:
            event["user_id"] = f"u{n % 100}"
            event["nothing"] = None
            event["ok"] = n % 14 == 0
        if n % 11 == 0:
            event["error"] = {"type": "IOError", "message": "disk full", "code": 28}
        print(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def flat(event, name):
    """What an event has at a name of keys joined by dots."""
    for key in name.split("."):
        if not isinstance(event, dict) or key not in event:
            return None
        event = event[key]
    return event


def text(value):
    """A value as a cell shows it; `None` is no value."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def without(event, names):
    """The object of all fields that have no column of their own."""
    left = {}
    for key, value in event.items():
        mine = [name[len(key) + 1 :] for name in names if name.startswith(key + ".")]
        if key in names:
            continue
        if mine and isinstance(value, dict):
            value = without(value, mine)
            if not value:
                continue
        left[key] = value
    return left


def wanted(event, columns):
    row = {}
    own = [name for name in columns if name != "attributes"]
    for name in columns:
        if name == "attributes":
            left = without(event, set(own) | {"id", "timestamp", "level"})
            row[name] = left or None
        else:
            row[name] = flat(event, name)
    return row


def nanoseconds(time):
    whole, _, fraction = time.removesuffix("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole + "+00:00")
    return int(moment.timestamp()) * 10**9 + int(f"{fraction:0<9}" if fraction else 0)


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r}, not {expected!r}")


def check_cells(what, row, event, columns, is_csv):
    for name, value in wanted(event, columns).items():
        cell = row[name]
        here = f"{what}, column {name} of {event['id']}"
        if name == "attributes" or isinstance(value, (dict, list)):
            # As an object: how it is written is the exporter's.
            same(here, json.loads(cell) if cell else None, value)
            continue
        shown = text(value)
        if is_csv:
            # A cell that a spreadsheet would take for a formula has an apostrophe before it.
            shown = shown or ""
            is_number = shown.lstrip("+-").replace(".", "", 1).replace("e", "", 1).isdigit()
            if shown[:1] in ("=", "+", "-", "@", "\t", "\r") and not is_number:
                shown = "'" + shown
        same(here, cell, shown)


def check_csv(path, events, columns):
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        same(path.name, rows.fieldnames, columns)
        count = 0
        for row, event in zip(rows, events):
            check_cells(path.name, row, event, columns, True)
            count += 1
        same(f"{path.name}: rows", (count, next(rows, None)), (len(events), None))


def check_parquet(path, events, columns):
    import duckdb
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    same(path.name, table.column_names, columns)
    for name in columns:
        kind = "timestamp[ns, tz=UTC]" if name == "timestamp" else "string"
        same(f"{path.name}: type of {name}", str(table.schema.field(name).type), kind)
    same(f"{path.name}: rows", table.num_rows, len(events))
    times = table.column("timestamp").cast("int64").to_pylist()
    same(f"{path.name}: times", times, [nanoseconds(event["timestamp"]) for event in events])
    others = [name for name in columns if name != "timestamp"]
    for row, event in zip(table.select(others).to_pylist(), events):
        check_cells(path.name, row, event, others, False)
    # DuckDB reads the same.
    quoted = ", ".join(f'"{name}"' for name in others)
    duck = duckdb.connect()
    rows = duck.execute(f"SELECT {quoted} FROM read_parquet('{path}') ORDER BY id").fetchall()
    arrow = sorted(table.select(others).to_pylist(), key=lambda row: row["id"])
    same(f"{path.name}: DuckDB", rows, [tuple(row[name] for name in others) for row in arrow])
    kinds = duck.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()
    kinds = {row[0]: row[1] for row in kinds}
    same(f"{path.name}: DuckDB's type of time", "TIMESTAMP" in kinds["timestamp"], True)
    nulls = duck.execute(
        f"SELECT {', '.join(f'count(*) - count({n})' for n in map(json.dumps, others))} "
        f"FROM read_parquet('{path}')"
    ).fetchone()
    expected = [sum(wanted(event, [name])[name] is None for event in events) for name in others
                if name != "attributes"]
    found = [count for name, count in zip(others, nulls) if name != "attributes"]
    same(f"{path.name}: nulls", found, expected)
    # A number among the fields can be cast, as the manual says.
    if "ratio" in columns:
        total = duck.execute(f"SELECT sum(CAST(ratio AS DOUBLE)) FROM '{path}'").fetchone()[0]
        near = sum(event.get("ratio") or 0 for event in events)
        same(f"{path.name}: a sum", abs(total - near) < 1e-6, True)


def check_table(directory, events):
    import duckdb
    import pyarrow.parquet

    groups = {}
    for event in events:
        groups.setdefault((event["timestamp"][:13], event["service"]), []).append(event)
    table = pyarrow.parquet.read_table(directory / "table.parquet")
    same("table", table.column_names, ["service", "time", "events", "total", "mean"])
    kinds = [str(field.type) for field in table.schema]
    same("table: types", kinds, ["string", "string", "int64", "double", "double"])
    with open(directory / "table.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = table.to_pylist()
    same("table: rows", (len(rows), len(lines)), (len(groups), len(groups)))
    for row, line in zip(rows, lines):
        same("table: CSV", [line[n] for n in ("service", "time", "events")],
             [row["service"], row["time"], str(row["events"])])
        of = groups[(row["time"][:13], row["service"])]
        same("table: events", row["events"], len(of))
        near = lambda a, b: abs(a - b) < 1e-6 * max(1, abs(b))
        same("table: total", near(row["total"], sum(e.get("ratio") or 0 for e in of)), True)
        same("table: mean", near(row["mean"], sum(e["n"] for e in of) / len(of)), True)
    path = directory / "table.parquet"
    total = duckdb.execute(f"SELECT sum(events) FROM read_parquet('{path}')").fetchone()[0]
    same("table: DuckDB", total, EVENTS)


def check(directory):
    lines = (directory / "all.ndjson").read_text(encoding="utf-8").splitlines()
    everything = [json.loads(line) for line in lines]
    same("all.ndjson", len(everything), EVENTS)
    errors = [event for event in everything if event["level"] == "error"]
    check_csv(directory / "all.csv", everything,
              ["timestamp", "level", "service", "message", "attributes", "id"])
    check_parquet(directory / "all.parquet", everything,
                  ["timestamp", "level", *KNOWN, "attributes", "id"])
    some = ["id", "timestamp", "order", "n", "ratio", "tags", "message"]
    check_csv(directory / "some.csv", errors, some)
    check_parquet(directory / "some.parquet", errors, some)
    check_table(directory, everything)


if sys.argv[1] == "events":
    events()
else:
    check(Path(sys.argv[2]))
