"""Valid requests by default; a test states only what matters to it."""

from itertools import count
from typing import Any

_serial = count(1)


def registration(centre_id: str, **overrides: Any) -> dict[str, Any]:
    n = next(_serial)
    return {
        "full_name": f"Ерікті {n}",
        "language": "kk",
        "born_on": "1990-05-17",
        "phone": f"+7701{n:07d}",
        "centre_id": centre_id,
        "directions": ["ecology"],
        "consent": {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"},
        "applied_on": "2021-01-15",
    } | overrides
