"""The time is the database's, whatever the machine takes it for."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared import clock

ROOT = Path(__file__).parents[2]
OTHER_CLOCKS = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
ALLOWED = {
    "shared/clock.py": "it is the clock",
    "shared/access/keys.py": "a file's age is told by the clock of who wrote it: this machine",
}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = clock.now()
    yield
    clock.follow(before)


def test_what_is_followed_is_the_time_from_then_on() -> None:
    yesterday = clock.now() - timedelta(days=1)

    assert clock.follow(yesterday) == pytest.approx(-86_400, abs=5)

    assert timedelta() <= clock.now() - yesterday < timedelta(seconds=5)


def test_no_service_asks_the_machine_what_time_it_is() -> None:
    asking = {
        str(file.relative_to(ROOT))
        for folder in ("services", "shared")
        for file in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Attribute)
        and isinstance(call.value, ast.Name)
        and (call.value.id, call.attr) in OTHER_CLOCKS
    }

    assert asking == ALLOWED.keys()
