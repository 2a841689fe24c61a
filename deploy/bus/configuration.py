"""The configuration of a NATS server, embedded or in a container: who may do what is the same in all of them.

Three kinds of accounts, none of which sees another's subjects: `SYS`, which nobody enters; `APP`, with the streams and
a user for each service; and one for each subscriber from outside, in the file that is included.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from shared.messaging.permissions import User, users
from shared.messaging.subjects import OUTSIDE

APP = "APP"
SUBSCRIBERS_FILE = "subscribers.conf"
UNRESTRICTED = User("unrestricted", (">",), (">",))
"""For tests and benchmarks, which do what no part of the system may."""


@dataclass(frozen=True)
class Place:
    """What differs between the servers. Texts are written as they are: quoted, or a variable of the environment."""

    listen: str
    http: str
    store_dir: str
    max_file_store: str
    subscribers: str
    """The included file, beside the configuration's own folder or from there on."""
    password: Callable[[str], str]
    """How a user's password is written down."""


def render(place: Place, *, known: list[User] | None = None) -> str:
    """The whole file, for the users of `permissions` unless others are given."""
    return "\n".join(
        [
            "server_name: asar",
            f"listen: {place.listen}",
            "# Monitoring, for health checks.",
            f"http: {place.http}",
            "max_payload: 4MB",
            "",
            "jetstream {",
            f"  store_dir: {place.store_dir}",
            "  max_memory_store: 64MB",
            "  # At most three quarters of the disk: NATS does not recover from a full one before it is restarted,",
            "  # from reaching its own limit it does.",
            f"  max_file_store: {place.max_file_store}",
            "  # With the default of two minutes a power cut loses whole young streams.",
            "  sync_interval: always",
            "}",
            "",
            accounts(place.password, place.subscribers, known=known),
        ]
    )


def accounts(password: Callable[[str], str], subscribers: str, *, known: list[User] | None = None) -> str:
    """The part that says who may do what; the arguments are as in `Place` and `render`."""
    return "\n".join(
        [
            "system_account: SYS",
            "accounts {",
            "  SYS {}",
            f"  {APP} {{",
            "    jetstream: enabled",
            "    # What the streams have stored, said once more for those outside. No service may publish there.",
            f'    exports: [{{stream: "{OUTSIDE}.>"}}]',
            "    users: [",
            *(line for user in known or users() for line in _user(user, password(user.name))),
            "    ]",
            "  }",
            f"  include {json.dumps(subscribers)}",
            "}",
            "",
        ]
    )


def _user(user: User, password: str) -> list[str]:
    return [
        "      {",
        f"        user: {user.name}",
        f"        password: {password}",
        "        permissions {",
        *_allowed("publish", user.publish),
        *_allowed("subscribe", user.subscribe),
        "        }",
        "      }",
    ]


def _allowed(what: str, subjects: tuple[str, ...]) -> list[str]:
    return [f"          {what}: [", *(f"            {json.dumps(subject)}" for subject in subjects), "          ]"]


def variable(user: str) -> str:
    """The environment variable with a user's password, where the server runs in a container."""
    return f"NATS_{user.upper()}_PASSWORD"


def for_containers() -> str:
    """The file that lies in `deploy/compose` and in `deploy/k8s/components/nats`."""
    place = Place(
        listen="0.0.0.0:4222",
        # Nobody outside reaches it: compose publishes no port, policies close it in a cluster.
        http="0.0.0.0:8222",
        store_dir="/var/lib/asar/streams",
        max_file_store="$NATS_FILE_STORE_MAX",
        subscribers=f"subscribers/{SUBSCRIBERS_FILE}",
        password=_from_environment,
    )
    return (
        "# NATS with JetStream in containers. Passwords and limits come from the environment; a password must begin\n"
        "# with a letter, because NATS reads a value of digits as a number.\n"
        "# Written by `python -m deploy.bus configuration`: change deploy/bus and shared/messaging, not this.\n"
        f"{render(place)}"
    )


def for_the_chart() -> str:
    """The file that lies in `deploy/k8s/components/nats-cluster`: NATS's own chart writes the rest and includes it."""
    return (
        "# Who may do what in a cluster of NATS. Passwords come from the environment, and begin with a letter.\n"
        "# Written by `python -m deploy.bus accounts`: change deploy/bus and shared/messaging, not this.\n"
        f"{accounts(_from_environment, SUBSCRIBERS_FILE)}"
    )


def _from_environment(user: str) -> str:
    return f"${variable(user)}"
