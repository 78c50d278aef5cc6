"""A measured value beside its rival and its goal; and the table of them."""

import dataclasses
import operator

HOLDS = {">=": operator.ge, "<=": operator.le, "<": operator.lt}
WORDS = {">=": "at least", "<=": "at most", "<": "under"}
COLUMNS = ("what", "muster", "against", "ratio", "goal", "met")


@dataclasses.dataclass
class Metric:
    """One line of the table. ratio is muster / against. goal: what is held to it ("ratio" or
    "muster"), how, and the limit; None: for information."""

    what: str
    unit: str
    muster: float
    against: float = None
    goal: tuple = None
    goal_words: str = ""

    @property
    def ratio(self):
        return self.muster / self.against if self.against else None

    @property
    def met(self):
        if not self.goal:
            return None
        of, relation, limit = self.goal
        return HOLDS[relation](getattr(self, of), limit)

    def as_json(self):
        return {"what": self.what, "unit": self.unit, "muster": self.muster,
                "against": self.against, "ratio": self.ratio, "goal": self._goal(),
                "met": self.met}

    def _goal(self):
        if not self.goal:
            return None
        of, relation, limit = self.goal
        unit = "x" if of == "ratio" else f" {self.unit}"
        return f"{WORDS[relation]} {limit:g}{unit}" + (f" ({self.goal_words})" * bool(self.goal_words))


def number(value, unit=""):
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}" + (f" {unit}" if unit else "")


def lines(rows):
    """The cells of the table: one line per metric of each row, in words."""
    found = []
    for row in rows:
        if row.get("failed"):
            found.append((row["title"], "-", "-", "-", "-", f"not measured: {row['failed']}"))
        for metric in row["metrics"]:
            rival = f"{number(metric['against'], metric['unit'])}" if metric["against"] else "-"
            found.append((f"{row['title']}: {metric['what']}", number(metric["muster"], metric["unit"]),
                          rival, number(metric["ratio"]), metric["goal"] or "-",
                          {True: "yes", False: "no", None: "-"}[metric["met"]]))
    return found


def plain(rows):
    """The table for a terminal."""
    cells = [COLUMNS, *((*line[:5], line[5].splitlines()[0]) for line in lines(rows))]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS) - 1)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[-1]])
                     for line in cells)


def markdown(rows):
    cells = [COLUMNS, ("---",) * len(COLUMNS), *((*line[:5], line[5].splitlines()[0]) for line in lines(rows))]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)
