"""`python -m deploy.bus configuration` prints the `nats.conf` of containers.

`python -m deploy.bus accounts` prints the part of it that NATS's own chart includes, in a cluster of several servers.

`python -m deploy.bus streams`, with the operator's address in `ASAR_NATS_URL`, brings streams of an earlier version up
to date.
"""

import asyncio
import os
import sys

import nats.errors

from deploy.bus import configuration, streams
from shared.messaging.topology import TopologyDrift

_USAGE = "usage: python -m deploy.bus configuration|accounts|streams"


def main() -> None:
    match sys.argv[1:]:
        case ["configuration"]:
            sys.stdout.write(configuration.for_containers())
        case ["accounts"]:
            sys.stdout.write(configuration.for_the_chart())
        case ["streams"] if url := os.environ.get("ASAR_NATS_URL"):
            try:
                changed = asyncio.run(streams.bring_up_to_date(url))
            except (TopologyDrift, nats.errors.Error) as error:
                sys.exit(str(error) or type(error).__name__)
            sys.stdout.write("".join(f"{name} is up to date now\n" for name in changed) or "nothing to do\n")
        case ["streams"]:
            sys.exit("ASAR_NATS_URL must be set: nats://operator:password@host:4222")
        case _:
            sys.exit(_USAGE)


if __name__ == "__main__":
    main()
