"""SeaweedFS, a proxy that fails as told, and servers: what tests of the archive run on."""

import http.client
import http.server
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

BIN = os.environ["LOGSTRATA_BIN"]
WEED = os.environ["WEED"]
KEY, SECRET = "test-key", "test-secret"
HERE = tempfile.mkdtemp(prefix="logstrata-s3-")


def free_ports(count):
    """Ports that are free now, and so is each 10,000 above: SeaweedFS takes those for gRPC."""
    found = []
    while len(found) < count:
        port = random.randint(20_000, 40_000)
        try:
            for candidate in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", candidate))
            found.append(port)
        except OSError:
            pass
    return found


class Store:
    """A SeaweedFS with a bucket. Its files stay while it is away."""

    def __init__(self):
        self.dir = os.path.join(HERE, "weed")
        os.makedirs(self.dir)
        names = ["master", "filer", "volume", "s3", "s3.port.iceberg", "admin", "metrics"]
        self.ports = dict(zip(names, free_ports(len(names))))
        self.port = self.ports["s3"]
        identities = {
            "identities": [
                {
                    "name": "test",
                    "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                }
            ]
        }
        self.config = os.path.join(HERE, "weed.json")
        with open(self.config, "w", encoding="ascii") as file:
            json.dump(identities, file)
        self.process = None

    def start(self):
        ports = self.ports
        log = open(os.path.join(HERE, "weed.log"), "ab")
        self.process = subprocess.Popen(
            [
                WEED, "mini", f"-dir={self.dir}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                "-webdav=false", "-admin.ui=false", f"-s3.config={self.config}",
                f"-master.port={ports['master']}", f"-filer.port={ports['filer']}",
                f"-volume.port={ports['volume']}", f"-s3.port={ports['s3']}",
                f"-s3.port.iceberg={ports['s3.port.iceberg']}",
                f"-admin.port={ports['admin']}", f"-metricsPort={ports['metrics']}",
                "-bucket=logs", "-s3.autoCreateBucket=false",
            ],
            stdout=log,
            stderr=log,
        )
        for _ in range(600):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
                connection.request("GET", "/logs")
                # Without a signature: 403 once the bucket is there.
                if connection.getresponse().status in (200, 403):
                    return
            except OSError:
                pass
            assert self.process.poll() is None, "SeaweedFS ended: see weed.log"
            time.sleep(0.1)
        raise AssertionError("SeaweedFS does not answer")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class Proxy(http.server.BaseHTTPRequestHandler):
    """Hands requests on, unless it is to fail: 500s before and after, and cut connections."""

    protocol_version = "HTTP/1.1"
    target = 0
    faults = {}  # what -> every so many requests that it can happen to
    counts = {"requests": 0, "parts": 0}
    asked = {}  # what -> so many of them
    failed = {}  # (what, method) -> so many that failed
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        fault = None
        with self.lock:
            if "partNumber=" in self.path:
                self.counts["parts"] += 1
            self.counts["requests"] += 1
            for what, every in self.faults.items():
                # Only what is read has a body that can end too early.
                if what == "half" and self.command != "GET":
                    continue
                self.asked[what] = self.asked.get(what, 0) + 1
                if fault is None and self.asked[what] % every == 0:
                    fault = what
                    key = (what, self.command)
                    self.failed[key] = self.failed.get(key, 0) + 1
        if fault == "500":
            return self.answer(500, {}, b"<Error><Code>InternalError</Code></Error>")
        if fault == "cut":
            return self.cut()
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            # As it was signed: also the host.
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
        except OSError:
            return self.cut()
        finally:
            connection.close()
        if fault == "lost":
            return self.cut()
        headers = {
            name: value
            for name, value in response.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date")
        }
        if self.command == "HEAD":
            headers["Content-Length"] = response.getheader("Content-Length") or "0"
        if fault == "half" and len(content) > 1:
            self.send_response(response.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            return self.cut()
        return self.answer(response.status, headers, content)

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def cut(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any


def settings(endpoint, bucket="logs", secret=SECRET, **more):
    env = dict(os.environ)
    env.update(
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=secret,
        LOGSTRATA_ARCHIVE_URL=f"s3://{bucket}/some/prefix",
        LOGSTRATA_ARCHIVE_ENDPOINT=endpoint,
        LOGSTRATA_ARCHIVE_REGION="us-east-1",
        LOGSTRATA_ARCHIVE_PART_BYTES="5MiB",
    )
    env.update(more)
    return env


class Server:
    def __init__(self, data, env):
        self.said = open(os.path.join(HERE, "server.log"), "ab")
        self.process = subprocess.Popen(
            [BIN, "serve", "--listen", "127.0.0.1:0", "--data", data, "--disk-reserve", "1MiB"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=self.said,
        )
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        self.url = line.removeprefix("listening on ").strip()

    def ask(self, method, path, body=None, kind="application/x-www-form-urlencoded"):
        """Status and JSON."""
        request = urllib.request.Request(self.url + path, data=body, method=method)
        if body is not None:
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def ok(self, *asked, **more):
        status, answer = self.ask(*asked, **more)
        assert status == 200, (asked[:2], status, answer)
        return answer

    def ingest(self, first, count):
        """Events that do not compress well, so that files have several parts."""
        dice = random.Random(first)
        for start in range(first, first + count, 5_000):
            lines = []
            for number in range(start, min(start + 5_000, first + count)):
                noise = "%0256x" % dice.getrandbits(1_024)
                lines.append(json.dumps({"message": f"event {number} {noise}", "level": "info"}))
            body = "\n".join(lines).encode()
            self.ok("POST", "/api/v1/logs", body, kind="application/x-ndjson")
        self.ok("POST", "/api/v1/admin/flush", b"")

    def count(self):
        rows = self.ok("GET", "/api/v1/logs/stats")["rows"]
        return rows[0]["count"] if rows else 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, "the server did not end well"

    def kill(self):
        self.process.kill()
        self.process.wait()


def restore(env, name, events, word="event 7 "):
    """Restores to an empty directory, with the verification of every event, and opens it."""
    data = os.path.join(HERE, name)
    done = subprocess.run(
        [BIN, "archive", "restore", "--data", data],
        env=env, capture_output=True, text=True, timeout=600,
    )
    assert done.returncode == 0, done
    assert f"verified: {events} events read, 0 findings" in done.stdout, done.stdout
    server = Server(data, {**env, "LOGSTRATA_ARCHIVE_URL": ""})
    assert server.count() == events, server.count()
    asked = urllib.parse.quote(f'message:"{word}"')
    first = server.ok("GET", f"/api/v1/logs?q={asked}&limit=3")["logs"]
    assert len(first) == 1, first
    server.stop()
    shutil.rmtree(data)
