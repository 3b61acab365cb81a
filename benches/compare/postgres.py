"""PostgreSQL as many keep their audit log: one table, B-trees over what is asked for, a full-text index."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pgwire
from pgwire import literal
from system import System

# initdb and postgres refuse to run as root: this user is of Debian's package.
USER = "postgres"
COLUMNS = ("level", "tenant", "service", "host", "message", "trace_id", "span_id", "user_id", "category")
SCHEMA = """
create table logs (id bigserial primary key, created_at timestamptz not null, level text, tenant text, service text,
  host text, message text, trace_id text, span_id text, user_id text, category text, metadata jsonb);
create index on logs (created_at desc);
create index on logs (level, created_at desc);
create index on logs (service, created_at desc);
create index on logs (user_id, created_at desc);
create index on logs (trace_id);
create index on logs using gin (to_tsvector('simple', message));
"""
# Only what is wide has tenants, and attributes to be looked for.
SCHEMA_WIDE = """
create index on logs (tenant, created_at desc);
create index on logs using gin (metadata jsonb_path_ops);
"""
SETTINGS = {"listen_addresses": "", "max_wal_size": "8GB", "work_mem": "256MB"}
WORDS = "to_tsvector('simple', message)"
# A tab, a line end or a backslash of a value, as COPY wants it; a 0 can't be stored.
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": None})


class Postgres(System):
    name, title = "postgres", "PostgreSQL"
    ack = "fsynced"
    note = "PostgreSQL: words are those of its own parser, configuration `simple`"

    def __init__(self, facts: dict, programs: str):
        super().__init__(facts)
        self.programs = pathlib.Path(programs)
        version = subprocess.run([self.programs / "postgres", "--version"], capture_output=True, text=True, check=True)
        self.title = "PostgreSQL " + version.stdout.split()[2]

    def start(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="compare-pg-"))
        self.data = self.folder / "data"
        self.user = {"user": USER, "group": USER, "extra_groups": []} if os.getuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, USER, USER)
        initdb = [self.programs / "initdb", "-D", self.data, "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.user)
        # A quarter of the machine's memory, as its manual advises.
        quarter = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 >> 20
        settings = SETTINGS | {"shared_buffers": "%dMB" % min(quarter, 8192), "unix_socket_directories": self.folder}
        args = [self.programs / "postgres", "-D", self.data]
        args += [word for key, value in settings.items() for word in ("-c", "%s=%s" % (key, value))]
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(args, stdout=self.log, stderr=self.log, cwd=self.folder, **self.user)
        self.root_pids = (self.process.pid,)
        self.asking = self.connect_when_ready()
        self.asking.query(SCHEMA + (SCHEMA_WIDE if self.is_wide else ""))

    def connect_when_ready(self) -> pgwire.Connection:
        for _ in range(300):
            try:
                return self.connect()
            except (OSError, pgwire.PgError):
                time.sleep(0.1)
        raise RuntimeError("PostgreSQL does not start: " + (self.folder / "log").read_text()[-500:])

    def stop(self) -> None:
        # A fast shutdown: sessions are ended.
        self.process.send_signal(signal.SIGINT)
        self.process.wait(120)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self) -> pgwire.Connection:
        return pgwire.Connection(str(self.folder / ".s.PGSQL.5432"))

    def encode(self, ndjson: bytes) -> list[bytes]:
        rows = []
        for line in ndjson.splitlines():
            event = json.loads(line)
            values = [event.pop("timestamp")]
            values += [event.pop(name, "").translate(ESCAPES) for name in COLUMNS]
            values.append(json.dumps(event, separators=(",", ":")).translate(ESCAPES))
            rows.append("\t".join(values))
        return [("\n".join(rows) + "\n").encode()]

    def push(self, connection: pgwire.Connection, body: bytes) -> None:
        connection.copy("copy logs (created_at, %s, metadata) from stdin" % ", ".join(COLUMNS), body)

    def flush(self) -> None:
        for command in ("vacuum analyze logs", "checkpoint"):
            self.asking.query(command)

    def rows(self, what: str, where: str = "true", more: str = "") -> list[tuple]:
        return self.asking.query("select %s from logs where %s %s" % (what, where, more))

    def page(self, where: str, limit: int = 1_000) -> int:
        return len(self.rows("*", where, "order by created_at desc limit %d" % limit))

    def count(self, where: str) -> int:
        return int(self.rows("count(*)", where)[0][0])

    def counts(self, where: str, by: str) -> dict:
        return {name: int(count) for name, count in self.rows(by + ", count(*)", where, "group by 1")}

    def needle(self, trace: str) -> int:
        return len(self.rows("*", "trace_id = %s" % literal(trace)))

    def rare_word(self, word: str) -> int:
        return len(self.rows("*", "%s @@ to_tsquery('simple', %s)" % (WORDS, literal(word))))

    def latest(self):
        rows = self.rows("(extract(epoch from created_at) * 1000000)::bigint, *", more="order by created_at desc limit 100")
        return [int(row[0]) for row in rows] if "latest_micros" in self.facts else len(rows)

    def errors(self, service: str) -> int:
        return self.page("level = 'error' and service = %s" % literal(service), 100)

    def hours(self, begin: str, end: str) -> int:
        where = "created_at >= %s and created_at < %s" % (literal(begin), literal(end))
        rows = self.rows("date_trunc('hour', created_at), level, count(*)", where, "group by 1, 2")
        return sum(int(row[2]) for row in rows)

    def word(self, word: str) -> dict:
        return self.counts("%s @@ to_tsquery('simple', %s)" % (WORDS, literal(word)), "service")

    def phrase(self, phrase: str) -> int:
        return self.count("%s @@ phraseto_tsquery('simple', %s)" % (WORDS, literal(phrase)))

    def regex(self, regex: str) -> int:
        return self.count("message ~ %s" % literal(regex))

    def top_users(self, level: str) -> list[int]:
        rows = self.rows("user_id, count(*)", "level = %s" % literal(level), "group by 1 order by 2 desc limit 10")
        return [int(count) for _, count in rows]

    def percentiles(self) -> dict:
        figure = "percentile_disc(0.95) within group (order by (metadata->>'duration_ms')::float8)"
        rows = self.rows("service, " + figure, "metadata ? 'duration_ms'", "group by 1")
        return {service: float(value) for service, value in rows}

    def tenant_errors(self, tenant: str) -> int:
        return self.page("level = 'error' and tenant = %s" % literal(tenant), 100)

    def attribute(self, name: str, value: str) -> int:
        wanted = json.dumps({"attributes": {name: value}})
        return len(self.rows("*", "metadata @> %s::jsonb" % literal(wanted)))

    def exception(self, name: str) -> dict:
        return self.counts("%s @@ to_tsquery('simple', %s)" % (WORDS, literal(name)), "tenant")

    def server_errors(self) -> dict:
        return self.counts("(metadata->'http'->>'status')::int >= 500", "tenant")
