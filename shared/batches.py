"""Many rows in one request: each has its own answer, and a bad one never blocks a good one.

All rows are gathered and sent as one statement. Only if the database then refuses are they tried in halves, so a
batch without conflicts costs no more than one row's round trips, and a bad row some two times log2(n) more.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared.database import Transaction
from shared.errors import Refusal
from shared.forms import Form
from shared.problems import FieldError, Problem, RowsRefused, in_a_language, problem_of, validation_problem

ROWS_MAX = 500
_EXAMPLE: Any = {
    "items": [
        {"index": 0, "client_ref": "row 2", "status": 201, "id": "01940000-0000-7000-8000-000000000001"},
        {
            "index": 1,
            "client_ref": "row 3",
            "status": 409,
            "problem": {
                "type": "/problems/already-exists",
                "title": "Something with this id exists already.",
                "status": 409,
                "code": "already-exists",
            },
        },
    ],
    "summary": {"done": 1, "refused": 1},
}

Item = TypeVar("Item", bound=BaseModel)


class Batch(Form, Generic[Item]):
    """Rows to be handled one by one. Each is validated by itself, so the list takes any object."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=ROWS_MAX)]
    mode: Literal["each", "atomic"] = Field(
        "each", description="`each`: a bad row never blocks a good one. `atomic`: all rows or none (422)."
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell what a row looks like, though it is not validated here."""
        told = handler(schema)
        [form] = cls.__pydantic_generic_metadata__["args"]
        row = dict(handler.resolve_ref_schema(handler(form.__pydantic_core_schema__)))
        reference = {"type": "string", "description": "Yours; the row's answer carries it."}
        row |= {"title": f"{form.__name__}InBatch", "properties": {"client_ref": reference, **row["properties"]}}
        handler.resolve_ref_schema(told)["properties"]["items"]["items"] = row
        return told


class Repeated(NamedTuple):
    """What a command answers for a row whose change was made before: its status is 200, since nothing is new."""

    id: UUID


Outcome = UUID | Repeated | Refusal
"""What became of a row: the id that its command made or changed, one that was there before, or why not."""


class RowAnswer(BaseModel):
    """What became of one row."""

    index: int
    client_ref: str | None = None
    status: int
    id: UUID | None = None
    problem: Problem | None = None


class Summary(BaseModel):
    """How many rows were done, and how many were not."""

    done: int
    refused: int


class BatchAnswer(BaseModel):
    """Answers in the order of the rows, and their sum. The status is always 207."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    items: list[RowAnswer]
    summary: Summary


async def run(
    tx: Transaction,
    batch: Batch[Item],
    form: type[Item],
    command: Callable[[Item], Awaitable[UUID | Repeated]],
    *,
    prepare: Callable[[list[Item]], Awaitable[Any]] | None = None,
    status: int = 201,
) -> Response:
    """Handle each row by `command`, which returns the id it made or changed.

    `prepare` gets the valid rows first, to read (and lock) in one query what the commands will ask for.

    Raises:
        RowsRefused: all or none was asked for, and a row is refused.
    """
    answers: dict[int, RowAnswer] = {}
    rows: list[tuple[int, Item]] = []
    for index, raw in enumerate(batch.items):
        reference = raw.pop("client_ref", None)
        try:
            rows.append((index, form.model_validate(raw)))
            answers[index] = RowAnswer(index=index, status=status)
        except ValidationError as error:
            problem = validation_problem(error.errors(include_url=False), prefix=f"/items/{index}")
            answers[index] = RowAnswer(index=index, status=422, problem=problem)
        answers[index].client_ref = reference if _is_writable(reference) else None
    for index, outcome in (await handle(tx, rows, command, prepare=prepare)).items():
        _tell(answers[index], outcome)
    if batch.mode == "atomic":
        _require_all(answers.values())
    done = sum(1 for answer in answers.values() if answer.problem is None)
    answer = BatchAnswer(
        items=[answers[index] for index in range(len(batch.items))],
        summary=Summary(done=done, refused=len(batch.items) - done),
    )
    # Serialised by hand: FastAPI would validate five hundred answers once more.
    body = answer.model_dump_json(exclude_none=True)
    return Response(body, 207, headers=in_a_language(), media_type="application/json")


async def handle(
    tx: Transaction,
    rows: Sequence[tuple[int, Item]],
    command: Callable[[Item], Awaitable[UUID | Repeated]],
    *,
    prepare: Callable[[list[Item]], Awaitable[Any]] | None = None,
) -> dict[int, Outcome]:
    """What became of each row, by its number. A refused one leaves nothing behind; the others do not notice."""
    outcomes: dict[int, Outcome] = {}
    if not rows:
        return outcomes
    try:
        async with tx.attempt():
            if prepare is not None:
                await prepare([row for _, row in rows])
            for number, row in rows:
                try:
                    async with tx.unless_refused():
                        outcomes[number] = await command(row)
                except Refusal as refusal:
                    outcomes[number] = refusal
    except Refusal as refusal:
        if len(rows) == 1:
            return {rows[0][0]: refusal}
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            # Each has another outcome than in the attempt that the database refused.
            outcomes |= await handle(tx, half, command, prepare=prepare)
    return outcomes


def _require_all(answers: Iterable[RowAnswer]) -> None:
    errors: list[FieldError] = []
    for answer in answers:
        if answer.problem is not None:
            row = FieldError(pointer=f"#/items/{answer.index}", code=answer.problem.code, message=answer.problem.title)
            errors += answer.problem.errors or [row]
    if errors:
        raise RowsRefused(errors)


def _is_writable(reference: Any) -> bool:
    # JSON can escape half a character, which no answer could hold.
    return isinstance(reference, str) and not any("\ud800" <= character <= "\udfff" for character in reference)


def _tell(answer: RowAnswer, outcome: Outcome) -> None:
    match outcome:
        case Refusal():
            problem = problem_of(outcome)
            for error in problem.errors or []:
                error.pointer = f"#/items/{answer.index}{error.pointer.removeprefix('#')}"
            answer.status, answer.problem = problem.status, problem
        case Repeated():
            answer.id, answer.status = outcome.id, 200
        case _:
            answer.id = outcome
