"""`python -m bench [NAME …]`: runs the benchmarks and prints one line each; `--json` for machines.

A line says what was measured, against what, and the ratio: only that means anything on a machine that is shared.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bench import dashboard, door, drain, reach, registration
from bench.measure import Result
from bench.servers import Servers

BENCHMARKS: dict[str, Callable[[Servers], AsyncIterator[Result]]] = {
    "registration": registration.measure,
    "reach": reach.measure,
    "drain": drain.measure,
    "dashboard": dashboard.measure,
    "door": door.measure,
}


async def _run(names: list[str], *, as_json: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="asar-bench-") as folder:
        async with Servers(Path(folder)) as servers:
            for name in names:
                async for result in BENCHMARKS[name](servers):
                    line = json.dumps(result.as_json()) if as_json else str(result)
                    sys.stdout.write(line + "\n")
                    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which ({', '.join(BENCHMARKS)}); all when absent")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark called {', '.join(sorted(unknown))}")
    asyncio.run(_run(given.names or list(BENCHMARKS), as_json=given.json))


if __name__ == "__main__":
    main()
