"""Rounds of a subject and its base in turn, and what they amount to."""

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Result:
    """One comparison: the subject's and the base's figure of each round, in the same unit."""

    name: str
    base_name: str
    unit: str
    subject: list[float]
    base: list[float]
    goal: str

    @property
    def ratios(self) -> list[float]:
        return sorted(s / b for s, b in zip(self.subject, self.base, strict=True))

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "base": self.base_name,
            "unit": self.unit,
            "subject_median": statistics.median(self.subject),
            "base_median": statistics.median(self.base),
            "ratio_median": statistics.median(self.ratios),
            "ratio_range": [self.ratios[0], self.ratios[-1]],
            "goal": self.goal,
        }

    def __str__(self) -> str:
        return (
            f"{self.name}: {statistics.median(self.subject):,.0f} {self.unit}"
            f" | {self.base_name}: {statistics.median(self.base):,.0f} {self.unit}"
            f" | ratio {statistics.median(self.ratios):.2f} ({self.ratios[0]:.2f}-{self.ratios[-1]:.2f})"
            f" | goal {self.goal}"
        )


async def in_turn(
    subject: Callable[[], Awaitable[float]], base: Callable[[], Awaitable[float]]
) -> tuple[list[float], list[float]]:
    """The figures of both, in turn, so that a drift of the machine meets both; a round before is not counted."""
    await base()
    await subject()
    figures: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        figures[1].append(await base())
        figures[0].append(await subject())
    return figures
