"""What is asked, with other parameters each time, and whether the answer is right."""

import dataclasses
import typing

# How far a percentile may be off: several systems estimate it.
PERCENTILE_ERROR = 0.03


@dataclasses.dataclass(frozen=True)
class Question:
    """A kind of question. A system answers it in its method `name`, called with the parameters."""

    name: str
    title: str
    # (facts, k) -> the parameters of the k-th time, and the right answer.
    case: typing.Callable[[dict, int], tuple[tuple, object]]
    # The fact without which a workload can't be asked this.
    needs: str = "events"


def nth(things, k: int):
    return things[k % len(things)]


def item(mapping: dict, k: int) -> tuple:
    return nth(sorted(mapping.items()), k)


def named(fact: str):
    """The case of a question whose parameter is a key of this fact, and whose answer is its value."""
    def case(facts: dict, k: int):
        key, right = item(facts[fact], k)
        return (key,), right
    return case


def needle(facts: dict, k: int):
    trace, count = nth(facts["needles"], k)
    return (trace,), count


def latest(facts: dict, _: int):
    return (), facts.get("latest_micros") or min(100, facts["events"])


def errors(facts: dict, k: int):
    service, _ = item(facts["by_service"], k)
    return (service,), min(100, facts["level_service"].get("error " + service, 0))


def hours(facts: dict, k: int):
    window = nth(facts["windows"], k)
    return (window["from"], window["to"]), window["count"]


def percentiles(facts: dict, _: int):
    above = facts.get("p95_next", facts["p95"])
    return (), {service: (value, above[service]) for service, value in facts["p95"].items()}


def tenant_errors(facts: dict, k: int):
    tenant, count = item(facts["tenant_errors"], k)
    return (tenant,), min(100, count)


def attribute(facts: dict, k: int):
    name, value, count = nth(facts["attributes"], k)
    return (name, value), count


def absent_attribute(facts: dict, k: int):
    return (nth(facts["attributes"], k)[0], "absent-%08x" % k), 0


QUESTIONS = (
    Question("needle", "needle by trace id", needle),
    Question("needle", "absent needle", lambda _, k: (("%032x" % (0xFEED0000 + k),), 0)),
    Question("rare_word", "rare word, 12 events", named("rare")),
    Question("latest", "latest 100", latest),
    Question("errors", "latest 100 errors of a service", errors),
    Question("hours", "count by hour and level, 12 unaligned hours", hours),
    Question("word", "common word, any case, count by service", named("words")),
    Question("phrase", "phrase, any case, count", named("phrases")),
    Question("regex", "regular expression, count", named("regexes")),
    Question("top_users", "top 10 users of a level", named("top_users")),
    Question("percentiles", "95th percentile by service", percentiles),
    Question("tenant_errors", "latest 100 errors of a tenant", tenant_errors, "tenant_errors"),
    Question("attribute", "one of 2,000 attributes, 20 events", attribute, "attributes"),
    Question("attribute", "absent value of an attribute", absent_attribute, "attributes"),
    Question("exception", "exception in stack traces, count by tenant", named("exceptions"), "exceptions"),
    Question("server_errors", "status of 500 or more, count by tenant",
             lambda facts, _: ((), facts["server_errors"]), "server_errors"),
)


def wrong(found: object, right: object) -> str | None:
    """How an answer is wrong; `None` if it is right."""
    if isinstance(right, dict):
        # What is counted 0 times is in no answer.
        right = {key: value for key, value in right.items() if value}
        keys = right.keys() | found.keys()
        off = [key for key in keys if not is_near(found.get(key), right.get(key))]
        return "%d of %d groups" % (len(off), len(keys)) if off else None
    if isinstance(right, list):
        return None if list(found) == right else "another list"
    # Who can't tell the events' times is asked for their number.
    return None if found == right else "%s, not %s" % (found, right)


def is_near(found, right) -> bool:
    """Whether a count is right, or a percentile lies between those two, or not far from that."""
    if found is None or right is None:
        return False
    if isinstance(right, tuple):
        return right[0] * (1 - PERCENTILE_ERROR) <= found <= right[1] * (1 + PERCENTILE_ERROR)
    return found == right
