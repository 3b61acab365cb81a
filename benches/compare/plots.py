"""The results of a workload as pictures, in SVG."""

import math
from xml.sax.saxutils import escape

from report import figure

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {"logstrata": "#0072b2", "postgres": "#d55e00", "victorialogs": "#009e73", "quickwit": "#cc79a7",
           "loki": "#e69f00", "elasticsearch": "#56b4e9"}
WIDTH, LABEL, RIGHT, BAR, GAP = 860, 290, 70, 13, 14
COSTS = (("events_per_s_searchable", "events/s, searchable (more is better)"),
         ("cpu_us_per_event", "CPU, us an event"),
         ("disk_bytes_per_event", "disk, bytes an event"),
         ("memory_peak_mb", "peak memory while ingesting, MB"))


class Picture:
    """Groups of bars, from the top down."""

    def __init__(self, title: str, systems: dict):
        self.parts, self.y = [], 28
        self.text(16, self.y, title, "font-size='15' font-weight='600'")
        self.y += 22
        x = 16
        for name, system in systems.items():
            self.parts.append("<rect x='%d' y='%d' width='11' height='11' fill='%s'/>" % (x, self.y - 10, COLOURS[name]))
            self.text(x + 16, self.y, system["title"])
            x += 34 + 7 * len(system["title"])
        self.y += GAP

    def text(self, x: float, y: float, text: str, more: str = "") -> None:
        self.parts.append("<text x='%.0f' y='%.0f' %s>%s</text>" % (x, y, more, escape(text)))

    def group(self, title: str, bars: list[tuple[str, float | None]], scale) -> None:
        """A title and the bars of systems; `scale` gives the part of the width that a value takes."""
        middle = self.y + BAR * len(bars) / 2 + 4
        self.text(LABEL - 8, middle, title, "text-anchor='end'")
        for name, value in bars:
            if value is None:
                self.text(LABEL + 4, self.y + BAR - 3, "-", "font-size='11'")
            else:
                width = max(1.0, scale(value) * (WIDTH - LABEL - RIGHT))
                shape = "<rect x='%d' y='%d' width='%.1f' height='%d' fill='%s'/>"
                self.parts.append(shape % (LABEL, self.y, width, BAR - 2, COLOURS[name]))
                self.text(LABEL + width + 4, self.y + BAR - 3, figure(value), "font-size='11'")
            self.y += BAR
        self.y += GAP

    def grid(self, marks: list[float], top: float, scale) -> None:
        """A line for each mark, behind the bars, from `top` down to here."""
        lines = []
        for mark in marks:
            x = LABEL + scale(mark) * (WIDTH - LABEL - RIGHT)
            lines.append("<path d='M%.1f %dV%d' stroke='#ddd'/>" % (x, top, self.y - GAP))
            self.text(x, self.y, "%g" % mark, "text-anchor='middle' font-size='11' fill='#777'")
        self.parts[:0] = lines
        self.y += GAP

    def svg(self) -> str:
        head = ("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' font-size='12' "
                "fill='#222'>\n<rect width='100%%' height='100%%' fill='#fff'/>\n")
        return head % (WIDTH, self.y) + "\n".join(self.parts) + "\n</svg>\n"


def pictures(result: dict) -> dict[str, str]:
    """The pictures by name: what events cost, and how long questions take."""
    systems = {name: system for name, system in result["systems"].items() if "error" not in system}
    return {"costs": costs(result, systems), "questions": questions(result, systems)} if systems else {}


def costs(result: dict, systems: dict) -> str:
    picture = Picture("What events cost: %s workload, {:,} events".format(result["events"]) % result["kind"], systems)
    for key, title in COSTS:
        bars = [(name, system[key]) for name, system in systems.items()]
        most = max((value for _, value in bars if value is not None), default=1)
        picture.group(title, bars, lambda value, most=most: value / most)
    return picture.svg()


def questions(result: dict, systems: dict) -> str:
    title = "How long questions take, median ms, logarithmic: %s workload, {:,} events".format(result["events"])
    picture = Picture(title % result["kind"], systems)
    times = {name: {title: found.get("median_ms") for title, found in system["questions"].items()}
             for name, system in systems.items()}
    all_times = [time for of in times.values() for time in of.values() if time]
    low, high = min(all_times, default=1) / 2, max(all_times, default=10)

    def scale(value: float) -> float:
        return math.log(max(value, low) / low) / math.log(high / low)

    top = picture.y
    for title in dict.fromkeys(title for of in times.values() for title in of):
        picture.group(title, [(name, times[name].get(title)) for name in systems], scale)
    decades = [10.0 ** power for power in range(-3, 7)]
    picture.grid([mark for mark in decades if low <= mark <= high], top, scale)
    return picture.svg()
