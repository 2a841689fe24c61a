"""`python -m bench [NAME …]`: runs the benchmarks and prints one line each; `--json` for machines.

A line says what was measured, against what, and the ratio: only that means anything on a machine that is shared.
`--full` measures growth too; `--report` keeps the figures and writes docs/reference/benchmarks.md from all it keeps.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bench import (
    commits,
    dashboard,
    door,
    drain,
    fan_out,
    growth,
    imports,
    memory,
    reach,
    report,
    search,
    seen,
    tallies,
    writes,
)
from bench.measure import Growth, Result
from bench.servers import Servers

Benchmark = Callable[[Servers], AsyncIterator[Result | Growth]]

QUICK: dict[str, Benchmark] = {
    "registration": writes.registration,
    "donation": writes.donation,
    "sign_up": writes.sign_up,
    "one_connection": writes.one_connection,
    "telemetry": writes.telemetry,
    "door": door.measure,
    "dashboard": dashboard.measure,
    "fan-out": fan_out.measure,
    "seen": seen.measure,
    "drain": drain.measure,
    "reach": reach.measure,
    "commits": commits.measure,
    "imports": imports.measure,
    "search": search.measure,
    "tallies": tallies.measure,
}
"""All of them together take less than ten minutes."""
WHOLE: dict[str, Benchmark] = {
    "browser": seen.in_a_browser,
    "memory": memory.measure,
}
"""What needs a browser, or the whole system as it is run."""
GROWTH: dict[str, Benchmark] = {
    "volunteers-growth": growth.volunteers,
    "donations-growth": growth.donations,
    "dashboard-growth": growth.dashboard,
    "drain-growth": drain.growth,
    "imports-growth": imports.growth,
    "tallies-growth": tallies.growth,
}
"""The same with one, ten and a hundred times the data."""


async def _run(names: list[str], *, as_json: bool, keep: bool) -> int:
    """Run them one after another, each on servers of its own; answers how many goals were not met."""
    missed = 0
    for name in names:
        began, results = time.monotonic(), list[Result | Growth]()
        with tempfile.TemporaryDirectory(prefix="asar-bench-") as folder:
            async with Servers(Path(folder)) as servers:
                async for result in (QUICK | WHOLE | GROWTH)[name](servers):
                    results.append(result)
                    _say(json.dumps(result.as_json(), ensure_ascii=False) if as_json else str(result))
                    missed += result.is_missed
        if keep:
            report.keep(name, results, took_s=time.monotonic() - began)
    return missed


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Exit status 1 when a goal is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"which ({', '.join(QUICK | WHOLE | GROWTH)}); the quick ones when absent"
    )
    parser.add_argument("--full", action="store_true", help="all: growth too")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--report", action="store_true", help="keep the figures and write the report anew")
    given = parser.parse_args()
    unknown = set(given.names) - set(QUICK | WHOLE | GROWTH)
    if unknown:
        parser.error(f"there is no benchmark called {', '.join(sorted(unknown))}")
    names = given.names or list(QUICK | WHOLE | GROWTH if given.full else QUICK)
    missed = asyncio.run(_run(names, as_json=given.json, keep=given.report))
    if given.report:
        report.write()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
