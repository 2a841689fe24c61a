"""What became of the rows of a job."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.languages import LANGUAGES, Language, speaking
from shared.problems import Problem

What = Literal["added", "already_there", "refused"]


class RowOutcome(BaseModel):
    """What became of one row of a file; in a dry run, what would."""

    row: int = Field(description="Its number in the file, as a spreadsheet program shows it.")
    outcome: What
    id: UUID | None = Field(default=None, description="Of what was added or is there already.")
    problem: Problem | None = Field(default=None, description="Why the row was refused.")


class Kept(BaseModel):
    """The same as it is kept: the problem in all languages, since it is read in the reader's."""

    row: int
    outcome: What
    id: UUID | None = None
    problem: dict[Language, Problem] | None = None

    def told(self, language: Language) -> RowOutcome:
        problem = None if self.problem is None else self.problem[language]
        return RowOutcome(row=self.row, outcome=self.outcome, id=self.id, problem=problem)


def added(row: int, identity: UUID | None) -> Kept:
    """`identity` is None in a dry run, where it was nobody's in the end."""
    return Kept(row=row, outcome="added", id=identity)


def already_there(row: int, identity: UUID | None) -> Kept:
    return Kept(row=row, outcome="already_there", id=identity)


def refused(row: int, why: Any) -> Kept:
    """`why` makes the problem document in the language that is spoken."""
    problem: dict[Language, Problem] = {}
    for language in LANGUAGES:
        with speaking(language):
            problem[language] = why()
    return Kept(row=row, outcome="refused", problem=problem)


def counted(outcomes: Sequence[Kept]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in outcomes:
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
    return counts
