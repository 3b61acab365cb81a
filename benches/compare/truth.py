"""The right answers, counted by plain code while a workload is written."""

import collections
import heapq
import re

import vocabulary

LATEST = 100
TOP = 10


class Truth:
    """Counts what the questions ask for, event by event; `facts` has the result."""

    def __init__(self):
        self.by_level = collections.Counter()
        self.by_service = collections.Counter()
        self.level_service = collections.Counter()
        self.words = {word: collections.Counter() for word in vocabulary.WORDS}
        self.phrases = collections.Counter({phrase: 0 for phrase in vocabulary.PHRASES})
        self.regexes = collections.Counter({regex: 0 for regex in vocabulary.REGEXES})
        self.rare = {word: 0 for word in vocabulary.RARE}
        self.users = {level: collections.Counter() for level in vocabulary.LEVELS}
        self.durations = collections.defaultdict(list)
        self.stamps = []
        self.by_tenant = collections.Counter()
        self.tenant_errors = collections.Counter()
        self.server_errors = collections.Counter()
        self.exceptions = {name: collections.Counter() for name in vocabulary.EXCEPTIONS}
        # Words are runs of letters, digits and "_"; case does not matter.
        self._words = re.compile(r"(?<![0-9a-z_])(%s)(?![0-9a-z_])" % "|".join(vocabulary.WORDS))
        bounded = r"(?<![0-9a-z_])%s(?![0-9a-z_])"
        self._phrases = [(p, re.compile(bounded % re.escape(p.lower()))) for p in vocabulary.PHRASES]
        self._regexes = [(regex, re.compile(regex)) for regex in vocabulary.REGEXES]

    def add(self, event: dict, micros: int) -> None:
        """Counts an event of that time, in microseconds since 1970."""
        level, service = event["level"], event["service"]
        self.by_level[level] += 1
        self.by_service[service] += 1
        self.level_service[level + " " + service] += 1
        self.users[level][event["user_id"]] += 1
        self.stamps.append(micros)
        if "duration_ms" in event:
            self.durations[service].append(event["duration_ms"])
        self._add_message(event["message"], service)
        if "tenant" in event:
            self._add_tenant(event)

    def add_exception(self, name: str, tenant: str) -> None:
        """Counts a stack trace."""
        self.exceptions[name][tenant] += 1

    def _add_message(self, message: str, service: str) -> None:
        small = message.lower()
        for word in set(self._words.findall(small)):
            self.words[word][service] += 1
        for phrase, pattern in self._phrases:
            if phrase[:6].lower() in small and pattern.search(small):
                self.phrases[phrase] += 1
        if "blk_" in message:
            for regex, pattern in self._regexes:
                self.regexes[regex] += pattern.search(message) is not None

    def _add_tenant(self, event: dict) -> None:
        tenant = event["tenant"]
        self.by_tenant[tenant] += 1
        self.tenant_errors[tenant] += event["level"] == "error"
        if "http" in event:
            self.server_errors[tenant] += event["http"]["status"] >= 500

    def count_between(self, begin: int, end: int) -> int:
        """Events from `begin` on and before `end`, in microseconds."""
        return sum(1 for micros in self.stamps if begin <= micros < end)

    def facts(self) -> dict:
        """All that was counted; what only a wide workload has is left out of a plain one."""
        facts = {name: getattr(self, name) for name in (
            "by_level", "by_service", "level_service", "words", "phrases", "regexes", "rare")}
        facts["top_users"] = {
            level: sorted(users.values(), reverse=True)[:TOP] for level, users in self.users.items()}
        ranked = {service: sorted(durations) for service, durations in self.durations.items()}
        # A percentile may be either of two neighbours: there are several definitions.
        for name, next_ in (("p95", 0), ("p95_next", 1)):
            places = {service: int(0.95 * (len(durations) - 1)) + next_ for service, durations in ranked.items()}
            facts[name] = {service: ranked[service][min(place, len(ranked[service]) - 1)] for service, place in places.items()}
        facts["latest_micros"] = heapq.nlargest(LATEST, self.stamps)
        if self.by_tenant:
            wide = ("by_tenant", "tenant_errors", "server_errors", "exceptions")
            facts.update((name, getattr(self, name)) for name in wide)
        return facts
