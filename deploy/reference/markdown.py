"""The little Markdown that the reference is written in."""

from collections.abc import Iterable, Sequence

MADE_BY = "<!-- Made by `make docs` from the code: change that, not this. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table; whatever would end a cell is written otherwise."""
    return [
        _row(head),
        _row(["---"] * len(head)),
        *(_row([_cell(value) for value in row]) for row in rows),
        "",
    ]


def page(title: str, *parts: Iterable[str] | str) -> str:
    """A whole page: the title, then paragraphs and lists of lines."""
    lines = [MADE_BY, "", f"# {title}", ""]
    for part in parts:
        lines += [part, ""] if isinstance(part, str) else part
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
