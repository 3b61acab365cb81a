"""Loki 3 at an address: service and level are labels, the other fields structured metadata.
https://grafana.com/docs/loki/latest/reference/loki-http-api/"""

import json
import time
import urllib.parse

from system import HttpSystem, Unsupported, micros_of

ALL = '{service=~".+"}'
SETTLE_S = 5
NEVER = "a result for each hour would be a query for each step"


def flat(value: dict, prefix: str = "") -> dict[str, str]:
    """Nested fields under names that labels may have."""
    fields = {}
    for name, inner in value.items():
        fields |= flat(inner, prefix + name + "_") if isinstance(inner, dict) else {prefix + name: str(inner)}
    return fields


def words(text: str) -> str:
    """A filter for words in this order, in any case."""
    return r" |~ `(?i)(^|[^0-9A-Za-z_])%s($|[^0-9A-Za-z_])`" % text


class Loki(HttpSystem):
    name, title = "loki", "Loki"
    ack = "in memory and its log, which is synced later"
    note = "Loki: the folder of chunks is measured, without its log"
    push_path, push_type = "/loki/api/v1/push", "application/json"

    def start(self) -> None:
        self.wait_until(lambda: b"ready" in self.call("GET", "/ready"), "an answer", 120)

    def encode(self, ndjson: bytes) -> list[bytes]:
        streams = {}
        for line in ndjson.splitlines():
            event = json.loads(line)
            stream = (event.pop("service"), event.pop("level"))
            nanos, message = micros_of(event.pop("timestamp")) * 1_000, event.pop("message")
            streams.setdefault(stream, []).append([str(nanos), message, flat(event)])
        streams = [{"stream": {"service": service, "level": level}, "values": values}
                   for (service, level), values in streams.items()]
        return [json.dumps({"streams": streams}, separators=(",", ":")).encode()]

    def flush(self) -> None:
        self.call("POST", "/flush")
        time.sleep(SETTLE_S)

    def get(self, path: str, **parameters) -> list[dict]:
        answer = self.call("GET", "/loki/api/v1/%s?%s" % (path, urllib.parse.urlencode(parameters)))
        return json.loads(answer)["data"]["result"]

    def page(self, query: str, limit: int = 1_000) -> list[tuple[int, str]]:
        """Times in nanoseconds and lines, the newest first."""
        begin, end = ("%d" % (time.timestamp() * 1e9) for time in (self.begin, self.end))
        found = self.get("query_range", query=query, limit=limit, start=begin, end=end, direction="backward")
        return sorted(((int(value[0]), value[1]) for stream in found for value in stream["values"]), reverse=True)

    def counts(self, query: str, by: str = "") -> dict:
        range_s = int((self.end - self.begin).total_seconds())
        query = "sum by (%s) (count_over_time(%s [%ds]))" % (by, query, range_s)
        found = self.get("query", query=query, time="%d" % (self.end.timestamp() * 1e9))
        return {series["metric"].get(by, ""): int(float(series["value"][1])) for series in found}

    def count(self, query: str) -> int:
        return sum(self.counts(query).values())

    def needle(self, trace: str) -> int:
        return len(self.page(ALL + ' | trace_id="%s"' % trace))

    def rare_word(self, word: str) -> int:
        return len(self.page(ALL + words(word)))

    def latest(self):
        page = self.page(ALL, 100)
        return [nanos // 1_000 for nanos, _ in page] if "latest_micros" in self.facts else len(page)

    def errors(self, service: str) -> int:
        return len(self.page('{service="%s", level="error"}' % service, 100))

    def hours(self, begin: str, end: str) -> int:
        raise Unsupported(NEVER)

    def word(self, word: str) -> dict:
        return self.counts(ALL + words(word), "service")

    def phrase(self, phrase: str) -> int:
        return self.count(ALL + words(phrase))

    def regex(self, regex: str) -> int:
        return self.count(ALL + " |~ `%s`" % regex)

    def top_users(self, level: str) -> list[int]:
        return sorted(self.counts('{level="%s"}' % level, "user_id").values(), reverse=True)[:10]

    def percentiles(self) -> dict:
        range_s = int((self.end - self.begin).total_seconds())
        query = 'quantile_over_time(0.95, %s | duration_ms!="" | unwrap duration_ms [%ds]) by (service)' % (ALL, range_s)
        found = self.get("query", query=query, time="%d" % (self.end.timestamp() * 1e9))
        return {series["metric"]["service"]: float(series["value"][1]) for series in found}

    def tenant_errors(self, tenant: str) -> int:
        return len(self.page('{level="error"} | tenant="%s"' % tenant, 100))

    def attribute(self, name: str, value: str) -> int:
        return len(self.page(ALL + ' | attributes_%s="%s"' % (name, value)))

    def exception(self, name: str) -> dict:
        return self.counts(ALL + " |= `%s`" % name, "tenant")

    def server_errors(self) -> dict:
        return self.counts(ALL + " | http_status >= 500", "tenant")
