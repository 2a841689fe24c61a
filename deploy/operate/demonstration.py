"""The demo network in an installation: loaded once, kept moving, with calls to try."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape

from deploy.local import files, loopback, processes
from deploy.local.installation import CODE, Installation
from deploy.local.refusals import CannotRun
from deploy.operate.access import Access
from services.gateway.schemas.access import MakeKey
from shared import clock
from shared.access.permissions import Permission, Role

_CENTRE_OF_THE_TOUR = "0168f8c0-a02f-7235-af51-3e85bb4709f6"
"""The volunteer centre in Oral that the README's ten minutes are about."""
_PAUSE_S = 5.0
_LOOK_EVERY_S = 0.2


def claim(installation: Installation, *, demo: bool) -> None:
    """Settle, at its first start, whether this folder is for the demo.

    Raises:
        CannotRun: the demo is wanted in a folder that holds somebody's own data.
    """
    mark = installation.data_dir / "demo.json"
    if mark.exists():
        return
    if demo and installation.postgres.data.exists():
        raise CannotRun(
            f"{installation.data_dir} holds your own data, and the demo network would be mixed into it. "
            "Choose another folder with --data-dir."
        )
    if demo:
        files.write_private(mark, json.dumps({"loaded_at": None}))


async def load_once(installation: Installation) -> None:
    """Load the demo network through the public API, unless that was finished before.

    Raises:
        CannotRun: it could not be loaded; why was printed.
    """
    mark = installation.data_dir / "demo.json"
    if json.loads(mark.read_bytes())["loaded_at"]:
        return
    access = Access(installation)
    # Two hands, because nobody approves what they have asked for themselves.
    keys = [await access.key(_everything(name), alone=True) for name in ("demo: records", "demo: approves")]
    # In a process of its own: it has the whole network in memory, and the supervisor stays for as long as the demo.
    status = await processes.run_to_end(
        [sys.executable, "-m", "deploy.demo.load", installation.address],
        env=os.environ | dict(zip(("KEY", "APPROVING_KEY"), keys, strict=True)),
        cwd=CODE,
        output=sys.stdout.buffer,
    )
    for key in keys:
        await access.revoke(key.split("_")[2])
    if status != 0:
        raise CannotRun("The demo network is not loaded, for the reason above. The same command goes on from there.")
    files.write_private(mark, json.dumps({"loaded_at": datetime.now(UTC).isoformat()}))


async def key_to_go_on(installation: Installation) -> str:
    """A key for made-up activity, in place of the one of the start before."""
    return await Access(installation).key(_everything("demo: goes on", days=30), alone=True)


async def trickle(installation: Installation, key: str, console: Console, stop: asyncio.Event) -> None:
    """Keep made-up activity going until `stop` is set, whatever becomes of the parts meanwhile; quiet when asked."""
    from deploy.demo import trickle as activity

    while not stop.is_set():
        pause = asyncio.Event()
        watching = asyncio.create_task(_set_when_wanted(pause, installation, stop))
        try:
            await activity.trickle(installation.address, key, pause)
        except Exception as error:  # noqa: BLE001 - the edge of a loop: a part that restarts must not end the demo
            console.print(f"[dim]the trickle pauses: {type(error).__name__}: {escape(str(error))}[/]", highlight=False)
            await asyncio.sleep(_PAUSE_S)
        finally:
            watching.cancel()
        while installation.is_quiet_wanted and not stop.is_set():  # noqa: ASYNC110 - it is told by a file lock
            await asyncio.sleep(_LOOK_EVERY_S)


async def _set_when_wanted(pause: asyncio.Event, installation: Installation, stop: asyncio.Event) -> None:
    while not (stop.is_set() or installation.is_quiet_wanted):  # noqa: ASYNC110 - it is told by a file lock
        await asyncio.sleep(_LOOK_EVERY_S)
    pause.set()


async def show_calls(installation: Installation, console: Console) -> None:
    """Print calls that can be pasted as they are."""
    centre = await _get(installation, f"/v1/centres/{_CENTRE_OF_THE_TOUR}")
    campaign = await _first(installation, "/v1/campaigns?limit=200", status="open")
    newest = await _first(installation, "/v1/dashboard?scope=kz", under="ticker")
    after = f"&after={newest['id']}" if newest else ""
    stream = f"curl -N -H \"Authorization: Bearer $KEY\" '{installation.address}/v1/messages?stream=true{after}'"
    calls = {"Follow the stream of facts": stream}
    if centre and campaign:
        # Facts of the whole network are not a coordinator's to follow; the call below is for trying.
        coordinator = MakeKey(
            name="demo: coordinator",
            role=Role.COORDINATOR,
            permissions=[Permission.READ_MESSAGES],
            centres=[centre["id"]],
            ends_at=clock.now() + timedelta(days=30),
        )
        key = await Access(installation).key(coordinator, alone=True)
        volunteer: dict[str, Any] = {
            "full_name": "Айгерім Үлгіқызы",
            "language": "kk",
            "born_on": "2000-05-17",
            "centre_id": centre["id"],
            "directions": ["ecology"],
            "consent": {"version": "1", "given_on": f"{datetime.now(UTC):%Y-%m-%d}", "how": "online", "by": "self"},
        }
        donation: dict[str, Any] = {
            "campaign_id": campaign["id"],
            "centre_id": centre["id"],
            "kind": "money",
            "amount": {"amount": "12500.00", "currency": "KZT"},
            "method": "card",
            "donor": {"anonymous": True},
        }
        calls = {
            "Be a coordinator of one centre, for the calls below": f"KEY={key}",
            "Register a volunteer": _post(f"{installation.address}/v1/volunteers", volunteer),
            "Record a donation": _post(f"{installation.address}/v1/donations", donation),
            **calls,
        }
    for title, call in calls.items():
        console.print(f"[bold]{title}[/]")
        console.print(call + "\n", soft_wrap=True, markup=False, highlight=False)


def _everything(name: str, *, days: int = 1) -> MakeKey:
    """A key that may all that a key can, for a while."""
    return MakeKey(name=name, role=Role.ADMINISTRATOR, centres=None, ends_at=clock.now() + timedelta(days=days))


def _post(url: str, body: dict[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False)
    # The time makes each paste a request of its own, where a repeated key would be answered as before.
    headers = (
        '-H "Authorization: Bearer $KEY" -H \'Content-Type: application/json\' -H "Idempotency-Key: paste-$(date +%s)"'
    )
    return f"curl -X POST '{url}' {headers} -d '{text}'"


async def _get(installation: Installation, path: str) -> dict[str, Any] | None:
    return await asyncio.to_thread(
        loopback.get_object, installation.port, path, host=installation.reachable_host, timeout_s=10
    )


async def _first(
    installation: Installation, path: str, *, under: str = "items", **wanted: str
) -> dict[str, Any] | None:
    """The first item of a list that has these values; else its first one at all."""
    page = await _get(installation, path)
    items: list[dict[str, Any]] = (page or {}).get(under, [])
    fitting = (item for item in items if all(item.get(name) == value for name, value in wanted.items()))
    return next(fitting, items[0] if items else None)
