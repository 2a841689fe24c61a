"""`python -m deploy.bus configuration` prints the `nats.conf` of containers.

`python -m deploy.bus accounts` prints the part of it that NATS's own chart includes, in a cluster of several servers.

With the operator's address in `ASAR_NATS_URL`, `python -m deploy.bus streams` brings streams of an earlier version
up to date, and `… forget SERVICE` deletes one, which its service makes anew and fills from its outbox.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import nats.errors

from deploy.bus import configuration, streams
from shared.messaging.subjects import PUBLISHERS
from shared.messaging.topology import TopologyDrift

Answer = TypeVar("Answer")
_USAGE = "usage: python -m deploy.bus configuration|accounts|streams|forget SERVICE"


def main() -> None:
    match sys.argv[1:]:
        case ["configuration"]:
            sys.stdout.write(configuration.for_containers())
        case ["accounts"]:
            sys.stdout.write(configuration.for_the_chart())
        case ["streams"]:
            changed = _ask(streams.bring_up_to_date(_url()))
            sys.stdout.write("".join(f"{name} is up to date now\n" for name in changed) or "nothing to do\n")
        case ["forget", service] if service in PUBLISHERS:
            _ask(streams.forget(_url(), service))
            sys.stdout.write(f"The stream of {service} is gone; {service} makes it anew when it runs\n")
        case _:
            sys.exit(_USAGE)


def _url() -> str:
    url = os.environ.get("ASAR_NATS_URL")
    return url or sys.exit("ASAR_NATS_URL must be set: nats://operator:password@host:4222")


def _ask(question: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        return asyncio.run(question)
    except (TopologyDrift, nats.errors.Error) as error:
        sys.exit(str(error) or type(error).__name__)


if __name__ == "__main__":
    main()
