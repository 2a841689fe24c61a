"""A process dies where it was told to, at the time it was told, and nowhere else."""

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from shared import failpoints

ROOT = Path(__file__).parents[2]
_REACHED = re.compile(r'failpoints\.reach\("([^"]+)"\)')


def test_each_point_is_one_place_in_the_code() -> None:
    files = [file for folder in ("services", "shared") for file in (ROOT / folder).rglob("*.py")]

    reached = Counter(point for file in files for point in _REACHED.findall(file.read_text(encoding="utf-8")))

    assert reached == Counter(failpoints.POINTS.keys())


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("relay.before_publish", ""),
        ("relay.before_publish:3", "1 2 "),
        ("relay.amid_batch", "1 2 3 4 "),
        ("", "1 2 3 4 "),
    ],
)
def test_it_dies_at_the_nth_time_that_the_point_is_reached(setting: str, said: str) -> None:
    code = f"""
from shared import failpoints
failpoints.arm({setting!r})
for time in range(1, 5):
    failpoints.reach("relay.before_publish")
    print(time, end=" ", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout == said
    assert done.returncode == (0 if said == "1 2 3 4 " else -signal.SIGKILL)


def test_a_point_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no failpoint 'relay\.after'"):
        failpoints.arm("relay.after:2")
