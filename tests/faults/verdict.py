"""What a fault did: for how long callers were not served, what was lost, what was counted twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults.table import TABLE

HELD, NO_VERDICT, NOT_RUN = "held", "no verdict", "not run"


@dataclass
class Verdict:
    """One way to make one fault. The test that made it says what came of it."""

    number: int
    """The row of the table."""
    how: str
    outage_s: float | None = None
    """The longest time for which callers of one kind heard nothing good; None where no system was running."""
    lost: int | None = None
    doubled: int | None = None
    said: str = NO_VERDICT
    """Written from what became of the test: `held`, `broken: …` or `not run: …`."""

    def give(self, *, outage_s: float | None = None, lost: int = 0, doubled: int = 0) -> None:
        """Say what was counted. Zeros alone do not make it hold: the test must pass as well."""
        self.outage_s, self.lost, self.doubled = outage_s, lost, doubled

    def conclude(self, passed: bool, reason: str = "") -> None:
        """Say what became of the test."""
        if not passed or self.lost or self.doubled:
            self.said = f"broken: {reason}" if reason else "broken"
        else:
            self.said = NO_VERDICT if self.lost is None or self.doubled is None else HELD

    @property
    def line(self) -> str:
        fault = f"{self.number:>2}  {f'{TABLE[self.number].name}: {self.how}':<86.86}"
        return f"{fault} {_seconds(self.outage_s):>6} s {_count(self.lost):>3} lost {_count(self.doubled):>3} doubled  {self.said}"  # noqa: E501


@dataclass
class Row:
    """A row of the table, with all the ways in which its fault was made."""

    number: int
    ways: Sequence[Verdict]

    @property
    def outage_s(self) -> float | None:
        return max((way.outage_s for way in self.ways if way.outage_s is not None), default=None)

    @property
    def lost(self) -> int | None:
        return _sum(way.lost for way in self.ways)

    @property
    def doubled(self) -> int | None:
        return _sum(way.doubled for way in self.ways)

    @property
    def said(self) -> str:
        """The worst of what was said; a row without ways has no verdict."""
        said = [way.said for way in self.ways]
        return min(said, key=_goodness, default=NO_VERDICT)

    @property
    def is_good(self) -> bool:
        """Whether nobody has to look into it. What this machine could not run is told, not blamed."""
        return self.said == HELD or self.said.startswith(NOT_RUN)

    @property
    def line(self) -> str:
        name = TABLE[self.number].name
        return f"{self.number:>2} | {name:<70} | {_seconds(self.outage_s):>6} | {_count(self.lost):>4} | {_count(self.doubled):>7} | {self.said}"  # noqa: E501


HEADING = f"{'#':>2} | {'fault':<70} | outage | lost | doubled | verdict"
"""Of the lines of rows; the outage in seconds."""


def rows_of(verdicts: Iterable[Verdict]) -> list[Row]:
    """The whole table, in its order."""
    verdicts = list(verdicts)
    return [Row(number, [v for v in verdicts if v.number == number]) for number in TABLE]


def document(rows: Sequence[Row], conclusion: str) -> str:
    """The table as a page."""
    lines = [
        "# What faults do",
        "",
        "Written by `make faults`, which makes each of these faults and counts. *Outage*: the longest time, in",
        "seconds, for which callers of one kind were answered nothing good; a dash where no system was running.",
        "How it is done: [proof by faults](../explanation/proof-by-faults.md).",
        "",
        f"**{conclusion}**",
        "",
        "| # | fault | promise | outage s | lost | doubled | verdict |",
        "| ---: | --- | --- | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        fault = TABLE[row.number]
        figures = [_seconds(row.outage_s), _count(row.lost), _count(row.doubled)]
        lines.append(" | ".join([f"| {row.number}", fault.name, fault.promise, *figures, f"{row.said} |"]))
    lines += ["", "## Each way in which they were made", "", "| # | how | outage s | lost | doubled | verdict |"]
    lines += ["| ---: | --- | ---: | ---: | ---: | --- |"]
    for row in rows:
        for way in row.ways:
            figures = [_seconds(way.outage_s), _count(way.lost), _count(way.doubled)]
            lines.append(" | ".join([f"| {row.number}", way.how, *figures, f"{way.said} |"]))
    return "\n".join([*lines, ""])


def _goodness(said: str) -> int:
    """Of a row that was partly broken, broken is said; of one that was partly not run, that it was not."""
    order = ("broken", NO_VERDICT, NOT_RUN, HELD)
    return next(place for place, words in enumerate(order) if said.startswith(words))


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f}"


def _count(number: int | None) -> str:
    return "–" if number is None else str(number)
