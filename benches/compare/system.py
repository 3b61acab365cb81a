"""What every system that is compared has: a way in, questions, and what it takes."""

import datetime
import http.client
import json
import os
import pathlib
import threading
import time
import urllib.parse

SAMPLE_S = 0.25
REFUSALS_MAX = 2_000


class Unsupported(Exception):
    """The system has no such question."""


class System:
    """A log store. Its methods named after the questions answer in the form of the facts: the number of events of
    a page, a count, counts by name, counts in order."""

    name = title = ""
    # What an acknowledgement promises.
    ack = ""
    # What a reader has to know of the table's figures.
    note = ""

    def __init__(self, facts: dict, data: pathlib.Path | None = None, pids: tuple[int, ...] = ()):
        self.facts, self.data, self.root_pids = facts, data, pids
        start = datetime.datetime.fromisoformat(facts["start"])
        day = datetime.timedelta(days=1)
        # All events lie between these.
        self.begin, self.end = start - day, start + datetime.timedelta(hours=facts["hours"]) + day
        self.is_wide = "tenant_errors" in facts

    def start(self) -> None:
        """Makes it ready for events."""

    def stop(self) -> None:
        """Ends what was started, and removes what it stored."""

    def encode(self, ndjson: bytes) -> list[bytes]:
        """The bodies of requests with these events; not timed."""
        return [ndjson]

    def connect(self):
        """A connection that sends."""
        raise NotImplementedError

    def push(self, connection, body: bytes) -> None:
        """Sends a body, and returns when it is acknowledged."""
        raise NotImplementedError

    def flush(self) -> None:
        """Returns when all that was sent is found by questions and on the disk."""

    def pids(self) -> list[int]:
        """Its processes: those that were started or named, and their children."""
        found = [pid for pid in self.root_pids if os.path.exists("/proc/%d" % pid)]
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := stat_fields(int(entry))):
                parents.setdefault(int(fields[1]), []).append(int(entry))
        for pid in found:
            found.extend(parents.get(pid, ()))
        return found

    def cpu_s(self) -> float | None:
        """CPU time of its processes, ended children included; in seconds."""
        if not self.root_pids:
            return None
        ticks = sum(sum(map(int, fields[11:15])) for pid in self.pids() if (fields := stat_fields(pid)))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int | None:
        """Anonymous and shared memory of its processes; what is shared counts once."""
        if not self.root_pids:
            return None
        return sum(pss_bytes(pid) for pid in self.pids())

    def disk_bytes(self) -> int | None:
        """What it stores, without write-ahead logs: those are bounded and written over."""
        return None if self.data is None else tree_bytes(self.data)


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name; none if it has ended."""
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def pss_bytes(pid: int) -> int:
    try:
        lines = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def tree_bytes(root: pathlib.Path) -> int:
    """The blocks that a folder's files take on the disk, but for those of folders `wal` and `pg_wal`."""
    total = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in ("wal", "pg_wal")]
        for name in files:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


class Peak:
    """The most memory that a system was seen to have while the block ran."""

    def __init__(self, system: System):
        self.system, self.bytes = system, system.memory_bytes()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)

    def sample(self) -> None:
        while self.bytes is not None and not self.ended.wait(SAMPLE_S):
            self.bytes = max(self.bytes, self.system.memory_bytes())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


class HttpSystem(System):
    """A system with an HTTP API, at an address."""

    push_path = ""
    push_type = "application/x-ndjson"
    # Headers of every request: a tenant, for instance.
    headers: dict[str, str] = {}

    def __init__(self, facts: dict, address: str, **more):
        super().__init__(facts, **more)
        self.address = urllib.parse.urlsplit(address).netloc or address
        self.asking = None

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=600)

    def push(self, connection, body: bytes) -> None:
        # A refusal for now counts as waiting: that is what it is for the sender.
        for _ in range(REFUSALS_MAX):
            status, answer = exchange(connection, "POST", self.push_path, body, {"Content-Type": self.push_type} | self.headers)
            if status < 300:
                return self.check_pushed(answer)
            if status not in (429, 503):
                raise RuntimeError("%s: %d %s" % (self.push_path, status, answer[:300]))
            time.sleep(0.02)
        raise RuntimeError("%s refuses" % self.title)

    def check_pushed(self, answer: bytes) -> None:
        """Fails if the answer says that an event was not taken."""

    def call(self, method: str, path: str, body: bytes | None = None, type_: str = "application/json") -> bytes:
        """The answer to one request, on the connection that asks."""
        self.asking = self.asking or self.connect()
        try:
            status, answer = exchange(self.asking, method, path, body, {"Content-Type": type_} | self.headers)
        except (OSError, http.client.HTTPException):
            # One that broke is of no more use.
            self.asking.close()
            self.asking = None
            raise
        if status >= 300:
            raise RuntimeError("%s %s: %d %s" % (method, path, status, answer[:300]))
        return answer

    def post_json(self, path: str, body: object) -> dict:
        return json.loads(self.call("POST", path, json.dumps(body).encode()) or b"null")

    def wait_until(self, is_done, what: str, patience_s: float = 600) -> None:
        """Asks again and again; what fails while a server starts is no answer."""
        end = time.monotonic() + patience_s
        while True:
            try:
                if is_done():
                    return
            except (OSError, RuntimeError, http.client.HTTPException):
                pass
            if time.monotonic() > end:
                raise RuntimeError("%s: %s, not within %d s" % (self.title, what, patience_s))
            time.sleep(0.1)


def exchange(connection, method: str, path: str, body, headers: dict) -> tuple[int, bytes]:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def micros_of(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time with at most nine digits behind the second."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
