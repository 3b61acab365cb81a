"""VictoriaLogs at an address. https://docs.victoriametrics.com/victorialogs/"""

import json
import urllib.parse

from system import HttpSystem, micros_of


class VictoriaLogs(HttpSystem):
    name, title = "victorialogs", "VictoriaLogs"
    ack = "in memory, on the disk within seconds"
    push_path = "/insert/jsonline?_stream_fields=service,host&_time_field=timestamp&_msg_field=message"

    def start(self) -> None:
        self.wait_until(lambda: self.call("GET", "/health"), "an answer", 60)

    def flush(self) -> None:
        self.call("GET", "/internal/force_flush")

    def lines(self, query: str, **more) -> list[dict]:
        form = {"query": query, "start": self.begin.isoformat(), "end": self.end.isoformat()} | more
        body = urllib.parse.urlencode(form).encode()
        answer = self.call("POST", "/select/logsql/query", body, "application/x-www-form-urlencoded")
        return [json.loads(line) for line in answer.splitlines() if line]

    def latest_of(self, query: str) -> list[dict]:
        return self.lines(query + " | sort by (_time desc) limit 100")

    def count(self, query: str) -> int:
        return sum(int(row["n"]) for row in self.lines(query + " | stats count() n"))

    def counts(self, query: str, by: str) -> dict:
        return {row[by]: int(row["n"]) for row in self.lines("%s | stats by (%s) count() n" % (query, by))}

    def needle(self, trace: str) -> int:
        return len(self.lines('trace_id:="%s"' % trace))

    def rare_word(self, word: str) -> int:
        return len(self.lines(word))

    def latest(self):
        rows = self.latest_of("*")
        return [micros_of(row["_time"]) for row in rows] if "latest_micros" in self.facts else len(rows)

    def errors(self, service: str) -> int:
        return len(self.latest_of('level:="error" service:="%s"' % service))

    def hours(self, begin: str, end: str) -> int:
        rows = self.lines("_time:[%s, %s) | stats by (_time:1h, level) count() n" % (begin, end))
        return sum(int(row["n"]) for row in rows)

    def word(self, word: str) -> dict:
        return self.counts("i(%s)" % word, "service")

    def phrase(self, phrase: str) -> int:
        return self.count('i("%s")' % phrase)

    def regex(self, regex: str) -> int:
        return self.count('_msg:~"%s"' % regex)

    def top_users(self, level: str) -> list[int]:
        return [int(row["hits"]) for row in self.lines('level:="%s" | top 10 by (user_id)' % level)]

    def percentiles(self) -> dict:
        rows = self.lines("duration_ms:* | stats by (service) quantile(0.95, duration_ms) p")
        return {row["service"]: float(row["p"]) for row in rows}

    def tenant_errors(self, tenant: str) -> int:
        return len(self.latest_of('level:="error" tenant:="%s"' % tenant))

    def attribute(self, name: str, value: str) -> int:
        return len(self.lines('"attributes.%s":="%s"' % (name, value)))

    def exception(self, name: str) -> dict:
        return self.counts(name, "tenant")

    def server_errors(self) -> dict:
        return self.counts('"http.status":>=500', "tenant")
