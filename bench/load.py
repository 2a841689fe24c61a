"""The load: wrk over loopback, a client that costs the machine next to nothing; and pgbench, the database's limit."""

import asyncio
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from deploy.local.postgres import EmbeddedPostgres, program
from shared.ids import new_id

CONNECTIONS = 64
SECONDS = 2
_runs = count(1)


def coming_run() -> int:
    """The number of the next run of wrk: `posting` makes its numbers of it."""
    return next(_runs) + 1


@dataclass(frozen=True)
class Load:
    """What a client saw."""

    rate: float
    """Answers a second."""
    requests: int
    p50_ms: float
    p99_ms: float


async def wrk(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    script: Path | None = None,
    connections: int = CONNECTIONS,
    seconds: int = SECONDS,
) -> Load:
    """Ask for some seconds over so many connections, one thread; a `script` (see `posting`) says with what.

    Raises:
        RuntimeError: wrk is not installed, or an answer was not 2xx or 3xx: then its rate would mean nothing.
    """
    if shutil.which("wrk") is None:
        raise RuntimeError("The benchmarks need wrk as their client. Install it: apt-get install wrk")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    command += ["-s", str(script)] if script is not None else []
    told = await _output(*command, url, "--", str(next(_runs)))
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(f"not every answer to wrk was good: {told}")
    return Load(
        rate=float(_found(r"Requests/sec:\s+([0-9.]+)", told)),
        requests=int(_found(r"(\d+) requests in", told)),
        p50_ms=_percentile(50, told),
        p99_ms=_percentile(99, told),
    )


def posting(folder: Path, name: str, body: Mapping[str, object], *, path: str | None = None) -> Path:
    """A script for wrk that POSTs `body`, each request with an idempotency key of its own.

    In the body, and in `path` if given, `{n}` becomes ten digits (the first a 7) that no other request of this
    process has, `{uuid}` a UUID, and `{line}` one of the lines of a file called `<name>.lines` beside the script.
    """
    script = folder / f"{name}.lua"
    lines = json.dumps(str(folder / f"{name}.lines"))
    said = {"body": f"[==[{json.dumps(body, ensure_ascii=False)}]==]", "path": json.dumps(path) if path else "nil"}
    script.write_text(_POSTING.format(lines=lines, **said))
    return script


_POSTING = """
local body, path = {body}, {path}
local run, n, lines = 0, 0, {{}}
local opened = io.open({lines})
if opened then for line in opened:lines() do lines[#lines + 1] = line end end
local function hex(digits) return string.format("%0" .. digits .. "x", math.random(0, 16 ^ digits - 1)) end
local made = {{
  n = function() return string.format("%.0f", 7000000000 + run * 100000 + n) end,
  uuid = function()
    return hex(4) .. hex(4) .. "-" .. hex(4) .. "-4" .. hex(3) .. "-8" .. hex(3) .. "-" .. hex(4) .. hex(4) .. hex(4)
  end,
  line = function() return lines[math.random(#lines)] end,
}}
local function filled(text) return (text:gsub("{{(%w+)}}", function(what) return made[what]() end)) end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function init(arguments)
  run = tonumber(arguments[1])
  math.randomseed(run)
end
function request()
  n = n + 1
  wrk.headers["Idempotency-Key"] = run .. "-" .. n
  return wrk.format(nil, path and filled(path), nil, filled(body))
end
"""


@dataclass(frozen=True)
class Limit:
    """What the database does by itself."""

    rate: float
    p50_ms: float


async def pgbench(
    server: EmbeddedPostgres, database: str, script: Path, *, clients: int = 32, seconds: int = SECONDS
) -> Limit:
    """Run a script of pgbench for some seconds, prepared as our own statements are.

    Raises:
        RuntimeError: a statement of it failed.
    """
    logs = script.parent / f"pgbench-{new_id()}"
    command = [str(program("pgbench")), "-n", "-M", "prepared", "-f", str(script), "-T", str(seconds)]
    # A log of each transaction costs little, and only it tells a median.
    command += ["-c", str(clients), "-j", str(min(2, clients)), "-l", f"--log-prefix={logs}", server.url(database)]
    told = await _output(*command)
    took_us: list[int] = []
    for file in script.parent.glob(f"{logs.name}*"):
        took_us += [int(line.split()[2]) for line in file.read_text().splitlines()]
        file.unlink()
    return Limit(rate=float(_found(r"tps = ([0-9.]+)", told)), p50_ms=median(took_us) / 1000)


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} failed: {told.decode()[-1000:]}")
    return told.decode()


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"no figure in: {text[-700:]}")
    return found[1]


def _percentile(of: int, told: str) -> float:
    figure = _found(rf"\s{of}%\s+([0-9.]+(?:us|ms|s))\b", told)
    number = figure.rstrip("mus")
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[figure.removeprefix(number)]
