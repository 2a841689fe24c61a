"""The page of threats names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "threats.md"


def test_every_test_that_the_threats_name_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    missing = [f"{file}::{test}" for file, test in named if not _has(ROOT / file, test)]

    assert len(named) > 20
    assert missing == []


def test_every_threat_has_its_row() -> None:
    rows = re.findall(r"^\| T(\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [str(number) for number in range(1, 16)]


def _has(file: Path, test: str) -> bool:
    if not file.is_file():
        return False
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, functions)}
    return any(name.startswith("test_") for name in names) if not test else test in names
