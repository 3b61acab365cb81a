"""Quickwit at an address. https://quickwit.io/docs/reference/rest-api"""

from system import HttpSystem, Unsupported, micros_of

INDEX = "logstrata-compare"
EXACT = ("level", "service", "host", "trace_id", "span_id", "user_id", "category", "tenant", "path")


def text(name: str, tokenizer: str = "raw", **more) -> dict:
    return {"name": name, "type": "text", "tokenizer": tokenizer} | more


class Quickwit(HttpSystem):
    name, title = "quickwit", "Quickwit"
    ack = "in its write-ahead queue"
    note = "Quickwit: its default tokenizer cuts words at `_`"
    push_path = "/api/v1/%s/ingest" % INDEX

    def start(self) -> None:
        self.wait_until(lambda: self.call("GET", "/health/readyz"), "an answer", 60)
        fields = [text(name, fast=True) for name in EXACT]
        fields += [text("message", "default", record="position"), {"name": "duration_ms", "type": "f64", "fast": True},
                   {"name": "timestamp", "type": "datetime", "input_formats": ["rfc3339"], "fast": True,
                    "fast_precision": "microseconds"}]
        dynamic = {"indexed": True, "stored": True, "tokenizer": "raw", "fast": True, "expand_dots": True}
        self.post_json("/api/v1/indexes", {
            "version": "0.8", "index_id": INDEX,
            "doc_mapping": {"mode": "dynamic", "dynamic_mapping": dynamic, "timestamp_field": "timestamp",
                            "field_mappings": fields},
            "indexing_settings": {"commit_timeout_secs": 10},
            "search_settings": {"default_search_fields": ["message"]}})

    def stop(self) -> None:
        self.call("DELETE", "/api/v1/indexes/" + INDEX)

    def flush(self) -> None:
        self.wait_until(lambda: self.count("*") >= self.facts["events"], "all events are found")

    def search(self, query: str, hits: int = 0, **more) -> dict:
        between = {"start_timestamp": int(self.begin.timestamp()), "end_timestamp": int(self.end.timestamp())}
        return self.post_json("/api/v1/%s/search" % INDEX, {"query": query, "max_hits": hits} | between | more)

    def page(self, query: str, hits: int = 1_000, **more) -> list[dict]:
        return self.search(query, hits, **more)["hits"]

    def count(self, query: str) -> int:
        return self.search(query)["num_hits"]

    def buckets(self, query: str, aggregation: dict) -> list[dict]:
        return self.search(query, aggs={"found": aggregation})["aggregations"]["found"]["buckets"]

    def counts(self, query: str, by: str) -> dict:
        buckets = self.buckets(query, {"terms": {"field": by, "size": 100}})
        return {bucket["key"]: bucket["doc_count"] for bucket in buckets}

    def needle(self, trace: str) -> int:
        return len(self.page("trace_id:" + trace))

    def rare_word(self, word: str) -> int:
        return len(self.page("message:" + word))

    def latest(self):
        hits = self.page("*", 100, sort_by="-timestamp")
        return [micros_of(hit["timestamp"]) for hit in hits] if "latest_micros" in self.facts else len(hits)

    def errors(self, service: str) -> int:
        return len(self.page("level:error AND service:" + service, 100, sort_by="-timestamp"))

    def hours(self, begin: str, end: str) -> int:
        hour = {"date_histogram": {"field": "timestamp", "fixed_interval": "1h"},
                "aggs": {"levels": {"terms": {"field": "level"}}}}
        return sum(bucket["doc_count"] for bucket in self.buckets("timestamp:[%s TO %s}" % (begin, end), hour))

    def word(self, word: str) -> dict:
        return self.counts("message:" + word, "service")

    def phrase(self, phrase: str) -> int:
        return self.count('message:"%s"' % phrase)

    def regex(self, regex: str) -> int:
        raise Unsupported("its regular expressions are of single tokens, which end at `_`")

    def top_users(self, level: str) -> list[int]:
        buckets = self.buckets("level:" + level, {"terms": {"field": "user_id", "size": 10}})
        return [bucket["doc_count"] for bucket in buckets]

    def percentiles(self) -> dict:
        figure = {"found": {"percentiles": {"field": "duration_ms", "percents": [95], "keyed": False}}}
        buckets = self.buckets("*", {"terms": {"field": "service", "size": 100}, "aggs": figure})
        return {bucket["key"]: bucket["found"]["values"][0]["value"] for bucket in buckets}

    def tenant_errors(self, tenant: str) -> int:
        return len(self.page("level:error AND tenant:" + tenant, 100, sort_by="-timestamp"))

    def attribute(self, name: str, value: str) -> int:
        return len(self.page("attributes.%s:%s" % (name, value)))

    def exception(self, name: str) -> dict:
        return self.counts("message:" + name, "tenant")

    def server_errors(self) -> dict:
        return self.counts("http.status:>=500", "tenant")
