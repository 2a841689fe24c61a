"""The documents as the tests read them: their links, and the calls and commands that they tell to type."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from deploy.local.installation import CODE

_NOT_OURS = {".venv", "node_modules", ".git", ".pytest_cache", ".hypothesis", ".ruff_cache"}
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CALL = re.compile(
    r"""(?:curl (?:-\S+ )*-X POST (?:-H "[^"]*" )?'http://127\.0\.0\.1:8080/v1/|^post )"""
    r"""([a-z0-9/-]+)'?(.*?)'(\{.*?\})'$"""
)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Call(NamedTuple):
    """A POST that a page tells to send."""

    page: Path
    path: str
    headers: str
    body: dict[str, Any]


def pages() -> list[Path]:
    """Every Markdown file of the repository."""
    return sorted(p for p in CODE.rglob("*.md") if not _NOT_OURS & set(p.relative_to(CODE).parts))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def links() -> Iterator[tuple[Path, str]]:
    for page in pages():
        without_code = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
        for link in _LINK.findall(without_code):
            if not link.startswith(("http:", "https:", "mailto:")):
                yield page, link


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings are reached, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text_of(page))}


def typed() -> Iterator[tuple[Path, str]]:
    """What is typed into a shell, a command at a time: quotes may go over several lines."""
    for page in pages():
        for block in _BLOCK.findall(text_of(page)):
            command = ""
            for line in block.splitlines():
                command = f"{command}\n{line}" if command else line
                if command.count("'") % 2 == 0:
                    yield page, command
                    command = ""


def calls() -> Iterator[Call]:
    for page, command in typed():
        found = re.search(_CALL.pattern, command, re.MULTILINE | re.DOTALL)
        if found:
            yield Call(page, found[1], found[2], json.loads(found[3]))
