"""The results of a workload as a table in Markdown."""

FIGURES = (
    ("ack", "an acknowledgement means"),
    ("events_per_s_acknowledged", "events/s, acknowledged"),
    ("events_per_s_searchable", "events/s, acknowledged and searchable"),
    ("wait_p50_ms", "wait for an acknowledgement, p50, ms"),
    ("wait_p99_ms", "the same, p99, ms"),
    ("cpu_us_per_event", "CPU, us an event"),
    ("disk_bytes_per_event", "disk, bytes an event"),
    ("memory_peak_mb", "peak memory while ingesting, MB"),
)
KINDS = {"plain": "One day of one company", "wide": "14 days of 50 tenants, 2,000 attributes, 5 % late, stack traces, lines of 50 kB"}


def table(result: dict) -> str:
    """Title, table, and the notes that its marks need."""
    systems = {name: system for name, system in result["systems"].items() if "error" not in system}
    average = result["bytes"] / result["events"]
    text = "%s: %s events of %.0f bytes, on %s.\n\n" % (KINDS[result["kind"]], grouped(result["events"]), average, result["machine"])
    text += row([""] + [system["title"] for system in systems.values()])
    text += row(["---"] * (1 + len(systems)))
    for key, title in FIGURES:
        text += row([title] + [figure(system[key]) for system in systems.values()])
    notes = [system["note"] for system in systems.values() if system["note"]]
    titles = dict.fromkeys(title for system in systems.values() for title in system["questions"])
    for title in titles:
        cells = [cell(system, title, notes) for system in systems.values()]
        text += row([title + ", ms"] + cells)
    text += "\nQuestions: the median of %s, with other parameters each time.\n" % asked(systems)
    return text + "".join("- %s.\n" % note for note in notes)


def row(cells: list[str]) -> str:
    return "| %s |\n" % " | ".join(cells)


def cell(system: dict, title: str, notes: list[str]) -> str:
    """A median. Answers that were not right are marked, and told below."""
    found = system["questions"].get(title, {"unsupported": "not asked"})
    if "unsupported" in found:
        return "-"
    if not found["wrong"]:
        return figure(found["median_ms"])
    notes.append("%s, %s: %d of %d answers differ from what was counted (%s)" % (
        system["title"], title, len(found["wrong"]), found["asked"], found["wrong"][0]))
    return figure(found["median_ms"]) + " *"


def asked(systems: dict) -> str:
    """How often questions were asked."""
    counts = {found["asked"] for system in systems.values() for found in system["questions"].values() if "asked" in found}
    return "%d" % max(counts) if len(counts) == 1 else "%d to %d" % (min(counts), max(counts)) if counts else "none"


def figure(value) -> str:
    """Three digits of a number, or more of a large one."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if value >= 100:
        return grouped(round(value))
    return "%.3g" % value


def grouped(number: int) -> str:
    return "{:,}".format(number)
