"""Elasticsearch 8 or 9 at an address. https://www.elastic.co/docs/api/doc/elasticsearch/"""

import json

from system import HttpSystem, micros_of

INDEX = "logstrata-compare"
EXACT = ("level", "service", "host", "trace_id", "span_id", "user_id", "category", "tenant", "path")
NEWEST_FIRST = [{"timestamp": "desc"}]


class Elasticsearch(HttpSystem):
    name, title = "elasticsearch", "Elasticsearch"
    ack = "fsynced (translog)"
    push_path = "/%s/_bulk?filter_path=errors" % INDEX

    def start(self) -> None:
        self.wait_until(lambda: self.call("GET", "/"), "an answer", 60)
        properties = {name: {"type": "keyword"} for name in EXACT}
        # "flattened" keeps thousands of names from becoming fields of the mapping.
        properties |= {"timestamp": {"type": "date_nanos"}, "message": {"type": "text"}, "duration_ms": {"type": "double"},
                       "attributes": {"type": "flattened"}}
        settings = {"number_of_shards": 1, "number_of_replicas": 0, "translog.durability": "request"}
        index = {"settings": {"index": settings}, "mappings": {"properties": properties}}
        self.call("PUT", "/" + INDEX, json.dumps(index).encode())

    def stop(self) -> None:
        self.call("DELETE", "/" + INDEX)

    def encode(self, ndjson: bytes) -> list[bytes]:
        return [b"".join(b'{"create":{}}\n' + line + b"\n" for line in ndjson.splitlines())]

    def check_pushed(self, answer: bytes) -> None:
        if json.loads(answer)["errors"]:
            raise RuntimeError("events were rejected")

    def flush(self) -> None:
        for what in ("_refresh", "_flush"):
            self.call("POST", "/%s/%s" % (INDEX, what))

    def search(self, query: dict, hits: int = 0, **more) -> dict:
        body = {"query": {"bool": {"filter": query}}, "size": hits, "track_total_hits": True} | more
        return self.post_json("/%s/_search?request_cache=false" % INDEX, body)

    def page(self, query: dict | list, hits: int = 1_000, **more) -> list[dict]:
        return self.search(query, hits, **more)["hits"]["hits"]

    def count(self, query: dict) -> int:
        return self.search(query)["hits"]["total"]["value"]

    def buckets(self, query: dict, aggregation: dict) -> list[dict]:
        return self.search(query, aggs={"found": aggregation})["aggregations"]["found"]["buckets"]

    def counts(self, query: dict, by: str) -> dict:
        buckets = self.buckets(query, {"terms": {"field": by, "size": 100}})
        return {bucket["key"]: bucket["doc_count"] for bucket in buckets}

    def needle(self, trace: str) -> int:
        return len(self.page({"term": {"trace_id": trace}}))

    def rare_word(self, word: str) -> int:
        return len(self.page({"match": {"message": word}}))

    def latest(self):
        hits = self.page({"match_all": {}}, 100, sort=NEWEST_FIRST)
        has_times = "latest_micros" in self.facts
        return [micros_of(hit["_source"]["timestamp"]) for hit in hits] if has_times else len(hits)

    def errors(self, service: str) -> int:
        return len(self.page([{"term": {"level": "error"}}, {"term": {"service": service}}], 100, sort=NEWEST_FIRST))

    def hours(self, begin: str, end: str) -> int:
        hour = {"date_histogram": {"field": "timestamp", "fixed_interval": "1h"},
                "aggs": {"levels": {"terms": {"field": "level"}}}}
        buckets = self.buckets({"range": {"timestamp": {"gte": begin, "lt": end}}}, hour)
        return sum(bucket["doc_count"] for bucket in buckets)

    def word(self, word: str) -> dict:
        return self.counts({"match": {"message": word}}, "service")

    def phrase(self, phrase: str) -> int:
        return self.count({"match_phrase": {"message": phrase}})

    def regex(self, regex: str) -> int:
        # What is looked for has no blanks in it, so that it lies within one token.
        return self.count({"regexp": {"message": ".*%s.*" % regex}})

    def top_users(self, level: str) -> list[int]:
        buckets = self.buckets({"term": {"level": level}}, {"terms": {"field": "user_id", "size": 10}})
        return [bucket["doc_count"] for bucket in buckets]

    def percentiles(self) -> dict:
        figure = {"found": {"percentiles": {"field": "duration_ms", "percents": [95], "keyed": False}}}
        by = {"terms": {"field": "service", "size": 100}, "aggs": figure}
        buckets = self.buckets({"exists": {"field": "duration_ms"}}, by)
        return {bucket["key"]: bucket["found"]["values"][0]["value"] for bucket in buckets}

    def tenant_errors(self, tenant: str) -> int:
        return len(self.page([{"term": {"level": "error"}}, {"term": {"tenant": tenant}}], 100, sort=NEWEST_FIRST))

    def attribute(self, name: str, value: str) -> int:
        return len(self.page({"term": {"attributes." + name: value}}))

    def exception(self, name: str) -> dict:
        return self.counts({"match": {"message": name}}, "tenant")

    def server_errors(self) -> dict:
        return self.counts({"range": {"http.status": {"gte": 500}}}, "tenant")
