"""Rounds of a subject and its base in turn, what they amount to, and what they ought to."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import log2

ROUNDS = 5
_FLAT = 1.3
"""Less is within what rounds on a shared machine differ by."""


@dataclass(frozen=True)
class Goal:
    """What must be reached, and what we aim at, by a figure of which more is better, or less."""

    must: float
    aim: float
    at_most: bool = False

    def is_met(self, figure: float) -> bool:
        return figure <= self.must if self.at_most else figure >= self.must

    def is_aim_met(self, figure: float) -> bool:
        return figure <= self.aim if self.at_most else figure >= self.aim

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        return f"{sign} {self.must:,g}, aim {self.aim:,g}"


@dataclass(frozen=True)
class Result:
    """One comparison: the subject's and the base's figure of each round, in the same unit.

    Without a base the figures themselves are what the goal is about, not their ratio.
    """

    name: str
    unit: str
    subject: Sequence[float]
    goal: Goal | None
    base_name: str | None = None
    base: Sequence[float] = ()

    @property
    def figures(self) -> list[float]:
        """What the goal is about, of each round, sorted: ratios, or the subject's own figures without a base."""
        if not self.base:
            return sorted(self.subject)
        return sorted(s / b for s, b in zip(self.subject, self.base, strict=True))

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return "no goal"
        if self.goal.is_aim_met(self.median):
            return "aim met"
        return "met" if self.goal.is_met(self.median) else "NOT MET"

    @property
    def is_missed(self) -> bool:
        return self.verdict == "NOT MET"

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "base": self.base_name,
            "unit": self.unit,
            "subject_median": statistics.median(self.subject),
            "base_median": statistics.median(self.base) if self.base else None,
            "ratio": bool(self.base),
            "median": self.median,
            "range": [self.figures[0], self.figures[-1]],
            "goal": None if self.goal is None else vars(self.goal),
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        parts = [f"{self.name}: {_said(statistics.median(self.subject))} {self.unit}"]
        if self.base:
            parts.append(f"{self.base_name}: {_said(statistics.median(self.base))} {self.unit}")
        kind = "ratio" if self.base else "figure"
        parts.append(f"{kind} {_said(self.median)} ({_said(self.figures[0])}-{_said(self.figures[-1])})")
        parts.append("no goal" if self.goal is None else f"goal {self.goal}")
        parts.append(self.verdict)
        return " | ".join(parts)


@dataclass(frozen=True)
class Growth:
    """How one figure changes while the data grows: it ought to stay flat, or to grow as a logarithm does."""

    name: str
    unit: str
    of: str
    """What there is more of."""
    sizes: Sequence[int]
    figures: Sequence[float]
    """The median at each size."""
    more_is_better: bool = False

    @property
    def slowdown(self) -> float:
        """By how many times worse the figure is at the largest size than at the smallest."""
        first, last = self.figures[0], self.figures[-1]
        return first / last if self.more_is_better else last / first

    @property
    def verdict(self) -> str:
        """Logarithmic allows what a search tree costs: its depth grows with the logarithm of the number of rows."""
        if self.slowdown <= _FLAT:
            return "flat"
        depth = 1 + log2(self.sizes[-1] / self.sizes[0]) / 4
        return "logarithmic" if self.slowdown <= depth else "GROWS"

    @property
    def is_missed(self) -> bool:
        return self.verdict == "GROWS"

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name, "unit": self.unit, "of": self.of, "sizes": list(self.sizes),
            "figures": list(self.figures), "slowdown": self.slowdown, "verdict": self.verdict,
        }  # fmt: skip

    def __str__(self) -> str:
        points = ", ".join(f"{size:,}: {_said(figure)}" for size, figure in zip(self.sizes, self.figures, strict=True))
        return f"growth of {self.name} with {self.of}: {points} {self.unit} | {self.slowdown:.2f}x | {self.verdict}"


async def in_turn(
    subject: Callable[[], Awaitable[float]], base: Callable[[], Awaitable[float]], *, rounds: int = ROUNDS
) -> tuple[list[float], list[float]]:
    """The figures of both, in turn, so that a drift of the machine meets both; a round before is not counted."""
    await base()
    await subject()
    figures: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        figures[1].append(await base())
        figures[0].append(await subject())
    return figures


def _said(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"  # noqa: PLR2004
